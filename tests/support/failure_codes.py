"""Codes of made-up histories, with what they mean of a request that expects refusals."""

from enforcement_suite.requests import gate
from stressproof.failures.artifact import CodeRecord
from stressproof.failures.history import Code, parse_code, read_code

_GATE = gate("gate")


def meaning(name: str) -> Code:
    """Return a code of a gate."""
    parsed = parse_code(name)
    assert parsed is not None, name
    return read_code(name, _GATE.classify(*parsed))


def record(name: str) -> CodeRecord:
    """Return a code of a gate as evidence has it."""
    return CodeRecord(name, meaning(name).answer_class)
