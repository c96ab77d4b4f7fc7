"""A file that keeps stores: loaded at the start, written after changes, whole or not at all.

A change starts a timer unless one is running. When it fires, one thread takes a snapshot of the stores under one commit
number, encodes what changed and replaces the file. So a batch is one write, a flood is one write per `delay`, and the
thread that delivers neither encodes nor writes. The end of the program and a signal that ends it write what is left.
Content that cannot be read, or that a later version of the program wrote, is set aside under a new name and reported. One
process uses a file at a time.

Meant for settings and sessions, states under 1 MB: the whole file is written each time. The outbox's journal and chat
histories do not belong here.

The module is long because loading, saving and ending share one lock and one state of the file.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar, overload

import attrs
from reactivex.abc import DisposableBase, SchedulerBase
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.scheduler import TimeoutScheduler

from ...engine import (
    UNSET,
    Cell,
    Commit,
    Domain,
    active_batch,
    batch,
    check_count,
    check_function,
    check_kind,
    check_methods,
    check_seconds,
    refuse_copy,
)
from ...errors import UsageError
from ...state import KeyedStore, Store
from .codec import MsgspecCodec, StateCodec
from .endings import save_before_signals
from .persist_report import PersistReport, Reporter
from .state_file import StateFile
from .state_format import BadState, Saved, decode_state, encode_state
from .storage import FileStorage, StateStorage

__all__ = ["PersistFile"]

T = TypeVar("T")
P = TypeVar("P")
K = TypeVar("K")
V = TypeVar("V")

_open_files: set[PersistFile] = set()
_open_lock = threading.RLock()


@attrs.define(eq=False)
class _Member:
    """One store of a file."""

    store: Store[Any] | KeyedStore[Any, Any]
    version: int
    part: Callable[[Any], Any]
    decode: Callable[[Saved], Any]
    merge: Callable[[Any, Any], Any] | None
    saved: Any = UNSET
    """The value that the file has; compared by identity."""
    saved_at: int = 0
    """The number of the domain's newest commit when `saved` was read."""
    changed_at: int = 0
    """The number of the newest commit of the store that reached the hook.

    A commit may have the object that is saved already, which changed inside: that of `trigger()`, or of a store whose
    `equals=` says so.
    """
    is_cleared: bool = False
    """Whether the row of this store was removed and has to come back with the next write."""


@attrs.frozen
class _Seen:
    """Holds what a save finds of one store.

    Attributes:
        value: The committed value.
        number: The number of the domain's newest commit.
        is_changed: Whether the file may lack something of it.
    """

    value: Any
    number: int
    is_changed: bool


class PersistFile:
    """A file that holds the state of one or more stores.

    All methods may be called from any thread.

    Args:
        path: Made absolute; a link is followed. Its folder must exist before the first write. With a `storage`, only the
            last part of it counts, as the name of the content there.
        delay: Seconds from the first unsaved change to the write.
        on_report: Called with a `PersistReport`, on the thread that loads or writes; logs to `reactive_ws.stores` when
            None.
        scheduler: Keeps the time of `delay` and is where writes happen; a timer thread when None.
        storage: Where the content is kept. None: in the file `path`, which only its owner can read and which this
            process locks until `close()`.

    Raises:
        UsageError: this process has the file open already, the path is empty or ":memory:", or an option is of a wrong kind.
        FileUnusable: another process has the file open.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        delay: float = 0.5,
        on_report: Callable[[PersistReport], None] | None = None,
        scheduler: SchedulerBase | None = None,
        storage: StateStorage | None = None,
    ) -> None:
        check_seconds(delay, "delay=")
        check_kind(scheduler, SchedulerBase, "scheduler=", "TimeoutScheduler()")
        check_methods(
            storage, ("read", "write", "delete", "close"), "storage=", 'FileStorage("state.json")'
        )
        if on_report is not None:
            check_function(on_report, "on_report=", "start a task in it")
        self.path = _checked(path) if storage is None else Path(path)
        self._delay = delay
        self._reporter = Reporter(self.path, on_report)
        self._scheduler = TimeoutScheduler.singleton() if scheduler is None else scheduler
        self._members: dict[str, _Member] = {}
        self._by_cell: dict[Cell[Any], _Member] = {}
        self._hooks: dict[Domain, DisposableBase] = {}
        # The newest commit of each domain that reached the hook.
        self._reached: dict[Domain, int] = {}
        self._timer: DisposableBase | None = None
        # Re-entrant, because a signal handler may write or save while this thread is inside.
        self._timer_lock = threading.RLock()
        # Held over a whole load or write, partialize functions included; re-entrant because these may call flush().
        self._file_lock = threading.RLock()
        self._is_closed = False
        # How many saves have begun.
        self._turn = 0
        # The program's own storage has its own lock.
        self._is_file = storage is None
        with _open_lock:
            if self._is_file and self.path in {it.path for it in _open_files if it._is_file}:
                raise UsageError(
                    f"{self.path} is open already; use one PersistFile and add() every store to it"
                )
            self._storage = FileStorage(self.path) if storage is None else storage
            _open_files.add(self)
        self._state = StateFile(self.path.name, self._storage, self._reporter)
        atexit.register(self.close)
        self._forget_signals = save_before_signals(self.flush)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<PersistFile {str(self.path)!r} of {len(self._members)} stores>"

    @overload
    def add(
        self,
        store: Store[T],
        *,
        as_type: type[T],
        key: str | None = None,
        version: int = 1,
        migrate: Callable[[Any, int], Any] | None = None,
        codec: StateCodec | None = None,
        merge: Callable[[T, T], T] | None = None,
    ) -> None: ...
    @overload
    def add(
        self,
        store: Store[T],
        *,
        as_type: type[P],
        key: str | None = None,
        version: int = 1,
        migrate: Callable[[Any, int], Any] | None = None,
        codec: StateCodec | None = None,
        partialize: Callable[[T], P],
        merge: Callable[[T, P], T],
    ) -> None: ...
    @overload
    def add(
        self,
        store: KeyedStore[K, V],
        *,
        as_type: type[dict[K, V]],
        key: str | None = None,
        version: int = 1,
        migrate: Callable[[Any, int], Any] | None = None,
        codec: StateCodec | None = None,
        merge: Callable[[Mapping[K, V], dict[K, V]], Mapping[K, V]] | None = None,
    ) -> None: ...
    @overload
    def add(
        self,
        store: KeyedStore[K, V],
        *,
        as_type: type[P],
        key: str | None = None,
        version: int = 1,
        migrate: Callable[[Any, int], Any] | None = None,
        codec: StateCodec | None = None,
        partialize: Callable[[Mapping[K, V]], P],
        merge: Callable[[Mapping[K, V], P], Mapping[K, V]],
    ) -> None: ...

    def add(
        self,
        store: Store[Any] | KeyedStore[Any, Any],
        *,
        as_type: Any,
        key: str | None = None,
        version: int = 1,
        migrate: Callable[[Any, int], Any] | None = None,
        codec: StateCodec | None = None,
        partialize: Callable[[Any], Any] | None = None,
        merge: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        """Loads a store from the file and saves its changes from now on.

        Args:
            store: A store or a keyed store, of any domain. Stores of one domain are saved under one commit number.
            as_type: What is in the file: the type of the value, `dict[K, V]` for a keyed store, or what `partialize`
                returns. With the default codec: attrs classes, dataclasses, msgspec structs, plain types.
            key: Its name in the file; the store's name when None.
            version: Of the state; raise it when the type changes.
            migrate: Makes plain JSON data of this version from that of an earlier one: (data, version) -> data. Its
                result is written to the file with the next save, so it runs once.
            codec: Makes JSON text from values and back; `MsgspecCodec()` when None.
            partialize: The part of the value to save; a pure function, called on the thread that writes the file.
            merge: Makes the value from the current one and the loaded part; a pure function. The loaded one as it is
                when None. Goes with `partialize`.

        Raises:
            UsageError: inside a batch, after close(), a key or a store that is there already, or a `partialize` without
                `merge`.
            TypeError: the codec cannot read `as_type`.
        """
        _check_outside_batch("a store is loaded by a commit of its own")
        if not isinstance(store, (Store, KeyedStore)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"add() takes a Store or a KeyedStore; got {type(store).__name__}")
        check_kind(key, str, "key=", '"settings"')
        check_count(version, "version=")
        check_methods(codec, ("encode", "decoder"), "codec=", "MsgspecCodec()")
        for function, option in (
            (migrate, "migrate="),
            (partialize, "partialize="),
            (merge, "merge="),
        ):
            if function is not None:
                check_function(function, option, "compute at once")
        if partialize is not None and merge is None:
            raise UsageError("partialize= needs merge=, which puts the loaded part into the value")
        name = store.name if key is None else key
        # Before anything is touched: a type that cannot be read is the program's mistake, not the file's.
        how = MsgspecCodec() if codec is None else codec
        decoder = how.decoder(as_type)
        take = partialize or (dict if isinstance(store, KeyedStore) else _whole)
        member = _Member(
            store,
            version,
            lambda value: encode_state(take(value), how, decoder),
            lambda row: decode_state(row, decoder, version, migrate),
            merge,
        )
        with self._file_lock:
            if self._is_closed:
                raise UsageError(f"{self!r} is closed")
            if name in self._members or store in self._by_cell:
                raise UsageError(
                    f"{self!r} has key {name!r} or its store already; give another key="
                )
            is_old = self._is_older(name, version)
            # The number first: a commit between the two then counts as unsaved.
            begin = member.saved_at = member.changed_at = store.domain.number
            member.saved = store.committed
            if self._load(name, member):
                # Equal values are not replaced, and a keyed store makes its own snapshot: the next write compares texts.
                member.saved = UNSET
            self._members[name] = member
            self._by_cell[store] = member
            domain = store.domain
            if domain not in self._hooks:
                self._reached[domain] = domain.number
                self._hooks[domain] = domain.on_commit(partial(self._on_commit, domain))
            is_late = domain.number > begin
            if is_late:
                member.changed_at = max(member.changed_at, domain.number)
        if self._state.is_outdated or is_old or is_late or store.committed is not member.saved:
            # Another thread wrote before the hook was there, or a migrated or bad row must be replaced.
            self._start_timer()

    def flush(self) -> bool:
        """Writes what is not saved, on this thread, after a write that is under way.

        Includes commits whose delivery has not begun.

        Returns:
            Whether everything is in the file; if not, a report says why.
        """
        self._stop_timer()
        with self._file_lock:
            return self._is_closed or self._save()

    def reload(self) -> bool:
        """Reads the file again and gives the stores what it has, in one commit for each domain.

        Changes that were not saved are lost. A store without a row in the file keeps its value, and so does a closed one.

        Returns:
            Whether the file was read; if not, a report says why.

        Raises:
            UsageError: inside a batch, or after close().
        """
        _check_outside_batch("reload() makes commits of its own")
        with self._file_lock:
            self._check_open()
            before = self._state.rows
            is_read = self._state.read()
            with ExitStack() as stack:
                for domain in self._hooks:
                    stack.enter_context(batch(domain))
                for name, member in self._members.items():
                    if member.store.is_closed:
                        continue
                    # A store that had no row and has none now may be one that never changed: nothing is written of it.
                    if self._load(name, member) or name in before:
                        member.saved = UNSET
                        member.is_cleared = False
        self._start_timer()
        return is_read

    def clear(self) -> bool:
        """Removes what the file has of the stores, and the file itself when nothing else is in it.

        The stores keep their values. The next change of one of them saves all of them again.

        Returns:
            Whether it is gone; if not, a report says why.

        Raises:
            UsageError: after close().
        """
        self._stop_timer()
        with self._file_lock:
            self._check_open()
            members = self._members
            seen = self._look(members)
            if not self._state.clear(set(members)):
                return False
            for key, member in members.items():
                _note_saved(member, seen[key])
                member.is_cleared = True
            return True

    def close(self) -> bool:
        """Writes what is not saved and releases the stores and the file. Returns the same as `flush`."""
        # Dropped after the lock, because the last reference to a value may run a finalizer of the program.
        released: list[object] = []
        with self._file_lock:
            is_saved = self.flush()
            if not self._is_closed:
                self._is_closed = True
                for hook in self._hooks.values():
                    hook.dispose()
                released += [self._members, self._by_cell]
                # New ones, because a save that this interrupts may walk the old ones.
                self._members, self._by_cell = {}, {}
                atexit.unregister(self.close)
                self._forget_signals()
                self._storage.close()
                with _open_lock:
                    _open_files.discard(self)
        self._stop_timer()
        return is_saved

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError(f"{self!r} is closed")

    def disown(self) -> None:
        """Leaves the file to the parent process. In a child after a fork, where the locks may be held for good."""
        self._is_closed = True
        self._file_lock, self._timer_lock = threading.RLock(), threading.RLock()
        self._timer = None
        if isinstance(self._storage, FileStorage):
            self._storage.disown()

    # --- loading ------------------------------------------------------------------------------------------------------

    def _is_older(self, key: str, version: int) -> bool:
        row = self._state.rows.get(key)
        return row is not None and row.version < version

    def _load(self, key: str, member: _Member) -> bool:
        """Gives the store what the file has for it; whether that was anything."""
        store, merge = member.store, member.merge

        def make(row: Saved) -> Any:
            part = member.decode(row)
            try:
                whole = part if merge is None else merge(store.committed, part)
            except Exception as error:
                raise BadState("corrupt", f"merge raised {type(error).__name__}") from error
            try:
                store.domain.checked(store, whole)
            except Exception as error:
                # Where `validate=` became stricter, each start of the program would fail.
                reason = f"the store does not accept its state ({type(error).__name__})"
                raise BadState("corrupt", reason) from error
            return whole

        value = self._state.load(key, make)
        if value is UNSET:
            return False
        if isinstance(store, KeyedStore):
            store.replace_all(value)
        else:
            store.set(value)
        return True

    # --- saving -------------------------------------------------------------------------------------------------------

    def _on_commit(self, domain: Domain, commit: Commit) -> None:
        by_cell: dict[Any, _Member] = self._by_cell
        is_ours = False
        for source, _, _ in commit.changes:
            member = by_cell.get(source)
            if member is not None:
                member.changed_at = commit.number
                is_ours = True
        self._reached[domain] = commit.number
        if is_ours:
            self._start_timer()

    def _start_timer(self) -> None:
        timer = SingleAssignmentDisposable()
        with self._timer_lock:
            if self._timer is not None or self._is_closed:
                return
            self._timer = timer
        timer.disposable = self._scheduler.schedule_relative(self._delay, self._on_timer)

    def _stop_timer(self) -> None:
        with self._timer_lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.dispose()

    def _on_timer(self, _scheduler: SchedulerBase, _state: object = None) -> None:
        with self._timer_lock:
            self._timer = None
        with self._file_lock:
            if not self._is_closed:
                self._save()

    def _save(self) -> bool:
        """Writes the file if a store changed. Under the file lock; user code and the disk stop no other thread."""
        is_anew = False
        members = self._members
        while True:
            self._turn += 1
            turn = self._turn
            seen = self._look(members)
            rows = dict(self._state.rows)
            changed = {key for key, it in seen.items() if is_anew or it.is_changed}
            if changed:
                changed |= {key for key, member in members.items() if member.is_cleared}
            failed = {
                key for key in changed if not self._encode(rows, key, members[key], seen[key].value)
            }
            is_written = self._state.write(rows)
            if turn == self._turn:
                break
            # A signal handler saved on this thread meanwhile. This write may have replaced a newer one.
            is_anew = True
        if not is_written:
            return False
        for key in changed - failed:
            _note_saved(members[key], seen[key])
            members[key].is_cleared = False
        return not failed

    def _look(self, members: dict[str, _Member]) -> dict[str, _Seen]:
        """Returns what there is of all stores; of those of one domain as it was at one commit."""
        seen: dict[str, _Seen] = {}
        for domain in self._hooks:
            with domain.exclusive():
                number = domain.number
                waiting = domain.pending()
                # No hook has seen the waiting ones, and this one perhaps not that under delivery, whose stores are unknown.
                begun = waiting[0].number - 1 if waiting else number
                newest = {source: it.number for it in waiting for source, _, _ in it.changes}
                for key, member in members.items():
                    store: Any = member.store
                    if store.domain is not domain:
                        continue
                    changed_at = max(member.changed_at, newest.get(store, 0))
                    if begun > self._reached[domain]:
                        changed_at = max(changed_at, begun)
                    is_changed = store.committed is not member.saved or changed_at > member.saved_at
                    seen[key] = _Seen(store.committed, number, is_changed)
        return seen

    def _encode(self, rows: dict[str, Saved], key: str, member: _Member, value: Any) -> bool:
        try:
            rows[key] = Saved(member.version, member.part(value))
        except BadState as bad:
            # The next start would set such a row aside.
            text = f"store {key!r}: {bad.reason}; its last good state stays"
            self._reporter.begins("unencodable", text, bad, key=key)
            return False
        except BaseException as error:  # noqa: BLE001 - of the program's function; it must not end the thread that writes
            text = f"store {key!r} cannot be written as JSON ({type(error).__name__}); its last good state stays"
            self._reporter.begins("unencodable", text, error, key=key)
            return False
        self._reporter.ends("unencodable", key=key)
        return True


def _note_saved(member: _Member, seen: _Seen) -> None:
    member.saved, member.saved_at = seen.value, seen.number


def _whole(value: Any) -> Any:
    return value


def _check_outside_batch(why: str) -> None:
    if active_batch() is not None:
        raise UsageError(f"{why}; call this outside of batch()")


def _checked(path: str | os.PathLike[str]) -> Path:
    """Returns the absolute path of a file, links followed."""
    if not isinstance(path, (str, bytes, os.PathLike)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            f'path= takes a string or a Path; got {type(path).__name__}. Write "state.json"'
        )
    text = os.fspath(path)
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError("the path of a PersistFile is a str or a pathlib.Path, not bytes")
    if not text or text == ":memory:" or "\0" in text or not os.path.basename(text):
        raise UsageError(
            f"{text!r} names no file; give the path of one, such as 'settings.json', or leave persist() out"
            " to keep nothing"
        )
    return Path(os.path.realpath(text))


def _after_fork() -> None:
    """Leaves all files to the parent process."""
    global _open_lock
    _open_lock = threading.RLock()
    for file in _open_files:
        file.disown()
    _open_files.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
