"""What a request carries, as plain values; texts in them may hold placeholders."""

from collections.abc import Iterator
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct

from stressproof.workload.templates import Place, Template

MAX_FILE_BYTES = 64 * 1024 * 1024


class FileContent(Struct, frozen=True):
    """A file that was read when the plan was made: what is sent is what was hashed.

    Attributes:
        path: As the plan names it.
        content: All of it.
    """

    path: str
    content: bytes

    def __repr__(self) -> str:
        return f"FileContent(path={self.path!r}, {len(self.content)} bytes)"


class JsonBody(Struct, frozen=True, tag="json"):
    """A JSON text; a string that is one column alone becomes its value with its type."""

    text: str


class FormBody(Struct, frozen=True, tag="form"):
    """Fields, sent as ``application/x-www-form-urlencoded``."""

    fields: tuple[tuple[str, str], ...]


class FilePart(Struct, frozen=True):
    """One file of a multipart body.

    Attributes:
        file: What is sent.
        filename: As the receiver is told.
        content_type: Likewise.
    """

    file: FileContent
    filename: str
    content_type: str = "application/octet-stream"


class MultipartBody(Struct, frozen=True, tag="multipart"):
    """Fields and files, sent as ``multipart/form-data`` (RFC 7578)."""

    parts: tuple[tuple[str, str | FilePart], ...]


class TextBody(Struct, frozen=True, tag="text"):
    """Text, sent as UTF-8; ``content_type`` is None where a header says it or nobody needs it."""

    text: str
    content_type: str | None = None


class FileBody(Struct, frozen=True, tag="file"):
    """A file as it is, without placeholders."""

    file: FileContent
    content_type: str = "application/octet-stream"


Body = JsonBody | FormBody | MultipartBody | TextBody | FileBody


def files_of(body: Body | None) -> tuple[FileContent, ...]:
    """Return the files that a body is made of."""
    if isinstance(body, FileBody):
        return (body.file,)
    if isinstance(body, MultipartBody):
        return tuple(part.file for _, part in body.parts if isinstance(part, FilePart))
    return ()


def texts_of(body: Body | None) -> tuple[str, ...]:
    """Return the texts of a body that may hold placeholders."""
    if isinstance(body, JsonBody | TextBody):
        return (body.text,)
    if isinstance(body, FormBody):
        return tuple(text for field in body.fields for text in field)
    if isinstance(body, MultipartBody):
        return tuple(part for _, part in body.parts if isinstance(part, str))
    return ()


class CompiledBody(NamedTuple):
    """A body ready to be filled.

    Attributes:
        content: What is sent.
        content_type: What it is, empty where nothing says so; a header goes before it.
    """

    content: Template
    content_type: str


def compile_body(body: Body) -> CompiledBody:
    """Return a body as bytes with holes, and what it is."""
    if isinstance(body, JsonBody):
        return CompiledBody(Template.of(body.text, Place.JSON), "application/json")
    if isinstance(body, FormBody):
        return CompiledBody(Template.joined(_fields(body)), "application/x-www-form-urlencoded")
    if isinstance(body, TextBody):
        return CompiledBody(Template.of(body.text, Place.TEXT), body.content_type or "")
    if isinstance(body, FileBody):
        return CompiledBody(Template([body.file.content]), body.content_type)
    boundary = _boundary(body)
    content = Template.joined(_parts(body, boundary.encode()))
    return CompiledBody(content, f"multipart/form-data; boundary={boundary}")


def _fields(body: FormBody) -> Iterator[Template]:
    for number, (name, value) in enumerate(body.fields):
        if number:
            yield Template([b"&"])
        yield Template.of(name, Place.FORM)
        yield Template([b"="])
        yield Template.of(value, Place.FORM)


def _boundary(body: MultipartBody) -> str:
    """Return what parts are told apart by: nothing that is sent can hold a digest of itself."""
    digest = sha256()
    for name, part in body.parts:
        digest.update(name.encode())
        digest.update(part.file.content if isinstance(part, FilePart) else part.encode())
    return f"stressproof-{digest.hexdigest()[:32]}"


def _parts(body: MultipartBody, boundary: bytes) -> Iterator[Template]:
    for name, part in body.parts:
        lead = b'--%b\r\nContent-Disposition: form-data; name="%b"' % (boundary, quoted(name))
        if isinstance(part, FilePart):
            lead += b'; filename="%b"\r\nContent-Type: %b' % (
                quoted(part.filename),
                part.content_type.encode("latin-1"),
            )
            yield Template([lead + b"\r\n\r\n", part.file.content, b"\r\n"])
        else:
            text = Template.of(part, Place.TEXT)
            yield Template.joined([Template([lead + b"\r\n\r\n"]), text, Template([b"\r\n"])])
    yield Template([b"--%b--\r\n" % boundary])


def quoted(name: str) -> bytes:
    """Return a name as browsers write it: https://html.spec.whatwg.org/#multipart-form-data."""
    return name.encode().replace(b"\r", b"%0D").replace(b"\n", b"%0A").replace(b'"', b"%22")
