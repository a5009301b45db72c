"""Requirements and evidence to one release decision."""

from stressproof.callable_room import let_call

let_call(__name__, "stressproof.gate.gate:gate")
