"""How a `ScriptedServer` answers handshakes: by default with a WebSocket, on demand with anything else, or never."""

from __future__ import annotations

import asyncio
import email.utils
import http
from collections.abc import Mapping

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

__all__ = ["Handshakes"]


class Handshakes:
    """The requests of clients, and the refusals that are planned.

    Attributes:
        requests: Path and headers of every handshake, refused ones too.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self._refusals: list[tuple[int, Mapping[str, str], str]] = []
        self._is_answering = asyncio.Event()
        self._is_answering.set()

    def refuse(self, status: int, headers: Mapping[str, str], times: int, body: str) -> None:
        """Answers the next handshakes with an HTTP status, also with one that no standard knows, such as 522.

        From 600 on the client of `websockets` takes it for no HTTP at all; the service then sees a server that speaks something
        else, and no `HandshakeRefused`.

        Raises:
            ValueError: the status is none that ends a handshake: those are 200 to 999.
        """
        if not 200 <= status <= 999:
            raise ValueError(
                f"{status} does not refuse a handshake; use a status from 200 to 999, such as 503"
            )
        self._refusals.extend([(status, headers, body)] * times)

    def hang(self, *, is_hanging: bool) -> None:
        """Answers no handshake, or all again, waiting ones too."""
        (self._is_answering.clear if is_hanging else self._is_answering.set)()

    def behave(self) -> None:
        """Ends refusals and hanging."""
        self._refusals.clear()
        self.hang(is_hanging=False)

    async def process(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answers a handshake: None for a WebSocket. Called by `websockets`."""
        self.requests.append((request.path, dict(request.headers.raw_items())))
        await self._is_answering.wait()
        # A client that gave up while it had to wait gets no answer, and uses up no refusal.
        if not self._refusals or connection.transport.is_closing():
            return None
        return _response(*self._refusals.pop(0))


def _response(status: int, own_headers: Mapping[str, str], text: str) -> Response:
    # Not `connection.respond`: it knows the statuses of Python's `http` only, and proxies have more of them.
    has_body = status not in (204, 304)
    body = text.encode() if has_body else b""
    headers = Headers({"Date": email.utils.formatdate(usegmt=True), "Connection": "close"})
    if has_body:
        headers["Content-Length"] = str(len(body))
        headers["Content-Type"] = "text/plain; charset=utf-8"
    for name, value in own_headers.items():
        if name in headers:
            del headers[name]
        headers[name] = value
    known = {each.value: each.phrase for each in http.HTTPStatus}
    return Response(status, known.get(status, "Refused"), headers, body)
