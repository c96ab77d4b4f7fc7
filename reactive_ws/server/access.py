"""Access of clients: the token wherever a client may have put it, and the origin of a page in a browser. Pure functions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

import attrs

from ..errors import UsageError

__all__ = ["SUBPROTOCOL", "Request", "check_origins", "is_allowed_origin", "request_of"]

SUBPROTOCOL = "reactive-ws.v1"
_BEARER = "bearer."


@attrs.frozen
class Request:
    """The handshake of a client, or a fresh token on an open connection.

    Attributes:
        path: The path that was dialled, without the query.
        headers: Headers by name in lower case; the last one of each name.
        token: The token of the header `Authorization: Bearer`, of `token` in the query, of an offered subprotocol
            "bearer.TOKEN" in base64url, or of an `auth` message; None when there is none.
    """

    path: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    token: str | None = attrs.field(default=None, repr=False)


def request_of(
    path: str, query: str, headers: Iterable[tuple[str, str]], offered: Sequence[str]
) -> Request:
    """Returns the request of a handshake with its token."""
    by_name = {name.lower(): value for name, value in headers}
    return Request(path, by_name, _token(by_name, query, offered))


def _token(headers: Mapping[str, str], query: str, offered: Sequence[str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if values := parse_qs(query).get("token"):
        return values[0]
    for name in offered:
        if name.startswith(_BEARER):
            encoded = name.removeprefix(_BEARER)
            try:
                padding = "=" * (-len(encoded) % 4)
                return base64.b64decode(encoded + padding, b"-_", validate=True).decode()
            except ValueError:
                return ""
    return None


def check_origins(origins: Sequence[str] | None) -> tuple[str, ...] | None:
    """Returns the origins as a tuple.

    Raises:
        UsageError: one text in place of a list, or a text that no browser sends as an origin.
    """
    if origins is None:
        return None
    if isinstance(origins, str):
        raise UsageError(f"origins= takes a list; write origins=[{origins!r}]")
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and origin != f"{parts.scheme}://{parts.netloc}".lower():
            raise UsageError(
                f"{origin!r} is not an origin; write the scheme and the host in lower case, and nothing behind them, "
                "such as 'https://app.example.org'"
            )
    return tuple(origins)


def is_allowed_origin(request: Request, allowed: Sequence[str] | None) -> bool:
    """Tells whether a page of this origin may connect. Programs send no origin and may.

    Args:
        request: The handshake.
        allowed: Origins such as "https://app.example.org"; "*" for all; None for the server's own host only.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return True
    if allowed is not None:
        return "*" in allowed or origin in allowed
    return urlsplit(origin).netloc == request.headers.get("host")
