"""`DirectConnection`: a connection of `websockets` that gives whole messages in the call of the transport.

`websockets` parses each frame through four generators and hands it through a queue, a future and a coroutine. Here a loop takes the
messages that came together, and a function gets them at once. `websockets` gets every other frame as it came: its limits, close codes
and rules about fragments and control frames hold. A message in fragments, and one that came before `listen`, goes its way: `next`.

`Server.serve` makes these connections; `SocketDuplex` uses them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from websockets.exceptions import ConnectionClosed
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import Event, State

from ..transport import Splitter
from .listening import Accepted

__all__ = ["DirectConnection"]

_CONTROL: Final = 0x08
"""The bit of the first byte that control frames have, and frames of messages have not."""


class DirectConnection(Accepted):
    """A connection that a client opened. Its loop's thread calls every method.

    The arguments are those of `websockets`, which makes it.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._arrived: deque[str | bytes] = deque()
        self._heard: Callable[[deque[str | bytes]], None] | None = None
        self._splitter: Splitter | None = None
        self._is_held = False
        # Messages that `websockets` parsed and that `next` did not return yet: what comes later waits behind them.
        self._unread = 0

    def listen(self, heard: Callable[[deque[str | bytes]], None]) -> None:
        """Calls a function with the messages that arrived, in the call of the transport.

        It takes from the left what it wants. While it leaves some, the client waits; `go_on` ends that.
        """
        self._heard = heard

    def go_on(self) -> None:
        """Gives what was left, and reads on when nothing is left again."""
        if not self._is_held:
            return
        self._is_held = False
        self._tell()
        if not (self._is_held or self.recv_messages.paused or self.transport.is_closing()):
            self.transport.resume_reading()

    async def next(self) -> str | bytes:
        """Returns the next message that the function of `listen` does not get; what that one left, when the connection is over.

        Raises:
            ConnectionClosed: the connection is over, and nothing is left.
        """
        arrived = self._arrived
        try:
            message: str | bytes = await self.recv()
        except ConnectionClosed:
            if arrived:
                return arrived.popleft()
            raise
        self._unread -= 1
        if arrived:
            # These came before it.
            arrived.append(message)
            return arrived.popleft()
        return message

    def data_received(self, data: bytes) -> None:
        """Takes the messages, and gives all other frames to `websockets`."""
        if self._splitter is None:
            if self._heard is None or not self._may_split():
                super().data_received(data)
                return
            limits = (self.protocol.max_message_size, self.protocol.max_fragment_size)
            limit = min((one for one in limits if one is not None), default=None)
            self._splitter = Splitter(limit, self._arrived.append, self._pass_on, is_masked=True)
        if not self._splitter.feed(data):
            self._hand_over()
        if self._arrived:
            self._tell()

    def process_event(self, event: Event) -> None:
        """Counts the messages that `websockets` parsed."""
        super().process_event(event)
        if isinstance(event, Frame) and event.opcode in DATA_OPCODES and event.fin:
            self._unread += 1

    def eof_received(self) -> None:
        """Gives `websockets` what is left, then does what it does."""
        self._hand_over()
        super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The same."""
        self._hand_over()
        super().connection_lost(exc)
        self._heard = None

    def _may_split(self) -> bool:
        """Tells whether the next byte is the first of a frame, and nothing waits in front of it."""
        protocol = self.protocol
        # The debug log of `websockets` shows every frame, so there it gets every frame.
        return (
            protocol.state is State.OPEN
            and not self._unread
            and not protocol.reader.buffer
            and protocol.current_size is None
            and not (self.debug or protocol.extensions)
        )

    def _pass_on(self, frame: bytes) -> bool:
        """Gives a frame to `websockets`; returns False when it has to get what follows, too."""
        super().data_received(frame)
        return bool(frame[0] & _CONTROL) and self.protocol.state is State.OPEN

    def _hand_over(self) -> None:
        """Gives `websockets` everything from here on, until nothing waits there."""
        splitter, self._splitter = self._splitter, None
        if splitter is not None and (rest := splitter.rest()):
            super().data_received(rest)

    def _tell(self) -> None:
        if self._heard is not None:
            self._heard(self._arrived)
        if self._arrived and not self._is_held:
            self._is_held = True
            self.transport.pause_reading()
