"""What outlives a killed injector: its watchdog, and the list on disk for the next start."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from disposable_postgres import PostgresServer
from stressproof.errors import RunError, UsageError
from stressproof.faults import refusal
from stressproof.faults.active import ActiveFaults, default_path
from stressproof.faults.refusal import demand_no_refusal
from stressproof.faults.undo import Undo, carry_out, command
from stressproof.processes import ProcessRef, below, command_line, lives, refer, state_of, wait_for

HANG_S = 20.0
DEAD = ProcessRef(2**22 + 1, 1)
KILL_WATCHDOG = "os.kill(watchdog.pid, signal.SIGKILL); os.waitpid(watchdog.pid, 0)"


def reference(pid: int) -> ProcessRef:
    """Return a lasting reference to a process that lives."""
    found = refer(pid)
    assert found is not None
    return found


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """Yield a process to freeze, the leader of a session."""
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        yield process
        process.kill()


def injector_that(last: str, folder: Path, undo: Undo, within_s: float | None = 600.0) -> int:
    """Run an injector that lists something, does a last thing and dies by SIGKILL; its pid."""
    program = f"""
        import json, os, signal
        from pathlib import Path
        from stressproof.faults.active import ActiveFaults
        active = ActiveFaults(Path({str(folder)!r}))
        active.add("test", json.loads({json.dumps(undo)!r}), within_s={within_s!r})
        watchdog = active._watch._process
        {last}
        print(os.getpid(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run(
        # The watchdog has our stderr, and says there what it undid.
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    return int(done.stdout)


def entries(folder: Path) -> list[str]:
    """Return what is on a list."""
    return [path.name for path in folder.iterdir() if path.suffix == ".json"]


def gone(folder: Path) -> None:
    """Wait until nothing is on a list."""
    wait_for("undone", lambda: not entries(folder), HANG_S)


def test_killed_injector_is_undone_by_its_watchdog(
    tmp_path: Path, victim: "subprocess.Popen[bytes]"
) -> None:
    """What is frozen goes on, ballast goes, commands run, and the list is empty again."""
    ballast = tmp_path / "ballast"
    ballast.write_bytes(b"x")
    undo = Undo(
        resume=[reference(victim.pid)],
        remove=[str(ballast)],
        run=[command(["sh", "-c", 'echo "$SECRET" > undone'], tmp_path, {"SECRET": "from here"})],
    )
    injector_that(f"os.kill({victim.pid}, signal.SIGSTOP)", tmp_path / "active", undo)
    gone(tmp_path / "active")
    assert state_of(victim.pid) == "S"
    assert not ballast.exists()
    assert (tmp_path / "undone").read_text() == "from here\n"


def test_frozen_server_is_thawed_with_a_backend_born_since(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """The list has the server alone; whatever it started is found below it."""
    with psycopg.connect(postgres.dsn(), autocommit=True) as connection:
        everyone = postgres.processes()
        assert connection.info.backend_pid in everyone
        freeze = f"[os.kill(pid, signal.SIGSTOP) for pid in {everyone!r}]"
        injector_that(freeze, tmp_path / "active", Undo(resume=[reference(postgres.pid)]))
        try:
            gone(tmp_path / "active")
            assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            postgres.thaw()  # whatever comes out, the tests after this one have a server


def test_hung_injector_is_undone_when_its_time_is_up(
    active: ActiveFaults, victim: "subprocess.Popen[bytes]"
) -> None:
    """We live, and hang; what is taken off the list then was not undone in time."""
    entry = active.add("test", Undo(resume=[reference(victim.pid)]), within_s=0.2)
    os.kill(victim.pid, signal.SIGSTOP)
    wait_for("thaw", lambda: active.read() == [] and state_of(victim.pid) == "S", HANG_S)
    with pytest.raises(RunError, match="outlived its time"):
        active.remove(entry)


def test_who_is_interrupted_while_the_watchdog_starts_confuses_nobody_after(
    active: ActiveFaults, victim: "subprocess.Popen[bytes]"
) -> None:
    """Its late answer is not taken for another's, and what was not done is not undone."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        os.kill(victim.pid, signal.SIGSTOP)  # by somebody else
        signal.setitimer(signal.ITIMER_REAL, 0.02)  # no Python answers as soon as that
        with pytest.raises(KeyboardInterrupt):
            active.add("first", Undo(resume=[reference(victim.pid)]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    second = active.add("second", Undo())
    assert [one.kind for one in active.read()] == ["second"]
    active.remove(second)
    assert state_of(victim.pid) == "T"


def test_watchdog_runs_as_long_as_it_holds_something(
    active: ActiveFaults, victim: "subprocess.Popen[bytes]"
) -> None:
    """None is left over, and one that was killed is started again with all that it held."""

    def watchdogs() -> list[ProcessRef]:
        return [one for one in below(os.getpid()) if "watchdog" in command_line(one.pid)]

    assert watchdogs() == []
    ends_with_us = active.add("test", Undo())
    first = active.add("test", Undo(resume=[reference(victim.pid)]), within_s=1.0)
    [watchdog] = watchdogs()
    os.kill(watchdog.pid, signal.SIGKILL)
    wait_for("killed", lambda: not lives(watchdog), HANG_S)
    second = active.add("test", Undo(remove=["/nowhere/at/all"]))
    os.kill(victim.pid, signal.SIGSTOP)
    wait_for("thaw", lambda: state_of(victim.pid) == "S", HANG_S)
    active.remove(second)
    with pytest.raises(RunError, match="outlived"):
        active.remove(first)
    active.remove(ends_with_us)
    assert watchdogs() == []


def test_killed_watchdog_and_injector_are_undone_at_the_next_start(
    active: ActiveFaults, tmp_path: Path, victim: "subprocess.Popen[bytes]"
) -> None:
    """The list on disk outlives both; the second time nothing is left to undo."""
    last = f"{KILL_WATCHDOG}; os.kill({victim.pid}, signal.SIGSTOP)"
    undo = Undo(resume=[reference(victim.pid)])
    pid = injector_that(last, tmp_path / "active", undo)
    wait_for("stop", lambda: state_of(victim.pid) == "T", HANG_S)
    [left] = active.undo_left_behind()
    assert (left.kind, left.injector.pid) == ("test", pid)
    wait_for("thaw", lambda: state_of(victim.pid) == "S", HANG_S)
    assert active.undo_left_behind() == active.read() == []


def test_what_cannot_be_undone_stays_on_the_list_and_stops_the_next_start(
    active: ActiveFaults, tmp_path: Path
) -> None:
    """Nobody goes on as if it were undone; a remedy by hand is named."""
    undo = Undo(run=[command(["sh", "-c", "echo no such container >&2; exit 7"])])
    injector_that(KILL_WATCHDOG, tmp_path / "active", undo)
    for _ in range(2):
        with pytest.raises(RunError, match=r"sh: exit 7: no such container") as raised:
            active.undo_left_behind()
        assert str(tmp_path / "active") in raised.value.hint
    assert len(active.read()) == 1


def test_session_that_outlives_its_maker_is_ended(tmp_path: Path) -> None:
    """Its leader, what ignores requests to end, and what was orphaned before; nobody else."""
    program = "trap '' TERM; (trap '' TERM; sleep 600 & wait) & echo $! > child; wait"
    with subprocess.Popen(["sh", "-c", program], cwd=tmp_path, start_new_session=True) as leader:
        wait_for("child", (tmp_path / "child").exists, HANG_S)
        family = below(leader.pid)
        undo = Undo(end=[reference(leader.pid)])
        injector_that("pass", tmp_path / "active", undo, within_s=None)
        leader.wait(HANG_S)
        wait_for("ended", lambda: not any(map(lives, family)), HANG_S)
    gone(tmp_path / "active")


def test_fault_of_a_living_injector_is_left_alone(active: ActiveFaults) -> None:
    """Another injector's fault is not ours to undo while it lives."""
    entry = active.add("test", Undo())
    assert active.undo_left_behind() == []
    assert [one.id for one in active.read()] == [entry]


def test_recycled_pid_is_not_hit(victim: "subprocess.Popen[bytes]") -> None:
    """A process that only has the number of another one gets no signal, nor what it started."""
    with subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True) as parent:
        wait_for("child", lambda: bool(below(parent.pid)), HANG_S)
        [child] = below(parent.pid)
        for stopped in (victim, parent, child):
            os.kill(stopped.pid, signal.SIGSTOP)
        wait_for("stop", lambda: state_of(child.pid) == "T", HANG_S)
        imposters = [ProcessRef(victim.pid, 12345), ProcessRef(parent.pid, 12345)]
        assert carry_out(Undo(resume=imposters, end=imposters)) == []
        states = {state_of(stopped.pid) for stopped in (victim, parent, child)}
        assert states == {"T"}
        os.kill(child.pid, signal.SIGKILL)
        parent.kill()


def test_undo_is_harmless_where_nothing_is_to_be_undone(tmp_path: Path) -> None:
    """Processes, files and folders that are gone, twice."""
    (tmp_path / "file").touch()
    undo = Undo(resume=[DEAD], remove=[str(tmp_path / "x"), str(tmp_path / "file/x")], end=[DEAD])
    assert carry_out(undo) == carry_out(undo) == []


def test_command_that_leaves_a_server_running_is_done(tmp_path: Path) -> None:
    """A server started by an undo has our descriptors; it is not waited for."""
    start = command(["sh", "-c", "sleep 600 & echo $! > server"], tmp_path)
    assert carry_out(Undo(run=[start])) == []
    os.kill(int((tmp_path / "server").read_text()), signal.SIGKILL)


def test_list_that_cannot_be_read_is_an_error(active: ActiveFaults, tmp_path: Path) -> None:
    """A broken entry may hide a stopped process, so it is not taken for none."""
    (tmp_path / "active").mkdir()
    (tmp_path / "active/x.json").write_text('{"id": 1}')
    with pytest.raises(RunError, match="cannot be read"):
        active.undo_left_behind()


def test_list_lies_in_the_state_folder_and_is_nobody_elses(
    active: ActiveFaults, tmp_path: Path
) -> None:
    """As every other state of the tool; commands may carry secrets."""
    assert default_path({"XDG_STATE_HOME": "/s"}) == Path("/s/stressproof/active_faults")
    entry = active.add("test", Undo())
    path = tmp_path / f"active/{entry}.json"
    assert path.stat().st_mode & 0o077 == 0
    assert json.loads(path.read_bytes())["kind"] == "test"


def test_machine_that_refuses_breaks_nothing(
    active: ActiveFaults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a variable or a file that is there, whatever stands in it; nothing is listed then."""
    demand_no_refusal({}, tmp_path / "refuse")
    demand_no_refusal({refusal.VARIABLE: ""}, tmp_path / "no/folder")
    with pytest.raises(UsageError, match="STRESSPROOF_REFUSE is set to '0'"):
        demand_no_refusal({refusal.VARIABLE: "0"}, tmp_path / "refuse")
    (tmp_path / "refuse").symlink_to("nowhere")
    with pytest.raises(UsageError, match="refuse is there"):
        demand_no_refusal({}, tmp_path / "refuse")
    monkeypatch.setenv(refusal.VARIABLE, "production")
    with pytest.raises(UsageError, match="'production'"):
        active.add("test", Undo())
    assert active.read() == []
