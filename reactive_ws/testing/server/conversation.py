"""One client's session on the streams of a `ScriptedServer`: performs its effects, and answers each question at once.

The rules of protocol v1 are those of `reactive_ws.server.session`. This module adds nothing but answers from memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from ...server.logs import Outcome
from ...server.session import (
    Accepted,
    Ask,
    Authenticate,
    Close,
    CodecFraming,
    FindOutcomes,
    Hear,
    MakeMark,
    MakeState,
    Question,
    ReadHeads,
    ReadPage,
    Rights,
    Run,
    ServerSession,
    SessionEffect,
    SessionSettings,
    Unhear,
    Write,
)
from ...wire import Codec, Envelope, Registry
from .streams import Streams

__all__ = ["Conversation"]

_SETTINGS = SessionSettings(
    heartbeat=None, max_size=None, channels=("*",), features=(), first_word=0.0
)
"""A short `hello`, and every stream for every client from the first moment on."""


class Conversation:
    """The session of one connection.

    Args:
        registry, codec: Types and form of messages.
        streams: What was published.
        known: Ids of the commands that took effect.
        write: Called with each frame.
        close: Called with the code and the reason when the session ends the connection.
    """

    def __init__(
        self,
        registry: Registry,
        codec: Codec,
        streams: Streams,
        known: set[str],
        write: Callable[[str | bytes], None],
        close: Callable[[int, str], None],
    ) -> None:
        framing = CodecFraming(codec, registry)
        self._session = ServerSession(_SETTINGS, registry, codec, framing=framing)
        self._streams = streams
        self._known = known
        self._write = write
        self._close = close

    def open(self, now: float, *, is_silent: bool) -> None:
        """Says hello, unless the server is silent, and begins every stream."""
        self._perform(self._session.opened(now), None if is_silent else self._write)
        self._perform(self._session.tick(now), self._write)

    def end(self) -> None:
        """The connection ended."""
        self._session.ended()

    def take(self, message: Envelope[Any]) -> None:
        """Answers a message of the client."""
        self._perform(self._session.handled(message), self._write)

    def answers(self, message: Envelope[Any]) -> list[str | bytes]:
        """Returns the frames that answer a message, and writes none of them."""
        frames: list[str | bytes] = []
        self._perform(self._session.handled(message), frames.append)
        return frames

    def changed(self, stream: str, *, is_heard: bool = True) -> None:
        """Writes what is new on a stream, or passes it over."""
        self._perform(self._session.changed([stream]), self._write if is_heard else None)

    def _perform(
        self, effects: Iterable[SessionEffect], write: Callable[[str | bytes], None] | None
    ) -> None:
        left = deque(effects)
        while left:
            match left.popleft():
                case Write(frame):
                    if write is not None:
                        write(frame)
                case Ask(number, question):
                    left.extend(self._session.answered(number, self._answer(question)))
                case Close(code, reason):
                    self._close(code, reason)
                case Hear() | Unhear():
                    pass  # the script says itself which streams change

    def _answer(self, question: Question) -> Any:
        match question:
            case Authenticate():
                return ""  # every token is good
            case Rights():
                return {}
            case MakeMark() | MakeState():
                return None
            case ReadHeads(pattern):
                return self._streams.heads(pattern)
            case ReadPage(stream, after):
                return self._streams.page(stream, after)
            case FindOutcomes(keys):
                return {key: Outcome(True) for key in keys if key.id in self._known}
            case Run():
                return Accepted()
