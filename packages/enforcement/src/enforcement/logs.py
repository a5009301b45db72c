"""Logs: one JSON object a line on standard error, and never a secret in it.

Fields are given one by one, so that nothing is logged by accident: no header, no body, no DSN,
no exception text of a driver (which may quote a connection string).
"""

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

import msgspec

_MAX_TEXT: Final = 500
_ENCODER: Final = msgspec.json.Encoder()

Field = str | int | float | bool | None


class Log:
    """Writes the lines of one part of the service.

    Args:
        part: ``parent`` or ``worker``.
        fields: Written on every line.
    """

    def __init__(self, part: str, **fields: Field) -> None:
        self._always: dict[str, Field] = {"part": part, "pid": os.getpid(), **fields}

    def info(self, event: str, **fields: Field) -> None:
        """Write what happened."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Write what somebody should look at."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Field) -> None:
        """Write what somebody must look at."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Field]) -> None:
        line: dict[str, Field] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "event": event,
            **self._always,
        }
        for name, value in fields.items():
            line[name] = value[:_MAX_TEXT] if isinstance(value, str) else value
        # One write a line, so that lines of several processes do not mix.
        try:
            os.write(sys.stderr.fileno(), _ENCODER.encode(line) + b"\n")
        except (OSError, ValueError):
            # A reader that went away (a closed pipe) must not take the service with it.
            return


class Bridge(logging.Handler):
    """Writes what libraries log in our form.

    Args:
        log: Of this process.
        least: What is less than this is dropped.
    """

    def __init__(self, log: Log, *, least: int = logging.WARNING) -> None:
        super().__init__(least)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; an exception's text may quote a secret, so its type alone is kept."""
        write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        # The message's arguments may hold a connection string; the template cannot.
        write("library", logger=record.name, message=str(record.msg), error=error)

    def install(self) -> None:
        """Take the place of every handler."""
        logging.basicConfig(level=self.level, handlers=[self], force=True)


def place_of(error: BaseException) -> str:
    """Return file, line and function where an exception arose, without its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown"
    code = trace.tb_frame.f_code
    return f"{code.co_filename.rpartition('/src/')[2]}:{trace.tb_lineno} {code.co_qualname}"
