"""What a service says of itself may be anything, and evidence of it is no forgery."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from enforcement_suite.suite import SUITE
from fake_target import Answer, FakeTarget, as_json
from stressproof import ConstantVus, StopFlag, plan_capture
from stressproof.capture.capture import Capture
from stressproof.capture.observer import Observer
from stressproof.evidence.encoding import encode
from stressproof.evidence.reading import read_document
from stressproof.evidence.run_clock import RunClock
from stressproof.exits import Exit
from stressproof.suite import PLAIN
from stressproof.verify.instants import now_us
from stressproof.verify.stress.verifier import STRESS


class OddTarget(FakeTarget):
    """A service whose page about itself holds what nobody expects there."""

    odd: dict[str, Any]

    def health(self) -> Answer:
        """Return the page with the odd members in it."""
        status, _headers, body = super().health()
        page = msgspec.json.decode(body)
        page["database"]["engine"] = self.odd.get("engine", "postgresql")
        page |= {name: value for name, value in self.odd.items() if name != "engine"}
        return as_json(status, page)


@pytest.mark.parametrize(
    "odd",
    [
        {"instance_id": "\u00dcbersicht-1"},
        {"instance_id": ""},
        {"instance_id": " a\nb\x1b[31m"},
        {"instance_id": "i" * 9000, "started_at": "yesterday, \u4e2d"},
        {"uptime_seconds": -5, "workers": 0},
        {"uptime_seconds": 1e300, "workers": 2**40},
        {"engine": "(none)"},
        {"engine": "Gr\u00f6\u00dfe  DB\n"},
    ],
    ids="-".join,
)
def test_an_odd_page_about_itself_is_no_forgery(
    target: FakeTarget, tmp_path: Path, odd: dict[str, Any]
) -> None:
    """What is not possible was not said; no rule takes it for an edit."""
    target.__class__ = OddTarget
    vars(target)["odd"] = odd
    plan = plan_capture(
        target.url, PLAIN, profile="health", executor=ConstantVus(users=2, duration_us=1_000_000)
    )
    artifact = Capture(
        msgspec.structs.replace(plan, rounds=1, probes=SUITE.probes),
        credential=None,
        observer=Observer(),
        stop=StopFlag(),
        folder=tmp_path,
        clock=RunClock(),
    ).run()
    path = tmp_path / "a.json"
    path.write_bytes(encode(artifact))
    asked = msgspec.structs.replace(
        PLAIN.stress_requirements("health"),
        runner=artifact.runner,
        min_rounds=1,
        min_duration_seconds=1,
        min_concurrent_users=1,
    )
    verdict = STRESS.verify(read_document(path), asked, now_us())
    rejected = [
        (one.rule, one.findings) for one in verdict.blocking if one.exit_code is Exit.EVIDENCE
    ]
    assert rejected == []
