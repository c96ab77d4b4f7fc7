"""`Context`: what a handler reads and what it does. Nothing of it happens before the handler has returned."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar, overload

import attrs

from ..errors import UsageError
from ..wire import Position
from .logs import CommandKey, check_stream, is_pattern
from .states import Ahead, Stated

__all__ = [
    "Context",
    "MissingState",
    "NeedsConnection",
    "NotFirst",
    "Noted",
    "behind_others",
    "check_first",
]

S = TypeVar("S")

behind_others: Final[ContextVar[asyncio.Task[Any] | None]] = ContextVar(
    "behind_others", default=None
)
"""The task of a function that runs behind commands of its chain that the log does not have yet. A task of its own waits for nothing."""


def check_first() -> None:
    """Lets a function that looks at the log itself begin a chain of its own.

    Raises:
        NotFirst: the log does not have the commands before it yet.
    """
    task = behind_others.get()
    if task is not None and task is asyncio.current_task():
        raise NotFirst


class NotFirst(BaseException):
    """The function has to run with everything before it in the log. The server gets it and runs the function again.

    A `BaseException`, so that `except Exception` in a handler does not catch it.
    """


class NeedsConnection(BaseException):
    """The function wants the connection of a transaction that was not begun. The server gets it, begins one, and runs it again."""


class MissingState(BaseException):
    """The handler read a state that is not there yet. The server gets it and runs the handler again.

    A `BaseException`, so that `except Exception` in a handler does not catch it.

    Attributes:
        stream: Whose state.
        is_contended: The state is there, and other commands that met a conflict on it have their turn first.
    """

    def __init__(self, stream: str, *, is_contended: bool = False) -> None:
        super().__init__(stream)
        self.stream = stream
        self.is_contended = is_contended


@attrs.frozen
class Noted:
    """A note of the server itself on a private stream: JSON text that needs no registered type."""

    text: bytes


class Context:
    """One run of a handler. The server may run a handler again; the effects of its last run count.

    Attributes:
        identity: What `authorize` returned for the client; "" for `Server.publish` and consumers.
        key: The key of the command, the same in every run; None for messages that are not acknowledged.
        channel: The channel of the command's message; equal to its type when the client named none, None without a client.
    """

    def __init__(
        self,
        states: Ahead,
        *,
        identity: str = "",
        key: CommandKey | None = None,
        channel: str | None = None,
        connection: Callable[[], object | None] = lambda: None,
        is_contended: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.identity = identity
        self.key = key
        self.channel = channel
        self._connection = connection
        self._states = states
        self._is_contended = is_contended
        self._published: dict[str, list[tuple[object, str | None]]] = {}
        self._told: list[tuple[str, object]] = []
        self._read: dict[str, Position] = {}
        self._after: list[Callable[[], Awaitable[None] | None]] = []

    def __repr__(self) -> str:
        return f"<Context of {self.identity!r}, {self.key!r}>"

    @property
    def connection(self) -> object | None:
        """The database connection whose transaction the entry is written in; None for logs without one."""
        return self._connection()

    @overload
    def state(self, of: Stated[S], stream: str | None = None) -> S: ...
    @overload
    def state(self, of: str) -> object: ...
    def state(self, of: Stated[Any] | str, stream: str | None = None) -> Any:
        """Returns the state of a stream. When another command changes it before this one is written, the handler runs again.

        Args:
            of: What `Server.state` returned, for a typed state; or the name of the stream.
            stream: Which stream, when the state was declared for a pattern.

        Raises:
            UsageError: a pattern without a stream.
        """
        if isinstance(of, str):
            name = stream or of
        elif isinstance(of, Stated):  # pyright: ignore[reportUnnecessaryIsInstance]
            name = stream or of.pattern
        else:
            # A program without types may give anything.
            raise UsageError(
                f"give what server.state() returned, or the name of a stream, not {type(of).__name__}"
            )
        if is_pattern(name):
            raise UsageError(
                f"{name!r} is a pattern; name the stream: context.state(todos, 'todos/1')"
            )
        if self._is_contended(name):
            raise MissingState(name, is_contended=True)
        found = self._states.peek(name)
        if found is None:
            raise MissingState(name)
        self._read[name] = found[1]
        return found[0]

    def publish(self, stream: str, *messages: object, channel: str | None = None) -> None:
        """Puts messages on a stream, once the handler has returned. All messages of one command on one stream are one entry.

        Args:
            stream: The stream. One whose name begins with `_` is for the server alone: no client hears it.
            messages: Payloads of registered classes.
            channel: The routing name of these messages; their type when None.

        Raises:
            UsageError: a bad stream name.
        """
        check_stream(stream)
        if messages:
            said = self._published.setdefault(stream, [])
            for message in messages:
                said.append((message, channel))

    def tell(self, channel: str, message: object) -> None:
        """Sends a message without a position to the other clients of this node that hear a channel, once the handler has returned.

        The log does not keep it: a client that is away, or on another node, never gets it. For typing marks and the like.

        Raises:
            UsageError: a bad channel name.
        """
        check_stream(channel)
        self._told.append((channel, message))

    def after_commit(self, function: Callable[[], Awaitable[None] | None]) -> None:
        """Calls a function once the command is in the log; not again when the process ends before. For mail and other calls.

        Raises:
            UsageError: it is not a function.
        """
        if not callable(function):
            raise UsageError(
                f"after_commit takes a function, not {type(function).__name__}: context.after_commit(lambda: mail(text))"
            )
        self._after.append(function)

    def expect(self, stream: str, position: Position) -> None:
        """Lets the command conflict when a stream is not at this position any longer."""
        self._read[stream] = position

    @property
    def published(self) -> Mapping[str, list[tuple[object, str | None]]]:
        """The messages of this run with their channels, by stream."""
        return self._published

    @property
    def told(self) -> list[tuple[str, object]]:
        """The messages without a position, each with its channel."""
        return self._told

    @property
    def read(self) -> Mapping[str, Position]:
        """The positions of the states that this run read."""
        return self._read

    @property
    def after(self) -> list[Callable[[], Awaitable[None] | None]]:
        """The functions for after the commit."""
        return self._after
