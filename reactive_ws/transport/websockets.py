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
from collections.abc import Callable
from typing import Any

from websockets.asyncio import client

__all__ = ["Connection", "adapted", "connect"]

_NEXT_ADDRESS_AFTER = 0.25
"""Seconds until the next address of a name is tried beside the first, as RFC 8305 section 8 recommends."""


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


class connect(client.connect):  # noqa: N801 - `websockets` names it so
    """Opens a connection; the arguments are those of `websockets.asyncio.client.connect`.

    Raises:
        InvalidStatus: the server answered with another status than 101, a redirect among them.
        InvalidURI, InvalidHandshake, OSError, TimeoutError: as `websockets` raises them.
    """

    def __init__(self, uri: str, **options: Any) -> None:
        options.setdefault("create_connection", Connection)
        if "unix" not in options and "sock" not in options and _knows_happy_eyeballs():
            options.setdefault("happy_eyeballs_delay", _NEXT_ADDRESS_AFTER)
        super().__init__(uri, **options)

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Follows no redirect."""
        return exc


def adapted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns `connect` in place of the one of `websockets`, also inside a `functools.partial`; others as they are."""
    if not isinstance(function, functools.partial):
        return connect if function is client.connect else function
    part: Any = function  # pyright: ignore[reportUnknownVariableType] - what it returns is not known
    return functools.partial(adapted(part.func), *part.args, **part.keywords)


def _knows_happy_eyeballs() -> bool:
    # uvloop's loop is none of asyncio's and takes no such argument.
    return isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
