"""Opens a listening socket, or says in one sentence why it cannot; and ends it with all its connections."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Final

from websockets.asyncio.server import Server, ServerConnection, serve

from ..errors import ListenFailed

__all__ = ["Accepted", "listen", "stop_listening", "url_of"]

_log = logging.getLogger("reactive_ws.hub.socket")
# Garbage from strangers is not worth a line, and the library's debug output shows tokens.
_log.setLevel(logging.CRITICAL)
_CLOSE_TIMEOUT: Final = 2.0
"""Seconds that an ending listener waits for the close frames of its peers."""
_TURNS: Final = 4
"""Turns of the loop after which an accepted connection has its task: accept, transport, `connection_made`, and one to spare."""

_accepted: weakref.WeakKeyDictionary[Server, weakref.WeakSet[ServerConnection]] = (
    weakref.WeakKeyDictionary()
)
"""The connections that listeners accepted."""


class Accepted(ServerConnection):
    """A connection that `stop_listening` finds also while its handshake did not come. `websockets` names only those that are open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Notes the connection."""
        super().connection_made(transport)
        _accepted.setdefault(self.server, weakref.WeakSet()).add(self)


async def listen(
    handler: Callable[[ServerConnection], Awaitable[None]], host: str, port: int, **options: Any
) -> Server:
    """Returns a listening WebSocket server without compression.

    Args:
        handler: Serves one connection.
        host: Name or address to listen on.
        port: TCP port; 0 lets the system choose.
        options: For `websockets.asyncio.server.serve`. A `create_connection` is a subclass of `Accepted`.

    Raises:
        ListenFailed: the port is in use, the host is not of this machine, or it may not be opened.
    """
    options.setdefault("create_connection", Accepted)
    options.setdefault("close_timeout", _CLOSE_TIMEOUT)
    try:
        return await serve(handler, host, port, compression=None, logger=_log, **options)
    except (socket.gaierror, UnicodeError) as error:
        raise ListenFailed(
            host, port, "no such host; use 127.0.0.1 or a name of this machine"
        ) from error
    except OSError as error:
        raise ListenFailed(host, port, _reason(error)) from error
    except (ValueError, OverflowError) as error:
        raise ListenFailed(host, port, f"{error}; ports go from 0 to 65535") from error


async def stop_listening(listener: Server, code: int = 1001) -> None:
    """Accepts no further connection and closes those that are there. Aborts, after 2 s, those that do not answer.

    A call that is cancelled aborts them at once.

    Args:
        listener: As `listen` returned it.
        code: The close code that peers get.
    """
    try:
        try:
            await _stop_accepting(listener)
        finally:
            listener.close(code=code)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(listener.wait_closed()), _CLOSE_TIMEOUT)
    finally:
        # A close frame waits behind what a dead network does not take, and a handshake may never come.
        for connection in _accepted.get(listener, ()):
            connection.transport.abort()
    await listener.wait_closed()


async def _stop_accepting(listener: Server) -> None:
    """Accepts no further connection, and lets those begin that were accepted.

    Asyncio makes the transport of an accepted connection in a later turn of the loop. A listener that was closed meanwhile does not
    take it, and nothing closes the socket.
    """
    loop = asyncio.get_running_loop()
    try:
        for one in listener.sockets:
            loop.remove_reader(one)
    except NotImplementedError:
        # A loop in virtual time accepts a connection in one step.
        return
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def url_of(server: Server, host: str, path: str = "/ws") -> str:
    """Returns the URL at which the server can be reached under this host name."""
    port = next(iter(server.sockets)).getsockname()[1]
    return f"ws://{f'[{host}]' if ':' in host else host}:{port}{path}"


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "it is in use; stop the other program or choose another port (0 takes a free one)"
    # Newer Pythons try every address of a name and then report only that they could bind none.
    if error.errno in (None, errno.EADDRNOTAVAIL):
        return "this machine does not have that address; use 127.0.0.1 or 0.0.0.0"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "the system does not allow it; choose a port above 1023"
    return error.strerror or str(error)
