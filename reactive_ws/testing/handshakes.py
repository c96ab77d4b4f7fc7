"""How a `ScriptedServer` answers handshakes: by default with a WebSocket, on demand with anything else, or never."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

__all__ = ["Handshakes"]


class Handshakes:
    """What was asked for, and what will be refused.

    Attributes:
        requests: Path and headers of every handshake, refused ones too.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self._refusals: list[tuple[int, Mapping[str, str], str]] = []
        self._is_answering = asyncio.Event()
        self._is_answering.set()

    def refuse(self, status: int, headers: Mapping[str, str], times: int, body: str) -> None:
        """Answers the next handshakes with an HTTP status."""
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
        if not self._refusals:
            return None
        status, headers, body = self._refusals.pop(0)
        response = connection.respond(status, body)
        for name, value in headers.items():
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        return response
