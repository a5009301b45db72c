"""HTTPS: verified always, against the authorities and the name that were asked for."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from stressproof.errors import UsageError
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.executors import SharedIterations
from stressproof.workload.target import Target
from tls_authorities import Authority


def test_a_known_authority_is_trusted(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """With the authority's file a server is verified, and handshakes are timed apart."""
    service = bench.serve(tls=server_context)
    target = Target(service.url, ca_file=str(authority.file))
    result = bench.once(target, Endpoint("/", "GET", "/", check="json:parity_ok=true"))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"ok": 20}
    assert result.phases.tls.n == result.phases.connect.n == service.connections == 2


def test_an_unknown_authority_is_not_trusted(bench: Any, server_context: ssl.SSLContext) -> None:
    """Without the authority nothing is sent, and the failure says why."""
    service = bench.serve(tls=server_context)
    result = bench.once(service)
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"tls": 20}
    assert "certificate not accepted" in result.errors_sample[0].detail
    assert not service.asked


def test_another_name_is_not_trusted(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """A certificate for somebody else is refused, though its authority is known."""
    service = bench.serve(tls=server_context)
    target = Target(service.url.replace("127.0.0.1", "localhost"), ca_file=str(authority.file))
    result = bench.once(target)
    assert bench.outcomes(result) == {"tls": 20}
    assert not service.asked


def test_a_server_can_be_asked_for_by_another_name(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """The server name is what is asked for in the handshake and what is verified."""
    asked: list[str | None] = []
    server_context.sni_callback = lambda _socket, name, _context: asked.append(name)
    service = bench.serve(tls=server_context)
    target = Target(
        service.url.replace("127.0.0.1", "localhost"),
        ca_file=str(authority.file),
        server_name="staging.example",
    )
    assert bench.outcomes(bench.once(target)) == {"ok": 20}
    assert set(asked) == {"staging.example"}


def test_plain_http_where_tls_is_expected_fails(bench: Any) -> None:
    """A server that does not speak TLS is a TLS failure, not a crash."""
    service = bench.serve(idle_s=0.1)
    url = service.url.replace("http:", "https:")
    result = bench.run(url, SharedIterations(2, 4, 30_000_000))
    assert bench.outcomes(result) == {"tls": 4}


def test_large_bodies_pass_through_tls(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """Requests and answers of megabytes survive encryption."""
    body = b'["' + b"x" * 1_500_000 + b'"]'
    service = bench.serve(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), tls=server_context
    )
    target = Target(service.url, ca_file=str(authority.file))
    endpoint = Endpoint("/", "POST", "/", body="y" * 2_000_000, check="json")
    assert bench.outcomes(bench.once(target, endpoint)) == {"ok": 20}
    assert {len(asked.body) for asked in service.asked} == {2_000_000}


def test_a_missing_file_of_authorities_is_a_usage_error(bench: Any, tmp_path: Path) -> None:
    """What cannot be read is said before anything starts."""
    target = Target("https://127.0.0.1:1", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match="cannot be read"):
        bench.once(target)
