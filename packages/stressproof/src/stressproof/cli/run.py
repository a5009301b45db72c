"""The one way into every command and script: whatever happens ends in a documented exit code.

A command's callback returns an `Exit` (or nothing, for a pass), raises a `StressproofError`, or is
stopped by a signal. `run` turns each into words for a person and a code for a machine.
"""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

import click

from stressproof.cli.output import hold_standard_streams, to_stderr, unwritten
from stressproof.errors import StressproofError
from stressproof.exits import Exit

DEBUG_VARIABLE = "STRESSPROOF_DEBUG"
_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_REPORT = f"Please report it with this line; {DEBUG_VARIABLE}=1 shows where it happened."


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived: unwind, let every ``finally`` run, end with its code.

    Args:
        number: Which of both.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = signal.Signals(number)


_ENDINGS = {
    signal.SIGTERM: (Exit.TERMINATED, "terminated"),
    signal.SIGHUP: (Exit.HANGUP, "its terminal has hung up"),
}


def run(
    command: click.Command, name: str, argv: Sequence[str] | None = None, *, suite: str = ""
) -> int:
    """Run a command to its end and return the exit code of the process.

    Args:
        command: What to run.
        name: How the user called it; shown in usage lines.
        argv: Its arguments, those of the process if None.
        suite: The suite that it is about (`stressproof.suite.find_suite`); empty for the one that
            the project names or that is installed.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    hold_standard_streams()
    _forgive_encodings()
    with _signals_unwind():
        try:
            return _complete(command, name) or _invoke(command, name, arguments, suite)
        except BaseException as error:  # noqa: BLE001  # the last frame: nothing may pass it
            code = _explain(error, name)
            if code is Exit.USAGE:
                _explain_dashes(arguments)
            return int(code)


def _invoke(command: click.Command, name: str, arguments: list[str], suite: str) -> int:
    with command.make_context(name, arguments, obj=suite) as context:
        code = command.invoke(context)
    # A full disk or a closed pipe must not surface while the interpreter shuts down.
    sys.stdout.flush()
    return int(Exit.PASS if code is None else code)


def _complete(command: click.Command, name: str) -> int:
    """Answer a shell that asks for completions; 0 where none does."""
    variable = f"_{name.replace('-', '_').replace('.', '_').upper()}_COMPLETE"
    instruction = os.environ.get(variable)
    if not instruction:
        return 0
    from click.shell_completion import shell_complete  # noqa: PLC0415  # 10 ms nobody else needs

    shell_complete(command, {}, name, variable, instruction)
    raise click.exceptions.Exit(Exit.PASS)


def _explain(error: BaseException, name: str) -> Exit:
    """Say on stderr what went wrong and what to do, and return the code for it."""
    # click derives its Exit and Abort from RuntimeError; they are no failures of ours.
    if isinstance(error, click.exceptions.Exit):
        return _known(error.exit_code)
    if isinstance(error, SystemExit):
        return _known(error.code)
    if isinstance(error, KeyboardInterrupt | click.exceptions.Abort):
        to_stderr(f"{name}: interrupted")
        return Exit.INTERRUPTED
    if isinstance(error, Terminated):
        code, words = _ENDINGS[error.signal]
        to_stderr(f"{name}: {words}")
        return code
    if _debugging():
        import traceback  # noqa: PLC0415  # 8 ms that only a developer needs

        to_stderr("".join(traceback.format_exception(error)))
    if isinstance(error, OSError) and _of_stdout(error):
        error = unwritten(error)
    code, lines = _words(error)
    for line in lines[:-1]:
        to_stderr(line)
    to_stderr(f"{name}: {lines[-1]}")
    hint = getattr(error, "hint", "") if code is not Exit.INTERNAL else _REPORT
    if hint:
        to_stderr(f"  {hint}")
    return code


_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"


def _explain_dashes(arguments: Sequence[str]) -> None:
    """Say which options have dashes that a word processor or a web page made of two."""
    for text in arguments:
        name = text.lstrip(f"{_DASHES}-").partition("=")[0]
        if text[:1] in _DASHES and name.replace("-", "_").isidentifier():
            to_stderr(f"  {text!r} begins with another dash than options do: write --{name}")


def _words(error: BaseException) -> tuple[Exit, list[str]]:
    """Return the code of a failure and its lines, the last of which says what happened."""
    if isinstance(error, StressproofError):
        return error.exit_code, [error.message]
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Exit.USAGE, [error.format_message(), "a command is missing"]
    if isinstance(error, click.exceptions.UsageError) and error.ctx is not None:
        context = error.ctx
        pointer = f"Try '{context.command_path} --help' for help."
        return Exit.USAGE, [context.get_usage(), pointer, _usage_words(error)]
    if isinstance(error, click.exceptions.ClickException):
        return Exit.USAGE, [error.format_message()]
    return Exit.INTERNAL, [f"a bug of ours: {type(error).__name__}: {error}"]


def _of_stdout(error: OSError) -> bool:
    """Whether an error is that of writing to a stream: it names no file."""
    gone = isinstance(error, BrokenPipeError)
    return gone or (error.errno in _CANNOT_WRITE and error.filename is None)


_OF_OTHERS = {
    **dict.fromkeys(("--vus", "-u", "--connections", "--concurrency", "-c"), "--users"),
    **dict.fromkeys(("--run-time", "-t", "--time"), "--duration"),
    **dict.fromkeys(("--rps", "--qps"), "--rate"),
    **dict.fromkeys(("--spawn-rate", "-r"), "--ramp"),
    **dict.fromkeys(("--host", "--base-url"), "--url"),
    **dict.fromkeys(("--threads", "--processes"), "--workers"),
    **dict.fromkeys(("--requests", "-n", "-i"), "--iterations"),
    **dict.fromkeys(("--summary-export", "-o", "--output"), "--out"),
    **dict.fromkeys(("--method",), "--request"),
    **dict.fromkeys(("--insecure-skip-tls-verify", "-k"), "--insecure"),
}
"""What k6, Locust, wrk, hey and ab call it, by what it is here."""


def _usage_words(error: click.exceptions.UsageError) -> str:
    """Return what a usage error says; of a misspelt option with the one that is nearest."""
    if not isinstance(error, click.exceptions.NoSuchOption):
        return error.format_message()
    from stressproof.objectives.syntax import did_you_mean  # noqa: PLC0415  # only a typo needs it

    ours = _OF_OTHERS.get(error.option_name)
    known = error.ctx.command.params if error.ctx is not None else []
    if ours is not None and any(ours in one.opts for one in known):
        offer = f"Here it is {ours}."
    else:
        offer = did_you_mean(error.option_name, error.possibilities or ())
    return f"there is no option {error.option_name}. {offer}".rstrip()


def _known(code: object) -> Exit:
    """Return a code of the table; one that is not in it is a bug."""
    if code is None:
        return Exit.PASS
    if not isinstance(code, int):
        return Exit.INTERNAL
    try:
        return Exit(code)
    except ValueError:
        return Exit.INTERNAL


def _debugging() -> bool:
    return os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}


def _forgive_encodings() -> None:
    """Let a terminal that cannot show a character show its code instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _signals_unwind() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `Terminated` while a command runs; a second ends the process."""

    def unwind(signum: int, frame: FrameType | None) -> None:
        del frame
        signal.signal(signum, signal.SIG_DFL)
        raise Terminated(signum)

    before = {}
    try:
        for one in _ENDINGS:
            if signal.getsignal(one) != signal.SIG_IGN:  # nohup
                before[one] = signal.signal(one, unwind)
    except ValueError:
        # Not the main thread: whoever owns the process owns its signals.
        yield
        return
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
