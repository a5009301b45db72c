"""How a capture reaches its target, from the flags to the evidence."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from http2_peer import Peer
from stressproof.evidence.stress import StressArtifact
from stressproof.report.capture_summary import summary
from tls_authorities import Authority

ROOT = Path(__file__).resolve().parents[3]
QUICK = ("--endpoint", "/x", "--duration", "1", "--ramp", "0", "--users", "4")


def capture(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the protocol's capture script to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "load_test_api.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": "/nonexistent"},
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Somebody who vouches for the server."""
    return Authority.make(tmp_path)


@pytest.fixture
def secure(authority: Authority, tmp_path: Path) -> Iterator[Peer]:
    """A server of HTTP/2 over TLS."""
    context = authority.server_context(tmp_path)
    context.set_alpn_protocols(["h2"])
    peer = Peer(tls=context)
    yield peer
    peer.stop()


def kept(tmp_path: Path, url: str, *flags: str) -> StressArtifact:
    """Capture a second of load, and return the evidence."""
    out = tmp_path / "a.json"
    ran = capture("--url", url, *QUICK, *flags, "--out", str(out))
    assert ran.returncode == 0, ran.stderr
    artifact = msgspec.json.decode(out.read_bytes(), type=StressArtifact)
    assert artifact.preflight.passed
    assert set(artifact.results.errors) == set()
    return artifact


def test_http2_shows_in_evidence_and_summary(
    secure: Peer, authority: Authority, tmp_path: Path
) -> None:
    """The protocol and the connections of each round are named."""
    artifact = kept(tmp_path, secure.url, "--http2", "--ca-file", str(authority.file))
    (run,) = artifact.runs
    assert run.connections is not None
    assert (run.connections.protocol, run.connections.opened) == ("h2", {"127.0.0.1": 1})
    assert not artifact.target.insecure
    assert "connections (h2): 127.0.0.1 x 1" in "\n".join(map(str, summary(artifact)))


def test_an_unverified_certificate_shows_in_evidence_and_summary(
    secure: Peer, tmp_path: Path
) -> None:
    """What --insecure let pass is told to whoever reads the evidence."""
    artifact = kept(tmp_path, secure.url, "--http2", "--insecure")
    assert artifact.target.insecure
    assert "INSECURE" in "\n".join(map(str, summary(artifact)))


@pytest.mark.parametrize("resolve", ["127.0.0.1", "staging.example:{port}:127.0.0.1"])
def test_a_name_can_be_pinned_to_an_address(
    secure: Peer, authority: Authority, tmp_path: Path, resolve: str
) -> None:
    """The certificate is that of the name, the connection goes to the address."""
    port = secure.url.rpartition(":")[2]
    artifact = kept(
        tmp_path,
        f"https://staging.example:{port}",
        *("--http2", "--ca-file", str(authority.file), "--resolve", resolve.format(port=port)),
    )
    assert artifact.runs[0].connections is not None
    assert artifact.runs[0].connections.opened == {"127.0.0.1": 1}


def test_a_client_certificate_can_be_shown(authority: Authority, tmp_path: Path) -> None:
    """With --cert a server that demands one is loaded; without it preflight fails."""
    context = authority.server_context(tmp_path)
    context.set_alpn_protocols(["h2"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    peer = Peer(tls=context)
    trust = ("--http2", "--ca-file", str(authority.file))
    try:
        kept(tmp_path, peer.url, *trust, "--cert", str(authority.vouch(tmp_path, "client")))
        assert capture("--url", peer.url, *QUICK, *trust).returncode == 4
    finally:
        peer.stop()


@pytest.mark.parametrize(
    "flags",
    [
        ("--insecure",),
        ("--resolve", "staging.example"),
        ("--resolve", "other:80:127.0.0.1"),
        ("--rate", "1/0s", "--executor", "constant-arrival-rate"),
        ("--stage", "1/x:3s", "--executor", "ramping-vus"),
        ("--stage", "0.5:3s", "--executor", "ramping-vus"),
    ],
)
def test_flags_that_cannot_be_meant_are_usage_errors(flags: tuple[str, ...]) -> None:
    """Nothing is sent, and the code is that of usage, without a traceback."""
    ran = capture("--url", "http://127.0.0.1:1", *flags)
    assert ran.returncode == 2, ran.stderr
    assert "Traceback" not in ran.stderr


def test_evidence_holds_the_rate_as_it_was_asked(tmp_path: Path) -> None:
    """One arrival in sixty seconds is one in sixty seconds, and nothing near it."""
    peer = Peer()
    try:
        artifact = kept(
            tmp_path,
            peer.url,
            *("--http2", "--executor", "constant-arrival-rate", "--rate", "1/60s"),
        )
    finally:
        peer.stop()
    (scenario,) = artifact.workload.scenarios
    assert (scenario.rate, scenario.time_unit_us) == (1, 60_000_000)
    assert artifact.results.total_requests == 1
