"""Faults of processes, containers and callers, and those that a file's own code makes."""

import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from broken_bed import BrokenBed, fault, service_in
from stressproof.errors import RunError, UsageError
from stressproof.failures.conclusions import took_effect
from stressproof.failures.spec import FaultSpec, Send, WitnessSpec
from stressproof.faults.active import ActiveFaults
from stressproof.faults.injector import Injector
from stressproof.faults.injectors.bed import Running
from stressproof.faults.injectors.registry import injector
from stressproof.faults.load import Load
from stressproof.processes import lives, send, state_of, wait_for, workers_of

HANG_S = 30.0
NO_LOAD: Load = None  # type: ignore[assignment]  # these send nothing


def made(spec: FaultSpec, bed: BrokenBed, load: Load = NO_LOAD) -> Injector:
    """Return what makes a fault."""
    return injector(spec, bed, load)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Yield a running master with two workers."""
    one = service_in(tmp_path)
    with one.process:
        wait_for("workers", lambda: len(workers_of(one.process.pid)) == 2, HANG_S)
        yield one


@pytest.fixture
def bed(running: Running, tmp_path: Path) -> BrokenBed:
    """Return a testbed with that process."""
    return BrokenBed(tmp_path, running=running)


@pytest.mark.parametrize("kind", ["kill", "freeze", "stop", "kill_worker"])
def test_fault_of_a_process_bites_is_witnessed_and_undone_twice(
    kind: str, running: Running, bed: BrokenBed, active: ActiveFaults
) -> None:
    """All below it are hit, and then there are as many as before, who answer."""
    before = running.process.family()
    one = made(fault(kind, "process"), bed)
    one.inject(active)
    try:
        assert [listed.kind for listed in active.read()] == [kind]
        states = [state_of(process.pid) for process in before if lives(process)]
        left = {"kill": 0, "stop": 0, "freeze": len(before)}.get(kind, len(before) - 1)
        assert len(states) == left
        assert states.count("T") == (left if kind == "freeze" else 0)
        one.observe()
    finally:
        one.remove()
        one.remove()
    assert active.read() == []
    wait_for("whole", lambda: len(running.process.family()) == len(before), HANG_S)
    with socket.create_connection(running.address, HANG_S) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 200")
    assert all(took_effect(witness) for witness in one.witnesses()), one.witnesses()


def test_process_that_ignores_its_end_has_not_ended_in_time(
    tmp_path: Path, active: ActiveFaults
) -> None:
    """It is killed in the end, which is no deployment; it comes back all the same."""
    deaf = """
        import signal, socket, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        time.sleep(600)
    """
    one = service_in(tmp_path, deaf, stop_timeout_s=0.2)
    with one.process:
        stop = made(fault("stop", "process"), BrokenBed(tmp_path, running=one))
        stop.inject(active)
        stop.remove()
        ended, again = stop.witnesses()
        assert (took_effect(ended), took_effect(again)) == (False, True)


def test_frozen_process_must_have_answered_before(tmp_path: Path, active: ActiveFaults) -> None:
    """The kernel takes connections for what stands still; whoever never answers proves nothing."""
    mute = """
        import socket, sys, time
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        time.sleep(600)
    """
    one = service_in(tmp_path, mute)
    with one.process:
        freeze = made(fault("freeze", "process"), BrokenBed(tmp_path, running=one))
        with pytest.raises(RunError, match="it does not answer even before it is frozen"):
            freeze.inject(active)
        assert state_of(one.process.pid) == "S"
    assert active.read() == []


def test_process_that_cannot_start_again_stays_on_the_list(
    running: Running, bed: BrokenBed, active: ActiveFaults
) -> None:
    """An undo that fails is an error, and can be tried again."""
    one = made(fault("kill", "process"), bed)
    one.inject(active)
    (bed.folder / "service.py").rename(bed.folder / "elsewhere.py")
    with pytest.raises(RunError, match="did not start"):
        one.remove()
    assert len(active.read()) == 1
    (bed.folder / "elsewhere.py").rename(bed.folder / "service.py")
    one.remove()
    assert running.process.family()
    assert active.read() == []


def test_process_that_ended_by_itself_is_started_again(
    running: Running, bed: BrokenBed, active: ActiveFaults
) -> None:
    """It is there as a zombie until somebody asks; to kill that is to kill nobody."""
    family = running.process.family()
    send(family, signal.SIGKILL)
    wait_for("ended", lambda: not any(map(lives, family)), HANG_S)
    kill = made(fault("kill", "process"), bed)
    kill.inject(active)
    kill.remove()
    assert [took_effect(witness) for witness in kill.witnesses()] == [False, True]
    with socket.create_connection(running.address, HANG_S) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 200")


def test_worker_is_told_by_its_command_line(
    running: Running, tmp_path: Path, active: ActiveFaults
) -> None:
    """Where workers run another program than their master; and there must be as many as said."""
    master = """
        import socket, subprocess, sys, time
        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
        one = None
        while True:
            if one is None or one.poll() is not None:
                one = subprocess.Popen(["sleep", "600.25"])
            time.sleep(0.05)
    """
    (tmp_path / "other").mkdir()
    one = service_in(tmp_path / "other", master)
    with one.process:
        told = Running(one.process, one.address, workers=1, worker=r"sleep 600\.25")
        wait_for("worker", lambda: bool(workers_of(one.process.pid, told.worker)), HANG_S)
        kill = made(fault("kill_worker", "process"), BrokenBed(tmp_path, running=told))
        kill.inject(active)
        kill.remove()
        assert all(took_effect(witness) for witness in kill.witnesses())
    wrong = Running(running.process, running.address, workers=3)
    with pytest.raises(RunError, match="has 2 workers, expected 3"):
        made(fault("kill_worker", "process"), BrokenBed(tmp_path, running=wrong)).inject(active)
    unsaid = Running(running.process, running.address)
    with pytest.raises(UsageError, match="nobody says how many workers"):
        made(fault("kill_worker", "process"), BrokenBed(tmp_path, running=unsaid))


COMMAND = {
    "run": ("sh", "-c", 'echo "$OF_THE_BED" > broken; echo 3 > count'),
    "undo": ("sh", "-c", "rm -f broken"),
    "mark": ("cat", "mark"),
    "healed": ("test", "!", "-e", "broken"),
}
COUNTS = WitnessSpec("things broken", 2, run=("cat", "count"))


@pytest.fixture
def room(tmp_path: Path) -> BrokenBed:
    """Return a testbed of a folder that commands may break."""
    (tmp_path / "mark").write_text("on\n")
    (tmp_path / "count").write_text("1\n")
    return BrokenBed(tmp_path)


def test_command_makes_witnesses_and_unmakes(room: BrokenBed, active: ActiveFaults) -> None:
    """In the file's folder, with what the testbed gives; its count grew by what it must."""
    one = made(fault("command", witnesses=[COUNTS], **COMMAND), room)
    one.inject(active)
    assert (room.folder / "broken").read_text() == "given\n"
    one.observe()
    one.remove()
    one.remove()
    assert not (room.folder / "broken").exists()
    [witness] = one.witnesses()
    assert (witness.before, witness.during, witness.needs) == (1, 3, 2)
    assert took_effect(witness)


@pytest.mark.parametrize("count", ["echo many", "exit 1", "echo -3", "echo 1e9", "true"])
def test_witness_that_prints_no_count_proves_nothing(
    count: str, room: BrokenBed, active: ActiveFaults
) -> None:
    """Neither before nor meanwhile; a count that is there only meanwhile has not grown."""
    for run in (("sh", "-c", count), ("sh", "-c", f"test -e broken && echo 9 || {count}")):
        counts = WitnessSpec("things broken", 1, run=run)
        one = made(fault("command", witnesses=[counts], **COMMAND), room)
        one.inject(active)
        one.observe()
        one.remove()
        assert not took_effect(one.witnesses()[0])


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ((), "has no mark"),
        (("echo", "off"), "its mark says 'off'"),
        (("echo", "on and on"), "its mark says 'on and on'"),
        (("sh", "-c", "echo on; exit 1"), "its mark says sh: exit 1"),
        (("no-such-program",), "No such file"),
    ],
)
def test_command_breaks_only_what_is_marked(
    mark: tuple[str, ...], words: str, room: BrokenBed, active: ActiveFaults
) -> None:
    """The mark is on the thing itself; without it nothing is run, and nothing undone."""
    given = {**COMMAND, "mark": mark, "undo": ("touch", "undone")}
    one = made(fault("command", witnesses=[COUNTS], **given), room)
    with pytest.raises(UsageError, match=words):
        one.inject(active)
    assert not (room.folder / "broken").exists()
    assert not (room.folder / "undone").exists()
    assert active.read() == []


def test_command_that_fails_half_way_is_undone(room: BrokenBed, active: ActiveFaults) -> None:
    """Whatever it did before it failed."""
    given = {**COMMAND, "run": ("sh", "-c", "touch broken; echo cannot >&2; exit 3")}
    with pytest.raises(RunError, match="its run failed: sh: exit 3: cannot"):
        made(fault("command", witnesses=[COUNTS], **given), room).inject(active)
    assert not (room.folder / "broken").exists()
    assert active.read() == []


def test_undo_that_fails_or_does_not_heal_is_told(
    room: BrokenBed, active: ActiveFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault stays on the list, for the watchdog and the next start."""
    monkeypatch.setattr("stressproof.faults.injectors.commands._HEAL_TIMEOUT_S", 0.3)
    for given, words in (
        ({"undo": ("sh", "-c", "test -e allowed && rm -f broken")}, "its undo failed"),
        ({"undo": ("true",), "healed": ("test", "-e", "allowed")}, "is not healed after its undo"),
    ):
        one = made(fault("command", witnesses=[COUNTS], **{**COMMAND, **given}), room)
        one.inject(active)
        with pytest.raises(RunError, match=words):
            one.remove()
        assert len(active.read()) == 1
        (room.folder / "allowed").touch()
        one.remove()
        assert active.read() == []
        (room.folder / "allowed").unlink()


def test_command_of_a_killed_injector_is_undone(room: BrokenBed, active: ActiveFaults) -> None:
    """By the watchdog, in the file's folder."""
    program = f"""
        import os, signal, sys
        from pathlib import Path
        sys.path[:0] = {[str(Path(__file__).parents[2] / "support"), str(Path(__file__).parent)]!r}
        from broken_bed import BrokenBed, fault
        from test_faults_of_processes import COMMAND, COUNTS
        from stressproof.faults.active import ActiveFaults
        from stressproof.faults.injectors.registry import injector
        bed = BrokenBed(Path({str(room.folder)!r}))
        one = injector(fault("command", witnesses=[COUNTS], **COMMAND), bed, None)
        one.inject(ActiveFaults(Path({str(active._folder)!r})))
        print((bed.folder / "broken").exists(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, check=False
    )
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, b"True\n")
    wait_for("undone", lambda: not (room.folder / "broken").exists(), HANG_S)
    wait_for("list", lambda: active.read() == [], HANG_S)


OWN = """
class SplitBrain:
    def __init__(self):
        self.leaders = 1
    def inject(self, bed, /, **parameters):
        self.room = bed.folder
        (self.room / "split").write_text(str(sorted(parameters.items())))
        self.leaders += 2
        if parameters.get("fail"):
            raise ValueError("no quorum")
    def observe(self):
        self.leaders += 1
    def undo(self):
        (self.room / "split").unlink(missing_ok=True)
    def counts(self):
        return {"leaders seen": self.leaders}

class Half:
    def inject(self, bed): ...

class Wrong(SplitBrain):
    def counts(self):
        return {"leaders seen": "many"}

class Broken(SplitBrain):
    def __init__(self):
        raise OSError("no cluster")

nothing = 3
"""
LEADERS = WitnessSpec("leaders seen", 2)


@pytest.fixture
def own(tmp_path: Path) -> BrokenBed:
    """Return a testbed of a folder with a file of faults."""
    (tmp_path / "failures.py").write_text(OWN)
    return BrokenBed(tmp_path)


def python(name: str, **given: object) -> FaultSpec:
    """Return a fault of that file."""
    return fault("python", witnesses=[LEADERS], **{"class": f"failures.py:{name}", **given})


def test_class_of_the_file_makes_counts_and_unmakes(own: BrokenBed, active: ActiveFaults) -> None:
    """It gets the testbed and its parameters; what its counts grew by is the witness."""
    one = made(python("SplitBrain", parameters={"nodes": "3"}), own)
    one.inject(active)
    assert (own.folder / "split").read_text() == "[('nodes', '3')]"
    one.observe()
    one.remove()
    one.remove()
    assert not (own.folder / "split").exists()
    [witness] = one.witnesses()
    assert (witness.before, witness.during) == (1, 4)
    unknown = fault(
        "python", witnesses=[WitnessSpec("cats")], **{"class": "failures.py:SplitBrain"}
    )
    other = made(unknown, own)
    other.inject(active)
    other.remove()
    assert not took_effect(other.witnesses()[0])


def test_class_that_fails_half_way_is_undone(own: BrokenBed, active: ActiveFaults) -> None:
    """What it raised is told, with its line."""
    with pytest.raises(RunError, match=r"inject\(\) raised ValueError: no quorum") as raised:
        made(python("SplitBrain", parameters={"fail": "yes"}), own).inject(active)
    assert raised.value.hint == "Look at failures.py:10."
    assert not (own.folder / "split").exists()
    assert active.read() == []


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("Half", UsageError, "has no observe, undo, counts"),
        ("nothing", UsageError, "has no inject"),
        ("SplitBran", UsageError, "has no SplitBran"),
        ("Broken", RunError, r"__init__\(\) raised OSError: no cluster"),
    ],
)
def test_class_that_is_no_fault_is_refused(
    name: str, kind: type[Exception], words: str, own: BrokenBed
) -> None:
    """Before anything is made."""
    with pytest.raises(kind, match=words):
        made(python(name), own)


def test_class_counts_in_whole_numbers(own: BrokenBed, active: ActiveFaults) -> None:
    """Anything else is no witness, and no reason to go on."""
    with pytest.raises(RunError, match=r"counts\(\) returns"):
        made(python("Wrong"), own).inject(active)
    assert active.read() == []


def test_class_that_breaks_what_runs_already_names_a_command_that_undoes(own: BrokenBed) -> None:
    """Should we be killed, nobody else could."""
    own.attached = True
    with pytest.raises(UsageError, match="nothing undoes it should we be killed"):
        made(python("SplitBrain"), own)
    made(python("SplitBrain", undo=("rm", "-f", "split")), own)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (fault("latency", "proxy"), "is a fault of a proxy"),
        (fault("kill", "callers"), "kill hits container or postgres or process"),
        (fault("stop", "postgres"), "stop hits container or process"),
        (fault("kill", "process", lasts_us=601_000_000 - 1_000_000 + 1), "expected 100000 to"),
        (fault("kill", "process", lasts_us=1), "expected 100000 to"),
        (fault("race"), "sends nothing, and must"),
        (fault("lock", "postgres"), "sql is not there"),
        (fault("command", **COMMAND), "no witness"),
    ],
)
def test_fault_that_is_none_of_its_kind_is_refused(
    spec: FaultSpec, words: str, tmp_path: Path
) -> None:
    """Whatever reads files says so before; nobody else is trusted to."""
    with pytest.raises(UsageError, match=words):
        made(spec, BrokenBed(tmp_path))


class Counting:
    """A load that notes what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[list[tuple[str, int]]] = []
        self.history: list[object] = []

    def burst(self, requests: "list[object]") -> "list[object]":
        """Note a burst."""
        self.sent.append([(one.kind, one.key) for one in requests])  # type: ignore[attr-defined]
        return []


def test_race_tells_its_batches_apart_and_shares_an_effect_where_it_should(
    tmp_path: Path, active: ActiveFaults
) -> None:
    """Kinds are numbered where there are several; rows that send each have their names."""
    load = Counting()
    bed = BrokenBed(tmp_path)
    race = fault(
        "race", send=[Send("order", 2), Send("sweep", 2, same=False)], batches=2, lasts_us=200_000
    )
    once = fault("race", send=[Send("order", 2)])
    each = fault("send_each", send=[Send("tamper")], table="forged", kind_from="name")
    for spec in (race, once, each):
        one = made(spec, bed, load)  # type: ignore[arg-type]  # what it is asked, and no more
        one.inject(active)
        assert one.is_finished()
        one.remove()
    assert load.sent == [
        [("order_1", 1), ("order_1", 1), ("sweep_1", 2), ("sweep_1", 3)],
        [("order_2", 4), ("order_2", 4), ("sweep_2", 5), ("sweep_2", 6)],
        [("order", 7), ("order", 7)],
        [("tamper_unsigned", 8), ("tamper_expired", 9)],
    ]


def test_container_without_its_program_is_refused(tmp_path: Path) -> None:
    """Nothing is guessed: no other program is tried."""
    bed = BrokenBed(tmp_path, container=("shop-redis", "no-such-docker"))
    with pytest.raises(UsageError, match="no program no-such-docker here"):
        made(fault("kill", "container"), bed)
