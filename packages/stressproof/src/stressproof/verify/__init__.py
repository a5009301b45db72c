"""One function a rule; a verdict from a document and requirements, without I/O."""

from stressproof.callable_room import let_call

let_call(__name__, "stressproof.verify.verification:verify")
