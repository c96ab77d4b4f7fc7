"""The public face of one order of commits: all writes of a group of stores, delivered by one thread at a time.

A commit is one step: the stores get their values and the number grows by one. From then on every read on every thread
sees all of it. Delivery takes commits in number order, one at a time. The home delivers when there is one; else the
writer: its own commit, all that its observers cause on this thread, and at most 64 commits of other threads. A daemon
thread delivers the rest. `commit_queue` says why no commit is stranded.

This module does not know what a store holds. `source` keeps observers, `batch` gathers writes, `store`, `derived` and
`keyed` are the values.

The module is long because it is one face: each public method of a domain has its rules beside it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from threading import get_ident
from typing import Any, Protocol, cast

from reactivex.abc import DisposableBase

from ..errors import DomainMismatch, FeedbackLoop, StoreClosed, UsageError
from .checks import (
    Registration,
    check_count,
    check_function,
    check_kind,
    check_methods,
    check_seconds,
    refuse_copy,
)
from .commit import Changed, Commit, CommitHook, Dump, ErrorReport, Tracer
from .commit_queue import Chore, CommitQueue, checked_home
from .graph import HasDependents
from .home import Home

__all__ = ["Commit", "Domain", "Dump", "ErrorReport", "as_default_domain", "default_domain"]


# No generator, in which an interrupt would be lost.
_is_shut_of = attrgetter("_is_shut")


class Belonging(Protocol):
    """Anything that is of one domain."""

    _domain: Domain
    name: str


class Explaining(Protocol):
    """A part that can say why values may not come, such as a service without a connection."""

    def explain(self) -> str:
        """Returns one clause for an error text, without secrets."""
        ...


class Domain(CommitQueue):
    """A group of stores with one order of commits.

    Args:
        name: For reprs and error messages.
        home: Where observers run: an asyncio loop, an executor, or a `Home`. None: on the writing thread.
        on_error: Called with an `ErrorReport` for each exception in an observer, selector, derive function or hook;
            logs to `reactive_ws.stores` when None.
        strict: For tests: the write that caused a commit also raises an ExceptionGroup of what was reported for it and for
            all that its observers wrote. When another thread delivers it, the writer waits, at most 5 seconds.
        max_depth: The length of a chain of writes, each by an observer of the one before, that counts as a loop.
    """

    def __init__(
        self,
        name: str = "domain",
        *,
        home: asyncio.AbstractEventLoop | concurrent.futures.Executor | Home | None = None,
        on_error: Callable[[ErrorReport], None] | None = None,
        strict: bool = False,
        max_depth: int = 100,
    ) -> None:
        check_kind(name, str, "name=", '"mine"', is_required=True)
        check_kind(strict, bool, "strict=", "True", is_required=True)
        check_count(max_depth, "max_depth=", least=2)
        if on_error is not None:
            check_function(
                on_error,
                "on_error=",
                "start a task in it: `lambda report: loop.create_task(f(report))`",
            )
        super().__init__(name, home, on_error, strict=strict, max_depth=max_depth)
        # Whether any store ever ended; until then no delivery has to look for the ends of derived values.
        self._has_ended = False
        # A dict, because one step of the interpreter adds to it or takes away, so that it needs no lock.
        self._stores: dict[weakref.ref[Changed], None] = {}
        # One object for all stores, which would take 72 bytes more each.
        self._forget_store: Any = self._stores.pop
        self._with_callbacks: dict[weakref.ref[Chore], None] = {}
        self._tracer: Tracer | None = None
        self._explaining: tuple[weakref.ref[Explaining], ...] = ()

    __reduce_ex__ = refuse_copy

    __slots__ = (
        "_explaining",
        "_forget_store",
        "_has_ended",
        "_stores",
        "_tracer",
        "_with_callbacks",
    )

    def __repr__(self) -> str:
        return f"<Domain {self.name!r} at commit {self._number}>"

    @property
    def number(self) -> int:
        """Number of the newest commit; 0 before the first. Any thread."""
        return self._number

    @property
    def home(self) -> Home | None:
        """Where observers run, or None when the writer delivers."""
        return self._home

    def set_home(
        self, home: asyncio.AbstractEventLoop | concurrent.futures.Executor | Home | None
    ) -> None:
        """Moves delivery, from the next commit on; what is queued goes to the new place. Any thread."""
        place = None if home is None else checked_home(home)
        is_inside = self._is_inside()
        with self._lock:
            self._is_busy = True
            self._home = place
            self._waking = None
            self._is_moved = self._deliverer != 0
            self._leave_section(is_inside=is_inside)
        self._see_to_delivery()
        self._after_section()

    def on_commit(self, hook: Callable[[Commit], None]) -> DisposableBase:
        """Calls `hook` with every commit from now on, in order, on the delivering thread, before the observers.

        Middleware builds on this. A hook that raises is reported and called again next time. Adding a function twice
        calls it twice; what is disposed is called no more, not even for the commit that is being delivered.
        """
        check_function(
            hook,
            "a commit hook",
            "start a task in it: `lambda commit: loop.create_task(f(commit))`",
        )
        with self._lock:
            self._is_busy = True
            mine = CommitHook(hook, self._number)
            self._hooks = (*self._hooks, mine)
        self._after_section()

        def remove() -> None:
            with self._lock:
                mine.is_live = False
                self._hooks = tuple(other for other in self._hooks if other is not mine)
                # Writes go straight again after the next rest(), which looks for hooks.
            self._after_section()

        return Registration(remove)

    @property
    def tracer(self) -> Tracer | None:
        """The object that finds the causes of commits; None while the domain is not traced."""
        return self._tracer

    def trace(self, tracer: Tracer) -> DisposableBase:
        """Gives commits a `cause` from now on. For development tools; a commit hook has to be there, too. Any thread.

        The newest tracer counts. Without a tracer, writes cost what they did before.

        Returns:
            The registration; `dispose()` it to stop.

        Raises:
            UsageError: it lacks a method of a `Tracer`.
        """
        check_methods(tracer, ("handling", "cause"), "trace()", "a Tracer", is_required=True)
        self._tracer = tracer

        def stop() -> None:
            if self._tracer is tracer:
                self._tracer = None

        return Registration(stop)

    def commit(
        self,
        changes: Sequence[tuple[Changed, Any, Any]],
        *,
        expected: Sequence[tuple[Changed, Any]] = (),
        closing: Sequence[Changed] = (),
        is_link: bool = True,
    ) -> bool:
        """Writes several stores of this domain in one commit, unless another commit came between. Any thread.

        The one way to write: stores, batches and `undo` use it. It compares nothing and ignores an open batch. Inside
        `exclusive()` the observers get the commit when the block ends; elsewhere as after every write.

        Args:
            changes: (store, old value, new value) of each store that changes. An older snapshot of a keyed store goes through
                `checked` first, because it notes the keys that its own commit changed.
            expected: (store, value) of each other store that the new values depend on.
            closing: Stores that end with this commit, after their last value.
            is_link: Whether this may be the write that makes a chain too long. False for what middleware writes in a hook
                by itself; an observer of that write which writes is one deeper and counts.

        Returns:
            False, and nothing is written, when a store does not have its old or expected value.

        Raises:
            StoreClosed: a store in `changes` is closed.
            FeedbackLoop: the write is the last link of a chain of writes that is too long.
            DomainMismatch: a store in `changes` is of another domain.
        """
        # The end of a store does not count as a link of a chain, but what its observers write then is one deeper.
        depth = self._depth_here()
        if changes and is_link and depth >= self._max_depth:
            raise FeedbackLoop(changes[0][0].name, depth)
        tracer = self._tracer
        cause = None if tracer is None else tracer.cause(self._current if depth else 0)
        outcome = self._outcome_of_write() if self._strict else None
        commit = Commit(tuple(changes), get_ident(), depth, tuple(closing), cause, outcome)
        if not (self._deliverer or self._is_busy or closing) and (
            self._home is None or self._home.is_current()
        ):
            number = self._number
            if not self._is_possible(commit, expected):
                return False
            try:
                if self._enqueue(commit, number, is_direct=True):
                    self._deliver_directly(commit)
                    return True
            except BaseException:
                # Also an interrupt (Ctrl-C) between any two steps, after which the mark may not stay.
                self._cut_off(changes)
                raise
        try:
            is_written = self._write(commit, expected)
        finally:
            if self._leftover:
                # A handler wrote on this thread meanwhile; this commit may come to nothing.
                self._after_section()
        if not is_written:
            return False
        self._see_to_delivery()
        if self._leftover:
            self._after_section()
        if outcome is not None and outcome is not self._outcome:
            self._raise_outcome(outcome)
        return True

    def check(self, changes: Sequence[tuple[Changed, Any, Any]]) -> None:
        """Calls `validate=` of each store with its new value, as a write does. For middleware, before `commit`. Any thread.

        Args:
            changes: As for `commit`.

        Raises:
            Exception: what the function of a store raises; `commit` is not to be called then.
        """
        for store, _, new in changes:
            store._check(new)

    def checked(self, store: Changed, value: Any) -> Any:
        """Returns what a store would commit for a value from outside, such as that of a file. For middleware. Any thread.

        Args:
            store: A store of this domain.
            value: As for `load`.

        Raises:
            Exception: what `validate=` raises, or the store accepts no such value.
        """
        return store._loaded(store._value, value)

    def _write(self, commit: Commit, expected: Sequence[tuple[Changed, Any]]) -> bool:
        """Checks what `commit` documents, and queues the commit; False when another one came between."""
        while True:
            with self._lock:
                self._is_busy = True
                number = self._number
                if not self._is_possible(commit, expected):
                    return False
                if self._enqueue(commit, number):
                    if commit.outcome is not None:
                        commit.outcome.left += 1
                    return True
                # A signal handler or a finalizer wrote on this thread meanwhile: look again.

    def _is_possible(self, commit: Commit, expected: Sequence[tuple[Changed, Any]]) -> bool:
        """Whether no other commit came between; it may still come, which the number of the domain shows.

        Raises:
            StoreClosed, DomainMismatch: as `commit`.
        """
        for store, value in expected:
            if store._value is not value:
                return False
        if commit.closed and not commit.changes and all(map(_is_shut_of, commit.closed)):
            # Another thread closed them first.
            return False
        for store, old, _ in commit.changes:
            if store._value is not old:
                return False
            if store._is_shut:
                raise StoreClosed(store.name)
            if store._domain is not self:
                raise DomainMismatch(self.name, store._domain.name)
        return True

    @contextmanager
    def exclusive(self) -> Generator[None, None, None]:
        """Keeps other threads from committing during a `with` block. For middleware that keeps its own record.

        The block must only read and assign: no function of a user, nothing that waits. What `commit` writes inside is
        delivered when the block ends.
        """
        is_inside = self._is_inside()
        try:
            with self._lock:
                self._is_busy = True
                yield
                self._leave_section(is_inside=is_inside)
        finally:
            if not is_inside:
                self._see_to_delivery()
                self._after_section()

    def pending(self) -> tuple[Commit, ...]:
        """Returns the commits that wait for delivery, oldest first, without the one under delivery. Any thread."""
        is_inside = self._is_inside()
        with self._lock:
            self._is_busy = True
            waiting = tuple(self._queue)
            self._leave_section(is_inside=is_inside)
        self._after_section()
        return waiting

    def report(self, kind: str, error: Exception, store: str, function: object) -> None:
        """Gives an exception of a user's function to the error hook of this domain. For middleware. Any thread.

        Args:
            kind: What the function is for; see `ErrorReport`.
            error: What it raised.
            store: Name of the store that it worked for.
            function: The function that raised.
        """
        self._report(kind, error, store, function, has_caller=False)

    def _take_over_from_parent(self) -> None:
        for source in self._sources():
            source._begin_as_child()
        for _, link in tuple(self._joins):
            if link._audience is not None:
                link._audience._begin_as_child()
        with_callbacks = [reference() for reference in list(self._with_callbacks)]
        self._chores += [it for it in with_callbacks if it is not None]

    def _catch_up_with_parent(self) -> None:
        for source in self._sources():
            source._start_again()

    def _forget_computed(self, changes: Sequence[tuple[Changed, Any, Any]]) -> None:
        for source in _from(store for store, _, _ in changes):
            source._start_again()

    def _sources(self) -> list[HasDependents]:
        """Returns everything that can have observers now."""
        return _from(self.stores())

    def explain_with(self, part: Explaining) -> None:
        """Adds a part whose clause belongs into the texts of waits that end without a value. Held weakly. Any thread.

        A service adds the state of its connection, so that a `TimeoutError` says why nothing came.

        Raises:
            UsageError: it has no method `explain`.
        """
        check_methods(part, ("explain",), "explain_with()", "a service", is_required=True)
        while True:
            before = self._explaining
            after = (*[it for it in before if it() is not None], weakref.ref(part))
            # Without a call between the look and the assignment, so that no other thread comes between.
            if self._explaining is before:
                self._explaining = after
                return

    def explanation(self) -> str:
        """Returns what the added parts say, each with "; " before it; "" without parts. Any thread."""
        parts = [it() for it in self._explaining]
        return "".join(f"; {part.explain()}" for part in parts if part is not None)

    def settled(self, timeout: float | None = None) -> bool:
        """Blocks until every commit so far is delivered, and every commit that their observers caused in this domain.

        Not for the delivering thread itself.

        Args:
            timeout: Seconds; None: no limit.

        Returns:
            False when `timeout` seconds were not enough.

        Raises:
            UsageError: called from an observer or at home, where it would wait for itself; or `timeout` is not a number of
                seconds.
        """
        if timeout is not None:
            check_seconds(timeout, "timeout=")
        done = threading.Event()
        home = self._home
        is_at_home = home is not None and home.is_current()
        with self._lock:
            if not self._queue and not self._deliverer:
                return True
            if is_at_home or self._deliverer == get_ident():
                raise UsageError(
                    "settled() was called where delivery happens; it would wait for itself"
                )
            self._settling.append([self._number, done])
            self._keep_busy()
        return done.wait(timeout)

    def stores(self) -> list[Changed]:
        """Returns the living stores of this domain."""
        found = [reference() for reference in list(self._stores)]
        return [store for store in found if store is not None]

    def _add_store(self, store: Changed) -> None:
        """Notes a new store for as long as it lives. Any thread."""
        self._stores[weakref.ref(store, self._forget_store)] = None

    def _add_with_callbacks(self, source: Chore) -> None:
        """Notes a store or a derived value with start or stop callbacks, for as long as it lives. Any thread."""
        self._with_callbacks[weakref.ref(source, cast("Any", self._with_callbacks.pop))] = None

    def dump(self) -> Dump:
        """Returns the values of all living stores with a name, as they are at one commit. Any thread.

        Costs one look at each store: values are immutable, so nothing is copied. An open batch does not count, nor does a closed
        store beside another one of its name.

        Raises:
            UsageError: two open stores have the same name.
        """
        number, found = self._read_at_once(
            lambda: (self._number, [(it, it._value) for it in self.stores() if it._is_named])
        )
        values = dict(found)
        stores = _by_name(values)
        return Dump(number, {name: values[stores[name]] for name in sorted(stores)})

    def load(self, dump: Dump, *, ignore_missing: bool = False) -> None:
        """Writes the values of a dump into the stores of these names, in one commit. Any thread.

        Other stores stay as they are. Stores that have their value already are left out. An open batch does not count.

        Args:
            dump: What `dump` returned, of this domain or of another one with the same stores.
            ignore_missing: Whether names without a living store are left out.

        Raises:
            UsageError: a name has no living store or two open ones, and nothing is written; or it is not a `Dump`.
            StoreClosed: one of the stores is closed; nothing is written.
            Exception: what `validate=` of a store raises; nothing is written.
        """
        check_kind(dump, Dump, "load()", "domain.dump()", is_required=True)
        check_kind(dump.values, Mapping, "values=", '{"count": 1}', is_required=True)
        check_kind(ignore_missing, bool, "ignore_missing=", "True", is_required=True)
        stores = _by_name(it for it in self.stores() if it._is_named and it.name in dump.values)
        missing = [name for name in dump.values if name not in stores]
        if missing and not ignore_missing:
            raise UsageError(
                f"no living store is named {', '.join(map(repr, missing))}; make the stores first, or pass ignore_missing=True"
            )
        while True:
            changes: list[tuple[Changed, Any, Any]] = []
            for name, value in dump.values.items():
                if name not in stores:
                    continue
                store = stores[name]
                old = store._value
                new = store._loaded(old, value)
                if not store._unchanged(old, new):
                    changes.append((store, old, new))
            if not changes or self.commit(changes):
                return

    def _check(self, source: Belonging) -> None:
        if source._domain is not self:
            raise DomainMismatch(self.name, source._domain.name)


def _from(stores: Iterable[Changed]) -> list[HasDependents]:
    """Returns the stores, their observed keys and all that is computed from them."""
    found: list[HasDependents] = [it for store in stores for it in store._ending()]
    # The list grows while it is walked.
    seen = set(map(id, found))
    for source in found:
        for above in tuple(source._dependents):
            if id(above) not in seen:
                seen.add(id(above))
                found.append(above)
    return found


def _by_name(stores: Iterable[Changed]) -> dict[str, Changed]:
    """Returns stores by their names. A closed one gives way to another one of its name.

    Raises:
        UsageError: two open ones have the same name.
    """
    found: dict[str, Changed] = {}
    for store in stores:
        other = found.get(store.name)
        if other is not None and not (store._is_shut or other._is_shut):
            raise UsageError(
                f"two stores are named {store.name!r}; give each its own name=, or no name to leave it out of dumps, and close()"
                " one that is not used longer"
            )
        if other is None or other._is_shut:
            found[store.name] = store
    return found


_default = Domain("default")


@contextmanager
def as_default_domain(domain: Domain) -> Generator[Domain, None, None]:
    """Makes a domain the process's default during a `with` block, on all threads. For tests.

    Args:
        domain: The domain that stores without `domain=` belong to; stores that were made before keep theirs.
    """
    global _default
    check_kind(domain, Domain, "as_default_domain()", 'Domain("test")', is_required=True)
    before, _default = _default, domain
    try:
        yield domain
    finally:
        _default = before


def default_domain() -> Domain:
    """Returns the process's domain, which stores without `domain=` belong to."""
    return _default
