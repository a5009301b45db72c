"""The injection command before anything is started."""

from pathlib import Path

import pytest

from stressproof.capture.injection import check_identities, keep_log
from stressproof.cli.inject import command
from stressproof.cli.run import run
from stressproof.errors import UsageError
from stressproof.exits import Exit

pytestmark = pytest.mark.gate


def inject(*arguments: str) -> int:
    """Run the command and return its exit code."""
    return run(command, "inject", arguments)


def asked(tmp_path: Path, **changes: str) -> list[str]:
    """Return arguments that would start an injection, with changes."""
    given = {
        "--output": str(tmp_path / "out.json"),
        "--executed-by": "ada",
        "--approved-by": "grace",
        **{f"--{name.replace('_', '-')}": value for name, value in changes.items()},
    }
    return [part for pair in given.items() for part in pair]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"approved_by": "ada"}, "cannot approve"),
        ({"approved_by": "ADA"}, "cannot approve"),
        ({"approved_by": "a\u200bda"}, "cannot approve"),
        ({"approved_by": "\u0430da"}, "cannot approve"),
        ({"approved_by": "\uff41da"}, "cannot approve"),
        ({"approved_by": "\u200b"}, "no name"),
        ({"executed_by": " ada"}, "no name"),
        ({"executed_by": ""}, "no name"),
        ({"scenario": "FI-006"}, "no scenario FI-006"),
        ({"workers": "1"}, "expected 2 to 32"),
        ({"seed": "-1"}, "range"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_starts(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    words: str,
) -> None:
    """One person under two spellings, unknown scenarios and a single worker are usage errors."""
    assert inject(*asked(tmp_path, **changes)) == Exit.USAGE
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_output_that_cannot_be_written_is_found_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits three minutes to learn that."""
    assert inject(*asked(tmp_path, output=str(tmp_path))) == Exit.USAGE
    (tmp_path / "file").write_text("")
    assert inject(*asked(tmp_path, output=str(tmp_path / "file" / "x.json"))) == Exit.OUTPUT
    assert "cannot write" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--output", "--executed-by", "--approved-by"])
def test_protocol_flags_are_required(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of the three says so."""
    assert inject() == Exit.USAGE
    assert "Missing option" in capsys.readouterr().err
    assert inject("--help") == Exit.PASS
    assert flag in capsys.readouterr().out


def test_two_people_are_two_people() -> None:
    """Names that differ are accepted, in any script."""
    check_identities("Ada Lovelace", "グレース")
    with pytest.raises(UsageError):
        check_identities("Ada  Lovelace", "ada lovelace")


def test_the_log_of_a_failed_scenario_outlives_its_stage(tmp_path: Path) -> None:
    """It lies beside the artifact, under a name that says what it explains."""
    log = tmp_path / "stage" / "service.log"
    log.parent.mkdir()
    log.write_text('{"event": "gate_failsafe"}\n')
    kept = keep_log(log, tmp_path / "failures_2026-02-27.json", "FI-001.service")
    assert kept == tmp_path / "failures_2026-02-27.FI-001.service.log"
    assert kept.read_text() == log.read_text()
