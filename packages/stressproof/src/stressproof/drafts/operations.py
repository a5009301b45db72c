"""One operation of a description as a request."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from stressproof.drafts.bodies import FORM, JSON, bare, is_json, json_body
from stressproof.drafts.draft import Body, DraftRequest
from stressproof.drafts.schema_examples import NOTHING, Examples, Resolver
from stressproof.drafts.secrets import Secrets, literal

_IN_PATH = re.compile(r"\{([^{}]+)\}")
_BY_THE_CLIENT = frozenset({"accept", "content-type", "authorization"})
"""Headers that a description's parameters do not describe (OpenAPI 3.1, 4.8.12.1)."""

_SUCCESS = re.compile(r"2(?:[0-9]{2}|XX)", re.IGNORECASE)
_MULTIPART = "multipart/form-data"
_SUMMARY = 100


class Operations:
    """Makes requests of one description.

    Args:
        document: The description.
        resolver: Of its references.
        secrets: Where variables are made.

    Attributes:
        notes: What could not be meant.
    """

    def __init__(self, document: Mapping[str, Any], resolver: Resolver, secrets: Secrets) -> None:
        self._document, self._resolver, self._secrets = document, resolver, secrets
        self._examples = Examples(resolver)
        self.notes: list[str] = []

    def request(self, path: str, method: str, operation: Mapping[str, Any]) -> DraftRequest:
        """Return the request of one operation.

        Args:
            path: Its template.
            method: In capitals.
            operation: With all its parameters.
        """
        parameters = operation["parameters"]
        unfit: list[str] = []
        values = {
            str(one.get("name")): self._path_value(one, unfit)
            for one in parameters
            if one.get("in") == "path"
        }
        sent = _IN_PATH.sub(lambda m: values.get(m[1]) or self._unknown(m[1], unfit), path)
        pairs = [
            pair for one in parameters if one.get("in") == "query" for pair in self._query(one)
        ]
        headers = self._headers(parameters)
        body = self._body(operation, headers, unfit) if method not in {"GET", "HEAD"} else None
        kept = [
            (name, self._secrets.text(name, text, f"the query's {name}")) for name, text in pairs
        ]
        secret = kept != [(name, literal(text)) for name, text in pairs]
        plain = "&".join(f"{_encoded(name)}={_encoded(text)}" for name, text in pairs)
        summary = str(operation.get("summary") or operation.get("operationId") or "")
        return DraftRequest(
            method=method,
            path=literal(_quoted(sent) + ("" if secret or not plain else f"?{plain}")),
            name=f"{method} {path}" if _IN_PATH.search(path) else "",
            query=dict(kept) if secret else {},
            headers=headers,
            body=body,
            expect=self._expected(operation),
            check=("json",) if self._answers_json(operation) and method != "HEAD" else (),
            remarks=(summary[:_SUMMARY],) if summary else (),
            unfit="; ".join(unfit),
        )

    def _value(self, parameter: Mapping[str, Any]) -> Any:
        """Return what a parameter is given where it says so itself, `NOTHING` where it does not."""
        shown = self._examples.shown(parameter)
        if shown is not NOTHING:
            return shown
        content = parameter.get("content")
        if isinstance(content, dict) and content:
            shown = self._examples.shown(self._resolver.follow(next(iter(content.values()))))
        return self._examples.stated(_schema(parameter)) if shown is NOTHING else shown

    def _path_value(self, parameter: Mapping[str, Any], unfit: list[str]) -> str:
        name = str(parameter.get("name"))
        value = self._value(parameter)
        if value is not NOTHING:
            return _encoded(_simple(value))
        made = self._examples.of(_schema(parameter))
        unfit.append(f"{{{name}}} has no example: put in one that exists")
        return "1" if made is NOTHING else _encoded(_simple(made))

    def _unknown(self, name: str, unfit: list[str]) -> str:
        unfit.append(f"{{{name}}} is described nowhere: put in one that exists")
        return "1"

    def _query(self, parameter: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return a query parameter: one that is required, or that shows an example."""
        name, schema = str(parameter.get("name")), _schema(parameter)
        value = self._examples.shown(parameter)
        if value is NOTHING:
            value = self._examples.shown(self._resolver.follow(schema))
        if value is NOTHING and parameter.get("required") is True:
            value = self._examples.stated(schema)
            value = self._examples.of(schema) if value is NOTHING else value
        if value is NOTHING or value is None:
            return []
        if isinstance(value, list):
            joined = parameter.get("explode") is False or "collectionFormat" in parameter
            multi = parameter.get("collectionFormat") == "multi"
            if joined and not multi:
                return [(name, _simple(value))]
            return [(name, _simple(one)) for one in value]
        if isinstance(value, dict):
            deep = parameter.get("style") == "deepObject"
            return [(f"{name}[{k}]" if deep else str(k), _simple(v)) for k, v in value.items()]
        return [(name, _simple(value))]

    def _headers(self, parameters: list[Mapping[str, Any]]) -> dict[str, str]:
        """Return headers and cookies that are required or show an example."""
        headers: dict[str, str] = {}
        cookies = []
        for one in parameters:
            name = str(one.get("name"))
            header, cookie = one.get("in") == "header", one.get("in") == "cookie"
            if not (header or cookie) or (header and name.lower() in _BY_THE_CLIENT):
                continue
            value = self._value(one)
            if value is NOTHING and one.get("required") is True:
                value = self._examples.of(_schema(one))
            if value is NOTHING:
                continue
            if header:
                headers[name] = self._secrets.header(name, _simple(value))
            else:
                text = self._secrets.text(name, _simple(value), f"the cookie {name}", secret=True)
                cookies.append(f"{name}={text}")
        return headers | ({"Cookie": "; ".join(cookies)} if cookies else {})

    def _body(
        self, operation: Mapping[str, Any], headers: dict[str, str], unfit: list[str]
    ) -> Body | None:
        content = self._content(operation)
        if not content:
            return None
        kinds = sorted(content, key=_preference)
        kind = kinds[0]
        media = self._resolver.follow(content[kind])
        value = self._examples.shown(media)
        if value is NOTHING:
            value = self._examples.of(media.get("schema", {}))
        if is_json(bare(kind)) or (bare(kind) in {"*/*", ""} and value is not NOTHING):
            return json_body(
                {} if value is NOTHING else value, JSON if "*" in kind else kind, self._secrets
            )
        if bare(kind) == FORM and isinstance(value, dict):
            return Body("form", self._fields(value))
        if bare(kind) == _MULTIPART and isinstance(value, dict):
            unfit.append("multipart: name its files")
            return Body("multipart", self._fields(value))
        if bare(kind).startswith("text/") or isinstance(value, str):
            return Body("body", literal("text" if value is NOTHING else _simple(value)), kind)
        unfit.append(f"its body is {kind}: put it into a file")
        headers.setdefault("content-type", kind)
        return None

    def _content(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        """Return the media types of a body, those of Swagger 2 in the form of OpenAPI 3."""
        found = self._resolver.follow(operation.get("requestBody")).get("content")
        if isinstance(found, dict):
            return found
        consumes = operation.get("consumes", self._document.get("consumes"))
        kinds = [str(one) for one in consumes] if isinstance(consumes, list) else []
        fields: dict[str, Any] = {}
        for one in operation["parameters"]:
            if one.get("in") == "body":
                media = {"schema": one.get("schema", {})}
                examples = one.get("x-examples", one.get("x-example"))
                return {
                    kinds[0] if kinds else JSON: media | ({"example": examples} if examples else {})
                }
            if one.get("in") == "formData":
                fields[str(one.get("name"))] = one
        if not fields:
            return {}
        file = any(one.get("type") == "file" for one in fields.values())
        kind = next((one for one in kinds if one in {FORM, _MULTIPART}), FORM)
        return {_MULTIPART if file else kind: {"schema": {"type": "object", "properties": fields}}}

    def _fields(self, value: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: self._secrets.text(name, _simple(one), f"the form's {name}")
            for name, one in value.items()
        }

    def _expected(self, operation: Mapping[str, Any]) -> tuple[int, ...]:
        """Return the statuses of success where they are none of 2xx."""
        responses = operation.get("responses")
        known = [str(one) for one in responses] if isinstance(responses, dict) else []
        if not known or "default" in known or any(map(_SUCCESS.fullmatch, known)):
            return ()
        return tuple(sorted(int(one) for one in known if re.fullmatch(r"3[0-9]{2}", one)))

    def _answers_json(self, operation: Mapping[str, Any]) -> bool:
        """Whether every success that is described answers in JSON."""
        responses = operation.get("responses")
        found = []
        for status, one in responses.items() if isinstance(responses, dict) else ():
            if not _SUCCESS.fullmatch(str(status)):
                continue
            response = self._resolver.follow(one)
            content = response.get("content")
            if content is None and "schema" in response:  # Swagger 2
                produces = operation.get("produces", self._document.get("produces"))
                content = dict.fromkeys(produces) if isinstance(produces, list) else None
            kinds = list(content) if isinstance(content, dict) else []
            found.append(bool(kinds) and all(is_json(bare(str(kind))) for kind in kinds))
        return bool(found) and all(found)


def _schema(parameter: Mapping[str, Any]) -> Any:
    """Return a parameter's schema; in Swagger 2 it is one itself."""
    content = parameter.get("content")
    if isinstance(content, dict) and content:
        media = next(iter(content.values()))
        return media.get("schema", {}) if isinstance(media, dict) else {}
    return parameter.get("schema", parameter if "type" in parameter else {})


def _preference(kind: str) -> int:
    """Return how well a media type can be written down."""
    known = bare(kind)
    if known == JSON:
        return 0
    return (
        1 if is_json(known) else {FORM: 2, _MULTIPART: 4}.get(known, 3 if "text/" in known else 5)
    )


def _simple(value: Any) -> str:
    """Return a value as text: lists with commas, tables as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(_simple, value))
    return msgspec.json.encode(value).decode()


def _encoded(text: str) -> str:
    """Return a text as it stands in a path or a query, placeholders as they are."""
    return quote(text, safe="{}-._~:@,")


def _quoted(path: str) -> str:
    """Return a path as it goes over the wire."""
    return quote(path, safe="/{}-._~:@!$&'()*+,;=%")
