"""Faults of a proxy as a file names them, and the toxics that make them."""

from typing import get_args

import pytest

from stressproof.errors import UsageError
from stressproof.failures.fault_kinds import FAULT_KINDS, demanded_witnesses
from stressproof.failures.spec import FaultSpec
from stressproof.faults.proxy.http_toxics import HttpAnswer
from stressproof.faults.proxy.kinds import PROXY_KINDS, toxics
from stressproof.faults.proxy.toxics import (
    Bandwidth,
    CutAfterCommit,
    Latency,
    ResetPeer,
    Slicer,
    Timeout,
    Toxic,
    protocol_of,
    type_of,
)
from stressproof.faults.proxy.witnesses import counted

pytestmark = pytest.mark.gate


def test_a_proxy_makes_every_kind_that_only_a_proxy_can() -> None:
    """The table of kinds and that of toxics know the same ones."""
    of_proxies = {name for name, kind in FAULT_KINDS.items() if any(
        target.startswith("proxy") for target in kind.targets)}  # fmt: skip
    assert set(PROXY_KINDS) == of_proxies


@pytest.mark.parametrize("kind", PROXY_KINDS)
def test_what_is_counted_is_what_is_demanded(kind: str) -> None:
    """With nothing but defaults: a count for each witness of the kind, by its name, in order."""
    fault = FaultSpec(
        id="f", kind=kind, lasts_us=1_000_000, parameters=FAULT_KINDS[kind].complete()
    )
    names = list(dict.fromkeys(counted(toxic) for toxic in toxics(kind, fault.parameters)))
    assert names == [one.name for one in demanded_witnesses(fault)]


@pytest.mark.parametrize("kind", PROXY_KINDS)
def test_a_kind_fits_the_proxies_that_can_make_it(kind: str) -> None:
    """A toxic that needs a protocol belongs to a kind that hits proxies of that protocol alone."""
    needed = {protocol_of(toxic) for toxic in toxics(kind, {})}
    fits = {
        protocol for protocol in ("tcp", "postgres", "http")
        if FAULT_KINDS[kind].fits(f"proxy:{protocol}")  # type: ignore[arg-type]
    }  # fmt: skip
    assert fits == ({"tcp", "postgres", "http"} if needed == {None} else needed)


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        (
            "latency",
            {"latency_us": 5, "jitter_us": 2, "stream": "upstream"},
            [Latency("upstream", latency_us=5, jitter_us=2)],
        ),
        (
            "bandwidth",
            {"rate_bytes_per_s": 9},
            [
                Bandwidth("upstream", bytes_per_second=9),
                Bandwidth("downstream", bytes_per_second=9),
            ],
        ),
        (
            "trickle",
            {"piece": 3, "pause_us": 7, "stream": "downstream"},
            [Slicer("downstream", average_bytes=3, delay_us=7)],
        ),
        ("black_hole", {}, [Timeout("upstream"), Timeout("downstream")]),
        ("reset", {"every_us": 10_000}, [ResetPeer(every_us=10_000)]),
        (
            "cut_after_commit",
            {"count": 5, "statement": "INSERT"},
            [CutAfterCommit(count=5, statement_contains="INSERT")],
        ),
        (
            "http_answer",
            {"status": 503, "headers": {"a": "b"}, "path": "/x", "first": 2, "deliver": True},
            [HttpAnswer(path="/x", first=2, status=503, headers={"a": "b"}, deliver=True)],
        ),
    ],
)
def test_parameters_become_attributes(
    kind: str, parameters: dict[str, int | str | bool], expected: list[Toxic]
) -> None:
    """Each where the toxic has it, whatever it is called there."""
    assert toxics(kind, parameters) == expected


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [
        ("freeze", {}),
        ("nonsense", {}),
        ("latency", {"stream": "sideways"}),
        ("latency", {"latency_us": -1}),
        ("reset", {"lasts": 3}),
        ("http_delay", {"deliver": True}),
        ("http_answer", {"headers": {"transfer-encoding": "chunked"}}),
    ],
)
def test_what_is_no_fault_of_a_proxy_is_refused(
    kind: str, parameters: dict[str, int | str | bool]
) -> None:
    """Unknown kinds, parameters of others, and values that no toxic takes."""
    with pytest.raises(UsageError):
        toxics(kind, parameters)


def test_every_toxic_has_a_name_of_its_own() -> None:
    """Names are how toxics are told apart in JSON."""
    names = [type_of(kind) for kind in get_args(Toxic)]
    assert len(set(names)) == len(names) == 17
