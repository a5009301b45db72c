"""A name with several addresses: connections spread over them, and evidence says how."""

import socket
from typing import Any

import pytest

from stressproof.load import run
from stressproof.load.addresses import Address, resolve
from stressproof.workload.executors import ConstantVus, SharedIterations
from stressproof.workload.target import Target

S = 1_000_000


def place(monkeypatch: pytest.MonkeyPatch, *addresses: Address) -> None:
    """Let the target's name have some addresses."""
    monkeypatch.setattr(run, "resolve", lambda _target: list(addresses))


def ip4(host: str, port: int) -> Address:
    """An address of IPv4."""
    return Address(socket.AF_INET, host, port, 0)


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_are_spread_over_all_addresses(
    bench: Any, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Twelve users on three addresses are four on each, counted in evidence."""
    first = bench.serve(host="127.0.0.1")
    others = [bench.serve(host=host, port=first.port) for host in ("127.0.0.2", "127.0.0.3")]
    place(monkeypatch, *(ip4(one.host, one.port) for one in (first, *others)))
    executor = ConstantVus(12, S)
    result = bench.run(f"http://staging.test:{first.port}", executor, workers=workers)
    assert set(bench.outcomes(result)) == {"ok"}
    assert [one.connections for one in (first, *others)] == [4, 4, 4]
    assert result.connections.opened == {"127.0.0.1": 4, "127.0.0.2": 4, "127.0.0.3": 4}


def test_an_address_that_refuses_is_left_alone(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one of two is down all connections go to the other, and no request fails."""
    service = bench.serve()
    place(monkeypatch, ip4("127.0.0.9", service.port), ip4("127.0.0.1", service.port))
    result = bench.run("http://staging.test", SharedIterations(6, 60, 20 * S))
    assert bench.outcomes(result) == {"ok": 60}
    assert result.connections.opened == {"127.0.0.1": 6}


def test_another_family_is_a_last_resort(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Localhost is one service with two addresses: the preferred one is used where it answers."""
    service = bench.serve()
    six = Address(socket.AF_INET6, "::1", service.port, 0)
    place(monkeypatch, ip4("127.0.0.1", service.port), six)
    assert bench.outcomes(bench.once("http://localhost")) == {"ok": 20}
    place(monkeypatch, six, ip4("127.0.0.1", service.port))
    result = bench.once("http://localhost")
    assert bench.outcomes(result) == {"ok": 20}
    assert set(result.connections.opened) == {"127.0.0.1"}


def test_a_pinned_address_is_the_only_one(bench: Any) -> None:
    """The name is still what is asked for, whatever it resolves to."""
    service = bench.serve()
    target = Target(f"http://no-such-name.invalid:{service.port}", address="127.0.0.1")
    assert resolve(target) == [ip4("127.0.0.1", service.port)]
    assert bench.outcomes(bench.once(target)) == {"ok": 20}
    assert {asked.headers["host"] for asked in service.asked} == {
        f"no-such-name.invalid:{service.port}"
    }
