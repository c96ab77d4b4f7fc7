"""`connect` of the library `websockets`, with what a service needs of a socket and `websockets` does not do itself.

    * Messages that come together are taken together, in the call of the transport (`arrived`, `listen`).
    * Messages that leave together leave in one system call, without a task (`write`).
    * Bytes are counted as they arrive (`bytes_received`).
    * A redirect is an answer like any other: `Dialer` decides whether to follow it and what may go along.
    * A name with several addresses costs at most 250 ms for each dead one ("happy eyeballs", RFC 8305).
    * After a close frame or a violation of the protocol, the peer has `close_timeout` seconds to end the TCP connection.

The options are those of `websockets.asyncio.client.connect`. `Dialer` calls it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal

from websockets.asyncio import client
from websockets.datastructures import Headers
from websockets.exceptions import ConcurrencyError
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import Event, State
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from . import browser
from .sockets import Splitter, masked, open_socket

__all__ = ["Connection", "adapted", "connect"]

_MAX_FRAGMENTS = 4096
"""Fragments of one message, as `websockets` limits them."""
_END_OF_HEAD = b"\r\n\r\n"
_OPENED = Response(101, "Switching Protocols", Headers())
"""Stands for the answer to the handshake once it is over; with None, `websockets` would wait for an answer."""


class Connection(client.ClientConnection):
    """A connection that takes and gives messages in runs, counts its bytes and ends in time. Loop only.

    `websockets` parses each frame through four generators and hands it through a queue, a future and a coroutine. Here a
    loop takes messages in one piece, and `websockets` gets every other frame as it came: its limits, close codes and rules
    about fragments and control frames hold.

    Attributes:
        bytes_received: What arrived so far, handshake included.
        most_at_once: Messages that one `write` should have.
        arrived: Messages that were not taken yet. Take them from the left, then call `resume`.
    """

    __slots__ = (
        "_fragments",
        "_has_failed",
        "_head",
        "_heard",
        "_is_paused",
        "_is_text",
        "_splitter",
        "_waiter",
        "_writable",
        "arrived",
        "close_deadline",
    )

    bytes_received = 0
    most_at_once = 32
    _ending: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.arrived: deque[str | bytes] = deque()
        self._splitter: Splitter | None = None
        # The end of the head of the handshake may come in two parts.
        self._head: bytes | None = b""
        self._fragments: list[bytes] = []
        self._is_text = False
        self._has_failed = False
        self._is_paused = False
        self._heard: Callable[[], None] | None = None
        self._writable: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    # --- in -------------------------------------------------------------------------------------------------------------

    def listen(self, heard: Callable[[], None] | None, writable: Callable[[], None] | None) -> None:
        """Calls `heard` when messages arrived or the connection ended, and `writable` when `write` would take messages again.

        Both run in the call of the transport. None ends it.
        """
        self._heard, self._writable = heard, writable
        # The heads of the handshake take 3 kB, and nothing reads them again.
        self.request, self.response = None, _OPENED

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended; `arrived` may still have messages."""
        return self.connection_lost_waiter.done()

    @property
    def end(self) -> Exception | None:
        """Why the connection ended; None while it is open."""
        return self.close_exc if self.is_lost else None

    async def release(self) -> None:
        """Does nothing: no task runs for `listen`."""

    def pause(self) -> None:
        """Makes the peer wait."""
        if not self._is_paused and not self.is_lost:
            self._is_paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Reads on after `pause`."""
        if self._is_paused:
            self._is_paused = False
            if not self.is_lost:
                self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Counts, takes the messages, and tells `heard`."""
        self.bytes_received += len(data)
        if self._splitter is not None:
            self._split(data)
        elif self._head is None:
            self._pass_on(data)
        else:
            self._shake_hands(self._head, data)
        if self.arrived:
            self._tell()

    def _shake_hands(self, head: bytes, data: bytes) -> None:
        end = (head + data).find(_END_OF_HEAD)
        if end < 0:
            self._head = (head + data)[-3:]
            self._pass_on(data)
            return
        self._head = None
        end += len(_END_OF_HEAD) - len(head)
        self._pass_on(data[:end])
        # The debug log of `websockets` shows every frame, so there it gets every frame.
        if self.protocol.state is State.OPEN and not self.debug:
            self._splitter = Splitter(self._most(), self.arrived.append, self._pass_on)
            self._split(data[end:])
        elif data[end:]:
            self._pass_on(data[end:])

    def _most(self) -> int | None:
        limits = (self.protocol.max_message_size, self.protocol.max_fragment_size)
        return min((limit for limit in limits if limit is not None), default=None)

    def _split(self, data: bytes) -> None:
        splitter = self._splitter
        if splitter is not None and (
            self.protocol.state is not State.OPEN or not splitter.feed(data)
        ):
            self._hand_over(data if self.protocol.state is not State.OPEN else b"")

    def _hand_over(self, data: bytes = b"") -> None:
        """Gives everything from here on to `websockets`."""
        splitter, self._splitter = self._splitter, None
        if splitter is not None and (rest := splitter.rest() + data):
            self._pass_on(rest)

    def _pass_on(self, data: bytes) -> bool:
        """Gives bytes to `websockets`; returns whether the connection is still open."""
        super().data_received(data)
        if self.close_deadline is not None and self._ending is None:
            self._ending = self.loop.call_at(self.close_deadline, self.transport.abort)
        return self.protocol.state is State.OPEN

    def process_event(self, event: Event) -> None:
        """Takes what `websockets` parsed: joins the fragments of a message."""
        if (
            self.response is None
            or not isinstance(event, Frame)
            or event.opcode not in DATA_OPCODES
        ):
            super().process_event(event)
            return
        if self._has_failed:
            return
        if event.opcode is not Opcode.CONT:
            self._is_text = event.opcode is Opcode.TEXT
        self._fragments.append(bytes(event.data))
        if len(self._fragments) > _MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments", None)
        elif event.fin:
            whole = b"".join(self._fragments)
            self._fragments = []
            try:
                self.arrived.append(str(whole, "utf-8") if self._is_text else whole)
            except UnicodeDecodeError as error:
                reason = f"{error.reason} at position {error.start}"
                self._fail(CloseCode.INVALID_DATA, reason, error)

    def _fail(self, code: CloseCode, reason: str, error: Exception | None) -> None:
        self.set_connection_exc(error)
        self._fragments = []
        self._has_failed = True
        self.protocol.fail(code, reason)
        self.send_data()
        if self.close_deadline is None and self.close_timeout is not None:
            self.close_deadline = self.loop.time() + self.close_timeout

    def _tell(self) -> None:
        if self._heard is not None:
            self._heard()
            return
        if len(self.arrived) > (self.max_queue_high or len(self.arrived)):
            self.pause()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def recv(self, decode: bool | None = None) -> Any:  # noqa: FBT001 - as `websockets` has it
        """Returns the next message; for callers that do not `listen`.

        Raises:
            ConnectionClosed: the connection is over.
            ConcurrencyError: another `recv` waits.
        """
        if self._waiter is not None:
            raise ConcurrencyError("cannot call recv while another coroutine is already running it")
        while not self.arrived:
            if self.is_lost:
                raise self.close_exc
            self._waiter = self.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self.arrived.popleft()
        if not self.arrived:
            self.resume()
        if decode is None or isinstance(message, str) is decode:
            return message
        return message.encode() if isinstance(message, str) else message.decode()

    def eof_received(self) -> None:
        """Gives `websockets` what is left, then does what it does."""
        self._hand_over()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timer, does what `websockets` does, and tells `heard`."""
        if self._ending is not None:
            self._ending.cancel()
        self._hand_over()
        super().connection_lost(exc)
        self._tell()

    # --- out ------------------------------------------------------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether `write` takes messages now: the connection is open, and the operating system keeps up."""
        return (
            not self.paused
            and self.protocol.state is State.OPEN
            and not self.transport.is_closing()
        )

    def write(self, messages: Sequence[str | bytes]) -> None:
        """Sends messages in one system call, if the operating system takes them; the rest waits in the transport."""
        protocol = self.protocol
        if not (self.debug or protocol.extensions):
            # `websockets` makes a frame object, a random key and a call of the encoder for each; its state does not change.
            self.transport.write(masked(messages))
            return
        for message in messages:
            if isinstance(message, str):
                protocol.send_text(message.encode())
            else:
                protocol.send_binary(message)
        self.transport.write(b"".join(protocol.data_to_send()))

    def probe(self, answered: Callable[[], None]) -> None:
        """Sends a ping, and calls `answered` when its answer comes."""

        def done(answer: asyncio.Future[float]) -> None:
            if not answer.cancelled() and answer.exception() is None:
                answered()

        while (data := os.urandom(4)) in self.pending_pings:
            continue
        answer: asyncio.Future[float] = self.loop.create_future()
        answer.add_done_callback(done)
        self.pending_pings[data] = (answer, self.loop.time())
        self.protocol.send_ping(data)
        self.send_data()

    def resume_writing(self) -> None:
        """Does what `websockets` does, and tells `writable`."""
        super().resume_writing()
        if self._writable is not None:
            self._writable()


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
