"""Where words go: results to stdout, everything else to stderr, never mixed."""

import contextlib
import os
import sys

from stressproof.errors import OutputError


def to_stdout(text: str) -> None:
    """Write what the command was asked for to stdout, ending in a newline.

    Raises:
        OutputError: It could not be written.
        BrokenPipeError: The reader went away.
    """
    if sys.stdout is None:
        raise OutputError("stdout is closed", hint="Give the command somewhere to write to.")
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        silence_stdout()
        raise OutputError(
            f"cannot write to stdout: {error.strerror or error}",
            hint="Free some space, or send the output elsewhere.",
        ) from error


def to_stderr(text: str) -> None:
    """Write a line for a person to stderr."""
    if sys.stderr is None:
        return
    # With stderr gone there is nobody left to tell; the exit code still says what happened.
    with contextlib.suppress(OSError):
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        sys.stderr.flush()


def silence_stdout() -> None:
    """Drop what is left in stdout's buffer, so that shutting down does not fail a second time."""
    if sys.stdout is None:
        return
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
