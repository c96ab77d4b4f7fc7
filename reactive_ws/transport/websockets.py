"""`connect` of the library `websockets`, with what a service needs of a socket and `websockets` does not do itself.

    * Bytes are counted as they arrive (`bytes_received`).
    * A redirect is an answer like any other: `Dialer` decides whether to follow it and what may go along.
    * A name with several addresses costs at most 250 ms for each dead one ("happy eyeballs", RFC 8305).
    * After a close frame or a violation of the protocol, the peer has `close_timeout` seconds to end the TCP connection.

The options are those of `websockets.asyncio.client.connect`. `Dialer` calls it.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any, Literal

from websockets.asyncio import client
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from . import browser
from .racing import open_socket

__all__ = ["Connection", "adapted", "connect"]


class Connection(client.ClientConnection):
    """A connection that counts its bytes and ends in time.

    Attributes:
        bytes_received: What arrived so far, handshake included.
    """

    bytes_received = 0
    _ending: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        """Counts, then does what `websockets` does."""
        self.bytes_received += len(data)
        super().data_received(data)
        if self.close_deadline is not None and self._ending is None:
            self._ending = self.loop.call_at(self.close_deadline, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer, then does what `websockets` does."""
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)


class _Dial(client.connect):
    """A dial of `websockets` that follows no redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Returns the answer as it is."""
        return exc


async def connect(
    url: str,
    *,
    open_timeout: float | None = 10.0,
    proxy: str | Literal[True] | None = True,
    **options: Any,
) -> client.ClientConnection:
    """Opens a connection; the arguments are those of `websockets.asyncio.client.connect`.

    Raises:
        InvalidStatus: the server answered with another status than 101, a redirect among them.
        InvalidURI, InvalidHandshake, OSError, TimeoutError: as `websockets` raises them.
    """
    place = parse_uri(url)
    if proxy is True:
        proxy = get_proxy(place)
    options.setdefault("create_connection", Connection)
    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(open_timeout):
            if proxy is None and not options.keys() & {"unix", "sock", "host", "port"}:
                sock = await open_socket(place.host, place.port)
            if sock is not None:
                options["sock"] = sock
            return await _Dial(url, open_timeout=None, proxy=proxy, **options)
    except BaseException:
        if sock is not None:
            sock.close()
        raise


def adapted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns our `connect` in place of the one of `websockets`, also inside a `functools.partial`; others as they are.

    In Pyodide it is the one of the browser, because no program can open a TCP connection there.
    """
    if not isinstance(function, functools.partial):
        ours = browser.connect if browser.IS_BROWSER else connect
        return ours if function in (client.connect, connect) else function
    part: Any = function  # pyright: ignore[reportUnknownVariableType] - what it returns is not known
    return functools.partial(adapted(part.func), *part.args, **part.keywords)
