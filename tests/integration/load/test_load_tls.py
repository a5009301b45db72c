"""HTTPS: verified always, against the authorities and the name that were asked for."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from stressproof.errors import UsageError
from stressproof.load.client import Client, RequestError
from stressproof.workload.bodies import TextBody
from stressproof.workload.executors import PerVuIterations, SharedIterations
from stressproof.workload.requests import Request
from stressproof.workload.target import Target
from tls_authorities import Authority


def test_a_known_authority_is_trusted(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """With the authority's file a server is verified, and handshakes are timed apart."""
    service = bench.serve(tls=server_context)
    target = Target(service.url, ca_file=str(authority.file))
    result = bench.once(target, Request("/", "GET", "/", checks=("json:parity_ok=true",)))
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
    endpoint = Request("/", "POST", "/", body=TextBody("y" * 2_000_000), checks=("json",))
    assert bench.outcomes(bench.once(target, endpoint)) == {"ok": 20}
    assert {len(asked.body) for asked in service.asked} == {2_000_000}


def test_a_missing_file_of_authorities_is_a_usage_error(bench: Any, tmp_path: Path) -> None:
    """What cannot be read is said before anything starts."""
    target = Target("https://127.0.0.1:1", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(UsageError, match="cannot be read"):
        bench.once(target)


def test_any_certificate_will_do_where_that_was_asked_for(
    bench: Any, server_context: ssl.SSLContext
) -> None:
    """Without verification a self-made certificate under another name is accepted."""
    service = bench.serve(tls=server_context)
    target = Target(service.url.replace("127.0.0.1", "localhost"), insecure=True)
    assert bench.outcomes(bench.once(target)) == {"ok": 20}
    assert Client(target).get("/").status == 200


def test_a_client_shows_its_certificate_to_who_demands_one(
    bench: Any, authority: Authority, server_context: ssl.SSLContext, tmp_path: Path
) -> None:
    """With certificate and key every connection is accepted; without them none is."""
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.load_verify_locations(authority.file)
    service = bench.serve(tls=server_context)
    certificate = str(authority.vouch(tmp_path, "client"))
    known = Target(service.url, ca_file=str(authority.file), cert_file=certificate)
    assert bench.outcomes(bench.once(known)) == {"ok": 20}
    assert Client(known).get("/").status == 200
    unknown = Target(service.url, ca_file=str(authority.file))
    result = bench.once(unknown)
    bench.demand_consistency(result)
    assert set(bench.outcomes(result)) <= {"tls", "reset"}
    with pytest.raises(RequestError):
        Client(unknown).get("/")


def test_a_clients_key_that_cannot_be_used_is_a_usage_error(
    authority: Authority, tmp_path: Path
) -> None:
    """A key behind a password, or none at all, is told before anything is sent."""
    locked = authority.vouch(tmp_path, "locked", password=b"secret")
    for file in (locked, authority.file, tmp_path / "absent.pem"):
        with pytest.raises(UsageError, match="client certificate"):
            Client(Target("https://127.0.0.1:1", cert_file=str(file)))


def test_a_later_connection_resumes_an_earlier_session(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """Who connects again and again verifies once and resumes from then on."""
    service = bench.serve(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", tls=server_context
    )
    target = Target(service.url, ca_file=str(authority.file))
    result = bench.run(target, SharedIterations(1, 20, 20_000_000))
    assert bench.outcomes(result) == {"ok": 20}
    assert service.connections == result.phases.tls.n == 20
    assert result.connections.tls_resumed == 19


@pytest.mark.parametrize("announced", [True, False])
def test_only_an_announced_end_completes_an_answer(
    bench: Any, authority: Authority, server_context: ssl.SSLContext, *, announced: bool
) -> None:
    """An answer that ends with its connection is whole only if the server said close_notify."""

    async def respond(_: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
        await writer.drain()
        if not announced:
            raw = writer.transport.get_extra_info("ssl_object")
            assert raw is not None
            # Close what carries TLS without a word of TLS.
            writer.transport._ssl_protocol._transport.close()

    service = bench.serve(respond, tls=server_context)
    service_closes = announced

    async def close_after(asked: Any, writer: Any) -> None:
        await respond(asked, writer)
        if service_closes:
            writer.close()

    service.respond = close_after
    target = Target(service.url, ca_file=str(authority.file))
    result = bench.run(target, SharedIterations(2, 8, 20_000_000))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == ({"ok": 8} if announced else {"reset": 8})
    if announced:
        assert Client(target).get("/").body == b"{}"
    else:
        assert "close_notify" in result.errors_sample[0].detail
        with pytest.raises(RequestError) as caught:
            Client(target).get("/")
        assert caught.value.outcome == "reset"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("piece", [1, 700, 20_000])
def test_answers_cut_anywhere_are_put_together(
    bench: Any,
    authority: Authority,
    server_context: ssl.SSLContext,
    version: ssl.TLSVersion,
    piece: int,
) -> None:
    """However an answer is spread over records, its bytes are the server's."""
    server_context.minimum_version = server_context.maximum_version = version
    body = b'["' + b"y" * 3000 + b'"]'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)

    async def respond(_: Any, writer: Any) -> None:
        for at in range(0, len(answer), piece):
            writer.write(answer[at : at + piece])
        await writer.drain()

    service = bench.serve(respond, tls=server_context)
    target = Target(service.url, ca_file=str(authority.file))
    endpoint = Request("/", "GET", "/", checks=("json",))
    result = bench.run(target, SharedIterations(2, 20, 20_000_000), endpoint)
    assert bench.outcomes(result) == {"ok": 20}


def test_users_who_are_new_to_the_target_resume_nobodys_session(
    bench: Any, authority: Authority, server_context: ssl.SSLContext
) -> None:
    """Every user's first handshake is a whole one, as everybody's is in production."""
    service = bench.serve(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", tls=server_context
    )
    target = Target(service.url, ca_file=str(authority.file))
    result = bench.run(target, PerVuIterations(5, 4, 20_000_000))
    assert bench.outcomes(result) == {"ok": 20}
    assert result.connections.tls_resumed == 15
