"""One ``curl`` command: its words to what it asks."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote_plus, unquote

import msgspec

from stressproof.drafts.bodies import FORM, JSON, multipart_body, secret_query, text_body
from stressproof.drafts.curl_options import FLAGS, IGNORED, SHORT, VALUED
from stressproof.drafts.draft import Body, DraftRequest, demand_method
from stressproof.drafts.secrets import Secrets, literal
from stressproof.errors import UsageError
from stressproof.workload.target import PATH, origin_of, split_url

Read = Callable[[str], bytes]
"""Returns a file's bytes by its name; raises `UsageError`."""

_NOT_SENT = frozenset({"host", "content-length", "connection", "accept-encoding", "expect"})
_ENOUGH_REDIRECTS = 10


class Command:
    """One command's options, as they come.

    Args:
        words: After ``curl``.
        where: How to name it in messages.
        read: For the files that ``@FILE`` names.

    Attributes:
        urls: What it asks, with their schemes and without credentials.
        user: ``NAME:PASSWORD``, empty for none.
        target: Keys of ``[target]``.
        notes: What of it cannot be kept.

    Raises:
        UsageError: An option is unknown or lacks its value, or there is no URL.
    """

    def __init__(self, words: Sequence[str], where: str, read: Read) -> None:
        self.where, self._read = where, read
        self.urls: list[str] = []
        self.method = ""
        self.headers: dict[str, tuple[str, str]] = {}
        self.data: list[bytes] = []
        self.data_file = ""
        self.parts: dict[str, Any] = {}
        self.in_query = self.head = self.json = self.glob_off = False
        self.user = ""
        self.target: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.query: list[str] = []
        self.notes: list[str] = []
        self._take(words)
        if not self.urls:
            raise UsageError(f"{where} has no URL", hint="Write it after curl.")
        self.urls = [self._without_user(self._absolute(url)) for url in self.urls]

    def _take(self, words: Sequence[str]) -> None:
        rest = iter(words)
        for word in rest:
            if word == "--":
                self.urls += rest
            elif word.startswith("--"):
                self._long(word, rest)
            elif word.startswith("-") and word != "-":
                self._short(word, rest)
            else:
                self.urls.append(word)

    def _long(self, word: str, rest: Iterator[str]) -> None:
        name, equals, value = word[2:].partition("=")
        if name in VALUED:
            self._option(name, value if equals else self._value(word, rest))
        elif name in FLAGS:
            self._flag(name)
        elif name not in IGNORED:
            raise UsageError(
                f"{self.where}: the option {word.partition('=')[0]} is not known here",
                hint="Leave it out, if the request means the same without.",
            )

    def _short(self, word: str, rest: Iterator[str]) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            name = SHORT.get(letter)
            if name is None:
                raise UsageError(
                    f"{self.where}: the option -{letter} is not known here",
                    hint="Leave it out, if the request means the same without.",
                )
            if name in VALUED:
                self._option(name, letters or self._value(f"-{letter}", rest))
                return
            if name in FLAGS:
                self._flag(name)

    def _value(self, option: str, rest: Iterator[str]) -> str:
        value = next(rest, None)
        if value is None:
            raise UsageError(
                f"{self.where}: {option} needs a value", hint="Copy the whole command."
            )
        return value

    def _flag(self, name: str) -> None:
        match name:
            case "get":
                self.in_query = True
            case "head":
                self.head = True
            case "globoff":
                self.glob_off = True
            case "insecure":
                self.target["insecure"] = True
            case "http2" | "http2-prior-knowledge":
                self.target["http2"] = True
            case "location" | "location-trusted":
                self.settings["redirects"] = _ENOUGH_REDIRECTS
            case "compressed":
                self.take_header("Accept-Encoding: gzip", always=True)

    def _option(self, name: str, value: str) -> None:
        take = _TAKE.get(name)
        if take is not None:
            take(self, value)
        elif name in _TARGET_KEYS:
            self.target[_TARGET_KEYS[name]] = literal(value)
        elif name in _UNHEEDED:
            self.notes.append(f"--{name} of curl is left out: {_UNHEEDED[name]}")

    def take_header(self, line: str, *, always: bool = False) -> None:
        """Take a header as ``--header`` has it; those that are the generator's to set are not."""
        if line.startswith("@"):
            for one in self._text(line[1:]).splitlines():
                if one.strip():
                    self.take_header(one)
            return
        name, colon, value = line.partition(":")
        if not colon:
            name, value = line.rstrip(";"), ""
        name, value = name.strip(), value.strip()
        if colon and not value:
            self.headers.pop(name.lower(), None)  # curl's way to send none
        elif always or name.lower() not in _NOT_SENT:
            self.headers[name.lower()] = (name, value)

    def add_data(self, value: str, *, binary: bool = False, raw: bool = False) -> None:
        """Take a part of the body, or the file that it names."""
        if raw or not value.startswith("@"):
            self.data.append(value.encode())
            return
        content = self._read(value[1:])
        stripped = content if binary else re.sub(rb"[\r\n\0]", b"", content)
        # curl leaves line breaks out; where that makes a difference, the file is not what is sent.
        self.data_file = value[1:] if stripped == content.rstrip() or _is_json(content) else ""
        self.data.append(stripped)

    def add_encoded(self, value: str) -> None:
        """Take a field that still has to be encoded."""
        found = re.match(r"([^=@]*)([=@])(.*)", value, re.DOTALL)
        if found is None:
            name, content = "", value
        else:
            name = found[1]
            content = self._text(found[3]) if found[2] == "@" else found[3]
        encoded = quote_plus(content)
        self.data.append((f"{name}={encoded}" if name else encoded).encode())

    def add_json(self, value: str) -> None:
        """Take a part of a JSON body, or the file that it names."""
        self.json = True
        self.data.append(self._read(value[1:]) if value.startswith("@") else value.encode())
        if value.startswith("@"):
            self.data_file = value[1:]

    def add_part(self, value: str, *, raw: bool = False) -> None:
        """Take a part of a form, or the file that it names."""
        name, equals, content = value.partition("=")
        if not equals:
            raise UsageError(f"{self.where}: --form {name[:40]!r} is no NAME=VALUE")
        if raw or not content.startswith(("@", "<")):
            self.parts[name] = content
            return
        path, *more = content[1:].split(";")
        self._read(path)
        if content.startswith("<"):
            self.parts[name] = self._text(path)
            return
        part = {"file": path}
        part |= {
            key: text for one in more for key, _, text in [one.partition("=")] if key == "type"
        }
        self.parts[name] = part

    def take_cookie(self, value: str) -> None:
        """Take cookies; a jar is not read."""
        if "=" not in value:
            self.notes.append(
                "--cookie of curl names a file, which is not read: add a Cookie header"
            )
        else:
            self.headers["cookie"] = ("Cookie", value)

    def take_upload(self, value: str) -> None:
        """Take the file that is the body."""
        self._read(value)
        self.data_file, self.method = value, self.method or "PUT"
        self.data.append(b"")

    def take_timeout(self, value: str) -> None:
        """Take the seconds after which a request has failed."""
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", value) or not float(value):
            raise UsageError(f"{self.where}: --max-time {value[:20]!r} is no number of seconds")
        self.settings["timeout"] = f"{value}s"

    def _text(self, name: str) -> str:
        try:
            return self._read(name).decode()
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.where}: the file {name!r} is not UTF-8") from error

    def _absolute(self, url: str) -> str:
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url):
            url = f"http://{url}"
        if not self.glob_off and re.search(r"[\[{][^\]}]*[-,][^\]}]*[\]}]", url.partition("//")[2]):
            raise UsageError(
                f"{self.where}: its URL stands for several",
                hint="Write each as a command of its own, or add --globoff.",
            )
        return url

    def _without_user(self, url: str) -> str:
        """Return a URL without its credentials, which are those of ``--user``."""
        credentials, at, _ = split_url(url)[0].partition("://")[2].rpartition("@")
        if not at:
            return url
        self.user = self.user or unquote(credentials)
        return url.replace(f"{credentials}@", "", 1)

    def origin(self, url: str) -> str:
        """Return the scheme, host and port of a URL.

        Raises:
            UsageError: It is no HTTP URL.
        """
        base = split_url(url)[0].lower()
        origin_of(base)
        return base

    def request(self, url: str, secrets: Secrets) -> DraftRequest:
        """Return what is asked of one of the URLs."""
        path = split_url(url)[1]
        added = [*self.query, *(one.decode() for one in self.data if self.in_query)]
        if added:
            path += ("&" if "?" in path else "?") + "&".join(added)
        path, query = secret_query(path, secrets)
        if not PATH.fullmatch(path):
            raise UsageError(
                f"{self.where}: the path {path[:60]!r} is none", hint="Percent-encode it."
            )
        body = None if self.in_query else self._body(secrets)
        method = self.method or ("HEAD" if self.head else "GET" if body is None else "POST")
        headers = {
            name: secrets.header(name, value)
            for lower, (name, value) in self.headers.items()
            if not (lower == "content-type" and body is not None)
        }
        return DraftRequest(
            method=demand_method(method, self.where),
            path=path,
            query=query,
            headers=headers,
            body=body,
            settings=dict(self.settings),
        )

    def _body(self, secrets: Secrets) -> Body | None:
        given_type = self.headers.get("content-type", ("", ""))[1]
        if self.parts:
            return multipart_body(self.parts, secrets)
        if not self.data:
            return None
        if self.data_file and len(self.data) == 1:
            return Body(
                "body_file",
                literal(self.data_file),
                given_type or (JSON if self.json else FORM),
            )
        if self.json:
            return text_body(b"".join(self.data), given_type or JSON, secrets)
        return text_body(b"&".join(self.data), given_type or FORM, secrets)


def _is_json(content: bytes) -> bool:
    try:
        msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


_TAKE: dict[str, Callable[[Command, str], None]] = {
    "request": lambda c, v: setattr(c, "method", v),
    "url": lambda c, v: c.urls.append(v),
    "header": lambda c, v: c.take_header(v),
    "data": lambda c, v: c.add_data(v),
    "data-ascii": lambda c, v: c.add_data(v),
    "data-binary": lambda c, v: c.add_data(v, binary=True),
    "data-raw": lambda c, v: c.add_data(v, raw=True),
    "data-urlencode": lambda c, v: c.add_encoded(v),
    "json": lambda c, v: c.add_json(v),
    "form": lambda c, v: c.add_part(v),
    "form-string": lambda c, v: c.add_part(v, raw=True),
    "cookie": lambda c, v: c.take_cookie(v),
    "user": lambda c, v: setattr(c, "user", v),
    "user-agent": lambda c, v: c.take_header(f"User-Agent: {v}"),
    "referer": lambda c, v: c.take_header(f"Referer: {v}"),
    "range": lambda c, v: c.take_header(f"Range: bytes={v}"),
    "oauth2-bearer": lambda c, v: c.take_header(f"Authorization: Bearer {v}"),
    "url-query": lambda c, v: c.query.append(v),
    "upload-file": lambda c, v: c.take_upload(v),
    "max-time": lambda c, v: c.take_timeout(v),
}
_TARGET_KEYS = {"cacert": "ca_file", "cert": "client_cert", "key": "client_key"}
_UNHEEDED = {
    "proxy": "load goes to the service itself",
    "resolve": 'add [target] resolve = "ADDRESS"',
    "connect-to": 'add [target] resolve = "ADDRESS"',
    "unix-socket": "load goes over TCP",
}
