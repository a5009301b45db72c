"""Where words go: results to stdout, everything else to stderr, never mixed."""

import contextlib
import io
import os
import sys

from stressproof.errors import OutputError


def to_stdout(text: str) -> None:
    """Write what the command was asked for to stdout, ending in a newline.

    Raises:
        OutputError: It could not be written.
        BrokenPipeError: The reader went away.
    """
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error


def unwritten(error: OSError) -> OutputError:
    """Return what is said where stdout takes nothing more, and drop what is left in its buffer."""
    silence_stdout()
    if isinstance(error, BrokenPipeError):
        return OutputError("the reader of our output went away before it was complete")
    return OutputError(
        f"cannot write to stdout: {error.strerror or error}",
        hint="Free some space, or send the output elsewhere.",
    )


class ClosedStdout(io.TextIOBase):
    """In the place of a stdout that whoever started us has closed: nothing is lost in silence."""

    def write(self, text: str) -> int:
        """Refuse every text.

        Raises:
            OutputError: Always.
        """
        del text
        raise OutputError("stdout is closed", hint="Give the command somewhere to write to.")


def hold_standard_streams() -> None:
    """Let no file of ours, nor a child's words, end up in the place of a stream that is closed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, and so this one
    if sys.stdout is None:
        sys.stdout = ClosedStdout()


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
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, sys.stdout.fileno())
        os.close(sink)
