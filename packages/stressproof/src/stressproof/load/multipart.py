"""Multipart bodies of flows (RFC 7578), each made when it is asked for."""

from collections.abc import Mapping
from os import urandom
from typing import Any

from stressproof.flow.asking import Part
from stressproof.workload.bodies import quoted

_BOUNDARY = f"stressproof-{urandom(16).hex()}".encode()  # nothing that is sent can know it
_CONTENT_TYPE = f"multipart/form-data; boundary={_BOUNDARY.decode()}"


def encode_multipart(fields: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return a body of fields and files, and its type.

    Raises:
        TypeError: A field is neither a text, a number nor a `Part`.
        ValueError: A part's type cannot be sent.
    """
    pieces = []
    for name, value in fields.items():
        lead = b'--%b\r\nContent-Disposition: form-data; name="%b"' % (_BOUNDARY, quoted(name))
        if isinstance(value, Part):
            kind = value.type.encode("latin-1")
            if not value.type.isprintable():
                raise ValueError(f"{name}: the type {value.type!r} cannot be sent")
            lead += b'; filename="%b"\r\nContent-Type: %b' % (quoted(value.filename), kind)
            content = value.content
        elif isinstance(value, str | int | float):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            content = text.encode()
        else:
            raise TypeError(f"{name} is a {type(value).__name__}, expected a text, number or Part")
        pieces += [lead, b"\r\n\r\n", content, b"\r\n"]
    return b"".join([*pieces, b"--%b--\r\n" % _BOUNDARY]), _CONTENT_TYPE
