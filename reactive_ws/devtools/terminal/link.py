"""Reads the feed of a running program, again after the program was restarted, and sends it what the user wants.

It runs in the loop of the screen and draws nothing.
"""

from __future__ import annotations

import asyncio
import json
import urllib.parse
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from ...errors import UsageError

__all__ = ["FeedLink"]

_AGAIN = 1.0
_MAX_SIZE = 2**26


class FeedLink:
    """The connection to one program.

    Args:
        url: What `DevServer.url` says.
        on_message: Called with each message of the feed.
        on_state: Called with words about the connection.

    Raises:
        UsageError: the URL is none of a `DevServer`.
    """

    def __init__(
        self,
        url: str,
        on_message: Callable[[dict[str, Any]], None],
        on_state: Callable[[str], None],
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.netloc or not parts.fragment:
            raise UsageError(
                "write the whole address that the program printed: http://127.0.0.1:PORT/#TOKEN"
            )
        self.place = parts.netloc
        self._url = f"ws://{parts.netloc}/feed?token={urllib.parse.quote(parts.fragment)}"
        self._on_message = on_message
        self._on_state = on_state
        self._socket: ClientConnection | None = None

    async def run(self) -> None:
        """Reads until it is cancelled, or until the program refuses the token."""
        while True:
            try:
                async with connect(
                    self._url, max_size=_MAX_SIZE, proxy=None, compression=None
                ) as socket:
                    self._socket = socket
                    self._on_state("connected")
                    async for frame in socket:
                        self._on_message(json.loads(frame))
            except InvalidStatus:
                self._on_state("not let in; write the whole address that the program printed")
                return
            except (OSError, WebSocketException, TimeoutError):
                pass
            finally:
                self._socket = None
            self._on_state("the program is gone; trying again")
            await asyncio.sleep(_AGAIN)

    async def ask(self, **wish: Any) -> bool:
        """Sends a wish, such as `type="jump", commit=7`; False when there is no connection."""
        if self._socket is None:
            return False
        try:
            await self._socket.send(json.dumps(wish))
        except ConnectionClosed:
            return False
        return True
