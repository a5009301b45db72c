"""Bodies and queries for the file: in the form that is best to read, without their secrets."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from stressproof.drafts.draft import Body
from stressproof.drafts.secrets import Secrets, literal
from stressproof.errors import UsageError

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
_FIELDS = re.compile(r"[\w.\[\]%+-]+=[^&]*(?:&[\w.\[\]%+-]+=[^&]*)*")


def secret_query(path: str, secrets: Secrets) -> tuple[str, dict[str, str]]:
    """Return a path without secrets in its query, and the query apart where it held some."""
    plain, mark, text = path.partition("?")
    plain = "/".join(secrets.text("", part, "a token in the path") for part in plain.split("/"))
    known = dict(parse_qsl(text, keep_blank_values=True))
    hidden = secrets.query(known)
    if not mark or all(hidden[name] == literal(value) for name, value in known.items()):
        return plain + mark + literal(text), {}
    return plain, hidden


def text_body(content: bytes, content_type: str, secrets: Secrets) -> Body:
    """Return a body that came as bytes.

    Raises:
        UsageError: It is no text.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            "a body is no text", hint="Put it into a file, and name that: --data-binary @FILE."
        ) from error
    kind = bare(content_type)
    if kind == FORM and _FIELDS.fullmatch(text):
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace")
        if len(dict(pairs)) == len(pairs):
            return Body("form", {n: secrets.text(n, v, f"the form's {n}") for n, v in pairs})
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return Body("body", secrets.text("", text, "the body"), content_type)
    if is_json(kind):
        return json_body(document, content_type, secrets)
    return Body("body", msgspec.json.encode(secrets.document(document)).decode(), content_type)


def json_body(document: Any, content_type: str, secrets: Secrets) -> Body:
    """Return a JSON body: as the file's own values where it has them, else as text."""
    found = secrets.document(document)
    if isinstance(found, dict) and found and not _lacks(found):
        return Body("json", found, "" if bare(content_type) == JSON else content_type)
    return Body("body", msgspec.json.encode(found).decode(), content_type)


def multipart_body(parts: Mapping[str, Any], secrets: Secrets) -> Body:
    """Return the parts of a form: a text each, or a table that names a file."""
    return Body(
        "multipart",
        {
            name: {key: literal(text) for key, text in value.items()}
            if isinstance(value, dict)
            else secrets.text(name, value, f"the form's {name}")
            for name, value in parts.items()
        },
    )


def bare(content_type: str | None) -> str:
    """Return a content type without its parameters."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_json(kind: str) -> bool:
    """Whether a bare content type is one of JSON's."""
    return kind == JSON or kind.endswith("+json")


def _lacks(value: Any) -> bool:
    """Whether TOML has no such value: null, or a whole number beyond 64 bits."""
    if isinstance(value, dict):
        return any(map(_lacks, value.values()))
    if isinstance(value, list):
        return any(map(_lacks, value))
    return value is None or (isinstance(value, int) and not -(2**63) <= value < 2**63)
