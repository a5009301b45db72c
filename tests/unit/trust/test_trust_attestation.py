"""The level *attested*: an honest release holds, and each forgery has its own reason."""

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from attested_release import Release, digest, payload_of, rewritten
from signing_people import (
    ADA,
    GATE,
    GRACE,
    POLICY,
    Team,
    Token,
    machine_key,
    roster_line,
    software_key,
)
from stressproof.errors import UsageError
from stressproof.exits import Exit
from stressproof.outcome import Outcome
from stressproof.trust.attestation import RULES, people
from stressproof.trust.bundle import append_lines, bundle_path
from stressproof.trust.ledger import append_end, append_start, line_of, read_ledger
from stressproof.trust.policy import policy_of
from stressproof.trust.signing import SigningKey
from stressproof.trust.statement import (
    APPROVAL,
    EVIDENCE,
    GATE_ID,
    SUMMARY,
    TEST_RESULT,
    Digests,
    Resource,
    Subject,
    SummaryPredicate,
    TestResultPredicate,
    Verifier,
    encode_statement,
)
from stressproof.verify.instants import show_instant

pytestmark = pytest.mark.gate
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HOUR_US = 3_600_000_000


def stress(**changes: Any) -> dict[str, Any]:
    """Return what the rules look at of a stress artifact, an hour old."""
    now = datetime.now(UTC)
    return {
        "profile": "shop",
        "started_at": (now - timedelta(hours=1, minutes=2)).isoformat(timespec="seconds"),
        "captured_at": (now - timedelta(hours=1)).isoformat(timespec="seconds"),
        "subject": {"git_commit": COMMIT, "git_dirty": False},
        "thresholds": {"max_p95_seconds": 2.0},
    } | changes


def failure(**changes: Any) -> dict[str, Any]:
    """Return what they look at of a failure artifact."""
    data = stress(scenarios=[{"id": "FI-001"}], executed_by=ADA, approved_by=GRACE)
    del data["thresholds"]
    return data | changes


@pytest.fixture
def release(tmp_path: Path, team: Team) -> Release:
    """A folder of evidence, with the team's policy."""
    return Release(tmp_path, team, team.policy())


def outcomes(release: Release, path: Path, **given: Any) -> dict[str, Outcome]:
    """Return how each rule comes out that does not hold."""
    results = [rule.apply(release.case(path, **given)) for rule in RULES]
    return {
        each.rule: each.outcome
        for each in results
        if each.outcome not in {Outcome.PASS, Outcome.NOT_CHECKED}
    }


def seen(release: Release, path: Path, rule: str) -> str:
    """Return what a rule says that it saw."""
    [result] = [each.apply(release.case(path)) for each in RULES if each.id == rule]
    return "; ".join(f"{each.where}: {each.seen}" for each in result.findings)


def resigned(
    path: Path, number: int, key: SigningKey, change: Callable[[dict[str, Any]], None]
) -> None:
    """Have somebody sign a changed statement in place of a line of the bundle."""
    bundle = bundle_path(path)
    lines = bundle.read_bytes().splitlines()
    lines[number] = key.sign(rewritten(payload_of(lines[number]), change))
    bundle.write_bytes(b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize("data", [stress(), failure()])
def test_an_honest_release_holds(release: Release, data: dict[str, Any]) -> None:
    """Planned, run, signed by one person, approved by another: every rule holds."""
    path = release.approve(release.sign(release.run(data, plan=True)))
    assert outcomes(release, path, commits=[COMMIT]) == {}
    checked = [rule.apply(release.case(path, commits=[COMMIT])) for rule in RULES]
    idle = {each.rule for each in checked if each.outcome is Outcome.NOT_CHECKED}
    assert idle == (set() if "scenarios" in data else {"trust.names"})


def test_a_token_signs_as_a_file_does(release: Release, team: Team) -> None:
    """An approver with a FIDO token is an approver."""
    token = Token(software_key()[0])
    release.policy = policy_of(
        POLICY.encode(), (team.roster + roster_line(GRACE, token.public)).encode(), "trust"
    )
    path = release.sign(release.run(stress()))
    other = Team(team.ada, token.signer, team.gate, team.gate_pem, team.folder)
    Release(release.folder, other, release.policy, release.now_us).approve(path)
    assert outcomes(release, path) == {}


def test_nothing_signed_is_missing_and_not_forged(release: Release) -> None:
    """Absent statements are inconclusive: a bundle, an executor's, an approver's."""
    path = release.run(stress())
    assert outcomes(release, path) == {"trust.bundle": Outcome.INCONCLUSIVE}
    release.sign(path)
    assert outcomes(release, path) == {"trust.approval": Outcome.INCONCLUSIVE}
    release.approve(path)
    lines = bundle_path(path).read_bytes().splitlines(keepends=True)
    bundle_path(path).write_bytes(lines[1])
    assert outcomes(release, path) == {"trust.evidence": Outcome.INCONCLUSIVE}


@pytest.mark.parametrize("content", [b"", b"\n", b"not json\n", b"{}\n", b"\xff\n"])
def test_what_is_no_bundle_is_unreadable(release: Release, content: bytes) -> None:
    """Present and unreadable blocks as such."""
    path = release.run(stress())
    bundle_path(path).write_bytes(content)
    assert outcomes(release, path)["trust.bundle"] is Outcome.FAIL
    assert "trust.signatures" not in outcomes(release, path)


def test_a_cut_bundle_a_link_and_a_huge_one_are_unreadable(release: Release) -> None:
    """A bundle is a regular file of whole lines, of a bounded size."""
    path = release.approve(release.sign(release.run(stress())))
    bundle = bundle_path(path)
    whole = bundle.read_bytes()
    for broken in (whole[:-1], whole + b"\n", whole + b"x" * (5 << 20), whole + b"{}\n" * 300):
        bundle.write_bytes(broken)
        assert outcomes(release, path)["trust.bundle"] is Outcome.FAIL
    bundle.unlink()
    (release.folder / "elsewhere").write_bytes(whole)
    bundle.symlink_to(release.folder / "elsewhere")
    assert outcomes(release, path)["trust.bundle"] is Outcome.FAIL


def test_an_edited_artifact_is_not_what_was_signed(release: Release) -> None:
    """One number changed: the statement is about other bytes."""
    path = release.approve(release.sign(release.run(stress())))
    before = path.read_text()
    path.write_text(before.replace('"max_p95_seconds": 2.0', '"max_p95_seconds": 9.0'))
    assert path.read_text() != before
    assert outcomes(release, path) == {"trust.evidence": Outcome.FAIL}


def test_an_edit_signed_by_a_stranger_is_unauthorised(release: Release) -> None:
    """A key of one's own is no key of the roster."""
    path = release.approve(release.sign(release.run(stress())))
    _, stranger = machine_key()
    resigned(path, 0, stranger, lambda data: data["subject"].reverse())
    assert outcomes(release, path)["trust.authorised"] is Outcome.FAIL


def test_a_changed_statement_is_forged(release: Release) -> None:
    """A payload that was changed under its signature."""
    path = release.approve(release.sign(release.run(stress())))
    bundle = bundle_path(path)
    lines = bundle.read_bytes().splitlines()
    data = json.loads(lines[0])
    changed = rewritten(payload_of(lines[0]), lambda each: each["predicate"].update(profile="x"))
    data["payload"] = base64.b64encode(changed).decode()
    lines[0] = msgspec.json.encode(data)
    bundle.write_bytes(b"".join(line + b"\n" for line in lines))
    found = outcomes(release, path)
    assert found["trust.signatures"] is Outcome.FAIL
    assert "trust.authorised" not in found


def test_roles_are_bound_to_what_is_said(release: Release, team: Team) -> None:
    """Nobody says what is another role's to say, whatever form it has."""
    path = release.approve(release.sign(release.run(stress())))
    bundle = bundle_path(path)
    whole = bundle.read_bytes()
    executor, approver = (payload_of(line) for line in whole.splitlines())
    for payload, key in (
        (approver, team.ada),
        (executor, team.grace),
        (executor, team.gate),
        (approver, team.gate),
    ):
        bundle.write_bytes(whole + key.sign(payload) + b"\n")
        assert outcomes(release, path)["trust.authorised"] is Outcome.FAIL


def test_nobody_signs_in_another_s_name(release: Release, team: Team) -> None:
    """The name inside of a statement is the owner of the key on it."""
    path = release.approve(release.sign(release.run(stress())))
    resigned(path, 0, team.ada, lambda data: data["predicate"].update(executor=GRACE))
    assert "in the name of" in seen(release, path, "trust.signatures")


def test_the_executor_s_second_key_approves_nothing(release: Release, team: Team) -> None:
    """A person may have several keys, and stays one person of one role."""
    _, second = machine_key()
    release.policy = team.policy(extra=[roster_line(ADA, second.public)])
    path = release.sign(release.run(stress()))
    release.approve(path)
    resigned(path, 1, second, lambda data: data["predicate"].update(approver=ADA))
    found = outcomes(release, path)
    assert found["trust.authorised"] is Outcome.FAIL
    assert found["trust.approval"] is Outcome.INCONCLUSIVE


def test_two_approvals_are_two_people(release: Release, team: Team) -> None:
    """One approver who signs twice, with two keys, is still one."""
    _, second = machine_key()
    _, heidi = machine_key()
    text = POLICY.replace(f'approver = ["{GRACE}"]', f'approver = ["{GRACE}", "heidi"]')
    text += "approvals = 2\n"
    release.policy = team.policy(
        text, [roster_line(GRACE, second.public), roster_line("heidi", heidi.public)]
    )
    path = release.approve(release.sign(release.run(stress())))
    grace_again = Team(team.ada, second, team.gate, team.gate_pem, team.folder)
    Release(release.folder, grace_again, release.policy, release.now_us).approve(path)
    assert outcomes(release, path) == {"trust.approval": Outcome.INCONCLUSIVE}
    other = Team(team.ada, heidi, team.gate, team.gate_pem, team.folder)
    Release(release.folder, other, release.policy, release.now_us).approve(path)
    assert outcomes(release, path) == {}


def test_an_approval_is_of_one_piece_of_evidence(release: Release) -> None:
    """Put beside other evidence it approves nothing."""
    first = release.approve(release.sign(release.run(stress(), "first.json")))
    second = release.sign(release.run(stress(profile="shop"), "second.json"))
    line = bundle_path(first).read_bytes().splitlines()[1]
    second.write_text(second.read_text() + " ")
    append_lines(bundle_path(second), [line])
    assert outcomes(release, second)["trust.evidence"] is Outcome.FAIL
    third = release.sign(release.run(stress(extra=1), "third.json"))
    append_lines(bundle_path(third), [line])
    assert "of other evidence" in seen(release, third, "trust.approval")


def test_an_approval_under_another_policy_is_none(release: Release, team: Team) -> None:
    """The policy that was approved under is the policy that is asked."""
    path = release.approve(release.sign(release.run(stress())))
    looser = team.policy(POLICY.replace('"stress"', '"stress", "failure"'))
    assert outcomes(release, path, policy=looser)["trust.approval"] is Outcome.FAIL


@pytest.mark.parametrize(("hours", "held"), [(None, True), (1.5, False), (3, True)])
def test_an_approval_holds_for_its_time(
    release: Release, hours: float | None, *, held: bool
) -> None:
    """Until it says, and no longer than the policy lets it."""
    path = release.sign(release.run(stress()), now_us=release.now_us - 3 * HOUR_US)
    # Signed before it was captured is refused by another rule; this one is about the approval.
    release.approve(path, hours=hours, now_us=release.now_us - 2 * HOUR_US)
    assert ("trust.approval" in outcomes(release, path)) is not held


def test_an_approval_cannot_outlast_the_policy(release: Release) -> None:
    """Neither when it is made nor when it says so all the same."""
    path = release.sign(release.run(stress()))
    with pytest.raises(UsageError, match="at most 72"):
        release.approve(path, hours=73)
    release.approve(path)
    long = show_instant(release.now_us + 900 * HOUR_US)
    early = show_instant(release.now_us - 80 * HOUR_US)
    resigned(
        path,
        1,
        release.team.grace,
        lambda data: data["predicate"].update(expiresAt=long, approvedAt=early),
    )
    assert outcomes(release, path)["trust.approval"] is Outcome.FAIL


def test_an_approval_ages_by_the_policy_whatever_it_says(release: Release) -> None:
    """Eighty hours old, said to hold for years: the policy has seventy-two."""
    path = release.sign(release.run(stress()), now_us=release.now_us - 81 * HOUR_US)
    release.approve(path, now_us=release.now_us - 80 * HOUR_US)
    until = show_instant(release.now_us + 900 * HOUR_US)
    resigned(path, 1, release.team.grace, lambda data: data["predicate"].update(expiresAt=until))
    assert "stale" in seen(release, path, "trust.approval")


def test_an_approval_of_another_build_or_from_before_the_signature_is_none(
    release: Release,
) -> None:
    """The commit that was approved is the executor's, and nobody approves what is not yet there."""
    path = release.approve(release.sign(release.run(stress())))

    def other_build(data: dict[str, Any]) -> None:
        data["subject"][0]["digest"]["gitCommit"] = "f" * 40

    resigned(path, 1, release.team.grace, other_build)
    assert "for the commits" in seen(release, path, "trust.approval")
    late = release.sign(release.run(stress(), "late.json"))
    release.approve(late, now_us=release.now_us - HOUR_US)
    assert "before it was signed" in seen(release, late, "trust.approval")


def test_evidence_is_signed_once_and_after_it_was_captured(release: Release) -> None:
    """Two statements about the same bytes could differ; one from before them cannot be true."""
    path = release.sign(release.sign(release.run(stress())))
    assert outcomes(release, path) == {"trust.evidence": Outcome.FAIL}
    early = release.run(stress(), "early.json")
    release.sign(early, now_us=release.now_us - 2 * HOUR_US)
    assert "signedAt" in seen(release, early, "trust.subject")


def test_a_statement_from_the_future_is_refused(release: Release) -> None:
    """A clock that was set forward makes nothing fresh."""
    path = release.sign(release.run(stress()), now_us=release.now_us + 2 * HOUR_US)
    assert "a time" not in seen(release, path, "trust.authorised")
    assert outcomes(release, path)["trust.signatures"] is Outcome.FAIL


@pytest.mark.parametrize(
    ("option", "line"),
    [('valid-before="20200101Z"', "valid now"), ('valid-after="20990101Z"', "valid now")],
)
def test_a_retired_key_signs_nothing(release: Release, team: Team, option: str, line: str) -> None:
    """Outside of the roster's times a key is unauthorised."""
    path = release.approve(release.sign(release.run(stress())))
    roster = team.roster.replace(
        roster_line(ADA, team.ada.public), roster_line(ADA, team.ada.public, option)
    )
    release.policy = policy_of(POLICY.encode(), roster.encode(), "trust")
    assert line in seen(release, path, "trust.authorised")


def test_a_signature_from_before_the_key_was_valid_is_refused(release: Release, team: Team) -> None:
    """Judged at the time that it claims, too."""
    since = datetime.fromtimestamp(release.now_us / 1e6, UTC) - timedelta(minutes=1)
    roster = team.roster.replace(
        roster_line(ADA, team.ada.public),
        roster_line(ADA, team.ada.public, f'valid-after="{since:%Y%m%d%H%M%S}Z"'),
    )
    release.policy = policy_of(POLICY.encode(), roster.encode(), "trust")
    path = release.sign(release.run(stress()), now_us=release.now_us - HOUR_US // 4)
    assert "was not valid" in seen(release, path, "trust.authorised")


def test_a_revoked_key_signs_nothing_whatever_it_signed_before(
    release: Release, team: Team
) -> None:
    """Whoever lost it does not know since when somebody else has it."""
    path = release.approve(release.sign(release.run(stress())))
    text = f'{POLICY}[[revoked]]\nkey = "{team.ada.public.fingerprint}"\nreason = "lost"\n'
    release.policy = team.policy(text)
    assert "revoked" in seen(release, path, "trust.authorised")


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": "other"},
        {"captured_at": "2026-01-01T00:00:00+00:00"},
        {"subject": {"git_commit": "f" * 40}},
    ],
)
def test_the_statement_agrees_with_the_artifact(release: Release, changes: dict[str, Any]) -> None:
    """Signed words about an artifact are the artifact's own."""
    path = release.sign(release.run(stress()))
    [line] = bundle_path(path).read_bytes().splitlines()
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(data))
    new = digest(path.read_bytes())

    def about_the_new(statement: dict[str, Any]) -> None:
        statement["subject"][1]["digest"]["sha256"] = new

    bundle_path(path).write_bytes(
        release.team.ada.sign(rewritten(payload_of(line), about_the_new)) + b"\n"
    )
    assert outcomes(release, path)["trust.subject"] is Outcome.FAIL


def test_evidence_about_another_build_is_refused(release: Release) -> None:
    """The gate says which commits are the build."""
    path = release.approve(release.sign(release.run(stress())))
    assert outcomes(release, path, commits=["f" * 40]) == {"trust.subject": Outcome.FAIL}


@pytest.mark.parametrize("digest_set", [{"md5": "0" * 32}, {"sha1": "0" * 40}, {}])
def test_weak_digests_are_refused(release: Release, digest_set: dict[str, str]) -> None:
    """A subject is known by sha256 or by its commit, and by nothing beside them."""
    path = release.approve(release.sign(release.run(stress())))

    def weaken(data: dict[str, Any]) -> None:
        data["subject"][1]["digest"] |= digest_set
        if not digest_set:
            data["subject"][1]["digest"] = {"md5": "0" * 32}

    resigned(path, 0, release.team.ada, weaken)
    assert outcomes(release, path)["trust.bundle"] is Outcome.FAIL


@pytest.mark.parametrize("line", [0, 1])
def test_unknown_fields_of_ours_are_refused(release: Release, line: int) -> None:
    """Whoever does not know a field does not know what it takes back."""
    path = release.approve(release.sign(release.run(stress())))
    key = (release.team.ada, release.team.grace)[line]
    resigned(path, line, key, lambda data: data["predicate"].update(revokes="all"))
    assert outcomes(release, path)["trust.bundle"] is Outcome.FAIL


def test_unknown_predicate_types_are_refused(release: Release) -> None:
    """A statement that nobody here can read proves nothing, and hides nothing."""
    path = release.approve(release.sign(release.run(stress())))
    resigned(path, 0, release.team.ada, lambda data: data.update(predicateType="urn:x"))
    assert outcomes(release, path)["trust.bundle"] is Outcome.FAIL


def test_a_gate_s_statement_is_no_evidence(release: Release, team: Team) -> None:
    """Summaries lie beside decisions, never beside evidence."""
    path = release.approve(release.sign(release.run(stress())))
    subject = (Subject("git", Digests(gitCommit=COMMIT)),)
    result = TestResultPredicate("PASSED", (), ("all",), (), ())
    summary = SummaryPredicate(
        Verifier(f"{GATE_ID}{GATE}"),
        show_instant(release.now_us),
        "urn:x",
        Resource("urn:x", {}),
        (),
        "PASSED",
        (),
    )
    whole = bundle_path(path).read_bytes()
    for kind, predicate in ((TEST_RESULT, result), (SUMMARY, summary)):
        line = team.gate.sign(encode_statement(kind, subject, predicate))
        bundle_path(path).write_bytes(whole + line + b"\n")
        assert outcomes(release, path)["trust.evidence"] is Outcome.FAIL
    other = msgspec.structs.replace(summary, verifier=Verifier(f"{GATE_ID}another"))
    line = team.gate.sign(encode_statement(SUMMARY, subject, other))
    bundle_path(path).write_bytes(whole + line + b"\n")
    assert "in the name of another" in seen(release, path, "trust.signatures")


def test_the_people_named_are_those_who_signed(release: Release) -> None:
    """``executed_by`` and ``approved_by`` are owners of the keys, letter by letter."""
    for changes in ({"executed_by": "Ada@example.org"}, {"approved_by": "nobody"}):
        data = failure(**changes)
        path = release.run(data, f"{'-'.join(changes)}.json")
        with pytest.raises(UsageError):
            release.approve(release.sign(path))
    data = failure(approved_by="nobody")
    path = release.sign(release.run(data, "late.json"))
    good = release.approve(release.sign(release.run(failure(), "good.json")))
    approval = payload_of(bundle_path(good).read_bytes().splitlines()[1])
    statement = payload_of(bundle_path(path).read_bytes().splitlines()[0])

    def of_this(each: dict[str, Any]) -> None:
        each["predicate"]["evidenceDigest"] = digest(statement)
        each["subject"][1]["digest"]["sha256"] = digest(path.read_bytes())

    append_lines(bundle_path(path), [release.team.grace.sign(rewritten(approval, of_this))])
    assert outcomes(release, path) == {"trust.names": Outcome.FAIL}


def test_a_plan_is_what_was_run(release: Release) -> None:
    """Limits chosen afterwards, fewer scenarios, another profile or build: not the plan."""
    for number, changes in enumerate(
        (
            {"thresholds": {"max_p95_seconds": 1.0}},
            {"profile": "other"},
            {"nonce": "0" * 32},
            {"policyDigest": "0" * 64},
            {"plannedAt": show_instant(release.now_us)},
            {"expiresAt": "2020-01-01T00:00:00+00:00"},
        )
    ):
        path = release.run(stress(), f"{number}.json", plan=True)
        resigned(path, 0, release.team.ada, lambda data, c=changes: data["predicate"].update(c))
        plan = payload_of(bundle_path(path).read_bytes().splitlines()[0])
        release.approve(release.sign(path))

        def naming(data: dict[str, Any], named: str = digest(plan)) -> None:
            data["predicate"]["planDigest"] = named

        resigned(path, 1, release.team.ada, naming)
        assert outcomes(release, path)["trust.plan"] is Outcome.FAIL, changes


def test_a_plan_that_is_required_or_named_must_be_there(release: Release, team: Team) -> None:
    """Absent it is missing; where nobody asks for one it is not checked."""
    path = release.sign(release.run(stress()))
    strict = team.policy(POLICY + "plan = true\n")
    assert outcomes(release, path, policy=strict)["trust.plan"] is Outcome.INCONCLUSIVE
    planned = release.sign(release.run(stress(), "planned.json", plan=True))
    bundle = bundle_path(planned)
    bundle.write_bytes(bundle.read_bytes().split(b"\n", 1)[1])
    assert outcomes(release, planned)["trust.plan"] is Outcome.INCONCLUSIVE


def test_a_run_that_the_ledger_does_not_know_is_inconclusive(release: Release) -> None:
    """No ledger, or one without the beginning of this run."""
    path = release.approve(release.sign(release.run(stress())))
    kept = release.ledger.read_bytes()
    release.ledger.unlink()
    assert outcomes(release, path) == {"trust.ledger": Outcome.INCONCLUSIVE}
    other = append_start(release.ledger, kind="stress", profile="shop", commit=COMMIT, at="x")
    append_end(release.ledger, other, at="x", sha256="0" * 64, outcome="pass")
    assert outcomes(release, path) == {"trust.ledger": Outcome.INCONCLUSIVE}
    release.ledger.write_bytes(kept)
    assert outcomes(release, path) == {}


def test_a_ledger_that_was_edited_is_refused(release: Release) -> None:
    """A line taken out, changed, doubled, or cut off at its end."""
    for number in range(3):
        release.run(stress(), f"{number}.json", outcome="fail" if number < 2 else "pass")
    path = release.approve(release.sign(release.folder / "2.json"))
    assert outcomes(release, path) == {}
    lines = release.ledger.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    for broken in (
        lines[2:],
        lines[:1] + lines[3:],
        lines[:2] + lines[4:],
        [lines[0].replace(b"shop", b"shoq"), *lines[1:]],
        [*lines, lines[-1]],
        [*lines[:-1], lines[-1][:-1]],
        [lines[0].replace(b'"start"', b'"end"  '), *lines[1:]],
    ):
        release.ledger.write_bytes(b"".join(broken))
        assert outcomes(release, path) == {"trust.ledger": Outcome.FAIL}


def test_a_ledger_made_anew_is_not_the_one_that_was_signed(release: Release) -> None:
    """One passing run, and nineteen gone: the statement says how long the ledger was."""
    for number in range(3):
        release.run(stress(), f"{number}.json", outcome="fail" if number < 2 else "pass")
    path = release.approve(release.sign(release.folder / "2.json"))
    entries = read_ledger(release.ledger).entries
    release.ledger.unlink()
    start = append_start(
        release.ledger, kind="stress", profile="shop", commit=COMMIT, at=entries[4].at
    )
    release.end(start, path)
    assert outcomes(release, path) == {"trust.ledger": Outcome.FAIL}


def test_the_best_of_many_shows(release: Release) -> None:
    """Every beginning is counted, and a policy may say how many are too many."""
    for number in range(19):
        release.run(stress(), f"{number}.json", outcome="fail")
    path = release.approve(release.sign(release.run(stress(), "best.json")))
    assert outcomes(release, path) == {}
    assert people(release.case(path))[-1] == ("20 runs of this build are known: 19 fail, 1 pass")
    strict = release.team.policy(POLICY + "attempts_max = 3\n")
    assert outcomes(release, path, policy=strict)["trust.newest-run"] is Outcome.FAIL


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ("fail", Outcome.FAIL),
        ("broken", Outcome.INCONCLUSIVE),
        ("inconclusive", Outcome.INCONCLUSIVE),
        (None, Outcome.INCONCLUSIVE),
        ("pass", None),
    ],
)
def test_a_newer_run_beats_an_older_one(
    release: Release, outcome: str | None, said: Outcome | None
) -> None:
    """A failing one after a passing one decides, and so does one that says nothing."""
    path = release.approve(release.sign(release.run(stress())))
    release.run(stress(), "newer.json", outcome=outcome or "", ended=outcome is not None)
    assert outcomes(release, path).get("trust.newest-run") is said
    result = next(
        rule.apply(release.case(path)) for rule in RULES if rule.id.endswith("newest-run")
    )
    if said is Outcome.FAIL:
        assert result.exit_code is Exit.OBJECTIVES


@pytest.mark.parametrize("other", [{"profile": "other"}, {"subject": {"git_commit": "f" * 40}}])
def test_runs_of_something_else_are_no_rivals(release: Release, other: dict[str, Any]) -> None:
    """Another profile or another build says nothing about this one."""
    path = release.approve(release.sign(release.run(stress())))
    release.run(stress(**other), "other.json", outcome="fail")
    assert outcomes(release, path) == {}


def test_an_old_artifact_handed_in_as_a_new_run_stays_old(release: Release) -> None:
    """Bytes belong to the run that wrote them down first."""
    path = release.approve(release.sign(release.run(stress())))
    release.run(stress(), "newer.json", outcome="fail")
    again = append_start(release.ledger, kind="stress", profile="shop", commit=COMMIT, at="x")
    release.end(again, path)
    assert outcomes(release, path) == {"trust.newest-run": Outcome.FAIL}


def test_two_runs_at_once_are_two_lines(tmp_path: Path) -> None:
    """Appending waits for whoever is appending, and the chain holds."""
    ledger = tmp_path / "runs.jsonl"
    threads = [
        threading.Thread(
            target=lambda: append_start(
                ledger, kind="stress", profile="p", commit=None, at="2026-01-01T00:00:00Z"
            )
        )
        for _ in range(16)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = read_ledger(ledger)
    assert [each.sequence for each in found.entries] == list(range(1, 17))
    assert line_of(found.entries[0]) == ledger.read_bytes().splitlines()[0]


def test_evidence_and_approval_have_their_types(release: Release) -> None:
    """Statement v1 with our own predicate types, as docs/signing.md names them."""
    path = release.approve(release.sign(release.run(stress())))
    kinds = [
        json.loads(payload_of(line))["predicateType"]
        for line in bundle_path(path).read_bytes().splitlines()
    ]
    assert kinds == [EVIDENCE, APPROVAL]
