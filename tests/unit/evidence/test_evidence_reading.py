"""Strict reading: the design's list, one fact each."""

import hashlib
import json
import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from stressproof.errors import UsageError
from stressproof.evidence import json_text, reading
from stressproof.evidence.reading import (
    AbsentEvidenceError,
    UnreadableEvidenceError,
    read_document,
)
from stressproof.exits import Exit

pytestmark = pytest.mark.gate


def refused(path: Path) -> UnreadableEvidenceError:
    """Read a path that must be refused, and return why."""
    with pytest.raises(UnreadableEvidenceError) as caught:
        read_document(path)
    assert caught.value.exit_code is Exit.EVIDENCE
    assert caught.value.hint
    return caught.value


def test_a_document_is_its_bytes(tmp_path: Path) -> None:
    """The digest and size are those of the bytes that were parsed."""
    raw = b' {"a": [1, 2.5, true, null, "\xc3\xa9"]}\n'
    path = tmp_path / "good.json"
    path.write_bytes(raw)
    document = read_document(path)
    assert document.data == {"a": [1, 2.5, True, None, "é"]}
    assert document.sha256 == hashlib.sha256(raw).hexdigest()
    assert (document.size, document.path) == (len(raw), str(path))


@pytest.mark.parametrize("name", ["missing.json", "missing/inner.json", "x" * 300])
def test_what_is_absent_is_inconclusive(tmp_path: Path, name: str) -> None:
    """Without a file there is nothing to judge, which is not the same as a bad file."""
    with pytest.raises(AbsentEvidenceError) as caught:
        read_document(tmp_path / name)
    assert caught.value.exit_code is Exit.INCONCLUSIVE


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_cannot_be_a_path_is_usage(path: str) -> None:
    """A name that no file can have is the caller's mistake."""
    with pytest.raises(UsageError):
        read_document(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A link could be turned between two readings, so it is refused even where its end is good."""
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    assert refused(tmp_path / "link.json").seen == "a symbolic link"


def test_a_link_to_a_folder_above_is_followed(tmp_path: Path) -> None:
    """Only the last component is judged: a checkout may lie behind a link."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real.json").write_text("{}")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    assert read_document(tmp_path / "link" / "real.json").data == {}


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """Directories, FIFOs, sockets and devices are refused at once, without waiting on them."""
    os.mkfifo(tmp_path / "fifo")
    assert refused(tmp_path / "fifo").seen == "a FIFO"
    assert refused(tmp_path).seen == "a directory"
    assert refused(Path("/dev/zero")).seen == "a device"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "s"))
        assert "socket" in refused(tmp_path / "s").seen


def test_a_file_that_may_not_be_read_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permission is named as the cause."""
    path = tmp_path / "secret.json"
    path.write_text("{}")

    def denied(*arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    # Root may read everything, so the refusal itself is made here.
    monkeypatch.setattr(reading.os, "open", denied)
    assert "Permission denied" in refused(path).seen


def test_size_is_bounded_before_reading(tmp_path: Path) -> None:
    """A sparse file of any size is refused without being read."""
    path = tmp_path / "huge.json"
    with path.open("wb") as stream:
        stream.truncate(json_text.MAX_BYTES + 1)
    assert refused(path).sha256 is None
    path.write_text("{}" + " " * 100)
    with pytest.raises(UnreadableEvidenceError):
        read_document(path, max_bytes=101)
    assert read_document(path, max_bytes=102).data == {}


def test_a_file_that_grows_or_shrinks_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is judged must be a version of the file that existed as a whole."""
    path = tmp_path / "moving.json"
    for change in (b"{} ", b"{", b"[]"):
        path.write_text("{}")
        read = os.read

        def racing(descriptor: int, size: int, change: bytes = change) -> bytes:
            chunk = read(descriptor, size)  # noqa: B023  # the real one, every time
            path.write_bytes(change)
            os.utime(path, ns=(1, 1))
            return chunk

        monkeypatch.setattr(reading.os, "read", racing)
        assert "changed while" in refused(path).seen
        monkeypatch.undo()


def test_a_file_without_a_size_is_refused() -> None:
    """A file of the kernel's, whose content is made up while it is read, is no evidence."""
    assert "changed while" in refused(Path("/proc/self/status")).seen


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'{"a": "\xe9"}', "UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b"[]", "an array"),
        (b"1", "a number"),
        (b'"text"', "a string"),
        (b"null", "null"),
        (b"true", "a boolean"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": +1}', "not JSON"),
        (b'{"a": .5}', "not JSON"),
        (b'{"a": 1.}', "not JSON"),
        (b'{"a": 0x10}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b'{"a": "\x00"}', "not JSON"),
        (b'{} // "', "not JSON"),
        (b'{"a": \xd9\xa1}', "not JSON"),
        (b'{"a": 1, "a": 1}', '"a" twice'),
        (b'{"a": 1, "\\u0061": 2}', '"a" twice'),
        (b'{"a": [{"b": {"c": 1, "d": 2, "c": 3}}]}', '"c" twice'),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "1e999"),
        (b'{"a": -1e400}', "1e400"),
        (b'{"a": 1e-400}', "cannot tell from 0"),
        (b'{"a": 1' + b"0" * 400 + b"}", "401 digits"),
        (b'{"a": -12345678901234567890}', "20 digits"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "100000 digits"),
        (b'{"a": 0.' + b"1" * 500 + b"}", "502 characters"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\uDFFF": 1}', "surrogate"),
        (b'{"a": ["\\ude00\\ud83d"]}', "surrogate"),
        (b'{"a": ' + b"[" * 64 + b"]" * 64 + b"}", "nested 65"),
        (b"[" * 100_000 + b"]" * 100_000, "nested 100000"),
        (b'{"a":' * 100_000, "nested 100000"),
    ],
    ids=str,
)
def test_bytes_that_could_be_read_in_two_ways_are_refused(
    tmp_path: Path, raw: bytes, why: str
) -> None:
    """Each refusal names what was seen, and carries the digest of what it judged."""
    path = tmp_path / "bad.json"
    path.write_bytes(raw)
    error = refused(path)
    assert why in error.seen
    assert error.sha256 == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b'{"a": 9223372036854775807}', {"a": 2**63 - 1}),
        (b'{"a": -9999999999999999999}', {"a": -(10**19) + 1}),
        (b'{"a": 0.12345678901234567890123}', {"a": 0.12345678901234568}),
        (b'{"a": 12345678901234567890.5e0}', {"a": 12345678901234567890.5}),
        (b'{"a": 1e00000000000000000000001}', {"a": 10.0}),
        (b'{"a": 0e-999}', {"a": 0.0}),
        (b'{"a": -0.000}', {"a": -0.0}),
        (b'{"a": 5e-324}', {"a": 5e-324}),
        (b'{"a": "12345678901234567890"}', {"a": "12345678901234567890"}),
        (b'{"a": "\\ud83d\\ude00 \\\\ud800"}', {"a": "\U0001f600 \\ud800"}),
        (b'{"a": "[[\\"{{"}', {"a": '[["{{'}),
        (b'{"a": ' + b"[" * 63 + b"]" * 63 + b"}", None),
        (b'{"a": "' + b"[" * 1000 + b'"}', {"a": "[" * 1000}),
    ],
    ids=str,
)
def test_unusual_but_unambiguous_bytes_are_read(
    tmp_path: Path, raw: bytes, data: dict[str, object] | None
) -> None:
    """Strictness refuses nothing that has only one meaning."""
    path = tmp_path / "good.json"
    path.write_bytes(raw)
    assert read_document(path).data == (json.loads(raw) if data is None else data)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"a":[' + b"[]," * 1_100_000 + b"0]}", "1100001 arrays, .* 192 MiB of memory"),
        (b'{"a":[' + b'{"a":0},' * 810_000 + b"0]}", "810001 objects, .* of memory"),
        (b'{"a":[' + b'"",' * 2_000_000 + b"0]}", "2000001 strings; .* of memory"),
        (b'{"a":"' + b"\\n" * 1_000_001 + b'"}', "escape sequences"),
    ],
    ids=["arrays", "objects", "strings", "escapes"],
)
def test_inputs_that_would_take_a_multiple_of_their_size_are_refused(raw: bytes, why: str) -> None:
    """What is cheap to write and dear to hold is bounded before it is parsed."""
    with pytest.raises(json_text.MalformedJson, match=why):
        json_text.parse_object(raw)


def test_reading_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """Good and bad files alike are closed."""
    (tmp_path / "good.json").write_text("{}")
    (tmp_path / "bad.json").write_text("{")
    before = set(Path("/proc/self/fd").iterdir())
    read_document(tmp_path / "good.json")
    for bad in (tmp_path / "bad.json", tmp_path):
        refused(bad)
    assert set(Path("/proc/self/fd").iterdir()) == before


def test_deep_nesting_is_refused_on_a_small_stack_too(tmp_path: Path) -> None:
    """The depth is known before anything recurses."""
    path = tmp_path / "deep.json"
    path.write_bytes(b'{"a":' + b"[" * 1_000_000)
    caught: list[UnreadableEvidenceError] = []
    before = threading.stack_size(64 * 1024)
    try:
        thread = threading.Thread(target=lambda: caught.append(refused(path)))
        thread.start()
        thread.join(timeout=60)
    finally:
        threading.stack_size(before)
    assert "nested" in caught[0].seen
    assert sys.getrecursionlimit() >= json_text.MAX_DEPTH
