"""HTTPS: verified always, against the authorities and the name that were asked for."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stressproof.errors import UsageError
from stressproof.workload.endpoints import Endpoint
from stressproof.workload.executors import SharedIterations
from stressproof.workload.target import Target


class Authority(NamedTuple):
    """Somebody who vouches for servers."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    file: Path


def certify(
    name: str, authority: Authority | None, names: list[x509.GeneralName]
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return a key and a certificate, signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.certificate.subject if authority else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if authority is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    else:
        issuer = authority.key.public_key()
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False
        ).add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(authority.key if authority else key, hashes.SHA256())


def pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority whose certificate lies in a file."""
    key, certificate = certify("test authority", None, [])
    file = tmp_path / "authority.pem"
    file.write_bytes(pem(certificate))
    return Authority(key, certificate, file)


@pytest.fixture
def context(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS, for 127.0.0.1 and staging.example."""
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("staging.example")]
    key, certificate = certify("server", authority, names)
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem(certificate)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def test_a_known_authority_is_trusted(
    bench: Any, authority: Authority, context: ssl.SSLContext
) -> None:
    """With the authority's file a server is verified, and handshakes are timed apart."""
    service = bench.serve(tls=context)
    target = Target(service.url, ca_file=str(authority.file))
    result = bench.once(target, Endpoint("/", "GET", "/", check="json:parity_ok=true"))
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"ok": 20}
    assert result.phases.tls.n == result.phases.connect.n == service.connections == 2


def test_an_unknown_authority_is_not_trusted(bench: Any, context: ssl.SSLContext) -> None:
    """Without the authority nothing is sent, and the failure says why."""
    service = bench.serve(tls=context)
    result = bench.once(service)
    bench.demand_consistency(result)
    assert bench.outcomes(result) == {"tls": 20}
    assert "certificate not accepted" in result.errors_sample[0].detail
    assert not service.asked


def test_another_name_is_not_trusted(
    bench: Any, authority: Authority, context: ssl.SSLContext
) -> None:
    """A certificate for somebody else is refused, though its authority is known."""
    service = bench.serve(tls=context)
    target = Target(service.url.replace("127.0.0.1", "localhost"), ca_file=str(authority.file))
    result = bench.once(target)
    assert bench.outcomes(result) == {"tls": 20}
    assert not service.asked


def test_a_server_can_be_asked_for_by_another_name(
    bench: Any, authority: Authority, context: ssl.SSLContext
) -> None:
    """The server name is what is asked for in the handshake and what is verified."""
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    service = bench.serve(tls=context)
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
    bench: Any, authority: Authority, context: ssl.SSLContext
) -> None:
    """Requests and answers of megabytes survive encryption."""
    body = b'["' + b"x" * 1_500_000 + b'"]'
    service = bench.serve(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body), tls=context
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
