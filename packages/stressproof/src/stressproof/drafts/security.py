"""Credentials that a description asks for: each becomes a variable."""

from collections.abc import Mapping
from typing import Any

import msgspec

from stressproof.drafts.draft import DraftRequest
from stressproof.drafts.schema_examples import Resolver
from stressproof.drafts.secrets import Secrets, literal

_TOKEN = "API_TOKEN"  # noqa: S105  # the name of a variable


class Credentials:
    """The security schemes of one description, as far as its operations use them.

    Args:
        document: The description.
        resolver: Of its references.
        secrets: Where variables are made.

    Attributes:
        notes: What could not be meant.
    """

    def __init__(self, document: Mapping[str, Any], resolver: Resolver, secrets: Secrets) -> None:
        components = document.get("components")
        schemes = components.get("securitySchemes") if isinstance(components, dict) else None
        schemes = document.get("securityDefinitions") if schemes is None else schemes
        self._schemes = schemes if isinstance(schemes, dict) else {}
        self._default = document.get("security")
        self._resolver, self._secrets = resolver, secrets
        self._used: dict[str, Mapping[str, Any]] = {}
        self.notes: list[str] = []

    def on(self, request: DraftRequest, security: Any) -> DraftRequest:
        """Return a request with the credentials that belong to itself: a key in its query.

        Args:
            request: One of the description's.
            security: What its operation says; the description's own where it says nothing.
        """
        asked = self._default if security is None else security
        first = asked[0] if isinstance(asked, list) and asked else {}
        query = dict(request.query)
        for name in first if isinstance(first, dict) else ():
            scheme = self._resolver.follow(self._schemes.get(name))
            self._used.setdefault(name, scheme)
            if scheme.get("type") == "apiKey" and scheme.get("in") == "query":
                key = str(scheme.get("name"))
                query[key] = self._secrets.variable(key, f"an API key ({name})")
        return msgspec.structs.replace(request, query=query)

    def target(self) -> dict[str, Any]:
        """Return the keys of ``[target]`` that carry the credentials in use."""
        target: dict[str, Any] = {}
        headers: dict[str, str] = {}
        cookies = []
        for name, scheme in self._used.items():
            kind, place = scheme.get("type"), scheme.get("in")
            http = str(scheme.get("scheme")).lower()
            if kind == "apiKey":
                key = str(scheme.get("name"))
                if place == "header":
                    headers[key] = self._secrets.variable(key, f"an API key ({name})")
                elif place == "cookie":
                    cookies.append(f"{key}={self._secrets.variable(key, f'the cookie {key}')}")
            elif kind == "basic" or (kind == "http" and http == "basic"):
                target.setdefault("auth", self._basic(name))
            elif kind == "oauth2" and (flow := _client_credentials(scheme)):
                target.setdefault("auth", self._oauth2(name, flow))
            elif kind in {"oauth2", "openIdConnect"} or (kind == "http" and http == "bearer"):
                token = self._secrets.variable(_TOKEN, f"a bearer token ({name})")
                target.setdefault("auth", {"bearer": token})
            else:
                self.notes.append(f"the security scheme {name} has to be added by hand")
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        return target | ({"headers": headers} if headers else {})

    def _basic(self, name: str) -> dict[str, Any]:
        user = self._secrets.variable("API_USER", f"the user of {name}")
        return {"basic": [user, self._secrets.variable("API_PASSWORD", f"the password of {name}")]}

    def _oauth2(self, name: str, flow: Mapping[str, Any]) -> dict[str, Any]:
        scopes = flow.get("scopes")
        asked = " ".join(scopes) if isinstance(scopes, dict) else ""
        return {
            "oauth2": {
                "token_url": literal(str(flow.get("tokenUrl"))),
                "client_id": self._secrets.variable("CLIENT_ID", f"the client's id of {name}"),
                "client_secret": self._secrets.variable("CLIENT_SECRET", f"its secret ({name})"),
            }
            | ({"scope": literal(asked)} if asked else {})
        }


def _client_credentials(scheme: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the flow that needs no person, empty where there is none."""
    if scheme.get("flow") == "application":  # Swagger 2
        return scheme
    flows = scheme.get("flows")
    found = flows.get("clientCredentials") if isinstance(flows, dict) else None
    return found if isinstance(found, dict) else {}
