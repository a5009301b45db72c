"""The PostgreSQL conversation as the proxy follows it, on bytes made by hand."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stressproof.faults.proxy.wire import Commit, Session

pytestmark = pytest.mark.gate


def message(kind: str, body: bytes = b"") -> bytes:
    """Return a framed message."""
    return kind.encode() + struct.pack("!I", len(body) + 4) + body


START = struct.pack("!II", 8 + len(b"user\0app\0\0"), 196_608) + b"user\0app\0\0"
SSL_REQUEST = struct.pack("!II", 8, 80_877_103)
IDLE, IN_BLOCK = message("Z", b"I"), message("Z", b"T")


def query(sql: str) -> bytes:
    """Return a simple query."""
    return message("Q", sql.encode() + b"\0")


def done(tag: str) -> bytes:
    """Return a CommandComplete."""
    return message("C", tag.encode() + b"\0")


def logged_in(*, ssl: bool = False) -> tuple[Session, int]:
    """Return a session past its start, and how far its downstream is."""
    session = Session()
    position = 0
    if ssl:
        session.upstream(SSL_REQUEST)
        session.downstream(b"N")
        position = 1
    session.upstream(START)
    welcome = message("R", struct.pack("!I", 0)) + message("S", b"a\0b\0") + IDLE
    session.downstream(welcome)
    return session, position + len(welcome)


@pytest.mark.parametrize("ssl", [False, True], ids=["plain", "after a refused SSLRequest"])
def test_commit_of_a_block_is_reported_where_its_answer_begins(*, ssl: bool) -> None:
    """The position is that of the CommandComplete, whatever came before it."""
    session, position = logged_in(ssl=ssl)
    for ask, reply in [("BEGIN", done("BEGIN") + IN_BLOCK), ("INSERT 1", done("INSERT 0 1"))]:
        session.upstream(query(ask))
        assert session.downstream(reply) == []
        position += len(reply)
    session.downstream(IN_BLOCK)
    position += len(IN_BLOCK)
    session.upstream(query("COMMIT"))
    assert session.downstream(done("COMMIT") + IDLE) == [
        Commit(position, "COMMIT", explicit=True, statements=("BEGIN", "INSERT 1", "COMMIT"))
    ]


def test_rolled_back_commit_is_no_commit() -> None:
    """COMMIT of a failed transaction is answered with ROLLBACK, which keeps nothing."""
    session, _ = logged_in()
    session.upstream(query("BEGIN") + query("COMMIT"))
    assert session.downstream(done("BEGIN") + IN_BLOCK + done("ROLLBACK") + IDLE) == []


def test_the_word_commit_in_data_is_data() -> None:
    """A row that holds the bytes of a CommandComplete is not one."""
    session, _ = logged_in()
    session.upstream(query("BEGIN") + query("SELECT x"))
    row = message("D", struct.pack("!hi", 1, 12) + done("COMMIT"))
    assert session.downstream(done("BEGIN") + IN_BLOCK + row + done("SELECT 1") + IN_BLOCK) == []


def test_statement_of_its_own_commits_with_ready_for_query() -> None:
    """In the extended protocol CommandComplete comes before the commit, ReadyForQuery after it."""
    session, position = logged_in()
    session.upstream(
        message("P", b"s1\0INSERT INTO t\0\0\0")
        + message("B", b"\0s1\0\0\0\0\0\0\0")
        + message("E", b"\0\0\0\0\0")
        + message("S")
    )
    assert session.downstream(done("INSERT 0 1")) == []
    assert session.holding_from == position
    assert session.downstream(IDLE) == [
        Commit(position, "INSERT 0 1", explicit=False, statements=("INSERT INTO t",))
    ]
    assert session.holding_from is None


def test_prepared_statement_is_known_by_its_name_later() -> None:
    """A statement parsed once is recognised in every later execution."""
    session, _ = logged_in()
    session.upstream(message("P", b"s1\0SELECT write_it()\0\0\0"))
    for _ in range(2):
        session.upstream(
            message("B", b"\0s1\0\0\0\0\0\0\0") + message("E", b"\0\0\0\0\0") + message("S")
        )
        [commit] = session.downstream(done("SELECT 1") + IDLE)
        assert commit.statements == ("SELECT write_it()",)


def test_failed_statement_of_its_own_commits_nothing() -> None:
    """An error after a CommandComplete (a deferred constraint) undoes the implicit transaction."""
    session, _ = logged_in()
    session.upstream(query("INSERT 1"))
    assert session.downstream(done("INSERT 0 1") + message("E", b"SERROR\0\0") + IDLE) == []


def test_request_to_commit_is_seen_with_what_it_would_keep() -> None:
    """The client's COMMIT is found in the upstream, in both protocols and any case."""
    session, _ = logged_in()
    session.upstream(query("BEGIN") + query("insert x"))
    [(_, statements)] = session.upstream(query(" commit ;"))
    assert statements == ("BEGIN", "insert x", " commit ;")
    [(_, statements)] = session.upstream(query(f"SELECT write('{'x' * 5000}'); COMMIT"))
    assert statements[-1].startswith("SELECT write(")
    assert session.upstream(query("SELECT 'a;COMMIT' || ''")) == []
    asks = session.upstream(
        message("P", b"\0END\0\0\0")
        + message("B", b"\0\0\0\0\0\0\0\0")
        + message("E", b"\0\0\0\0\0")
    )
    assert len(asks) == 1


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (SSL_REQUEST, b"S"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03", b""),
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (START, b"HTTP/1.1 400 Bad Request\r\n"),
    ],
    ids=["accepted SSLRequest", "direct TLS", "HTTP client", "HTTP server"],
)
def test_conversation_that_is_not_plain_postgresql_is_opaque(up: bytes, down: bytes) -> None:
    """Encrypted and foreign streams are told apart from silent ones, and hold nothing back."""
    session = Session()
    session.upstream(up)
    session.downstream(down)
    assert session.opaque
    assert session.holding_from is None
    assert session.upstream(b"x" * 100) == []
    assert session.downstream(done("COMMIT")) == []


def test_header_that_is_not_whole_is_held() -> None:
    """The first bytes of a message may become a CommandComplete, so they could tell."""
    session, position = logged_in()
    session.upstream(query("BEGIN"))
    session.downstream(done("BEGIN")[:3])
    assert session.holding_from == position


def test_large_row_under_way_is_not_held() -> None:
    """A DataRow streams through while incomplete; holding it would cost its size in memory."""
    session, _ = logged_in()
    session.upstream(query("BEGIN"))
    session.downstream(done("BEGIN") + IN_BLOCK)
    session.upstream(query("SELECT x"))
    session.downstream(message("D", bytes(100_000))[:50_000])
    assert session.holding_from is None


_CONVERSATION: list[tuple[bytes, bytes]] = [
    (START, message("R", struct.pack("!I", 0)) + IDLE),
    (query("BEGIN"), done("BEGIN") + IN_BLOCK),
    (query("SELECT 'COMMIT'"), message("D", done("COMMIT")) + done("SELECT 1") + IN_BLOCK),
    (query("COMMIT"), done("COMMIT") + IDLE),
    (query("INSERT 1"), done("INSERT 0 1") + IDLE),
    (query("BEGIN") + query("DELETE 1"), done("BEGIN") + IN_BLOCK + done("DELETE 1") + IN_BLOCK),
    (query("END"), done("COMMIT") + IDLE),
]


def _split(data: bytes, cuts: list[int]) -> list[bytes]:
    points = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(points)]


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_chunk_borders_change_nothing(cuts: list[int]) -> None:
    """However the streams are split, the same commits are found at the same positions."""
    whole, split = Session(), Session()
    expected: list[Commit] = []
    found: list[Commit] = []
    for up, down in _CONVERSATION:
        whole.upstream(up)
        expected += whole.downstream(down)
        for piece in _split(up, cuts):
            split.upstream(piece)
        for piece in _split(down, cuts):
            found += split.downstream(piece)
    assert [commit.tag for commit in expected] == ["COMMIT", "INSERT 0 1", "COMMIT"]
    assert found == expected


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_break_the_follower(up: bytes, down: bytes) -> None:
    """Whatever either end sends, following it raises nothing."""
    session = Session()
    session.upstream(up)
    session.downstream(down)
    session.upstream(START + up)
    session.downstream(down)
