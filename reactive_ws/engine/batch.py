"""Several writes as one commit.

A batch is a private overlay of the task or thread that opened it: that owner reads its own writes, and no other
task or thread sees them. On exit everything becomes one commit; an exception drops the overlay, so there is nothing to roll back. A batch
inside a batch is a savepoint. Works across `await`; a task or thread that was started inside does not share it, and neither do the
observers and callbacks that run on its thread.
"""

from __future__ import annotations

from asyncio import Task, _get_running_loop, current_task
from collections.abc import Iterable
from contextlib import AbstractContextManager
from contextvars import Token
from threading import get_ident
from typing import Any, TypeAlias

from ..errors import DomainMismatch, UsageError
from .audience import UNSET
from .checks import refuse_copy
from .commit_queue import current_batch, open_batches, reset_batch, set_batch, switching
from .domain import Domain
from .source import Root, Source, Writable

__all__ = ["OpenBatch", "active_batch", "batch"]

_Step: TypeAlias = tuple[bool, Any]
"""(True, value) of a set, (False, function) of an update; a set forgets what was before it."""


_Before: TypeAlias = tuple[list[_Step], int, Any, tuple[Any, ...] | None]
"""The state of a store in a batch before a savepoint: steps, how many, the value, and what was triggered."""


def _as_it_is(value: Any) -> Any:
    return value


class _Write:
    """The writes of a batch to one store: the value it started from, the value now, and how it got there."""

    __slots__ = ("base", "steps", "triggered", "value")

    def __init__(self, base: Any, value: Any, steps: list[_Step]) -> None:
        self.base = base
        self.value = value
        self.steps = steps
        # What is in the commit although it did not change: for a keyed store its keys. None: nothing was triggered.
        self.triggered: tuple[Any, ...] | None = None


class OpenBatch:
    """An open batch. Made by `batch`; the stores ask it in `get` and `set`."""

    __slots__ = ("_domain", "_is_bound", "_is_open", "_savepoints", "_task", "_thread", "_writes")

    __reduce_ex__ = refuse_copy

    def __init__(self, domain: Domain | None) -> None:
        self._domain = domain
        # Whether the domain was asked for, and not only that of the first written store.
        self._is_bound = domain is not None
        self._is_open = True
        self._writes: dict[Writable, _Write] = {}
        # For each open savepoint what was written before it; None where nothing was.
        self._savepoints: list[dict[Writable, _Before | None]] = []
        self._thread = get_ident()
        loop = _get_running_loop()
        self._task: Task[Any] | None = None if loop is None else current_task(loop)

    def read(self, source: Writable, committed: Any) -> Any:
        """Returns the value that the owner sees of a store whose committed value is this."""
        write = self._writes.get(source)
        return committed if write is None else write.value

    def read_all(self, domain: Domain, roots: Iterable[Root]) -> dict[Source, Any]:
        """Returns the values that the owner sees, those that it did not write from one commit."""
        roots = list(roots)
        read = domain._read_at_once(
            lambda: [(root, self.read(root._cell, root._cell._value)) for root in roots]
        )
        return {root: root._project(value) for root, value in read}

    def touches(self, sources: tuple[Writable, ...]) -> bool:
        """Whether one of these has been written in this batch."""
        return any(source in self._writes for source in sources)

    def write(self, source: Writable, value: Any, step: _Step, base: Any) -> None:
        """Notes that `step` made `value` of the store, whose committed value was `base`.

        Raises:
            DomainMismatch: the store is of another domain than the batch.
        """
        if self._domain is None:
            self._domain = source._domain
        elif source._domain is not self._domain:
            raise DomainMismatch(self._domain.name, source._domain.name)
        write = self._writes.get(source)
        if self._savepoints and source not in self._savepoints[-1]:
            self._savepoints[-1][source] = (
                None
                if write is None
                else (write.steps, len(write.steps), write.value, write.triggered)
            )
        if write is None:
            made = _Write(base, value, [step])
            write = self._writes.setdefault(source, made)
            if write is made:
                return
            # A handler wrote the same store on this thread meanwhile.
        value = source._merged(write.value, value)
        if step[0]:
            # A new list, because a savepoint may have the old one.
            write.steps = [step]
        else:
            write.steps.append(step)
        write.value = value

    def trigger(self, source: Writable, value: Any, keys: tuple[Any, ...], base: Any) -> None:
        """Notes that observers are called also if the store does not change.

        Raises:
            DomainMismatch: as `write`.
        """
        self.write(source, value, (False, _as_it_is), base)
        write = self._writes[source]
        write.triggered = keys if write.triggered is None else (*write.triggered, *keys)

    def enter_savepoint(self) -> None:
        """Starts a part that can be dropped by itself."""
        self._savepoints.append({})

    def keep_savepoint(self) -> None:
        """Joins the newest part with the one around it."""
        top = self._savepoints.pop()
        if self._savepoints:
            around = self._savepoints[-1]
            for source, before in top.items():
                around.setdefault(source, before)

    def drop_savepoint(self) -> None:
        """Forgets the newest part, and the domain when nothing else was written."""
        for source, before in self._savepoints.pop().items():
            if before is None:
                del self._writes[source]
                continue
            write = self._writes[source]
            write.steps, count, write.value, write.triggered = before
            del write.steps[count:]
        if not self._is_bound and not self._writes:
            self._domain = None

    def commit(self, writes: dict[Writable, _Write]) -> None:
        """Publishes everything in one commit and delivers it.

        Raises:
            StoreClosed: one of the stores was closed meanwhile; nothing is published.
            Exception: what `validate=` of a store raises; nothing is published.
        """
        domain = self._domain
        if domain is None:
            return
        while True:
            changes: list[tuple[Writable, Any, Any]] = []
            unchanged: list[tuple[Writable, Any]] = []
            for source, write in writes.items():
                now = source._value
                value = write.value if now is write.base else _replay(source, write.steps)
                if write.triggered is not None:
                    triggered = source._triggered(now, value, write.triggered)
                    if value is not now:
                        source._check(triggered)
                    changes.append((source, now, triggered))
                    continue
                settled = source._settled(now, value)
                if settled is UNSET:
                    unchanged.append((source, now))
                else:
                    changes.append((source, now, settled))
            if not changes:
                return
            if len(changes) == 1 and not unchanged:
                # The way of a single write, which makes no commit where it can be direct.
                ((source, now, value),) = changes
                is_done = source._publish(now, value)
            else:
                is_done = domain.commit(changes, expected=unchanged)
            if is_done:
                return


def _replay(source: Writable, steps: list[_Step]) -> Any:
    """Applies the steps to the value as it is now."""
    now = value = source._value
    for is_set, what in steps:
        newer = what if is_set else what(value)
        value = newer if value is now else source._merged(value, newer)
    return value


def active_batch() -> OpenBatch | None:
    """Returns the batch that this task or thread has open, or None."""
    found: OpenBatch | None
    if switching and get_ident() in switching:
        found = switching[get_ident()]
    else:
        found = current_batch.get()
    # Contexts are copied to children, so the batch in the context may be that of another task or thread.
    if found is None or not found._is_open or found._thread != get_ident():
        return None
    loop = _get_running_loop()
    return found if found._task is (None if loop is None else current_task(loop)) else None


class _Scope:
    """The block of one `with batch()`. A class, because a generator costs twice as much and services open one a message."""

    __slots__ = ("_domain", "_mine", "_outer", "_token")

    __reduce_ex__ = refuse_copy

    def __init__(self, domain: Domain | None) -> None:
        self._domain = domain
        self._mine: OpenBatch | None = None
        self._outer: OpenBatch | None = None
        self._token: Token[OpenBatch | None] | tuple[Any] | None = None

    def __enter__(self) -> None:
        if self._mine is not None or self._outer is not None:
            raise UsageError(
                "this batch() is open already; write `with batch():` with a call of its own for each block"
            )
        outer = active_batch() if open_batches else None
        if outer is not None:
            wanted, open_in = self._domain, outer._domain
            if open_in is None:
                outer._domain = wanted
            elif wanted is not None and wanted is not open_in:
                raise DomainMismatch(open_in.name, wanted.name)
            outer.enter_savepoint()
            self._outer = outer
            return
        mine = self._mine = OpenBatch(self._domain)
        try:
            open_batches[mine] = None
            self._token = set_batch(mine)
        except BaseException:
            # An interrupt: the block does not begin, so nothing would close the batch.
            self._drop(mine)
            raise

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        outer, mine = self._outer, self._mine
        self._outer = self._mine = None
        if outer is not None:
            if not outer._is_open:
                # A generator may end after the block that it was used in.
                return
            if kind is None:
                outer.keep_savepoint()
            else:
                outer.drop_savepoint()
            return
        if mine is None:
            return
        writes: dict[Writable, _Write] = {}
        try:
            if kind is None:
                writes, mine._is_open = mine._writes, False
        finally:
            self._drop(mine)
        if kind is None:
            mine.commit(writes)

    def _drop(self, mine: OpenBatch) -> None:
        """Closes the batch; a second time changes nothing."""
        mine._is_open = False
        mine._writes = {}
        mine._savepoints = []
        open_batches.pop(mine, None)
        token, self._token = self._token, None
        if token is not None:
            try:  # noqa: SIM105 - `suppress` costs a fiftieth of a batch
                reset_batch(token)
            except ValueError:
                # A generator may be closed in another context than it was opened in; there the token is nothing.
                pass


def batch(domain: Domain | None = None) -> AbstractContextManager[None, None]:
    """Makes all writes of a `with` block one commit; an exception drops them all.

    Inside, this task or thread reads its own writes. At the end, a store that no one else wrote gets the value it has in
    the block; one that was written meanwhile gets the block's steps once more: `set` wins, `update` functions run again.
    Stores that end as they began are left out. A batch inside a batch is a savepoint. Observers, hooks and start and stop
    callbacks that run meanwhile are outside of it.

    Args:
        domain: The domain of the stores; that of the first written store when None.

    Raises:
        DomainMismatch: a store of another domain was written.
        StoreClosed: a written store was closed.
        Exception: what `validate=` of a written store raises for its last value; nothing is written then.
        UsageError: `domain` is not a domain; or what `batch()` returned is entered again while its block runs.
    """
    given: Any = domain
    if given is not None and not isinstance(given, Domain):
        raise UsageError(
            f"batch() takes a domain, or nothing; got {type(given).__name__}."
            " Write `with batch():`, or `with batch(store.domain):`"
        )
    return _Scope(domain)
