"""The error store: what went wrong, for people: classified, with repeats counted, bounded.

It is fed with the service's error events (see the composition root) and by the other stores. It changes no connection state:
an `error` message of the server is shown and everything goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import attrs

from reactive_ws.connection import ErrorEvent, ErrorKind
from reactive_ws.engine import Domain, refuse_copy, shallow
from reactive_ws.errors import ReactiveWSError
from reactive_ws.state import ReadOnly, Selection, Store

__all__ = ["AppError", "Errors", "ErrorsState"]


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class AppError:
    """Something that went wrong.

    Attributes:
        number: Its name for `dismiss`.
        kind: Whose fault it is.
        text: What happened and what to do; safe to show.
        time: When it last happened, UTC.
        count: How often it happened.
        is_retryable: Whether it is tried again, or trying again may help.
        source: The part that failed, such as the name of a handler; None for the connection itself.
    """

    number: int
    kind: ErrorKind
    text: str
    time: datetime
    count: int = 1
    is_retryable: bool = False
    source: str | None = None

    @property
    def title(self) -> str:
        """Two words for the kind, such as "Connection lost"."""
        return _TITLES[self.kind]


_TITLES: Final[Mapping[ErrorKind, str]] = {
    ErrorKind.NETWORK: "Connection error",
    ErrorKind.HEARTBEAT: "Connection lost",
    ErrorKind.SERVER: "WebSocket error",
    ErrorKind.PROTOCOL: "Bad message",
    ErrorKind.AUTH: "Not signed in",
    ErrorKind.APPLICATION: "Application error",
}


@attrs.frozen
class ErrorsState:
    """The errors, the latest last.

    Attributes:
        errors: The entries that are shown.
        total: How often something went wrong, dismissed and forgotten entries included.
        next_number: Of the next entry.
    """

    errors: tuple[AppError, ...] = ()
    total: int = 0
    next_number: int = 1


# --- reducers ---------------------------------------------------------------------------------------------------------


def occurred(state: ErrorsState, error: AppError, limit: int) -> ErrorsState:
    """Something went wrong. What is here already with the same text is counted and becomes the latest."""
    others: list[AppError] = []
    entry = attrs.evolve(error, number=state.next_number)
    for old in state.errors:
        if (old.kind, old.text, old.source) == (error.kind, error.text, error.source):
            entry = attrs.evolve(error, number=old.number, count=old.count + 1)
        else:
            others.append(old)
    following = state.next_number + (entry.number == state.next_number)
    return ErrorsState(tuple([*others, entry][-limit:]), state.total + 1, following)


def dismissed(state: ErrorsState, number: int) -> ErrorsState:
    """The user has read an entry."""
    return attrs.evolve(state, errors=tuple(one for one in state.errors if one.number != number))


# --- store ------------------------------------------------------------------------------------------------------------


class Errors:
    """The errors in words for users; `Application` makes it.

    Args:
        domain: Of its store.
        clock: Wall clock, UTC.
        limit: Entries that are kept.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, domain: Domain, *, clock: Callable[[], datetime], limit: int = 100) -> None:
        self._store = Store(ErrorsState(), name="stores.errors", domain=domain)
        self._clock = clock
        self._limit = limit

    def __repr__(self) -> str:
        return f"<Errors, {len(self._store.get().errors)} shown>"

    @property
    def state(self) -> ReadOnly[ErrorsState]:
        """The errors, the latest last."""
        return self._store.read_only

    @property
    def latest(self) -> Selection[AppError | None]:
        """The latest entry; None when there is none."""
        return self._store.select(lambda state: state.errors[-1] if state.errors else None)

    def of_kind(self, kind: ErrorKind) -> Selection[tuple[AppError, ...]]:
        """Returns the stream of the entries of one kind, the latest last."""
        return self._store.select(
            lambda state: tuple(one for one in state.errors if one.kind is kind), equals=shallow
        )

    # --- actions --------------------------------------------------------------------------------------------------------

    def report(self, kind: ErrorKind, text: str, *, is_retryable: bool = False) -> None:
        """Adds an entry. Any thread."""
        self._add(kind, text, is_retryable, None)

    def observe(self, event: ErrorEvent) -> None:
        """Adds an error event of the service. Texts of foreign exceptions may hold secrets: only their class is shown."""
        error = event.exception
        text = str(error) if isinstance(error, ReactiveWSError) else ""
        self._add(event.kind, text or type(error).__name__, event.is_retryable, event.source)

    def dismiss(self, number: int) -> None:
        """Takes an entry away."""
        self._store.update(lambda state: dismissed(state, number))

    def clear(self) -> None:
        """Takes all entries away."""
        self._store.update(lambda state: attrs.evolve(state, errors=()))

    def _add(self, kind: ErrorKind, text: str, is_retryable: bool, source: str | None) -> None:  # noqa: FBT001
        error = AppError(0, kind, text, self._clock(), 1, is_retryable, source)
        self._store.update(lambda state: occurred(state, error, self._limit))
