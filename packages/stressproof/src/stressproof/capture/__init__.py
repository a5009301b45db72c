"""Preflight, provenance, rounds: drives load and faults, writes evidence."""

from stressproof.callable_room import let_call

let_call(__name__, "stressproof.capture.capture:capture")
