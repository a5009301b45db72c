"""``stressproof capture``: load a service, keep the evidence."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from stressproof.cli.capture_plan import (
    DEFAULT_PROFILE,
    DEFAULT_URL,
    objectives_from,
    plan_from,
)
from stressproof.cli.capture_request import METHODS
from stressproof.cli.capture_run import run_capture
from stressproof.cli.ci_forms import CiForms, ci_options
from stressproof.cli.default_out import default_out
from stressproof.cli.examples import examples
from stressproof.cli.file_names import profile_names, target_names
from stressproof.cli.otlp_option import collector_of, otlp_option
from stressproof.cli.param_types import PERCENT, Choice, Whole
from stressproof.cli.quantity_types import RATE, Duration
from stressproof.cli.run import run
from stressproof.cli.sign_options import SignOptions, sign_options
from stressproof.config.stress_requirements import RUNNER
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.workload.executors import EXECUTORS
from stressproof.workload.limits import (
    MAX_DURATION_US,
    MAX_PAUSE_US,
    MAX_PREFLIGHT_ATTEMPTS,
    MAX_PREFLIGHT_TIMEOUT_US,
    MAX_RAMP_US,
    MAX_TIMEOUT_US,
    MAX_USERS,
    MIN_PREFLIGHT_TIMEOUT_US,
    MIN_TIMEOUT_US,
)
from stressproof.workload.rates import US_PER_S, parse_duration_us, parse_rate

_SEED_BITS = 32


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


_ROUND = Duration(US_PER_S, MAX_DURATION_US, US_PER_S)
_RAMP = Duration(0, MAX_RAMP_US, US_PER_S)
_TIMEOUT = Duration(MIN_TIMEOUT_US, MAX_TIMEOUT_US)
_PAUSE = Duration(0, MAX_PAUSE_US)
_PREFLIGHT_TIMEOUT = Duration(MIN_PREFLIGHT_TIMEOUT_US, MAX_PREFLIGHT_TIMEOUT_US)
_LIMIT = Duration(0, MAX_DURATION_US)
_USERS = Whole(1, MAX_USERS)

_REQUEST_OPTIONS = (
    click.argument("target", required=False, metavar="[URL]"),
    click.option(
        "--url",
        show_default=f"[target] of stressproof.toml, else {DEFAULT_URL}",
        help="Base URL of the service.",
    ),
    click.option(
        "--target",
        "target_name",
        metavar="NAME",
        shell_complete=target_names,
        help="Which of [targets] in stressproof.toml is asked.",
    ),
    click.option(
        "--profile",
        metavar="NAME",
        shell_complete=profile_names,
        help="Endpoints and limits to use, as the suite names them.  "
        f"[default: {DEFAULT_PROFILE}, where no request is named]",
    ),
    click.option(
        "--endpoint",
        "endpoints",
        multiple=True,
        metavar="PATH",
        help="Ask this instead: /orders, 'POST /orders' or a whole URL (repeatable).",
    ),
    click.option(
        "-X",
        "--request",
        "method",
        type=Choice(METHODS, case_sensitive=False),
        help="Method of these requests; POST where there is a body, else GET.",
    ),
    click.option(
        "-H",
        "--header",
        "headers",
        multiple=True,
        metavar="'NAME: VALUE'",
        help="Send this as well; a value @FILE is read from the file (repeatable).",
    ),
    click.option("-d", "--data", metavar="TEXT|@FILE", help="Body of these requests, a form."),
    click.option("--json", metavar="TEXT|@FILE", help="Body of these requests, JSON."),
    click.option(
        "--expect",
        multiple=True,
        metavar="STATUS",
        help="What is no failure: 201, or 200,404, or 2xx  [default: 2xx]",
    ),
    click.option(
        "--check",
        "checks",
        multiple=True,
        metavar="CHECK",
        help='What the answer must hold: json, json:id,state="open" or text:words (repeatable).',
    ),
)
"""What is asked, and of whom."""

_LOAD_OPTIONS = (
    click.option(
        "--duration",
        "duration_us",
        type=_ROUND,
        show_default="30s",
        help="How long each round is measured.",
    ),
    click.option("--users", type=_USERS, show_default="10", help="Concurrent virtual users."),
    click.option(
        "--ramp",
        "ramp_us",
        type=_RAMP,
        show_default="5s",
        help="Time over which users start, before the measured window.",
    ),
    click.option(
        "--timeout",
        "timeout_us",
        type=_TIMEOUT,
        default="15s",
        show_default=True,
        help="Time after which a request has failed.",
    ),
    click.option(
        "--rounds",
        type=Whole(1, 1000),
        default=1,
        show_default=True,
        help="How often the window is measured.",
    ),
    click.option(
        "--pause",
        "pause_us",
        type=_PAUSE,
        default="0s",
        show_default=True,
        help="Time between rounds.",
    ),
    click.option(
        "--executor",
        type=Choice(tuple(EXECUTORS)),
        show_default="constant-vus, or what --rate, --stage or --iterations ask for",
        help="Shape of the load, as k6 names it.",
    ),
    click.option(
        "--rate",
        type=RATE,
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
        type=_USERS,
        help="Virtual users at the most (arrival rates); --users if not given.",
    ),
    click.option(
        "--iterations",
        type=Whole(1, 2**40),
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
        type=Whole(0, 2**_SEED_BITS - 1),
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
    click.option(
        "--preflight-attempts",
        type=Whole(1, MAX_PREFLIGHT_ATTEMPTS),
        default=2,
        show_default=True,
        help="How often an endpoint may be asked before the load.",
    ),
    click.option(
        "--preflight-timeout",
        "preflight_timeout_us",
        type=_PREFLIGHT_TIMEOUT,
        default="5s",
        show_default=True,
        help="Time for one preflight request.",
    ),
)
"""How much, in which shape, and what happens before."""

_JUDGING_OPTIONS = (
    click.option(
        "--p95-target",
        "p95_target_us",
        type=_LIMIT,
        help="Limit of the 95th percentile instead of the profile's, such as 300ms.",
    ),
    click.option(
        "--max-error-rate",
        type=PERCENT,
        metavar="PERCENT",
        help="Limit of the share of failures instead of the profile's; 0 means none.",
    ),
    click.option(
        "--min-throughput",
        type=RATE,
        help="Requests a second to reach instead of the profile's.",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="A stressproof.toml whose limits and objectives are judged, its aborts live; whose "
        "suite, profiles and targets are asked, where it has any.  "
        "[default: that of the working directory, where a profile is captured]",
    ),
    click.option(
        "--threshold",
        "threshold_texts",
        multiple=True,
        metavar="METRIC: EXPRESSION",
        help="One more threshold, such as 'http_req_failed: rate < 1%' (repeatable).",
    ),
    click.option(
        "--enforce-thresholds/--no-enforce",
        "enforce_thresholds",
        default=None,
        help="Exit 99 where a round misses a limit, 3 where the run proves nothing; or 0 all the "
        "same.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="Write the artifact here and a summary to stdout.",
    ),
    click.option(
        "--force", is_flag=True, help="Overwrite what is at --out instead of setting it aside."
    ),
    otlp_option("Send metrics to this OpenTelemetry collector while the load runs"),
)
"""What is judged, and where the artifact goes."""

_CONNECTION_OPTIONS = (
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
    scripted = runner != RUNNER

    def capture(**options: Any) -> Exit:
        """Load a service, keep the evidence, and say whether limits hold.

        URL with a path is one request; without, it is where --endpoint or --profile are asked. The
        bearer token comes from STRESSPROOF_TOKEN, or from a service on this machine that the same
        user started, where the suite says that it leaves one.
        """
        signing = SignOptions.taken_from(options)
        out, enforce = options["out"], options["enforce_thresholds"]
        if out is None and not scripted:
            out = default_out()
        return run_capture(
            plan_from(runner, options, scripted=scripted),
            objectives=objectives_from(options),
            out=out,
            force=options["force"],
            enforce=not scripted if enforce is None else enforce,
            forms=CiForms.of(options),
            collector=collector_of(options["otlp"]),
            signing=signing,
        )

    decorated: Any = ci_options(capture)
    groups = (_REQUEST_OPTIONS, _LOAD_OPTIONS, _JUDGING_OPTIONS, _CONNECTION_OPTIONS)
    for option in reversed([one for group in groups for one in group]):
        decorated = option(decorated)
    decorated = sign_options(decorated)
    return click.command(
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=examples(
            "stressproof capture http://127.0.0.1:8080/orders --rate 200/s --duration 30s",
            """stressproof capture http://127.0.0.1:8080/orders --json '{"n": 1}' --expect 201""",
            "stressproof capture --profile health --rounds 3 --out stressproof-results/e.json",
            "stressproof capture http://127.0.0.1:8080/ --stage 50:1m --stage 50:5m",
        ),
    )(decorated)


command = build_command(RUNNER)


def script(runner: str, suite: str) -> int:
    """Run a script of the protocol to its end; returns the exit code."""
    return run(build_command(runner), runner, suite=suite)
