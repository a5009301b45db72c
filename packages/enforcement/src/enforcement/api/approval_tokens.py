"""Approval tokens: signed here, their signature verified here; everything else is the domain's."""

from collections.abc import Mapping
from typing import Any, Final

import jwt
import msgspec

from enforcement.domain.errors import TokenError
from enforcement.domain.tokens import AUDIENCE, ISSUER, Claims, read_claims

_ALGORITHM: Final = "HS256"


class ApprovalTokens:
    """Signs with the present key, verifies with it and with former ones.

    Args:
        secret: Signs.
        fallback_secrets: Verify too, so that a key can be changed while tokens are out.
    """

    def __init__(self, secret: str, fallback_secrets: tuple[str, ...] = ()) -> None:
        self._secret = secret
        self._verifying = (secret, *fallback_secrets)

    def sign(self, claims: Claims) -> str:
        """Return the token of claims."""
        return jwt.encode(msgspec.to_builtins(claims), self._secret, algorithm=_ALGORITHM)

    def read(self, token: str) -> Claims:
        """Return the claims of a token whose signature is ours.

        Time is not judged: the database's clock does that, in the transaction that spends it.

        Raises:
            TokenError: ``invalid_token``.
        """
        for secret in self._verifying:
            try:
                return read_claims(_payload(token, secret))
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, RecursionError) as error:
                raise TokenError(
                    "invalid_token", f"not an approval token ({type(error).__name__})"
                ) from None
        raise TokenError("invalid_token", "the signature is not ours")


def _payload(token: str, secret: str) -> Mapping[str, Any]:
    payload: Mapping[str, Any] = jwt.decode(
        token,
        secret,
        algorithms=[_ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    return payload
