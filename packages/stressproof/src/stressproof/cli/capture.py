"""``stressproof capture``: load a service, keep the evidence."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stressproof.cli.capture_plan import EXECUTORS, objectives_from, plan_from
from stressproof.cli.capture_run import run_capture
from stressproof.cli.run import run
from stressproof.cli.suite_choice import chosen_project, chosen_suite
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.workload.rates import parse_duration_us, parse_rate

_SEED_BITS = 32


def _finite(context: click.Context, parameter: click.Parameter, value: float | None) -> object:
    """Refuse NaN, infinity and negatives: a limit that nothing can miss is no limit."""
    del context
    if value is not None and (not math.isfinite(value) or value < 0):
        raise click.BadParameter(f"{value} is not a finite number of 0 or more", param=parameter)
    return value


def _stages(context: click.Context, parameter: click.Parameter, values: Sequence[str]) -> object:
    """Parse ``TARGET:DURATION`` pairs."""
    del context
    parsed = []
    for value in values:
        target, _, duration = value.rpartition(":")
        try:
            parsed.append((parse_rate(target), parse_duration_us(duration)))
        except UsageError as error:
            raise click.BadParameter(
                f"{value!r} is not TARGET:DURATION, such as 100:30s or 1/60s:10m", param=parameter
            ) from error
    return tuple(parsed)


def _rate(context: click.Context, parameter: click.Parameter, value: str | None) -> object:
    """Parse a rate, exactly."""
    del context
    try:
        return None if value is None else parse_rate(value)
    except UsageError as error:
        raise click.BadParameter(f"{error.message}; {error.hint}", param=parameter) from error


DEFAULT_URL = "http://127.0.0.1:8000"

_OPTIONS = (
    click.option(
        "--url",
        show_default=f"[target] of stressproof.toml, else {DEFAULT_URL}",
        help="Base URL of the service.",
    ),
    click.option(
        "--profile",
        default="health",
        show_default=True,
        metavar="NAME",
        help="Endpoints and limits to use, as the suite names them.",
    ),
    click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        metavar="PATH",
        help="Ask this instead of the profile's endpoints (repeatable).",
    ),
    click.option(
        "--duration",
        type=click.IntRange(1, 86_400),
        default=30,
        show_default=True,
        help="Seconds measured in each round.",
    ),
    click.option(
        "--users",
        type=click.IntRange(1, 100_000),
        default=10,
        show_default=True,
        help="Concurrent virtual users.",
    ),
    click.option(
        "--ramp",
        type=click.IntRange(0, 3600),
        default=5,
        show_default=True,
        help="Seconds over which users start, before the measured window.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0.001, 3600),
        default=15.0,
        show_default=True,
        callback=_finite,
        help="Seconds after which a request has failed.",
    ),
    click.option(
        "--rounds",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="How often the window is measured.",
    ),
    click.option(
        "--pause",
        type=click.FloatRange(0, 3600),
        default=0.0,
        show_default=True,
        callback=_finite,
        help="Seconds between rounds.",
    ),
    click.option(
        "--executor",
        type=click.Choice(EXECUTORS),
        default="constant-vus",
        show_default=True,
        help="Shape of the load, as k6 names it.",
    ),
    click.option(
        "--rate",
        callback=_rate,
        help="Arrivals: 200 (a second), 0.5/s, 30/m, 1/60s (start of ramping-arrival-rate).",
    ),
    click.option(
        "--stage",
        "stages",
        multiple=True,
        callback=_stages,
        metavar="TARGET:DURATION",
        help="Users or arrivals (a second, or 1/60s) to reach over a time (ramping executors).",
    ),
    click.option(
        "--max-vus",
        type=click.IntRange(1, 100_000),
        help="Virtual users at the most (arrival rates); --users if not given.",
    ),
    click.option(
        "--iterations",
        type=click.IntRange(1, 2**40),
        help="Requests in all, or for each user (iteration executors).",
    ),
    click.option(
        "--workers",
        default="1",
        show_default=True,
        metavar="N|auto",
        help="Generator processes; auto is one a core.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**_SEED_BITS - 1),
        help="Repeat the random choices of an earlier run.",
    ),
    click.option(
        "--skip-preflight",
        is_flag=True,
        help="Send load without asking first (not release evidence).",
    ),
    click.option(
        "--allow-preflight-failures",
        is_flag=True,
        help="Send load although endpoints fail (not release evidence).",
    ),
    click.option("--preflight-attempts", type=click.IntRange(1, 100), default=2, show_default=True),
    click.option(
        "--preflight-timeout",
        type=click.FloatRange(0.1, 600),
        default=5.0,
        show_default=True,
        callback=_finite,
        help="Seconds for one preflight request.",
    ),
    click.option(
        "--p95-target",
        type=float,
        callback=_finite,
        metavar="SECONDS",
        help="Limit of the 95th percentile instead of the profile's.",
    ),
    click.option(
        "--max-error-rate",
        type=float,
        callback=_finite,
        metavar="PERCENT",
        help="Limit of the share of failures instead of the profile's; 0 means none.",
    ),
    click.option(
        "--min-throughput",
        type=float,
        callback=_finite,
        metavar="RPS",
        help="Requests a second to reach instead of the profile's.",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="A stressproof.toml whose objectives are judged as well, its aborts live.",
    ),
    click.option(
        "--threshold",
        "threshold_texts",
        multiple=True,
        metavar="METRIC: EXPRESSION",
        help="One more threshold, such as 'http_req_failed: rate < 1%' (repeatable).",
    ),
    click.option(
        "--enforce-thresholds",
        is_flag=True,
        help="Exit 99 where a round misses a limit, 3 where the run proves nothing.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Write the artifact here and a summary to stdout.",
    ),
    click.option(
        "--force", is_flag=True, help="Overwrite what is at --out instead of setting it aside."
    ),
    click.option(
        "--ca-file",
        type=click.Path(exists=True, dir_okay=False),
        help="PEM certificates to trust beside the system's.",
    ),
    click.option(
        "--cert",
        type=click.Path(exists=True, dir_okay=False),
        help="PEM certificate to show to a service that asks for one.",
    ),
    click.option(
        "--key",
        type=click.Path(exists=True, dir_okay=False),
        help="PEM key of --cert, where that file does not hold it.",
    ),
    click.option(
        "--insecure",
        is_flag=True,
        help="Accept any certificate (not release evidence).",
    ),
    click.option(
        "--resolve",
        metavar="ADDRESS",
        help="Connect to this address instead of those that the URL's host has.",
    ),
    click.option(
        "--http2",
        is_flag=True,
        help="Speak HTTP/2: by ALPN over https, with prior knowledge over http.",
    ),
)


def build_command(runner: str) -> click.Command:
    """Return the capture command under a name; evidence names that as its runner."""

    def capture(**options: Any) -> Exit:
        """Load a service and keep the evidence.

        The bearer token comes from STRESSPROOF_TOKEN, or from a service on this machine that the
        same user started, where the suite says that it leaves one.

        \b
        Examples:
          stressproof capture --profile health --duration 10
          stressproof capture --rounds 3 --enforce-thresholds --out stressproof-results/e.json
          stressproof capture --executor constant-arrival-rate --rate 500 --max-vus 200
        """  # noqa: D301  # click's \b keeps lines as they are
        options["url"] = options["url"] or chosen_project().target_url or DEFAULT_URL
        return run_capture(
            plan_from(runner, chosen_suite(), options),
            objectives=objectives_from(options["config"], options["threshold_texts"]),
            out=options["out"],
            force=options["force"],
            enforce=options["enforce_thresholds"],
        )

    decorated: Any = capture
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return click.command(context_settings={"help_option_names": ["-h", "--help"]})(decorated)


command = build_command("stressproof capture")


def script(runner: str, suite: str) -> int:
    """Run a script of the protocol to its end; returns the exit code."""
    return run(build_command(runner), runner, suite=suite)
