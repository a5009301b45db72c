"""Laws of bundles: no bit of one is free, and no bytes at all break the reader."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing_people import ADA, GATE, GRACE, POLICY, machine_key, roster_line, ssh_key
from stressproof.evidence.reading import UnreadableEvidenceError
from stressproof.trust.bundle import Bundle, append_lines, read_bundle
from stressproof.trust.ledger import read_ledger
from stressproof.trust.policy import TrustPolicy, policy_of
from stressproof.trust.signing import find_key
from stressproof.trust.statement import (
    EVIDENCE,
    Digests,
    EvidencePredicate,
    Subject,
    encode_statement,
)
from stressproof.verify.instants import now_us, show_instant

pytestmark = pytest.mark.gate
NOW_US = now_us()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, TrustPolicy, Path]:
    """A bundle of a machine's and a person's statement, its policy, and a file to put bytes in."""
    folder = tmp_path_factory.mktemp("bundles")
    _, machine = machine_key()
    person = find_key(str(ssh_key(folder, "ada")))
    _, gate = machine_key()
    keys = ((ADA, machine), ("ci", person), (GRACE, machine_key()[1]), (GATE, gate))
    roster = "".join(roster_line(name, key.public) for name, key in keys)
    text = POLICY.replace(f'executor = ["{ADA}"]', f'executor = ["{ADA}", "ci"]')
    policy = policy_of(text.encode(), roster.encode(), "trust")
    path = folder / "bundle"
    for principal, key in keys[:2]:
        at = show_instant(NOW_US)
        predicate = EvidencePredicate(principal, "stress", "shop", at, at, "t", None, None)
        subject = (Subject("stress.json", Digests(sha256="0" * 64)),)
        append_lines(path, [key.sign(encode_statement(EVIDENCE, subject, predicate))])
    return path.read_bytes(), policy, path


def read(path: Path, content: bytes, policy: TrustPolicy) -> Bundle | None:
    """Read bytes as a bundle, None where they are refused whole."""
    path.write_bytes(content)
    try:
        return read_bundle(path, policy, NOW_US)
    except UnreadableEvidenceError:
        return None


@pytest.mark.parametrize(
    ("line", "share"),
    [
        (0, 0.15),
        (1, 0.1),
        pytest.param(0, 1.0, marks=pytest.mark.slow),
        pytest.param(1, 1.0, marks=pytest.mark.slow),
    ],
    ids=["a machine, some", "a person, some", "a machine", "a person"],
)
def test_every_bit_of_a_bundle_matters(
    signed: tuple[bytes, TrustPolicy, Path], line: int, share: float
) -> None:
    """Flipped one by one: envelope, hint of the key, payload, signature, armor, line ends."""
    content, policy, path = signed
    content = content.splitlines(keepends=True)[line]
    honest = read(path, content, policy)
    assert honest is not None
    assert (len(honest.signed), honest.refusals) == (1, ())
    bits = range(len(content) * 8)
    accepted = []
    for at in random.Random(line).sample(bits, int(len(bits) * share)):
        flipped = bytearray(content)
        flipped[at // 8] ^= 1 << at % 8
        found = read(path, bytes(flipped), policy)
        if found is not None and not found.refusals:
            accepted.append(at)
    assert accepted == []


@given(st.binary(max_size=300))
def test_any_bytes_are_a_bundle_or_refused(
    signed: tuple[bytes, TrustPolicy, Path], content: bytes
) -> None:
    """Nothing but a documented refusal comes out of the reader, and nothing is taken."""
    _, policy, path = signed
    found = read(path, content, policy)
    assert found is None or not found.signed


@settings(max_examples=50)
@given(st.data())
def test_lines_can_be_dropped_and_moved_but_not_mixed(
    signed: tuple[bytes, TrustPolicy, Path], data: st.DataObject
) -> None:
    """A line stands for itself: parts of two lines make none."""
    content, policy, path = signed
    first, second = content.splitlines()
    cut = data.draw(st.integers(1, min(len(first), len(second)) - 1))
    mixed = first[:cut] + second[cut:]
    found = read(path, mixed + b"\n", policy)
    assert found is not None
    if mixed not in {first, second}:
        assert found.refusals
        assert not found.signed
    assert read(path, second + b"\n" + first + b"\n", policy) is not None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_ledger_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Likewise the run ledger."""
    path = tmp_path_factory.getbasetemp() / "ledger"
    path.write_bytes(content)
    if not content:
        assert read_ledger(path).entries == ()
        return
    with pytest.raises(UnreadableEvidenceError):
        read_ledger(path)
