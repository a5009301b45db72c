"""What the fields of every document may hold."""

from typing import Annotated, Literal

from msgspec import Meta

TEMPLATE_MARKER = "_template"
"""A field that only templates have; whatever it holds, the document is no evidence."""


Status = Literal["complete", "interrupted", "preflight_failed", "broken"]
"""How the capture ended; only ``complete`` can be release evidence."""


Text = Annotated[str, Meta(max_length=4096)]


Amount = Annotated[float, Meta(ge=0, le=1e12)]
"""A time in seconds, a rate or a percentage: bounded so that no arithmetic on it overflows."""


SignedMicros = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""Microseconds, forwards or backwards."""
