"""How a request is made whose user adds to it: compiled once for each shape that occurs."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stressproof.flow.user import User
from stressproof.load.composing import Composed, compose
from stressproof.load.cookies import as_header
from stressproof.load.unique_values import UniqueValues
from stressproof.load.values import values_for
from stressproof.workload.bodies import CompiledBody
from stressproof.workload.target import Target, is_header_value, origin_of
from stressproof.workload.templates import Template

_MAX_SHAPES = 256
_PLACE, _QUERY, _BODY, _COOKIE = "_place", "_query", "_body", "_cookie"


class Call:
    """What one request adds to its pattern.

    Args:
        values: For the pattern's own holes.
        headers: Beside the user's.
        query: Already encoded; empty for none.
        body: Content and type, None for the pattern's own.

    Attributes:
        method: Instead of the pattern's, after a redirect.
        place: Path and query instead of the pattern's, after a redirect.
        bodyless: Whether the body is left out, after a redirect.
    """

    __slots__ = ("body", "bodyless", "headers", "method", "place", "query", "values")

    def __init__(
        self,
        values: dict[str, Any],
        headers: Mapping[str, str] | None = None,
        query: str = "",
        body: tuple[bytes, str] | None = None,
    ) -> None:
        self.values = values
        self.headers = headers
        self.query = query
        self.body = body
        self.method = self.place = ""
        self.bodyless = False


class Pattern:
    """One request, as it is whoever asks.

    Args:
        target: Whom it goes to.
        method: As it is sent.
        url: Path and query, with holes.
        headers: Beside the target's, the last of a name wins.
        body: None for none.
    """

    def __init__(
        self,
        target: Target,
        method: str,
        url: Template,
        headers: Sequence[Mapping[str, str]],
        body: CompiledBody | None,
    ) -> None:
        self._target = target
        self._method = method
        self._url = url
        self._headers = headers
        self._body = body
        self._shapes: dict[tuple[object, ...], tuple[Composed, tuple[str, ...]]] = {}

    def aim(self, target: Target) -> None:
        """Ask as somebody else from now on: a token was renewed."""
        self._target = target
        self._shapes.clear()

    def compose(self, call: Call, user: User, unique: UniqueValues) -> Composed:
        """Return how a call is composed, having put all that it needs into its values.

        Raises:
            UsageError: A header's name would break the request.
            TypeError: Its value is no text.
            ValueError: It is, and would break the request.
        """
        values = call.values
        names: tuple[str, ...] = ()
        given = call.headers
        if user.headers or given:
            number = 0
            for headers in (user.headers, given or {}):
                for name, value in headers.items():
                    if not is_header_value(value):
                        raise ValueError(
                            f"the value of the header {name} is not one line of Latin-1"
                        )
                    values[f"_h{number}"] = value
                    number += 1
            names = (*user.headers, *given) if given else tuple(user.headers)
        cookies = user.cookies
        if cookies:
            values[_COOKIE] = as_header(cookies)
        kind = None
        if call.body is not None:
            values[_BODY], kind = call.body
        if call.query:
            values[_QUERY] = call.query
        values[_PLACE] = call.place
        hop = (bool(call.place), call.method, call.bodyless)
        key = (names, kind, bool(cookies), bool(call.query), hop)
        found = self._shapes.get(key) or self._compile(key, call, names, kind)
        composed, fresh = found
        if fresh:
            values.update(values_for(fresh, unique, user.data))
        return composed

    @property
    def needs(self) -> frozenset[str]:
        """The placeholders that occur, whoever asks."""
        return self._shape(Call({}), (), None)[0].needs

    def _full(self, call: Call) -> Template:
        """Return path and query with what a call adds."""
        if not call.query:
            return self._url
        literal = b"".join(piece for piece in self._url.pieces() if isinstance(piece, bytes))
        mark = b"&" if b"?" in literal else b"?"
        return Template.joined([self._url, Template([mark, (_QUERY, str.encode)])])

    def _compile(
        self, key: tuple[object, ...], call: Call, names: tuple[str, ...], kind: str | None
    ) -> tuple[Composed, tuple[str, ...]]:
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        self._shapes[key] = self._shape(call, names, kind)
        return self._shapes[key]

    def _shape(
        self, call: Call, names: tuple[str, ...], kind: str | None
    ) -> tuple[Composed, tuple[str, ...]]:
        target, url, body = self._target, self._full(call), self._body
        if kind is not None:
            body = CompiledBody(Template([(_BODY, bytes)]), kind)
        if call.bodyless:
            body = None
        if call.place:
            base = origin_of(target.url).base
            root = target.url.rstrip("/").removesuffix(base)
            target = msgspec.structs.replace(target, url=root)
            url = Template([(_PLACE, str.encode)])
        added = {name: f"{{{{_h{number}}}}}" for number, name in enumerate(names)}
        cookie = {"Cookie": f"{{{{{_COOKIE}}}}}"} if _COOKIE in call.values else {}
        composed = compose(
            target, call.method or self._method, url, (*self._headers, cookie, added), body
        )
        own = {_PLACE, _QUERY, _BODY, _COOKIE}
        fresh = tuple(
            name for name in composed.needs if name not in call.values and name not in own
        )
        return composed, fresh
