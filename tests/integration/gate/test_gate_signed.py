"""Two people, one promotion: a project with a trust policy, from signed evidence to its end."""

import base64
import html
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from attested_release import Release
from release_project import PASSING_STEPS, STRESS, Ended, ReleaseProject, clean_environment
from signing_people import ADA, GATE, GRACE, POLICY, Team, make_team, roster_line
from stressproof.exits import Exit
from stressproof.trust.bundle import bundle_path
from stressproof.trust.keys import parse_key
from stressproof.trust.ledger import append_end, append_start
from stressproof.trust.statement import SUMMARY, TEST_RESULT

DECISION = "docs/ops/evidence/decision.json"
SUMMARY_FILE = "docs/ops/evidence/decision.intoto.jsonl"
MINUTE_US = 60_000_000


class SignedProject(ReleaseProject):
    """A project whose policy asks for two people.

    Args:
        root: An empty folder.
        team: Who signs.
        policy: Text of its policy.
    """

    def __init__(self, root: Path, team: Team, policy: str = POLICY) -> None:
        super().__init__(root)
        self.team = team
        self.commit("trust", team.files(policy))
        self.signing = Release(root / "docs/ops/evidence", team, team.policy(policy))
        self.gate_key = team.folder / "gate.pem"
        self.gate_key.write_text(team.gate_pem)

    def honest(self, *, plan: bool = False, **changes: Any) -> Path:
        """Write evidence that the executor ran and signed, and the approver approved."""
        path = self.signing.run(self.stress_data(), plan=plan)
        self.signing.sign(path, **changes)
        return self.signing.approve(path)

    def decide(self, *arguments: str) -> Ended:
        """Run the gate on it, signing the decision."""
        asked = ("--decision-out", DECISION, "--sign", "--signing-key", str(self.gate_key))
        return self.enterprise(*asked, *arguments, STRESSPROOF_LEDGER="")

    def command(self, *arguments: str, **variables: str) -> Ended:
        """Run a command of the tool here."""
        ended = subprocess.run(
            [sys.executable, "-m", "stressproof", *arguments],
            cwd=self.root,
            env=clean_environment({"STRESSPROOF_LEDGER": "", **variables}),
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def promote(self, *arguments: str) -> Ended:
        """Ask whether it may be promoted."""
        return self.command("promote", SUMMARY_FILE, *arguments)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    """An executor, an approver and a gate."""
    return make_team(tmp_path_factory.mktemp("team"))


@pytest.fixture
def signed(tmp_path: Path, team: Team) -> SignedProject:
    """A project with a trust policy, and no evidence yet."""
    root = tmp_path / "project"
    root.mkdir()
    return SignedProject(root, team)


def statements(path: Path) -> dict[str, Any]:
    """Return the statements of a bundle by their type."""
    found = {}
    for line in path.read_bytes().splitlines():
        data = json.loads(base64.b64decode(json.loads(line)["payload"]))
        found[data["predicateType"]] = data
    return found


def test_two_people_one_promotion(signed: SignedProject) -> None:
    """Run and signed by one, approved by another, decided by the gate, promoted."""
    signed.honest(plan=True)
    ended = signed.decide()
    assert ended.code == Exit.PASS, ended.out + ended.err
    decision = json.loads((signed.root / DECISION).read_bytes())
    assert decision["accepted"]
    [verdict] = decision["verdicts"]
    assert verdict["level"] == "attested"
    assert [line.split(" (")[0] for line in verdict["attestation"]] == [
        f"executed by {ADA}",
        f"approved by {GRACE}",
        "one run of this build is known",
    ]
    said = statements(signed.root / SUMMARY_FILE)
    summary = said[SUMMARY]["predicate"]
    assert summary["verificationResult"] == "PASSED"
    assert summary["verifier"]["id"] == f"urn:stressproof:gate:{GATE}"
    assert summary["resourceUri"] == f"git+https://example.org/shop@{signed.head}"
    assert "STRESSPROOF_TWO_PERSON" in summary["verifiedLevels"]
    assert "STRESSPROOF_PLANNED" in summary["verifiedLevels"]
    assert len(summary["inputAttestations"]) == 4  # the decision, plan, evidence, approval
    assert said[TEST_RESULT]["predicate"]["result"] in {"PASSED", "WARNED"}
    assert set(summary) == {
        *("verifier", "timeVerified", "resourceUri", "policy", "inputAttestations"),
        *("verificationResult", "verifiedLevels"),
    }
    assert not any(level.startswith("SLSA_") for level in summary["verifiedLevels"])
    digests = [each["digest"] for each in [summary["policy"], *summary["inputAttestations"]]]
    assert all(re.fullmatch("[0-9a-f]{64}", each["sha256"]) for each in digests)
    assert "trust.approval" in said[TEST_RESULT]["predicate"]["passedTests"]
    promoted = signed.promote()
    assert (promoted.code, promoted.last_line.split()[0]) == (0, "PASS"), promoted.out
    confirmed = signed.command("gate", "confirm", DECISION)
    assert confirmed.code == Exit.PASS, confirmed.out


def test_promotion_takes_exactly_one_thing(signed: SignedProject) -> None:
    """Absent, edited, another's, another build's, another policy's, two of them: no."""
    absent = signed.promote()
    assert absent.code == Exit.INCONCLUSIVE
    assert "no such file; expected a gate's summary\n" in absent.out
    signed.honest()
    assert signed.decide().code == Exit.PASS
    path = signed.root / SUMMARY_FILE
    whole = path.read_bytes()
    assert signed.promote().code == Exit.PASS
    summary, result = whole.splitlines(keepends=True)
    other = "f" * 40
    for content, arguments, rule in (
        (b"", (), "promote.summary"),
        (result, (), "promote.summary"),
        (summary + whole, (), "promote.summary"),
        (whole[:-3], (), "promote.summary"),
        (whole.replace(b'"payload":"ey', b'"payload":"eY', 1), (), "promote.signatures"),
        (bundle_path(signed.root / STRESS).read_bytes(), (), "promote.summary"),
        (whole.replace(b"vnd.in-toto+json", b"json", 1), (), "promote.readable"),
        (by_executor(signed, summary), (), "promote.authorised"),
        (whole, ("--commit", other), "promote.subject"),
        (whole, ("--digest", "sha256:" + "0" * 64), "promote.subject"),
    ):
        path.write_bytes(content)
        ended = signed.promote(*arguments)
        assert ended.code in {Exit.EVIDENCE, Exit.INCONCLUSIVE}, (rule, ended.out)
        assert rule in ended.out, ended.out
    path.write_bytes(whole)
    short = signed.promote("--commit", "abc")
    assert (short.code, "git rev-parse abc" in short.err) == (Exit.USAGE, True)
    assert signed.promote("--digest", "abc").code == Exit.USAGE
    # A colleague joins: the policy is another one, and the gate has to look again.
    _, new = make_team_key(signed)
    signed.commit(
        "heidi", {"trust/allowed_signers": signed.team.roster + roster_line("heidi", new)}
    )
    ended = signed.promote("--commit", signed.git("rev-parse", "HEAD^"))
    assert "promote.policy" in ended.out
    assert ended.code == Exit.EVIDENCE


def by_executor(signed: SignedProject, line: bytes) -> bytes:
    """Return a gate's summary as the executor would sign it, who may not."""
    payload = base64.b64decode(json.loads(line)["payload"])
    return signed.team.ada.sign(payload) + b"\n"


def make_team_key(signed: SignedProject) -> tuple[Path, Any]:
    """Return one more key as ``keys init`` makes it."""
    path = signed.team.folder / f"{os.urandom(4).hex()}.pem"
    made = signed.command("keys", "init", "heidi", "--out", str(path))
    assert made.code == 0, made.err
    assert path.stat().st_mode & 0o777 == 0o600
    words = made.out.split()
    return path, parse_key(words[2], words[3])


def test_a_stale_or_failed_summary_promotes_nothing(signed: SignedProject) -> None:
    """PASSED long ago is nothing, and so is FAILED now."""
    signed.commit("short", {"trust/policy.toml": POLICY + "[ages]\nsummary_hours = 1e-6\n"})
    signed.signing.policy = signed.team.policy(POLICY + "[ages]\nsummary_hours = 1e-6\n")
    signed.honest()
    assert signed.decide().code == Exit.PASS
    ended = signed.promote()
    assert (ended.code, "promote.fresh" in ended.out) == (Exit.EVIDENCE, True), ended.out
    bundle_path(signed.root / STRESS).unlink()
    assert signed.decide().code == Exit.INCONCLUSIVE
    assert statements(signed.root / SUMMARY_FILE)[SUMMARY]["predicate"]["verifiedLevels"] == []
    assert "promote.result" in signed.promote().out


def test_an_image_is_promoted_by_its_digest(signed: SignedProject) -> None:
    """Where the executor names what is shipped, that alone is promoted."""
    image = "a" * 64
    signed.honest(image=image)
    assert signed.decide().code == Exit.PASS
    assert signed.promote().code == Exit.INCONCLUSIVE
    assert signed.promote("--digest", f"sha256:{image}").code == Exit.PASS
    assert signed.promote("--digest", f"sha256:{'b' * 64}").code == Exit.EVIDENCE


@pytest.mark.parametrize("who", ["ada", "grace", "stranger"])
def test_only_a_gate_s_key_signs_decisions(signed: SignedProject, who: str) -> None:
    """Refused before anything is judged."""
    signed.honest()
    key = signed.team.folder / who
    if who == "stranger":
        key = make_team_key(signed)[0]
    ended = signed.enterprise(
        *("--decision-out", DECISION, "--sign", "--signing-key", str(key)), STRESSPROOF_LEDGER=""
    )
    assert ended.code == Exit.USAGE
    assert not (signed.root / DECISION).exists()


def test_with_a_policy_unsigned_evidence_does_not_pass(signed: SignedProject) -> None:
    """The same evidence that passes without a policy; failing and missing differ."""
    path = signed.signing.run(signed.stress_data())
    ended = signed.decide()
    assert ended.code == Exit.INCONCLUSIVE
    assert "trust.bundle" in ended.out
    signed.signing.approve(signed.signing.sign(path))
    path.write_text(path.read_text() + " ")
    ended = signed.decide()
    assert ended.code == Exit.EVIDENCE
    assert "trust.evidence" in ended.out


def test_taking_the_policy_out_needs_the_ref_s_consent(signed: SignedProject) -> None:
    """A change cannot free itself: not at HEAD, and not against a ref that has the policy."""
    signed.git("update-ref", "refs/heads/protected", "HEAD")
    signed.git("rm", "-q", "-r", "trust")
    signed.git("commit", "-q", "-m", "no more signing")
    signed.signing.run(signed.stress_data())
    plain = signed.enterprise(STRESSPROOF_LEDGER="")
    assert plain.code == Exit.INCONCLUSIVE
    assert "gate.trust-policy" in plain.out
    guarded = signed.enterprise("--policy-ref", "refs/heads/protected", STRESSPROOF_LEDGER="")
    assert guarded.code == Exit.INCONCLUSIVE
    assert "trust.bundle" in guarded.out
    signed.git("update-ref", "refs/heads/protected", "HEAD")
    freed = signed.enterprise("--policy-ref", "refs/heads/protected", STRESSPROOF_LEDGER="")
    assert freed.code == Exit.PASS, freed.out


def test_adding_a_policy_needs_nobody(signed: SignedProject) -> None:
    """A ref without one does not take away what HEAD asks for."""
    signed.git("update-ref", "refs/heads/protected", "HEAD^")
    signed.signing.run(signed.stress_data())
    ended = signed.enterprise("--policy-ref", "refs/heads/protected", STRESSPROOF_LEDGER="")
    assert ended.code == Exit.INCONCLUSIVE
    assert "trust.bundle" in ended.out


def test_a_policy_on_disk_cannot_replace_the_committed_one(
    signed: SignedProject, tmp_path: Path
) -> None:
    """``--policy`` serves where none is committed, or says the same."""
    signed.honest()
    for name, text in signed.team.files(POLICY + "approvals = 1\n").items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    other = str(tmp_path / "trust" / "policy.toml")
    assert signed.decide("--policy", other).code == Exit.USAGE
    assert signed.decide("--policy", str(signed.root / "trust/policy.toml")).code == Exit.PASS


def test_a_policy_on_disk_serves_where_none_is_committed(
    project: ReleaseProject, tmp_path: Path, team: Team
) -> None:
    """Signing can be tried before it is everybody's; a decision under it is confirmed under it."""
    for name, text in team.files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    policy = ("--policy", str(tmp_path / "trust" / "policy.toml"))
    key = team.folder / "gate.pem"
    key.write_text(team.gate_pem)
    signing = Release(project.root / "docs/ops/evidence", team, team.policy())
    path = signing.run(project.stress_data())
    asked = ("--decision-out", DECISION, "--sign", "--signing-key", str(key), *policy)
    ended = project.enterprise(*asked, STRESSPROOF_LEDGER="")
    assert (ended.code, "trust.bundle" in ended.out) == (Exit.INCONCLUSIVE, True)
    signing.approve(signing.sign(path))
    assert project.enterprise(*asked, STRESSPROOF_LEDGER="").code == Exit.PASS
    command = [sys.executable, "-m", "stressproof", "gate", "confirm", DECISION]
    environment = clean_environment({"STRESSPROOF_LEDGER": ""})
    codes = [
        subprocess.run(
            [*command, *flags], cwd=project.root, env=environment, check=False, timeout=60
        ).returncode
        for flags in (policy, ())
    ]
    assert codes == [Exit.PASS, Exit.INCONCLUSIVE]


def test_a_policy_s_limits_and_counts_tighten(signed: SignedProject) -> None:
    """Kinds of evidence, limits of rounds, ages, and how many rules must have compared."""
    for extra, rule in (
        ("[limits]\nmax_p95_seconds = 0.001\n", "stress.round-targets"),
        ("[ages]\nstress_hours = 0.5\n", "stress.age"),
        ("checks = 500\n", "gate.trust-checks"),
        (None, "gate.trust-evidence"),
    ):
        text = POLICY + (extra or "")
        if extra is None:
            text = POLICY.replace('["stress"]', '["stress", "failure"]')
        signed.commit(rule, {"trust/policy.toml": text})
        signed.signing.policy = signed.team.policy(text)
        path = signed.signing.run(signed.stress_data(), f"{rule}.json")
        path.replace(signed.root / STRESS)
        signed.signing.sign(signed.root / STRESS)
        signed.signing.approve(signed.root / STRESS)
        ended = signed.decide()
        assert ended.code not in {Exit.PASS, Exit.USAGE, Exit.INTERNAL}, ended.out
        assert rule in ended.out, ended.out
        bundle_path(signed.root / STRESS).unlink()


def test_a_waived_objective_is_shown_as_waived(signed: SignedProject) -> None:
    """An approver's word lets a limit be missed, as the policy allows; never shown as a pass."""
    text = POLICY + 'waivable = ["gate.objectives"]\n'
    objective = '\n[thresholds]\nhttp_req_duration = "p(95) < 1ms"\n'
    files = {"trust/policy.toml": text, "stressproof.toml": PASSING_STEPS + objective}
    signed.commit("waivable", files)
    signed.signing.policy = signed.team.policy(text)
    path = signed.signing.sign(signed.signing.run(signed.stress_data()))
    signed.signing.approve(path)
    blocked = signed.decide()
    assert blocked.code == Exit.OBJECTIVES, blocked.out
    bundle_path(path).unlink()
    signed.signing.sign(path)
    signed.signing.approve(path, waivers=[("gate.objectives", "the quarter ends")])
    ended = signed.decide()
    assert ended.code == Exit.PASS, ended.out
    assert "WAIVED  gate.objectives" in ended.out
    assert f"waived by {GRACE}" in ended.out
    said = statements(signed.root / SUMMARY_FILE)
    assert "STRESSPROOF_WITH_WAIVERS" in said[SUMMARY]["predicate"]["verifiedLevels"]
    assert said[TEST_RESULT]["predicate"]["result"] == "WARNED"
    assert "gate.objectives" not in said[TEST_RESULT]["predicate"]["passedTests"]
    shown = signed.decide("--format", "markdown").out + signed.decide("--format", "github").out
    assert shown.count("the quarter ends") == 1
    assert "WAIVED gate.objectives" in shown


def test_a_newer_failing_run_closes_the_gate(signed: SignedProject) -> None:
    """Signed, approved, and no longer the newest."""
    path = signed.honest()
    data = json.loads(path.read_text())
    commit = data["subject"]["git_commit"]
    start = append_start(
        signed.signing.ledger, kind="stress", profile=data["profile"], commit=commit, at="x"
    )
    append_end(signed.signing.ledger, start, at="x", sha256=None, outcome="fail")
    ended = signed.decide()
    assert ended.code == Exit.OBJECTIVES
    assert "trust.newest-run" in ended.out
    assert "2 runs of this build are known: 1 pass, 1 fail" in ended.out


def test_a_decision_that_nobody_signed_confirms_nothing(signed: SignedProject) -> None:
    """Under a policy a decision file needs the gate's summary of exactly its bytes."""
    signed.honest()
    assert signed.decide().code == Exit.PASS
    assert signed.command("gate", "confirm", DECISION).code == Exit.PASS
    path = signed.root / DECISION
    written = path.read_bytes()
    path.write_bytes(written.replace(b'"gate": "enterprise"', b'"gate":  "enterprise"'))
    assert path.read_bytes() != written
    ended = signed.command("gate", "confirm", DECISION)
    assert (ended.code, "confirm.signed" in ended.out) == (Exit.EVIDENCE, True), ended.out
    path.write_bytes(written)
    (signed.root / SUMMARY_FILE).unlink()
    ended = signed.command("gate", "confirm", DECISION)
    assert (ended.code, "confirm.signed" in ended.out) == (Exit.INCONCLUSIVE, True), ended.out


def test_the_commands_of_two_people(signed: SignedProject) -> None:
    """Sign and approve: what each shows, and what each refuses."""
    path = signed.signing.run(signed.stress_data())
    ada, grace = (str(signed.team.folder / name) for name in ("ada", "grace"))
    assert (
        signed.command("approve", STRESS, "--signing-key", grace, "--yes").code == Exit.INCONCLUSIVE
    )
    assert signed.command("sign", STRESS, "--signing-key", grace).code == Exit.USAGE
    ended = signed.command("sign", STRESS, "--signing-key", ada)
    assert ended.code == 0, ended.err
    assert signed.command("approve", STRESS, "--signing-key", ada, "--yes").code == Exit.USAGE
    unasked = signed.command("approve", STRESS, "--signing-key", grace)
    assert (unasked.code, "--yes" in unasked.err) == (Exit.USAGE, True)
    for shown in ("p95", f"executed by {ADA}", signed.head, "one run of this build"):
        assert shown in unasked.out, shown
    ended = signed.command("approve", STRESS, "--signing-key", grace, "--yes")
    assert ended.code == 0, ended.out + ended.err
    assert signed.decide().code == Exit.PASS
    # Signed anew, it has to be approved anew, and nothing of before is left over.
    again = signed.command("sign", STRESS, "--signing-key", ada)
    assert "approved anew" in again.err
    assert signed.decide().code == Exit.INCONCLUSIVE
    data = json.loads(path.read_text())
    data["results"]["p95_response_time"] = 0.0001
    path.write_text(json.dumps(data))
    assert signed.command("sign", STRESS, "--signing-key", ada).code == 0
    forged = signed.command("approve", STRESS, "--signing-key", grace, "--yes")
    assert (forged.code, "not approved" in forged.out) == (Exit.EVIDENCE, True)


def test_a_report_says_who_signed_and_who_approved(signed: SignedProject) -> None:
    """Whoever reads the page needs no other document to know who stands behind the evidence."""
    signed.signing.run(signed.stress_data())
    page = signed.team.folder / "page.html"
    asked = ("report", STRESS, "--html", str(page), "--policy-ref", signed.head)

    def said() -> str:
        ended = signed.command(*asked)
        assert ended.code == Exit.PASS, ended.out + ended.err
        return html.unescape(page.read_text())

    assert "nobody signed these bytes" in said()
    for who, command in (("ada", "sign"), ("grace", "approve")):
        yes = ["--yes"] * (command == "approve")
        key = str(signed.team.folder / who)
        assert signed.command(command, STRESS, "--signing-key", key, *yes).code == Exit.PASS
    shown = said()
    assert f"executed by {ADA} " in shown
    assert f"approved by {GRACE} " in shown
    assert "one run of this build" in shown
    assert signed.command("report", STRESS, "--csv", "-", "--policy-ref", "x").code == Exit.USAGE


def test_an_approver_is_asked_on_a_terminal(signed: SignedProject) -> None:
    """Shown first, then asked; anything but yes signs nothing."""
    signed.signing.sign(signed.signing.run(signed.stress_data()))
    bundle = bundle_path(signed.root / STRESS)
    before = bundle.read_bytes()
    for answer, code in ((b"n\n", Exit.INTERRUPTED), (b"y\n", Exit.PASS)):
        ours, theirs = pty.openpty()
        os.write(ours, answer)
        command = [sys.executable, "-m", "stressproof", "approve", STRESS]
        ended = subprocess.run(
            [*command, "--signing-key", str(signed.team.folder / "grace")],
            cwd=signed.root,
            env=clean_environment({"STRESSPROOF_LEDGER": ""}),
            stdin=theirs,
            capture_output=True,
            check=False,
            timeout=60,
        )
        os.close(ours)
        os.close(theirs)
        assert ended.returncode == code, ended.stderr
        assert (bundle.read_bytes() == before) is (code is not Exit.PASS)


def test_keys_are_listed_with_their_roles(signed: SignedProject) -> None:
    """Owner, role, fingerprint, and whether it may sign now."""
    revoked = signed.team.grace.public.fingerprint
    text = f'{POLICY}[[revoked]]\nkey = "{revoked}"\nreason = "left on a train"\n'
    signed.commit("lost", {"trust/policy.toml": text})
    ended = signed.command("keys", "list")
    assert ended.code == 0
    lines = {line.split()[0]: line for line in ended.out.splitlines()}
    assert "executor" in lines[ADA]
    assert lines[ADA].endswith("valid")
    assert lines[GRACE].endswith("revoked: left on a train")
    assert signed.team.gate.public.fingerprint in lines[GATE]


def test_keys_init_overwrites_nothing(signed: SignedProject) -> None:
    """A private key that is there stays."""
    path, _ = make_team_key(signed)
    before = path.read_bytes()
    assert signed.command("keys", "init", "heidi", "--out", str(path)).code == Exit.OUTPUT
    assert path.read_bytes() == before
    assert signed.command("keys", "init", "*", "--out", f"{path}2").code == Exit.USAGE
    unasked = signed.command("keys", "init", "heidi", "--passphrase", "--out", f"{path}2")
    assert (unasked.code, "at a terminal" in unasked.err) == (Exit.USAGE, True)
    assert not Path(f"{path}2").exists()
