"""The load with a history, against a server that answers as it is told to."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from broken_bed import fault
from enforcement_suite.failure_requirements import FILE
from protocol_failures import GATE, READ
from stressproof.config.compile import load_config
from stressproof.config.file_failures import planned_failures
from stressproof.errors import RunError
from stressproof.failures.answer_class import AnswerClass
from stressproof.failures.history import COLUMNS, read
from stressproof.failures.spec import Send
from stressproof.faults.active import ActiveFaults
from stressproof.faults.answer_rules import RuleReader
from stressproof.faults.client import Answer
from stressproof.faults.injectors.callers import Flood, Race, SendEach
from stressproof.faults.load import Load, Request

HANG_S = 20.0
read_status = RuleReader(READ, (), {})
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def classify(_: str, status: int, note: str) -> AnswerClass:
    """Return what an answer to a gate means."""
    return GATE.classify(status, note)


class Server:
    """Answers each request by a function of its path and of how often it was asked."""

    def __init__(self, answer: Callable[[str, int], bytes | str]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self._answer = answer
        self.asked: dict[str, int] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    try:
                        piece = connection.recv(65_536)
                    except OSError:
                        return
                    if not piece:
                        return
                    data += piece
                head, _, data = data.partition(b"\r\n\r\n")
                path = head.split(b" ")[1].decode()
                with self._lock:
                    self.asked[path] = self.asked.get(path, 0) + 1
                    number = self.asked[path]
                reply = self._answer(path, number)
                if reply == "hang":
                    time.sleep(HANG_S)
                    return
                if reply == "reset":
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    return
                if reply == "close":
                    return
                assert isinstance(reply, bytes)
                connection.sendall(reply)
                if reply.startswith(b"HTTP/1.0"):
                    return

    def close(self) -> None:
        """Stop listening; the second time does nothing."""
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()


def request(path: str, key: int = 0, kind: str = "x") -> Request:
    """Return a request of which only the status is read."""
    return Request(kind, "GET", path, {}, b"", key, read_status)


def batch(paths: list[str]) -> list[Request]:
    """Return a request for each path."""
    return [request(path) for path in paths]


def load(port: int, path: str = "/", *, rate: int = 20, timeout_s: float = 1.0) -> Load:
    """Return a load of plain requests."""
    mix = [(1, lambda: request(path))]
    return Load(
        "127.0.0.1", port, mix, classify=classify, rate_per_s=rate, seed=1, timeout_s=timeout_s
    )


@pytest.fixture
def server() -> Iterator[Callable[[Callable[[str, int], bytes | str]], Server]]:
    """Yield what starts a server."""
    running: list[Server] = []

    def start(answer: Callable[[str, int], bytes | str]) -> Server:
        running.append(Server(answer))
        return running[-1]

    yield start
    for one in running:
        one.close()


ANSWERS: dict[str, bytes | str] = {
    "/ok": OK,
    "/chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "/busy": b"HTTP/1.1 503 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
    "/many": b"HTTP/1.1 429 No\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n",
    "/last": b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    "/until-close": b"HTTP/1.0 200 OK\r\n\r\nall of it",
    "/noise": b"SSH-2.0-something\r\n\r\n",
    "/cut": b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{}",
    "/hang": "hang",
    "/reset": "reset",
    "/close": "close",
}
CODES = {
    "/ok": "200",
    "/chunked": "200",
    "/busy": "503/retry",
    "/many": "429/retry",
    "/last": "200",
    "/until-close": "200",
    "/noise": "malformed",
    "/cut": "timeout",
    "/hang": "timeout",
    "/reset": "reset",
    "/close": "closed",
}


def test_every_ending_has_its_code(server: Callable[..., Server]) -> None:
    """What was answered, what broke after sending, and what never came are told apart."""
    running = server(lambda path, _: ANSWERS[path])
    one = load(running.port, "/ok", rate=1)
    one.start()
    ended = {
        done.request.path: done.code.name for done in one.burst([request(path) for path in CODES])
    }
    one.stop()
    assert ended == CODES


def test_large_answers_are_read_and_not_remembered(server: Callable[..., Server]) -> None:
    """A history of them would fill the memory of whoever injects for an hour."""
    large = b"HTTP/1.1 200 OK\r\ncontent-length: 50000\r\n\r\n" + b"x" * 50_000
    running = server(lambda path, _: large if path == "/large" else OK)
    one = load(running.port, "/ok", rate=1)
    one.start()
    sizes: list[int] = []

    def read(answer: Answer) -> str:
        sizes.append(len(answer.body))
        return str(answer.status)

    [done] = one.burst([Request("x", "GET", "/large", {}, b"", 0, read)])
    one.stop()
    assert done.answer is not None
    assert (sizes, len(done.answer.body), done.code.name) == ([50_000], 0, "200")


def test_nothing_sent_is_a_sure_failure(server: Callable[..., Server]) -> None:
    """A refused connection had no effect, and is not called unknown."""
    running = server(lambda _, __: OK)
    running.close()
    one = load(running.port)
    one.start()
    assert [done.code.name for done in one.burst([request("/")])] == ["connect_refused"]
    one.stop()
    codes = {row.code.ending for row in read(one.operations())}
    assert codes == {"fail"}


def test_outage_shows_as_waiting_and_not_as_silence(server: Callable[..., Server]) -> None:
    """Arrivals go on while nothing is answered: a closed loop would have sent one request."""
    running = server(lambda _, __: "hang")
    one = load(running.port, rate=50, timeout_s=1.0)
    one.start()
    time.sleep(1.2)
    assert running.asked["/"] > 25
    one.stop()


def test_unknown_effects_are_asked_for_again_until_known(server: Callable[..., Server]) -> None:
    """A lost answer is repeated under its key, and its attempts are one effect's history."""
    running = server(lambda _, number: "reset" if number == 1 else OK)
    one = load(running.port, "/plain", rate=1)
    one.start()
    one.burst([request("/a", key=1), request("/b", key=2)])
    assert one.settle(HANG_S) == []
    one.stop()
    history = [(done.request.key, done.attempt, done.code.name) for done in one.history]
    assert {(1, 1, "reset"), (1, 2, "200"), (2, 1, "reset"), (2, 2, "200")} <= set(history)


def test_refusal_after_an_unknown_attempt_explains_it(server: Callable[..., Server]) -> None:
    """409 says that the effect is there; 429 says nothing, and is asked again."""
    conflict = b"HTTP/1.1 409 No\r\ncontent-length: 0\r\n\r\n"
    many = ANSWERS["/many"]

    def answer(path: str, number: int) -> bytes | str:
        if number == 1:
            return "close"
        return conflict if path == "/conflict" or number > 2 else many

    running = server(answer)
    one = load(running.port, "/conflict", rate=1)
    one.start()
    one.burst([request("/conflict", key=1), request("/limited", key=2)])
    assert one.settle(HANG_S) == []
    one.stop()
    codes = [done.code.name for done in one.history if done.request.key == 2]
    assert codes == ["closed", "429/retry", "409"]


def test_what_never_ends_stays_open(server: Callable[..., Server]) -> None:
    """After the time for settling, what is still unknown is named."""
    running = server(lambda _, __: "close")
    one = load(running.port, rate=1)
    one.start()
    one.burst([request("/a", key=7)])
    assert one.settle(0.5) == [7]
    one.stop()


def test_mix_is_dealt_exactly(server: Callable[..., Server]) -> None:
    """Of every so many requests each kind has exactly its share."""
    running = server(lambda _, __: OK)
    mix = [(3, lambda: request("/a", kind="a")), (1, lambda: request("/b", kind="b"))]
    one = Load(
        "127.0.0.1", running.port, mix, classify=classify, rate_per_s=200, seed=3, timeout_s=5
    )
    one.start()
    time.sleep(0.6)
    one.stop()
    kinds = [done.request.kind for done in sorted(one.history, key=lambda done: done.intended_ns)]
    whole = kinds[: len(kinds) // 4 * 4]
    assert len(whole) >= 40
    assert all(whole[at : at + 4].count("b") == 1 for at in range(0, len(whole), 4))


def test_history_becomes_evidence_in_order(server: Callable[..., Server]) -> None:
    """Rows are ordered by intended start, refer to what is there, and can be read back."""
    running = server(lambda _, __: OK)
    one = load(running.port, rate=100)
    one.start()
    one.burst([request("/b", key=n, kind="b") for n in range(1, 20)])
    time.sleep(0.3)
    one.stop()
    operations = one.operations()
    assert operations.columns == COLUMNS
    assert len(read(operations)) == len(one.history)
    assert operations.kinds == ["b", "x"]


def start_and_watch(one: Load) -> None:
    """Start a load and let it run until it broke."""
    deadline = time.monotonic() + HANG_S
    one.start()  # which may see it already
    while time.monotonic() < deadline:
        one.check()
        time.sleep(0.02)


def test_answer_that_cannot_be_coded_breaks_the_load(server: Callable[..., Server]) -> None:
    """A bug of ours in reading answers is no result; it stops the run with words."""
    running = server(lambda _, __: OK)
    bad = Request("x", "GET", "/", {}, b"", 0, lambda _: "no code")
    mix = [(1, lambda: bad)]
    one = Load(
        "127.0.0.1", running.port, mix, classify=classify, rate_per_s=50, seed=1, timeout_s=1
    )

    with pytest.raises(RunError, match="no known code"):
        start_and_watch(one)
    one.stop()


def test_a_load_that_nothing_answers_ends_at_a_bound(
    server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More under way than any service is asked at once breaks the run, before memory does."""
    monkeypatch.setattr("stressproof.faults.load._OUTSTANDING", 20)
    running = server(lambda _, __: "hang")
    one = load(running.port, rate=200, timeout_s=HANG_S)
    with pytest.raises(RunError, match="20 requests are under way"):
        start_and_watch(one)
    assert len(set(one.outstanding_ns)) == 20  # each is due at a time of its own
    one.stop()


def test_race_is_witnessed_by_its_overlap(
    server: Callable[..., Server], active: ActiveFaults
) -> None:
    """Only what was sent and answered was on its way; the batch with the fewest decides."""
    named = OK.replace(b"\r\n\r\n", b"\r\nx-served-by: worker-1\r\n\r\n")
    together = threading.Barrier(8)  # nobody is answered before all eight are there

    def answer(path: str, _: int) -> bytes | str:
        if path == "/together":
            together.wait(HANG_S)
        return "close" if path == "/lost" else named

    running = server(answer)
    one = load(running.port, "/ok", rate=1, timeout_s=HANG_S)
    one.start()
    paths = ["/together"] * 8, ["/ok"], ["/lost"] * 3
    race = Race(
        fault("race", send=[Send("x", 16)], batches=3),
        one,
        [partial(batch, each) for each in paths],
    )
    race.inject(active)
    race.remove()
    one.stop()
    [witness] = race.witnesses()
    assert (witness.during, witness.needs) == (0, 8)
    assert witness.detail == [
        "batch 1: 8, answered by worker-1 (8)",
        "batch 2: 1, answered by worker-1 (1)",
        "batch 3: 0, answered by nobody",
    ]


def test_each_request_must_be_answered_to_count(
    server: Callable[..., Server], active: ActiveFaults
) -> None:
    """A forged token that nobody judged is no witness, whatever became of the others."""
    running = server(lambda path, _: "close" if path == "/lost" else ANSWERS["/many"])
    one = load(running.port, "/ok", rate=1)
    one.start()
    spec = fault("send_each", send=[Send("x")], table="forged")
    counts = []
    for paths in (["/a", "/lost"], ["/a"] * 120):
        each = SendEach(spec, one, [request(path) for path in paths])
        each.inject(active)
        each.remove()
        counts += [witness.during for witness in each.witnesses()]
    with pytest.raises(RunError, match="no row"):
        SendEach(spec, one, []).inject(active)
    one.stop()
    assert counts == [0, 120]


def test_flood_is_witnessed_by_what_was_offered(
    server: Callable[..., Server], active: ActiveFaults
) -> None:
    """It stops when it is undone, and must have exceeded the limit."""
    running = server(lambda _, __: OK)
    one = load(running.port, "/calm", rate=1)
    one.start()
    mix = [(1, lambda: request("/flood", kind="flood"))]
    spec = fault("flood", send=[Send("flood")], rate_per_s=200, over=20)
    flood = Flood(spec, one, mix, rate_per_s=200)
    flood.inject(active)
    deadline = time.monotonic() + HANG_S
    while running.asked.get("/flood", 0) < 40 and time.monotonic() < deadline:
        time.sleep(0.02)
    flood.remove()
    time.sleep(0.3)
    after = running.asked["/flood"]
    time.sleep(0.3)
    assert running.asked["/flood"] == after
    one.stop()
    [witness] = flood.witnesses()
    assert witness.during >= witness.needs == 21


def answer_of(body: str, status: int = 200) -> Answer:
    """Return an answer with a body."""
    return Answer(status, {}, body.encode(), 0)


def reader_of(scenario: str, kind: str, kept: dict[str, list[Any]]) -> RuleReader:
    """Return what reads the answers to a request of the protocol's file."""
    plan = planned_failures(load_config(FILE))
    spec = next(one for one in plan.scenarios if one.id == scenario)
    at = next(at for at, one in enumerate(spec.requests) if one.kind == kind)
    return RuleReader(spec.requests[at], plan.loads[scenario].requests[at].checks, kept)


def test_answers_of_the_service_are_read_for_what_they_say() -> None:
    """Decision, fail-safe with its trigger and mode, replays; anything else fails the check."""
    real = (
        '{"decision":"ALLOW","reason_codes":["within_budget"],"fail_safe":false,"replayed":false,'
        '"decision_id":"d0"}'
    )
    again = real.replace('"replayed":false', '"replayed":true')
    safe = (
        '{"decision":"DENY","reason_codes":["gate_timeout","hard_mode_fail_closed"],'
        '"fail_safe":true,"fail_safe_trigger":"gate_timeout","decision_id":"d1"}'
    )
    kept: dict[str, list[Any]] = {}
    read_gate = reader_of("FI-001", "gate_hard", kept)
    read_settlement = reader_of("FI-004", "settle", {})
    assert read_gate(answer_of(real)) == "200/ALLOW"
    assert read_gate(answer_of(again)) == "200/ALLOW:replayed"
    assert read_gate(answer_of(safe)) == "200/failsafe:DENY:gate_timeout:hard_mode_fail_closed"
    assert kept == {"failsafes": ["d1"]}
    assert read_settlement(answer_of('{"replayed":true}')) == "200/settled:replayed"
    assert read_settlement(answer_of('{"replayed":false}')) == "200/settled"
    for reader in (read_gate, read_settlement):
        assert reader(answer_of("<html>")) == "200/check_failed"
        assert reader(answer_of("{}")) == "200/check_failed"
        assert reader(answer_of('{"title":"conflict"}', 409)) == "409"
        assert reader(answer_of("", 502)) == "502"
