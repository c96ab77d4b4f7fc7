"""Admission of a client: the subprotocol, and the token wherever a client may put it. Pure functions of the request."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

__all__ = ["SUBPROTOCOL", "Authorize", "checker", "select_subprotocol", "token_of"]

SUBPROTOCOL = Subprotocol("reactive-ws.v1")
_BEARER = "bearer."

Authorize = Callable[[str], bool]
"""Tells whether a token is good. Called on the hub's loop for every connection."""


def select_subprotocol(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Returns ours when it is offered. Foreign ones get plain mode and no refusal: any JSON client may look in."""
    return SUBPROTOCOL if SUBPROTOCOL in offered else None


def token_of(request: Request | None) -> str | None:
    """Returns the token of a handshake, None when it has none.

    Looked for in this order: the header `Authorization: Bearer TOKEN`, `token` in the query, and an offered subprotocol
    "bearer.TOKEN" with the token in base64url, as browsers have to do it.
    """
    if request is None:
        return None
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if values := parse_qs(urlsplit(request.path).query).get("token"):
        return values[0]
    for name in _offered(request):
        if name.startswith(_BEARER):
            encoded = name.removeprefix(_BEARER)
            try:
                padding = "=" * (-len(encoded) % 4)
                return base64.b64decode(encoded + padding, b"-_", validate=True).decode()
            except ValueError:
                return ""
    return None


def _offered(request: Request) -> list[str]:
    values = request.headers.get_all("Sec-WebSocket-Protocol")
    return [name.strip() for value in values for name in value.split(",")]


def checker(
    authorize: Authorize | None,
) -> Callable[[ServerConnection, Request], Response | None]:
    """Returns the check of a handshake: HTTP 401 for a bad token, and for none in plain mode, which cannot say `auth`."""

    def check(socket: ServerConnection, request: Request) -> Response | None:
        if authorize is None:
            return None
        token = token_of(request)
        if token is None:
            if SUBPROTOCOL in _offered(request):
                return None
        elif authorize(token):
            return None
        return socket.respond(HTTPStatus.UNAUTHORIZED, "a good token is needed\n")

    return check
