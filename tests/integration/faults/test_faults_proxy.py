"""The fault proxy in its own process, between real sockets."""

import hashlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from stressproof.errors import RunError, UsageError
from stressproof.faults.proxy.process import ProxyProcess
from stressproof.faults.proxy.stream import QUEUE_LIMIT
from stressproof.faults.proxy.toxics import (
    Bandwidth,
    CutAfterCommit,
    Down,
    Latency,
    LimitData,
    LoseAnswer,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)

HANG_S = 20.0
LONG_US = 600_000_000


@pytest.fixture
def proxy(echo: Any) -> Iterator[ProxyProcess]:
    """Yield a proxy in front of the echo server."""
    with ProxyProcess(echo.address, seed=7) as running:
        yield running


def connect(proxy: ProxyProcess) -> socket.socket:
    """Return a connection through the proxy that has been proven to work."""
    client = socket.create_connection((proxy.host, proxy.port), timeout=HANG_S)
    exchange(client, b"hello")
    return client


def receive(client: socket.socket, size: int) -> bytes:
    """Return so many bytes, fewer where the peer ended the stream."""
    data = b""
    while len(data) < size and (piece := client.recv(size - len(data))):
        data += piece
    return data


def exchange(client: socket.socket, data: bytes) -> None:
    """Send bytes and get them back."""
    client.sendall(data)
    assert receive(client, len(data)) == data


def silent(client: socket.socket, seconds: float) -> bool:
    """Return whether nothing arrives for a while."""
    return not select.select([client], [], [], seconds)[0]


def test_without_toxics_bytes_pass_and_half_close_is_forwarded(proxy: ProxyProcess) -> None:
    """The client's FIN reaches the server, whose answer to it still reaches the client."""
    data = random.Random(1).randbytes(1_000_000)
    with connect(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert receive(client, len(data)) == data
        sender.join()
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 100) == b"bye"
    counters = proxy.state()
    assert counters["upstream"]["forwarded"] == counters["upstream"]["received"] == 1_000_005
    assert counters["downstream"]["forwarded"] == 1_000_008


def test_latency_delays_each_chunk_and_no_chunk_waits_for_another(proxy: ProxyProcess) -> None:
    """Thirty chunks 300 ms late arrive 300 ms late, not nine seconds: delays do not add up."""
    with connect(proxy) as client:
        proxy.switch(Latency("upstream", latency_us=300_000))
        for _ in range(30):
            client.sendall(b"x")
            time.sleep(0.01)
        assert receive(client, 30) == b"x" * 30
    tally = proxy.state()["upstream"]
    assert tally["delayed"] > 15
    assert tally["delay_min_us"] >= 300_000
    assert tally["delay_max_us"] < 3_000_000
    assert proxy.state()["downstream"]["delayed"] == 0


def test_jitter_spreads_delays_and_keeps_order(proxy: ProxyProcess) -> None:
    """Delays differ, none is below the least, and bytes arrive in the order they were sent."""
    data = random.Random(2).randbytes(40)
    with connect(proxy) as client:
        proxy.switch(Latency("downstream", latency_us=60_000, jitter_us=50_000))
        for byte in data:
            client.sendall(bytes([byte]))
            time.sleep(0.005)
        assert receive(client, len(data)) == data
    tally = proxy.state()["downstream"]
    assert tally["delay_min_us"] >= 10_000
    assert tally["delay_max_us"] > tally["delay_min_us"]


def test_healing_latency_delivers_at_once_what_was_under_way(proxy: ProxyProcess) -> None:
    """A switch applies to bytes already queued."""
    with connect(proxy) as client:
        proxy.switch(Latency("upstream", latency_us=60_000_000))
        client.sendall(b"late")
        assert silent(client, 0.2)
        proxy.switch()
        assert receive(client, 4) == b"late"


def test_bandwidth_bounds_the_rate_and_changes_no_byte(proxy: ProxyProcess) -> None:
    """60 kB at 100 kB/s take half a second at least, a burst of 20 ms aside."""
    data = random.Random(3).randbytes(60_000)
    with connect(proxy) as client:
        proxy.switch(Bandwidth("downstream", bytes_per_second=100_000))
        began = time.monotonic()
        exchange(client, data)
        assert time.monotonic() - began > 0.5
    assert proxy.state()["downstream"]["throttled"] > 0


def test_slicer_cuts_into_pieces_and_changes_no_byte(proxy: ProxyProcess) -> None:
    """A thousand bytes in pieces of about ten are about a hundred pieces."""
    data = random.Random(4).randbytes(1000)
    with connect(proxy) as client:
        proxy.switch(Slicer("upstream", average_bytes=10, variation_bytes=5, delay_us=100))
        exchange(client, data)
    assert 60 < proxy.state()["upstream"]["pieces"] < 200


def _pieces(address: tuple[str, int], seed: int) -> int:
    with ProxyProcess(address, seed=seed) as one, connect(one) as client:
        one.switch(Slicer("upstream", average_bytes=10, variation_bytes=9))
        exchange(client, bytes(900))
        return int(one.state()["upstream"]["pieces"])


def test_seed_decides_the_pieces(echo: Any) -> None:
    """Equal seeds cut equal chunks alike, and another seed does not."""
    assert _pieces(echo.address, 1) == _pieces(echo.address, 1)
    assert len({_pieces(echo.address, seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_timeout_holds_bytes_and_heals_without_a_hole(proxy: ProxyProcess, stream: Any) -> None:
    """Nothing arrives while it lasts, everything in order once it is over, the FIN too."""
    with connect(proxy) as client:
        before = proxy.switch(Timeout(stream)).after[stream]
        client.sendall(b"one,")
        time.sleep(0.05)
        client.sendall(b"two")
        client.shutdown(socket.SHUT_WR)
        assert silent(client, 0.3)
        during = proxy.state()[stream]
        assert during["held"] == 7 + 3 * (stream == "downstream")
        assert during["forwarded"] == before["forwarded"]
        proxy.switch()
        assert receive(client, 100) == b"one,twobye"
    assert proxy.state()[stream]["held"] == 0


def test_timeout_holds_no_more_than_its_bound(proxy: ProxyProcess) -> None:
    """A sender of 16 MiB is stopped by backpressure, and loses nothing of it after healing."""
    data = random.Random(5).randbytes(1 << 24)
    with connect(proxy) as client:
        proxy.switch(Timeout("upstream"))
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        deadline = time.monotonic() + HANG_S
        while proxy.state()["upstream"]["held"] < QUEUE_LIMIT and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        held = proxy.state()["upstream"]["held_max"]
        assert QUEUE_LIMIT <= held <= 2 * QUEUE_LIMIT
        assert sender.is_alive()
        proxy.switch()
        digest = hashlib.sha256()
        received = 0
        while received < len(data):
            piece = client.recv(1 << 20)
            assert piece
            digest.update(piece)
            received += len(piece)
        sender.join()
    assert digest.digest() == hashlib.sha256(data).digest()


def test_timeout_holds_a_reset_too(proxy: ProxyProcess, echo: Any) -> None:
    """A peer that vanishes during a black hole is not heard of until it heals."""
    with connect(proxy) as client:
        proxy.switch(Timeout("upstream"))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.2)
    assert echo.endings == []
    proxy.switch()
    assert echo.wait_endings(1) == ["ConnectionResetError"]


def test_reset_reaches_idle_links_on_both_ends_as_a_reset(proxy: ProxyProcess, echo: Any) -> None:
    """Pooled connections that carry no data get RST, not FIN, and the server sees it as well."""
    clients = [connect(proxy) for _ in range(5)]
    proxy.switch(ResetPeer(every_us=LONG_US))
    for client in clients:
        with client, pytest.raises(ConnectionResetError):
            client.recv(1)
    assert echo.wait_endings(5) == ["ConnectionResetError"] * 5
    assert proxy.state()["hits"] == {"reset_peer": 5}
    with connect(proxy) as client:
        exchange(client, b"alive")


def test_reset_peer_resets_new_connections_while_it_lasts(proxy: ProxyProcess) -> None:
    """A connection made under the toxic does not live."""
    with connect(proxy) as old:
        proxy.switch(ResetPeer())
        with pytest.raises(ConnectionResetError):
            old.recv(1)
    with (
        pytest.raises(ConnectionResetError),  # as soon as it is made, or before that is told
        socket.create_connection((proxy.host, proxy.port), timeout=HANG_S) as client,
    ):
        client.recv(1)
    proxy.switch()
    connect(proxy).close()


def test_resets_come_again_and_spare_who_connects_between(proxy: ProxyProcess, echo: Any) -> None:
    """Every 300 ms all links, and none before its time: the second lives until then."""
    first = connect(proxy)
    effective = proxy.switch(ResetPeer(every_us=300_000)).effective_ns
    with first, pytest.raises(ConnectionResetError):
        first.recv(1)
    for times in (2, 3):
        with connect(proxy) as client, pytest.raises(ConnectionResetError):
            client.recv(1)
        resets = [event for event in proxy.events() if event["event"] == "reset_peer"]
        assert len(resets) == times
        assert resets[-1]["t_ns"] - effective >= 290_000_000 * (times - 1)
    proxy.switch()
    with connect(proxy) as client:
        assert silent(client, 0.4)
    assert proxy.state()["hits"] == {"reset_peer": 3}


@pytest.mark.parametrize(
    ("toxic", "error"),
    [
        (ResetPeer(after_us=200_000), ConnectionResetError),
        (Timeout("downstream", close_after_us=200_000), None),
    ],
)
def test_a_link_of_an_age_ends(proxy: ProxyProcess, toxic: Any, error: Any) -> None:
    """By RST or in order, as the toxic has it; each link counts from its own beginning."""
    with connect(proxy) as old:
        proxy.switch(toxic)
        _dies(old, error)
    with socket.create_connection((proxy.host, proxy.port), timeout=HANG_S) as new:
        _dies(new, error)
    assert sum(proxy.state()["hits"].values()) == 2


def _dies(client: socket.socket, error: Any) -> None:
    began = time.monotonic()
    if error is None:
        assert receive(client, 1) == b""
    else:
        with pytest.raises(error):
            receive(client, 1)
    assert time.monotonic() - began > 0.1


def test_slow_close_delays_the_end_and_no_byte(proxy: ProxyProcess, echo: Any) -> None:
    """Bytes pass as ever; the server hears of the client's end 400 ms later."""
    with connect(proxy) as client:
        proxy.switch(SlowClose("upstream", delay_us=400_000))
        exchange(client, b"fast")
        client.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        assert receive(client, 100) == b"bye"
        assert time.monotonic() - began >= 0.39
    assert proxy.state()["upstream"]["closed_slowly"] == 1
    with connect(proxy) as client:
        proxy.switch(SlowClose("upstream", delay_us=600_000_000))
        client.shutdown(socket.SHUT_WR)
        assert silent(client, 0.2)
        proxy.switch()
        assert receive(client, 100) == b"bye"


def test_limit_data_passes_so_much_and_closes(proxy: ProxyProcess, echo: Any) -> None:
    """Exactly so many bytes of each link, counted from the switch; then the end."""
    with connect(proxy) as client:
        proxy.switch(LimitData("downstream", bytes=1000))
        client.sendall(b"x" * 5000)
        assert len(read_to_end(client)) == 1000
    proxy.switch(LimitData("upstream", bytes=3), Slicer("upstream", average_bytes=1))
    with socket.create_connection((proxy.host, proxy.port), timeout=HANG_S) as client:
        client.sendall(b"12345")
        assert len(read_to_end(client)) <= 3
    state = proxy.state()
    assert (state["downstream"]["limited"], state["upstream"]["limited"]) == (1, 1)


def read_to_end(client: socket.socket) -> bytes:
    """Return all that comes before the connection ends, in order or not."""
    data = b""
    try:
        while piece := client.recv(65_536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_an_answer_is_lost_after_the_question_that_holds_a_text(
    proxy: ProxyProcess, echo: Any
) -> None:
    """The server has it, the client cannot know; others are answered, and so is the next."""
    with connect(proxy) as client, connect(proxy) as other:
        proxy.switch(LoseAnswer(contains="SET x"))
        exchange(other, b"GET x")
        client.sendall(b"SE")
        assert receive(client, 2) == b"SE"  # the text is not whole yet
        client.sendall(b"T x 1")
        with pytest.raises(ConnectionResetError):
            receive(client, 1)
        exchange(other, b"SET x 2")
    assert proxy.state()["hits"] == {"lose_answer": 1}
    assert echo.wait_endings(1)[0] == "ConnectionResetError"


def test_what_comes_before_the_server_was_asked_is_no_answer() -> None:
    """A question that a toxic still holds back cannot have been answered."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        ProxyProcess(listener.getsockname()) as proxy,
        socket.create_connection((proxy.host, proxy.port), timeout=HANG_S) as client,
    ):
        server, _ = listener.accept()
        with server:
            proxy.switch(LoseAnswer(contains="asked"), Timeout("upstream"))
            client.sendall(b"asked")
            wait_until(lambda: proxy.state()["upstream"]["held"] == 5)
            server.sendall(b"news")
            assert receive(client, 4) == b"news"
            proxy.switch(LoseAnswer(contains="asked"), keep=True)
            assert receive(server, 5) == b"asked"
            server.sendall(b"answer")
            with pytest.raises(ConnectionResetError):
                receive(client, 1)
            assert proxy.state()["hits"] == {"lose_answer": 1}


def wait_until(what: Any) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + HANG_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_so_many_answers_are_lost_as_were_asked_for(proxy: ProxyProcess) -> None:
    """Two of three, of whatever they answer."""
    proxy.switch(LoseAnswer(count=2))
    for _ in range(2):
        with socket.create_connection((proxy.host, proxy.port), timeout=HANG_S) as client:
            client.sendall(b"x")
            with pytest.raises(ConnectionResetError):
                receive(client, 1)
    connect(proxy).close()
    assert proxy.state()["hits"] == {"lose_answer": 2}


def test_down_refuses_connections_and_heals_on_the_same_port(proxy: ProxyProcess) -> None:
    """Refused is refused by the kernel, not accepted and closed; nobody else can take the port."""
    with connect(proxy) as client:
        proxy.switch(Down())
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port), timeout=HANG_S)
    with socket.socket() as thief, pytest.raises(OSError, match="in use"):
        thief.bind((proxy.host, proxy.port))
    proxy.switch(Down())
    proxy.switch()
    connect(proxy).close()


def test_switch_reaches_all_connections_at_once(proxy: ProxyProcess) -> None:
    """Connections opened before the switch are under it too, each of them."""
    clients = [connect(proxy) for _ in range(20)]
    proxy.switch(Timeout("upstream"))
    for client in clients:
        client.sendall(b"held")
    assert all(silent(client, 0.02) for client in clients)
    assert proxy.switch().before["upstream"]["held"] == 80
    for client in clients:
        assert receive(client, 4) == b"held"
        client.close()


def test_server_that_refuses_is_counted_and_resets_the_client(echo: Any) -> None:
    """A proxy has accepted before it knows, so the nearest to a refusal is a reset at once."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = gone.getsockname()
    with ProxyProcess(address) as proxy:
        with (
            pytest.raises(ConnectionResetError),  # which may come before connecting is done
            socket.create_connection((proxy.host, proxy.port), timeout=HANG_S) as client,
        ):
            client.recv(1)
        assert proxy.state()["counters"]["upstream_refused"] == 1


def test_every_hit_is_logged_with_its_time(proxy: ProxyProcess) -> None:
    """Events are numbered without gaps, their times never fall, and a switch is one of them."""
    began = time.monotonic_ns()
    with connect(proxy):
        switched = proxy.switch(Latency("upstream", latency_us=1000))
        proxy.switch(ResetPeer(every_us=LONG_US))
    events = proxy.events()
    assert [event["event"] for event in events] == [
        *("open", "switch", "reset_peer", "reset", "switch"),
    ]
    assert [event["number"] for event in events] == [1, 2, 3, 4, 5]
    times = [event["t_ns"] for event in events]
    assert began < times[0] <= switched.effective_ns <= times[1] <= times[2]
    assert proxy.events(after=3) == events[3:]


def test_nonsense_is_refused_and_leaves_the_proxy_as_it_was(proxy: ProxyProcess) -> None:
    """Two toxics that contradict, and a cut without PostgreSQL, are errors with words."""
    with pytest.raises(RunError, match="same direction"):
        proxy.switch(Latency("upstream", latency_us=1), Latency("upstream", latency_us=2))
    with pytest.raises(RunError, match="PostgreSQL"):
        proxy.switch(CutAfterCommit())
    assert proxy.state()["toxics"] == []
    connect(proxy).close()


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "0.0.0.0", "::", ""])  # noqa: S104
def test_only_loopback_is_proxied(host: str) -> None:
    """Faults never leave this machine, whatever the host is called."""
    with pytest.raises(UsageError, match="loopback"):
        ProxyProcess((host, 5432))


def test_proxy_ends_with_whoever_started_it() -> None:
    """A killed parent leaves no proxy behind."""
    program = (
        "import sys,time\n"
        "from stressproof.faults.proxy.process import ProxyProcess\n"
        "proxy = ProxyProcess(('127.0.0.1', 9)).start()\n"
        "print(proxy.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + HANG_S
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123  # one short read
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_an_answer_nobody_waited_for_is_not_taken_for_another(proxy: ProxyProcess) -> None:
    """Whoever was interrupted while it asked can still undo: the next answer is to its question."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    assert proxy.pid is not None
    os.kill(proxy.pid, signal.SIGSTOP)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            proxy.switch(Down())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        os.kill(proxy.pid, signal.SIGCONT)
    assert proxy.events() is not None
    assert proxy.switch().before["toxics"] == [{"type": "down"}]
    connect(proxy).close()


def test_toxics_that_nobody_ends_end_by_themselves(proxy: ProxyProcess) -> None:
    """Should whoever made them hang; another switch has an end of its own, or none."""
    with connect(proxy) as client:
        proxy.switch(Timeout("upstream"), lasts_us=300_000)
        client.sendall(b"held")
        assert silent(client, 0.1)
        assert receive(client, 4) == b"held"
        assert [one["event"] for one in proxy.events()][-2:] == ["expired", "switch"]
        proxy.switch(Timeout("upstream"), lasts_us=200_000)
        proxy.switch(Timeout("downstream"))
        client.sendall(b"held")
        assert silent(client, 0.4)


def test_killed_proxy_is_an_error_with_words(proxy: ProxyProcess) -> None:
    """Commands to a proxy that is gone say so, and stopping it is still harmless."""
    assert proxy.pid is not None
    os.kill(proxy.pid, signal.SIGKILL)
    wait_until(lambda: not _runs(proxy.pid or 0))
    with pytest.raises(RunError, match="gone"):
        proxy.state()
    proxy.stop()
    proxy.stop()
