"""Codes of made-up histories, with what they mean of a request that expects refusals."""

from protocol_failures import GATE
from stressproof.failures.artifact import CodeRecord
from stressproof.failures.history import Code, parse_code, read_code


def meaning(name: str) -> Code:
    """Return a code of a gate."""
    parsed = parse_code(name)
    assert parsed is not None, name
    return read_code(name, GATE.classify(*parsed))


def record(name: str) -> CodeRecord:
    """Return a code of a gate as evidence has it."""
    return CodeRecord(name, meaning(name).answer_class)
