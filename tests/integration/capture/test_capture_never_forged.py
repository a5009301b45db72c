"""What the tool itself captured reads as what it is, whatever the executor and the service.

Every executor with edge shapes against three servers that are nobody's of ours, and what servers do
that are ill. The captures run side by side, once for all tests of this file.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from foreign_servers import running_bare_server, running_nginx
from shop_service import running_shop
from stressproof.cli import check, compare
from stressproof.cli.run import run
from stressproof.config.stress_requirements import StressRequirements
from stressproof.evidence.reading import read_document
from stressproof.exits import Exit
from stressproof.suite import PLAIN
from stressproof.verify.instants import now_us
from stressproof.verify.stress.verifier import STRESS

SHAPES = {
    "constant-vus": "--users 3 --duration 2 --ramp 1",
    "constant-vus without a ramp": "--users 2 --duration 1 --ramp 0",
    "constant-vus with a ramp longer than the window": "--users 4 --duration 1 --ramp 2",
    "constant-vus of two workers": "--users 4 --duration 1 --ramp 1 --workers 2",
    "ramping-vus down to none": "--users 2 --stage 4:1 --stage 0:1 --ramp 0",
    "ramping-vus up from none": "--stage 0:1 --stage 5:1 --ramp 0",
    "ramping-vus slowly down": "--users 5 --stage 1:2 --ramp 1",
    "shared-iterations over at once": "--users 2 --iterations 20 --duration 20",
    "shared-iterations fewer than users": "--users 9 --iterations 1 --duration 2",
    "shared-iterations cut short": "--users 2 --iterations 1000000 --duration 1",
    "per-vu-iterations": "--users 3 --iterations 15 --duration 20",
    "constant-arrival-rate": "--rate 40 --max-vus 20 --duration 1 --ramp 1",
    "constant-arrival-rate of one a second": "--rate 1 --max-vus 3 --duration 2 --ramp 0",
    "constant-arrival-rate of one in two seconds": "--rate 0.5 --max-vus 3 --duration 2 --ramp 1",
    "constant-arrival-rate of one in ten seconds": "--rate 0.1 --max-vus 3 --duration 1 --ramp 1",
    "constant-arrival-rate of one a minute": "--rate 1/60s --max-vus 2 --duration 1 --ramp 0",
    "constant-arrival-rate that drops": "--rate 300 --max-vus 1 --duration 1 --ramp 0",
    "ramping-arrival-rate down to none": (
        "--rate 5 --stage 30:1 --stage 0:1 --max-vus 20 --ramp 1"
    ),
    "ramping-arrival-rate up from none": "--rate 0 --stage 0:1 --stage 9:1 --max-vus 9 --ramp 0",
}
"""Flags by name, which begins with the executor's."""

SICK = {
    "redirected": ("nginx", "/moved", "--users 2 --duration 1 --ramp 1"),
    "refused with 429": ("nginx", "/limited", "--users 2 --duration 1 --ramp 0"),
    "refused with 429 at a rate": ("nginx", "/limited", "--rate 20/s --duration 1 --ramp 0"),
    "failing throughout": ("nginx", "/broken", "--users 2 --duration 1 --ramp 1"),
    "failing in every round at a rate": ("bare", "/reset", "--rate 10/s --duration 1 --ramp 0"),
    "down half of the time": ("bare", "/half", "--users 3 --duration 2 --ramp 1"),
    "down half of the time at a rate": ("bare", "/half", "--rate 30/s --duration 2 --ramp 1"),
    "broken off throughout": ("bare", "/reset", "--users 2 --duration 1 --ramp 0"),
    "failing in the ramp alone": ("bare", "/waking", "--users 3 --duration 1 --ramp 1"),
    "a status beyond those that are known": ("bare", "/denied", "--users 2 --duration 1 --ramp 0"),
    "no HTTP": ("bare", "/nonsense", "--users 2 --duration 1 --ramp 0"),
    "too slow": ("bare", "/slow", "--users 3 --duration 2 --ramp 1 --timeout 0.2s"),
    "slow": ("bare", "/slow", "--users 3 --duration 1 --ramp 1"),
    "slow at a rate": ("bare", "/slow", "--rate 20/s --max-vus 2 --duration 1 --ramp 1"),
    "half good": ("shop", "/catalog", "--endpoint /nothing --users 2 --duration 1 --ramp 1"),
    "HTTP/2": ("http2", "/", "--users 4 --duration 1 --ramp 1 --http2"),
    "HTTP/2 at a rate": ("http2", "/", "--rate 30/s --duration 1 --ramp 0 --http2"),
    "HTTP/2 refused with 429": ("http2", "/limited", "--users 2 --duration 1 --ramp 0 --http2"),
    "several endpoints": ("nginx", "/", "--endpoint /a --endpoint /b?c --rate 9/s --duration 1"),
}
"""Server, path and flags by what befalls the load."""

WELL = {"nginx": "/", "shop": "/catalog", "bare": "/"}


@dataclass(frozen=True)
class Asked:
    """One capture.

    Attributes:
        server: Which server it loads.
        path: What it asks first.
        flags: The load.
    """

    server: str
    path: str
    flags: str


CAPTURES = {
    **{
        f"{shape}, {server}": Asked(server, path, f"--executor {shape.split()[0]} {flags}")
        for shape, flags in SHAPES.items()
        for server, path in WELL.items()
    },
    **{name: Asked(*each) for name, each in SICK.items()},
}
AT_ONCE = 8
NOT_ABOUT_TRUTH = {Exit.PASS, Exit.OBJECTIVES, Exit.INCONCLUSIVE}
FLOORS = {
    "stress.load-reached",
    "stress.thresholds",
    "stress.preflight",
    "stress.preflight-checks",
}
"""Too little load, limits that a capture did not have, and failures before it, each by its name."""


def capture(asked: Asked, urls: Mapping[str, str], out: Path) -> str:
    """Run a capture, and return what it said."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "stressproof", "capture", "--url", urls[asked.server]),
            *("--endpoint", asked.path, *asked.flags.split()),
            *("--rounds", "2", "--allow-preflight-failures", "--preflight-timeout", "1s"),
            *("--no-enforce", "--out", str(out)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=out.parent,
        env={**os.environ, "XDG_STATE_HOME": "/nonexistent"},
    )
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def captured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Path, str]]]:
    """What every capture that is asked for wrote and said, by its name."""
    folder = tmp_path_factory.mktemp("captured")
    asked = [item.name for item in request.session.items]
    names = [name for name in CAPTURES if any(f"[{name}]" in item for item in asked)]
    with ExitStack() as stack:
        plain, http2 = stack.enter_context(running_nginx(folder))
        urls = {
            "nginx": plain,
            "http2": http2,
            "shop": stack.enter_context(running_shop()).url,
            "bare": stack.enter_context(running_bare_server()),
        }
        paths = {name: folder / f"{number}.json" for number, name in enumerate(names)}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            said = pool.map(lambda name: capture(CAPTURES[name], urls, paths[name]), names)
            yield {name: (paths[name], text) for name, text in zip(names, said, strict=True)}


@pytest.mark.needs_nginx
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CAPTURES)
def test_no_honest_capture_reads_as_forged(
    captured: dict[str, tuple[Path, str]], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No rule rejects it; too little load, too few samples and failures say so themselves."""
    path, said = captured[name]
    assert path.exists(), said
    document = read_document(path)
    rejected: dict[str, Any] = {
        result.rule: [(one.where, one.seen, one.expected) for one in result.findings]
        for result in STRESS.verify(document, asked_of(document.data), now_us()).results
        if result.exit_code not in NOT_ABOUT_TRUTH and result.rule not in FLOORS
    }
    assert rejected == {}
    threshold = ("--threshold", "http_req_duration: p(95) < 30s", "--evidence", str(path))
    assert run(check.command, "check", list(threshold)) in NOT_ABOUT_TRUTH, capsys.readouterr()
    again = path.with_suffix(".again.json")  # of other bytes: a file is not compared with itself
    again.write_text(json.dumps(document.data, indent=1))
    code = run(compare.command, "compare", [str(path), str(again)])
    assert code in NOT_ABOUT_TRUTH, capsys.readouterr()


def asked_of(data: Mapping[str, Any]) -> StressRequirements:
    """Requirements as low as they go, on the endpoints that were asked."""
    return msgspec.structs.replace(
        PLAIN.stress_requirements("health"),
        profile=data["profile"],
        required_endpoints=(),
        min_rounds=2,
        min_duration_seconds=1,
        min_concurrent_users=1,
        runner="stressproof capture",
    )
