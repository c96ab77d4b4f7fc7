"""Records for hooks and error hooks: one change of a domain, one failure of a user's function.

Plain records. Made by `domain`, `cell` and `batch`; read by middleware.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

__all__ = [
    "Cause",
    "Changed",
    "Commit",
    "CommitHook",
    "Dump",
    "ErrorReport",
    "Tracer",
    "log_report",
    "name_of",
]

_log = logging.getLogger("reactive_ws.stores")


class Changed(Protocol):
    """A value that a commit changed, as delivery needs it; every store is one."""

    name: str
    _value: Any
    _delivered: Any
    _is_shut: bool
    _is_named: bool
    """Whether dumps have it."""
    _domain: Any

    def _unchanged(self, old: Any, new: Any) -> bool:
        """Whether `new` counts as no change."""
        ...

    def _loaded(self, old: Any, value: Any) -> Any:
        """Returns the value to commit over `old` for a value of a dump.

        Raises:
            Exception: the store does not accept the value.
        """
        ...

    def _serve(self, number: int, value: Any) -> None:
        """Delivers one value to its observers, and then to the derived values above it."""
        ...

    def _serve_many(self, number: int, changes: tuple[tuple[Any, Any, Any], ...]) -> None:
        """Delivers a commit of several values to their observers, and then to the derived values above them."""
        ...

    def _ending(self) -> list[Any]:
        """Returns everything that derived values above it start from."""
        ...

    def _complete(self) -> None:
        """Ends the streams of the value, and of what is derived from it alone."""
        ...

    def _check(self, value: Any) -> None:
        """Calls `validate=` for a value about to be committed.

        Raises:
            Exception: the value is wrong.
        """
        ...


@attrs.frozen
class Cause:
    """Why a commit was made. Domains that are traced have it; see `Domain.trace`.

    Attributes:
        action: Qualified name of the function that wrote, outside the engine.
        messages: Types of the received messages whose handlers wrote it.
        thread: Name of the thread that wrote.
        parent: Number of the commit whose observer wrote this one; 0 for none.
        call_site: "file:line" of the program's own code; None when the tracer does not look for it, or when an event loop
            made the commit by itself.
    """

    action: str
    messages: tuple[str, ...] = ()
    thread: str = ""
    parent: int = 0
    call_site: str | None = None


class Tracer(Protocol):
    """Finds the cause of each commit. Its methods run on the thread that writes."""

    def handling(self, types: tuple[str, ...]) -> None:
        """Notes that the next commit of this thread has the effects of messages of these types; () ends it."""
        ...

    def cause(self, parent: int) -> Cause:
        """Returns why this thread commits now; `parent` is the commit whose observer writes, or 0."""
        ...


class Commit:
    """One change of a domain, as commit hooks see it. Not to be changed.

    Attributes:
        number: Its place in the order of the domain; grows by one with each commit.
        changes: (store, old value, new value) of each store that changed.
        depth: 0, or one more than that of the commit whose observer wrote this one.
        thread: Identity of the thread that wrote it.
        closed: The stores that ended with this commit.
        cause: Why it was made; None in a domain that is not traced.
    """

    __slots__ = ("cause", "changes", "closed", "depth", "number", "outcome", "thread")

    def __init__(
        self,
        changes: tuple[tuple[Changed, Any, Any], ...],
        thread: int,
        depth: int = 0,
        closed: tuple[Changed, ...] = (),
        cause: Cause | None = None,
        outcome: Any = None,
    ) -> None:
        self.number = 0
        # The `Outcome` of strict mode.
        self.outcome = outcome
        self.cause = cause
        self.changes = changes
        self.depth = depth
        self.thread = thread
        self.closed = closed

    def __repr__(self) -> str:
        names = ", ".join(store.name for store, _, _ in self.changes)
        return f"<Commit {self.number} of {names or 'nothing'}>"


@attrs.frozen
class Dump:
    """The values of all named stores of a domain at one commit. Made by `Domain.dump`; a program may make one, too.

    Attributes:
        number: The number of the newest commit then.
        values: The value of each store by its name; of a keyed store the mapping of keys to entities.
    """

    number: int
    values: Mapping[str, Any]


@attrs.define(eq=False)
class CommitHook:
    """A function that is called with every commit after number `since`, for as long as it is live."""

    function: Callable[[Commit], None]
    since: int
    is_live: bool = True


@attrs.frozen
class ErrorReport:
    """An exception in code that the user gave to a store.

    Attributes:
        kind: "observer", "selector", "derive", "comparer", "hook", "lifecycle", "backlog", "patch", "effect" or "resource".
        error: The exception.
        store: Name of the store or derived value.
        commit: Number of the commit that was delivered, or that a new observer was shown.
        function: The qualified name of the function that raised.
    """

    kind: str
    error: BaseException
    store: str
    commit: int
    function: str


def log_report(report: ErrorReport) -> None:
    """The default error hook."""
    _log.error(
        "%s %s of store %r failed at commit %d; its stream goes on",
        report.kind,
        report.function,
        report.store,
        report.commit,
        exc_info=report.error,
    )


def name_of(function: object) -> str:
    """Returns the qualified name of a function for a report, such as "app.stores.chat.apply"."""
    owner = getattr(function, "__self__", function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    module = getattr(function, "__module__", None) or type(owner).__module__
    return f"{module}.{name}"
