"""A service as our child: it is waited for, its end is told, and nothing of it is left."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stressproof.errors import RunError, UsageError
from stressproof.faults.service_process import ServiceProcess
from stressproof.processes import ProcessRef, lives, refer, wait_for

HANG_S = 20.0


def program(text: str) -> list[str]:
    """Return the command that runs a program."""
    return [sys.executable, "-u", "-c", textwrap.dedent(text)]


def service(
    tmp_path: Path, text: str, ready: str = r"port (?P<port>\d+)\n", **more: float
) -> ServiceProcess[re.Match[str]]:
    """Return a service that is a program of a few lines."""
    return ServiceProcess(
        "the shop",
        program(text),
        dict(os.environ),
        re.compile(ready).search,
        log=tmp_path / "log",
        **more,
    )


def reference(pid: str) -> ProcessRef:
    """Return a reference to a process that lives."""
    found = refer(int(pid))
    assert found is not None
    return found


FAMILY = """
    import subprocess, sys, time
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    own_session = subprocess.Popen(sleep, start_new_session=True)
    parent = '''
    import subprocess, sys
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    print(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid)
    '''
    command = [sys.executable, "-c", parent.replace("    ", "")]
    orphan = subprocess.run(command, stdout=subprocess.PIPE)
    print("family", own_session.pid, int(orphan.stdout))
    time.sleep(600)
"""


@pytest.mark.parametrize("obeys", [True, False])
def test_everything_that_a_service_started_ends_with_it(tmp_path: Path, *, obeys: bool) -> None:
    """Children with a session of their own, orphans, and a service that ignores SIGTERM."""
    text = textwrap.dedent(FAMILY)
    if not obeys:
        text = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + text
    one = service(tmp_path, text, r"family (?P<child>\d+) (?P<orphan>\d+)", stop_timeout_s=1.0)
    family = [reference(pid) for pid in one.start().groups()] + [reference(str(one.pid))]
    one.stop()
    assert [lives(member) for member in family] == [False, False, False]
    one.stop()


def test_service_that_talks_on_is_not_held_up(tmp_path: Path) -> None:
    """Nobody reads what it says once it is ready, and it goes on all the same."""
    text = """
        import pathlib, sys, time
        print("port 80")
        sys.stdout.write("x" * 1_000_000)
        sys.stdout.flush()
        pathlib.Path("done").write_text("")
        time.sleep(600)
    """
    command = program(f"import os; os.chdir({str(tmp_path)!r})\n" + textwrap.dedent(text))
    ready = re.compile(r"port (\d+)\n").search
    with ServiceProcess("it", command, dict(os.environ), ready, log=tmp_path / "log"):
        wait_for("all of it said", (tmp_path / "done").exists, HANG_S)


def test_end_before_it_is_ready_is_told_with_its_log(tmp_path: Path) -> None:
    """The exit code, or the signal, and the last lines of what it complained of."""
    text = """
        import sys
        print("port 80")
        sys.stderr.write("a\\n" * 50 + "no database\\n")
        sys.exit(7)
    """
    with pytest.raises(RunError, match=r"the shop did not start \(exit code 7\)") as caught:
        service(tmp_path, text, "never").start()
    assert caught.value.hint.endswith("no database")
    assert len(caught.value.hint.splitlines()) == 13
    text = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(RunError, match="killed by SIGKILL"):
        service(tmp_path / "..", text, "never").start()


def test_silence_is_not_waited_for_without_end(tmp_path: Path) -> None:
    """Half of the line is not the line; a service that is never ready is stopped again."""
    text = """
        import os, sys, time
        print("port 80", end="")
        sys.stderr.write(str(os.getpid()))
        time.sleep(600)
    """
    one = service(tmp_path, text, start_timeout_s=1.0)
    with pytest.raises(RunError, match=r"the shop was not ready within 1 s"):
        one.start()
    assert refer(int((tmp_path / "log").read_text().removeprefix("port 80"))) is None


def test_later_end_is_noticed(tmp_path: Path) -> None:
    """A service that ended by itself says so, and one that runs is let be."""
    one = service(tmp_path, "import time; print('port 80'); time.sleep(600)")
    assert one.start()["port"] == "80"
    one.demand_running()
    os.kill(one.pid, signal.SIGKILL)
    with pytest.raises(RunError, match=r"ended by itself \(killed by SIGKILL\)"):
        wait_for("its end", lambda: one.demand_running() or False, HANG_S)
    one.stop()
    one.demand_running()


def test_killed_at_once_and_started_again(tmp_path: Path) -> None:
    """All of it is gone, nobody calls that an end by itself, and it is ready a second time."""
    one = service(tmp_path, textwrap.dedent(FAMILY), r"family (\d+) (\d+)")
    family = [reference(pid) for pid in one.start().groups()]
    assert set(family) < set(one.family())
    killed = one.kill()
    assert set(family) < set(killed)
    assert not any(lives(member) for member in killed)
    one.demand_running()
    again = one.start()
    assert reference(again[1]) not in killed
    one.stop()


def test_program_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """No traceback of ours tells of it."""
    one = ServiceProcess(
        "the shop", ["./no-such"], {}, re.compile("x").search, log=tmp_path / "log"
    )
    with pytest.raises(UsageError, match=r"cannot be started: \./no-such: No such file"):
        one.start()


def test_service_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Also where that one had no time to stop it."""
    starter = f"""
        import os, time
        from pathlib import Path
        from stressproof.faults.service_process import ServiceProcess
        command = {program("import time; print('port 80'); time.sleep(600)")!r}
        log = Path({str(tmp_path)!r}) / "log"
        one = ServiceProcess("it", command, dict(os.environ), lambda said: said or None, log=log)
        one.start()
        print(one.pid, flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(program(starter), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        member = reference(process.stdout.readline())
        assert lives(member)
        process.kill()
    wait_for("the service outlived its parent", lambda: not lives(member), HANG_S)
