"""Documents on disk."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stressproof.errors import OutputError
from stressproof.evidence.writing import check_writable, set_aside, write_atomic

pytestmark = pytest.mark.gate


def test_a_written_file_holds_the_bytes_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """A finished write leaves the document and no temporary file."""
    write_atomic(tmp_path / "new" / "a.json", b"whole")
    assert (tmp_path / "new" / "a.json").read_bytes() == b"whole"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


def test_a_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    """Where a document cannot be replaced, the old one and no debris remain."""
    blocked = tmp_path / "a.json"
    blocked.mkdir()
    (blocked / "inside").write_text("kept")
    with pytest.raises(OutputError, match=r"cannot write .*a\.json"):
        write_atomic(blocked, b"new")
    assert (blocked / "inside").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_pieces_that_break_off_leave_nothing(tmp_path: Path) -> None:
    """What cannot be made to its end replaces nothing, and no part of it stays."""

    def pieces() -> Iterator[bytes]:
        yield b"half of"
        raise KeyboardInterrupt

    write_atomic(tmp_path / "a.json", iter([b"the ", b"old"]))
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a.json", pieces())
    assert (tmp_path / "a.json").read_bytes() == b"the old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_place_that_cannot_be_written_is_an_output_error() -> None:
    """A folder that cannot be made is told as such, with exit code 7."""
    with pytest.raises(OutputError) as caught:
        write_atomic(Path("/proc/nowhere/a.json"), b"new")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("name", ["fifo", "folder"])
def test_only_regular_files_are_writable(tmp_path: Path, name: str) -> None:
    """A device, pipe or folder at the path is refused before any load is sent."""
    path = tmp_path / name
    os.mkfifo(path) if name == "fifo" else path.mkdir()
    with pytest.raises(OutputError, match="not a regular file"):
        check_writable(path)


def test_checking_leaves_no_trace(tmp_path: Path) -> None:
    """Folders that were made to try are gone; what was there stays."""
    (tmp_path / "kept").mkdir()
    for folder in ("deep/er", "kept/new", "kept"):
        check_writable(tmp_path / folder / "a.json")
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["kept"]


def test_an_earlier_artifact_is_kept_under_its_own_time(tmp_path: Path) -> None:
    """What lies in the way is renamed to its captured_at, twice over if need be."""
    path = tmp_path / "a.json"
    kept = []
    for number in (1, 2):
        content = {"captured_at": "2026-02-25T10:00:00+00:00", "n": number}
        path.write_text(json.dumps(content))
        kept.append(set_aside(path))
    assert [one.name for one in kept if one] == [
        "a.2026-02-25T10-00-00+00-00.json",
        "a.2026-02-25T10-00-00+00-00.2.json",
    ]
    assert [json.loads(one.read_text())["n"] for one in kept if one] == [1, 2]
    assert set_aside(path) is None


@pytest.mark.parametrize("content", [b"[]", b"\xff", b'{"captured_at": 5}', b"", b"[" * 10_000])
def test_anything_in_the_way_is_kept(tmp_path: Path, content: bytes) -> None:
    """A file that is no artifact of ours is set aside as well, under its time of change."""
    path = tmp_path / "a.json"
    path.write_bytes(content)
    kept = set_aside(path)
    assert kept is not None
    assert kept.read_bytes() == content
    assert not path.exists()


def test_a_hostile_captured_at_cannot_leave_the_folder(tmp_path: Path) -> None:
    """A time that is a path does not move the file elsewhere."""
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"captured_at": "../../x"}))
    kept = set_aside(path)
    assert kept is not None
    assert kept.parent == tmp_path
