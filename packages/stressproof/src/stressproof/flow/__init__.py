"""What a flow of a user's own is written with: ``async def checkout(user: User) -> None``.

A flow is one iteration of one user. It awaits its user and nothing else; the generator drives it
between an answer and the next request, without an event loop's tasks. docs/flows.md has it all.
"""

from stressproof.flow.answer import Answer, RequestFailed
from stressproof.flow.asking import Part
from stressproof.flow.files import read
from stressproof.flow.user import User

__all__ = ["Answer", "Part", "RequestFailed", "User", "read"]
