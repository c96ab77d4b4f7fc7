"""Gives a socket that has only `recv` and `send` the interface that a line needs, with two tasks: one reads, one writes.

`Connection` of `transport.websockets` and `FastSocket` of `transport.picows` have that interface themselves, without tasks. The
sockets of a `connect` of the program come through here. It decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed

from ...connection import CloseCode

__all__ = ["Pulled", "Runs", "Socket"]

_MAX_PULLED = 256
"""Messages that are taken together."""


class Socket(Protocol):
    """The part of a `websockets` connection that a line uses."""

    @property
    def subprotocol(self) -> str | None: ...
    @property
    def transport(self) -> asyncio.Transport: ...
    def recv(self) -> Coroutine[Any, Any, str | bytes]: ...
    async def send(self, message: str | bytes) -> None: ...
    async def ping(self) -> Awaitable[float]: ...
    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None: ...
    async def wait_closed(self) -> None: ...


class Runs(Protocol):
    """A socket that takes and gives messages in runs. Loop only.

    Attributes:
        arrived: Messages that were not taken yet.
    """

    arrived: deque[str | bytes]

    @property
    def most_at_once(self) -> int:
        """How many messages one `write` should have."""
        ...

    @property
    def end(self) -> Exception | None:
        """Why the connection ended; None while it is open."""
        ...

    @property
    def is_writable(self) -> bool:
        """Whether `write` takes messages now."""
        ...

    def listen(self, heard: Callable[[], None] | None, writable: Callable[[], None] | None) -> None:
        """Calls `heard` when messages arrived or the connection ended, and `writable` when `write` takes messages again."""
        ...

    def pause(self) -> None:
        """Makes the peer wait."""
        ...

    def resume(self) -> None:
        """Reads on after `pause`."""
        ...

    def write(self, messages: Sequence[str | bytes]) -> None:
        """Sends messages."""
        ...

    def probe(self, answered: Callable[[], None]) -> None:
        """Sends a ping, and calls `answered` when its answer comes."""
        ...

    async def release(self) -> None:
        """Ends what runs for `listen`."""
        ...


class Pulled:
    """A socket with two tasks that make it a `Runs`.

    Args:
        socket: The socket.
        count: Called with each message that arrives; None when bytes are counted elsewhere.
    """

    most_at_once = 1

    def __init__(self, socket: Socket, count: Callable[[str | bytes], None] | None) -> None:
        self.arrived: deque[str | bytes] = deque()
        self.end: Exception | None = None
        self._socket = socket
        self._count = count
        self._heard: Callable[[], None] = _nothing
        self._writable: Callable[[], None] = _nothing
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._to_write: list[str | bytes] = []
        self._to_answer: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._tasks = (loop.create_task(self._read()), loop.create_task(self._write()))

    @property
    def is_writable(self) -> bool:
        """Whether the socket took the messages of the last `write`."""
        return not self._to_write and self.end is None

    def listen(self, heard: Callable[[], None] | None, writable: Callable[[], None] | None) -> None:
        """Calls `heard` when messages arrived or the connection ended, and `writable` when `write` takes messages again."""
        self._heard, self._writable = heard or _nothing, writable or _nothing

    def pause(self) -> None:
        """Takes nothing from the socket until `resume`."""
        self._goes_on.clear()

    def resume(self) -> None:
        """Reads on after `pause`."""
        self._goes_on.set()

    def write(self, messages: Sequence[str | bytes]) -> None:
        """Lets the task send messages."""
        self._to_write += messages
        self._wake.set()

    def probe(self, answered: Callable[[], None]) -> None:
        """Lets the task send a ping; calls `answered` when its answer comes."""
        self._to_answer.append(answered)
        self._wake.set()

    async def release(self) -> None:
        """Ends both tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _read(self) -> None:
        pending: _Blocked | None = None
        try:
            while True:
                await self._goes_on.wait()
                message = await (self._socket.recv() if pending is None else pending)
                pending = None
                while len(self.arrived) < _MAX_PULLED:
                    self._take(message)
                    found = _pull(self._socket)
                    if isinstance(found, _Blocked):
                        pending = found
                        break
                    message = found
                else:
                    self._take(message)
                self._heard()
                # The messages were there, so `recv` gave none of the other tasks a turn.
                await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - the line reports it
            self._over(error)
        finally:
            if pending is not None:
                pending.close()

    def _take(self, message: str | bytes) -> None:
        if self._count is not None:
            self._count(message)
        self.arrived.append(message)

    def _over(self, error: Exception) -> None:
        self.end = self.end or error
        self._heard()

    async def _write(self) -> None:
        try:
            while True:
                while self._to_answer:
                    answered = self._to_answer.pop(0)
                    answer = asyncio.ensure_future(await self._socket.ping())
                    answer.add_done_callback(_calling(answered))
                if self._to_write:
                    for message in self._to_write:
                        await self._socket.send(message)
                    self._to_write = []
                    self._writable()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except ConnectionClosed:
            # The reader sees the same end and reports it.
            return
        except Exception as error:  # noqa: BLE001 - the line reports it
            self._socket.transport.abort()
            self._over(error)


def _calling(answered: Callable[[], None]) -> Callable[[asyncio.Future[float]], None]:
    def done(answer: asyncio.Future[float]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            answered()

    return done


def _nothing() -> None:
    """No line listens."""


def _pull(socket: Socket) -> str | bytes | _Blocked:
    """Returns a message that is here already. Never switches tasks.

    `recv` does not suspend while messages are buffered, so its coroutine is run by hand; once it does suspend, the reader
    goes on waiting for it.
    """
    receiving = socket.recv()
    try:
        waits_for = receiving.send(None)
    except StopIteration as stop:
        message: str | bytes = stop.value
        return message
    except Exception as error:  # noqa: BLE001 - the reader raises it where it belongs
        return _Blocked(None, None, error)
    return _Blocked(receiving, waits_for, None)


class _Blocked:
    """A `recv` that was started by hand and waits for a future; awaiting it goes on where it stopped."""

    __slots__ = ("_error", "_receiving", "_waits_for")

    def __init__(
        self,
        receiving: Coroutine[Any, Any, str | bytes] | None,
        waits_for: Any,
        error: Exception | None,
    ) -> None:
        self._receiving = receiving
        self._waits_for = waits_for
        self._error = error

    def __await__(self) -> Generator[Any, Any, str | bytes]:
        if self._error is not None:
            raise self._error
        receiving = self._receiving
        assert receiving is not None
        waits_for = self._waits_for
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - passed on into the coroutine
                try:
                    waits_for = receiving.throw(error)
                except StopIteration as stop:
                    frame: str | bytes = stop.value
                    return frame
            else:
                try:
                    waits_for = receiving.send(sent)
                except StopIteration as stop:
                    later: str | bytes = stop.value
                    return later

    def close(self) -> None:
        """Ends a `recv` for which no task waits."""
        if self._receiving is not None:
            self._receiving.close()
