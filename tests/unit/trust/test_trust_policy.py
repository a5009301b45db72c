"""The roster and the policy: what they say, and every fault of a file at once."""

import subprocess
from pathlib import Path

import pytest

from signing_people import ADA, GATE, GRACE, POLICY, Team, roster_line, software_key, ssh_key
from stressproof.config.mistakes import ConfigError
from stressproof.config.reading import source_of
from stressproof.errors import UsageError
from stressproof.trust.keys import SK_ED25519
from stressproof.trust.policy import Role, policy_of
from stressproof.trust.reading import load_policy
from stressproof.trust.roster import Signer, read_roster

pytestmark = pytest.mark.gate


def roster(text: str) -> tuple[Signer, ...]:
    """Read a roster."""
    return read_roster(source_of(text.encode(), "allowed_signers"))


def line(principal: str = ADA, *options: str) -> str:
    """Return a line with a new key."""
    return roster_line(principal, software_key()[1], *options)


def test_a_roster_is_what_openssh_reads(tmp_path: Path) -> None:
    """Comments, blank lines, options, several keys of one person."""
    text = (
        f"# people\n\n{line()}{line()}"
        + line(GRACE, 'valid-after="20260101Z"', 'valid-before="20270101120000Z"')
        + f"plain {software_key()[1].line} a comment\n"
    )
    found = roster(text)
    assert [each.principal for each in found] == [ADA, ADA, GRACE, "plain"]
    assert found[2].valid_after_us == 1_767_225_600_000_000
    assert found[2].valid_before_us == 1_798_804_800_000_000
    assert found[0].line == 3
    (tmp_path / "roster").write_text(text)
    signature = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-n", "stressproof", "-f", ssh_key(tmp_path, "x")],
        input=b"m",
        capture_output=True,
        check=True,
    )
    (tmp_path / "signature").write_bytes(signature.stdout)
    said = subprocess.run(
        [
            *("ssh-keygen", "-Y", "find-principals", "-f", tmp_path / "roster"),
            *("-s", tmp_path / "signature"),
        ],
        capture_output=True,
        check=False,
    )
    # It reads every line and finds nobody: a line that it cannot read is an error of its own.
    assert b"no principal matched" in said.stderr.lower()


def test_lines_for_other_namespaces_are_other_tools_affair() -> None:
    """A key that signs commits signs nothing here, unless its line says so."""
    key = software_key()[1]
    text = f'{ADA} namespaces="git,file" {key.line}\n{line(GRACE)}'
    assert [each.principal for each in roster(text)] == [GRACE]
    both = f'{ADA} namespaces="git,stressproof" {key.line}\n'
    assert [each.principal for each in roster(both)] == [ADA]


def test_every_fault_of_a_roster_is_named_at_once(tmp_path: Path) -> None:
    """Each with its line and what to write instead."""
    shared = software_key()[1]
    rsa = (ssh_key(tmp_path, "r", "-t", "rsa", "-b", "2048").with_suffix(".pub")).read_text()
    text = "".join(
        (
            line("*@example.org"),
            line("!ada"),
            line("ada,grace"),
            f"{ADA} {rsa}",
            f"{ADA} cert-authority {shared.line}\n",
            f'{ADA} namespaces="*" {shared.line}\n',
            f"{ADA} ssh-ed25519 AAAA\n",
            f"{ADA}\n",
            line(ADA, 'valid-after="20260101"'),
            line(ADA, 'valid-after="20261301Z"'),
            line(ADA, "touch-required"),
            line("\u0430da"),
            roster_line(ADA, shared),
            roster_line(GRACE, shared),
            roster_line(ADA, shared),
            line("Ada@Example.org"),
            f"{shared.line}\n",
            f'{ADA} namespaces="git, stressproof" {shared.line}\n',
            f'{ADA} namespaces="" {shared.line}\n',
            line(ADA, 'valid-after="20270101Z"', 'valid-before="20270101Z"'),
        )
    )
    with pytest.raises(ConfigError) as caught:
        roster(text)
    said = caught.value.message
    assert [fault.line for fault in caught.value.mistakes] == [*range(1, 13), *range(14, 21)]
    for words in (
        "a pattern for names: '*@example.org'",
        "one key under two names: 'ada,grace'",
        "an RSA key",
        "a certificate authority",
        "namespaces='*', which is no list of names",
        "namespaces='git, stressproof', which is no list of names",
        "namespaces='', which is no list of names",
        "a key without an owner: ssh-ed25519",
        "never valid: from 20270101Z until 20270101Z",
        "no public key",
        "in UTC",
        "one key under two names: grace@example.org's",
        "look like one person",
    ):
        assert words in said, words
    assert said.count("ed25519") > 2


def test_one_curve_point_is_one_key() -> None:
    """A token's key and a key in software with the same point are one key."""
    key = software_key()[1]
    token = type(key)(SK_ED25519, key.raw, b"ssh:")
    with pytest.raises(ConfigError, match="one key under two names"):
        roster(roster_line(ADA, key) + roster_line(GRACE, token))


@pytest.mark.parametrize("text", ["", "# nobody\n", "\n"])
def test_nobody_is_no_roster(text: str) -> None:
    """An empty roster lets nobody sign, and that is a fault."""
    with pytest.raises(ConfigError, match="nobody may sign"):
        roster(text)


def test_a_policy_says_who_may_what(team: Team) -> None:
    """Roles by principal, and a digest of both files."""
    policy = team.policy()
    assert [policy.role_of(each) for each in (ADA, GRACE, GATE, "x")] == [
        Role.EXECUTOR,
        Role.APPROVER,
        Role.GATE,
        None,
    ]
    assert policy.digest != team.policy(POLICY + "\n").digest
    more = team.policy(extra=[line("heidi")])
    assert policy.digest != more.digest
    assert policy.signer_of(team.ada.public) is not None


def test_every_fault_of_a_policy_is_named_at_once(team: Team) -> None:
    """Misspelt keys, wrong types and absent tables; then what the roster says to it."""
    with pytest.raises(ConfigError) as caught:
        team.policy('resource = "shop"\n[roles]\nexecutors = ["x"]\n[require]\napprovals = 0\n')
    assert len(caught.value.mistakes) == 7
    assert "Did you mean 'executor'?" in caught.value.message
    both = POLICY.replace(f'gate = ["{GATE}"]', f'gate = ["{ADA}", "ghost"]')
    with pytest.raises(ConfigError) as caught:
        team.policy(both + "approvals = 3\n")
    said = caught.value.message
    assert "ada@example.org is executor as well" in said
    assert "ghost has no key" in said
    assert "3 approvals of 1 approvers" in said
    assert all(fault.line for fault in caught.value.mistakes)


@pytest.mark.parametrize(
    "text",
    [
        POLICY.replace("[roles]", "[roles]\nexecutor = []\n#"),
        POLICY + 'assurance = "recomputed"\n',
        POLICY + "approvals = true\n",
        POLICY + "[ages]\napproval_hours = nan\n",
        POLICY + "[ages]\nsummary_hours = -1\n",
        POLICY + '[[revoked]]\nkey = "MD5:00"\nreason = "x"\n',
        POLICY.replace('"stress"', '"load"'),
        POLICY.replace('["stress"]', "[]"),
        "not toml",
        "\x00",
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(team: Team, text: str) -> None:
    """Nothing is passed over."""
    assert text != POLICY
    with pytest.raises(UsageError):
        team.policy(text)


def test_a_policy_on_disk_needs_both_files(tmp_path: Path, team: Team) -> None:
    """The roster lies beside it."""
    for name, text in team.files().items():
        with pytest.raises(UsageError, match="is not there"):
            load_policy(tmp_path / "trust" / "policy.toml")
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    digest = policy_of(POLICY.encode(), team.roster.encode(), "x").digest
    assert load_policy(tmp_path / "trust" / "policy.toml").digest == digest
