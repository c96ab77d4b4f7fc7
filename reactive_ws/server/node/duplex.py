"""`Duplex`: the role of a socket, which the shells of a server fill."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

__all__ = ["Disconnected", "Duplex"]


class Disconnected(Exception):
    """The other end is gone. Raised by `Duplex.send` and `Duplex.receive`."""


class Duplex(Protocol):
    """A socket, as a shell makes it."""

    def send(self, frame: str | bytes) -> Coroutine[Any, Any, None]:
        """Hands a frame over; returns when the socket takes more.

        It does not wait while the socket takes the frame at once: most frames then cost no turn of the loop.

        Raises:
            Disconnected: the other end is gone.
        """
        ...

    @property
    def take(self) -> Callable[[Sequence[str | bytes]], bool] | None:
        """Takes frames at once, all of them or none, and returns whether it took them. None for a socket that has only `send`."""
        ...

    @property
    def listen(self) -> Callable[[Callable[[deque[str | bytes]], None]], None]:
        """Lets a function have the frames that come together, as they come, before `receive` has any of them.

        It takes from the left what it wants; while it leaves some, the client waits. A socket that cannot do this does nothing, and
        gives each frame to `receive`; so does any other socket with frames that it cannot give at once.
        """
        ...

    @property
    def go_on(self) -> Callable[[], None]:
        """Gives the function of `listen` the frames that it left."""
        ...

    async def receive(self) -> str | bytes:
        """Returns the next frame.

        Raises:
            Disconnected: the other end is gone.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Closes politely."""
        ...

    def abort(self) -> None:
        """Drops the connection."""
        ...
