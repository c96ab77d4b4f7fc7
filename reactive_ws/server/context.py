"""`Context`: what a handler reads and what it does. Nothing of it happens before the handler has returned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, overload

from ..errors import UsageError
from ..wire import Position
from .logs import CommandKey, check_stream, is_pattern
from .states import Stated, States

__all__ = ["Context", "MissingState"]

S = TypeVar("S")


class MissingState(BaseException):
    """The handler read a state that is not loaded. The server loads it and runs the handler again.

    A `BaseException`, so that `except Exception` in a handler does not catch it.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.stream = stream


class Context:
    """One run of a handler. The server may run a handler again; the effects of its last run count.

    Attributes:
        identity: What `authorize` returned for the client; "" for `Server.publish` and consumers.
        key: The key of the command, the same in every run; None for messages that are not acknowledged.
        connection: The database connection whose transaction the entry is written in; None for logs without one.
    """

    def __init__(
        self,
        states: States,
        *,
        identity: str = "",
        key: CommandKey | None = None,
        connection: object | None = None,
    ) -> None:
        self.identity = identity
        self.key = key
        self.connection = connection
        self._states = states
        self._published: dict[str, list[object]] = {}
        self._read: dict[str, Position] = {}
        self._after: list[Callable[[], Awaitable[None] | None]] = []

    def __repr__(self) -> str:
        return f"<Context of {self.identity!r}, {self.key!r}>"

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
        name = stream or (of if isinstance(of, str) else of.pattern)
        if is_pattern(name):
            raise UsageError(
                f"{name!r} is a pattern; name the stream: context.state(todos, 'todos/1')"
            )
        found = self._states.peek(name)
        if found is None:
            raise MissingState(name)
        self._read[name] = found[1]
        return found[0]

    def publish(self, stream: str, *messages: object) -> None:
        """Puts messages on a stream, once the handler has returned. All messages of one command on one stream are one entry.

        Raises:
            UsageError: a bad stream name.
        """
        check_stream(stream)
        self._published.setdefault(stream, []).extend(messages)

    def after_commit(self, function: Callable[[], Awaitable[None] | None]) -> None:
        """Calls a function once the command is in the log; not again when the process ends before. For mail and other calls."""
        self._after.append(function)

    @property
    def published(self) -> Mapping[str, list[object]]:
        """The messages of this run, by stream."""
        return {stream: messages for stream, messages in self._published.items() if messages}

    @property
    def read(self) -> Mapping[str, Position]:
        """The positions of the states that this run read."""
        return self._read

    @property
    def after(self) -> list[Callable[[], Awaitable[None] | None]]:
        """The functions for after the commit."""
        return self._after
