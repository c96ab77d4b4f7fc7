"""A file that keeps stores: loaded at the start, written after changes, whole or not at all.

A change starts a timer unless one is running; when it fires, one thread takes a snapshot of the stores under one commit
number, encodes what changed and replaces the file. So a batch is one write, a flood is one write per `delay`, and nothing
is encoded or written on the thread that delivers. A file that cannot be read, or that a later version of the program
wrote, is set aside under a new name and reported. One process may use a file at a time.

Meant for settings and sessions, states under 1 MB: the whole file is written each time. The outbox's journal and chat
histories do not belong here.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, overload

import attrs
import msgspec
from reactivex.abc import DisposableBase, SchedulerBase
from reactivex.disposable import SingleAssignmentDisposable
from reactivex.scheduler import TimeoutScheduler

from ..engine import UNSET, Cell, Commit, Domain, active_batch
from ..errors import UsageError
from ..state import KeyedStore, Store
from .persist_report import PersistReport, Reporter
from .state_file import StateFile
from .state_format import BadState, Entry, decode_state, encode_state

__all__ = ["PersistFile"]

T = TypeVar("T")
P = TypeVar("P")
K = TypeVar("K")
V = TypeVar("V")

_open_paths: set[Path] = set()
_open_lock = threading.Lock()


@attrs.define(eq=False)
class _Member:
    """One store of a file."""

    cell: Cell[Any]
    version: int
    part: Callable[[Any], Any]
    saved: Any
    """The value that the file has; compared by identity."""


class PersistFile:
    """A file that holds the state of one or more stores.

    Args:
        path: Its folder must exist. A link is followed. Readable by its owner only.
        delay: Seconds from the first unsaved change to the write.
        on_report: Called with a `PersistReport`, on the thread that loads or writes; logs to `reactive_ws.stores` when
            None.
        scheduler: Keeps the time of `delay` and is where writes happen; a timer thread when None.

    Raises:
        UsageError: this process has the file open already.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        delay: float = 0.5,
        on_report: Callable[[PersistReport], None] | None = None,
        scheduler: SchedulerBase | None = None,
    ) -> None:
        self.path = Path(os.path.realpath(path))
        self._delay = delay
        self._reporter = Reporter(self.path, on_report)
        self._scheduler = TimeoutScheduler.singleton() if scheduler is None else scheduler
        self._members: dict[str, _Member] = {}
        self._cells: frozenset[Cell[Any]] = frozenset()
        self._hooks: dict[Domain, DisposableBase] = {}
        self._timer: DisposableBase | None = None
        self._timer_lock = threading.Lock()
        # Held over a whole load or write, partialize functions included; re-entrant because these may call flush().
        self._file_lock = threading.RLock()
        self._is_closed = False
        with _open_lock:
            if self.path in _open_paths:
                raise UsageError(
                    f"{self.path} is open already; use one PersistFile and add() every store to it"
                )
            _open_paths.add(self.path)
        self._state = StateFile(self.path, self._reporter)
        atexit.register(self.close)

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
        partialize: Callable[[Any], Any] | None = None,
        merge: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        """Loads a store from the file and saves its changes from now on.

        Args:
            store: A store or a keyed store, of any domain. Stores of one domain are saved under one commit number.
            as_type: What is in the file: the type of the value, `dict[K, V]` for a keyed store, or what `partialize`
                returns. Anything that msgspec reads and writes as JSON: attrs classes, dataclasses, structs, plain
                types.
            key: Its name in the file; the store's name when None.
            version: Of the state; raise it when the type changes.
            migrate: Makes plain JSON data of this version from that of an earlier one: (data, version) -> data.
            partialize: The part of the value to save; a pure function, called where the file is written.
            merge: Makes the value from the current one and the loaded part; a pure function. The loaded one as it is
                when None. Goes with `partialize`.

        Raises:
            UsageError: inside a batch, after close(), a key or a store that is there already, or a `partialize` without
                `merge`.
            TypeError: msgspec cannot read `as_type`.
        """
        name = store.name if key is None else key
        if active_batch() is not None:
            raise UsageError(
                "a store is loaded by a commit of its own; call this outside of batch()"
            )
        if partialize is not None and merge is None:
            raise UsageError("partialize= needs merge=, which puts the loaded part into the value")
        # Before anything is touched: a type that cannot be read is the program's mistake, not the file's.
        msgspec.json.Decoder(as_type)
        part = partialize or (dict if isinstance(store, KeyedStore) else _whole)
        with self._file_lock:
            if self._is_closed:
                raise UsageError(f"{self!r} is closed")
            if name in self._members or store in self._cells:
                raise UsageError(
                    f"{self!r} has key {name!r} or its store already; give another key="
                )
            loaded = self._load(
                store, name, lambda entry: decode_state(entry, as_type, version, migrate), merge
            )
            self._members[name] = _Member(store, version, part, loaded)
            self._cells |= {store}
            if store.domain not in self._hooks:
                self._hooks[store.domain] = store.domain.on_commit(self._on_commit)
        if self._state.is_outdated or store._value is not loaded:
            # Somebody wrote while the hook was not there yet, or a bad entry must leave the file.
            self._start_timer()

    def flush(self) -> bool:
        """Writes what is not saved, on this thread, after a write that is under way. Any thread.

        Includes commits that no observer was told of yet.

        Returns:
            Whether everything is in the file; if not, it was reported why.
        """
        self._stop_timer()
        with self._file_lock:
            return self._is_closed or self._save()

    def close(self) -> bool:
        """Writes what is not saved and lets go of the stores and the file; the same result as `flush`."""
        with self._file_lock:
            is_saved = self.flush()
            if not self._is_closed:
                self._is_closed = True
                for hook in self._hooks.values():
                    hook.dispose()
                atexit.unregister(self.close)
                with _open_lock:
                    _open_paths.discard(self.path)
        self._stop_timer()
        return is_saved

    # --- loading ------------------------------------------------------------------------------------------------------

    def _load(
        self,
        store: Store[Any] | KeyedStore[Any, Any],
        key: str,
        decode: Callable[[Entry], Any],
        merge: Callable[[Any, Any], Any] | None,
    ) -> Any:
        """Gives the store what the file has for it; returns the value that counts as saved."""

        def make(entry: Entry) -> Any:
            part = decode(entry)
            try:
                return part if merge is None else merge(store._value, part)
            except Exception as error:
                raise BadState("corrupt", f"merge raised {type(error).__name__}") from error

        value = self._state.load(key, make)
        if value is UNSET:
            return store._value
        if isinstance(store, KeyedStore):
            store.replace_all(value)
            # Somebody may have written since; the next write compares what is encoded.
            return UNSET
        store.set(value)
        return value

    # --- saving -------------------------------------------------------------------------------------------------------

    def _on_commit(self, commit: Commit) -> None:
        if any(source in self._cells for source, _, _ in commit.changes):
            self._start_timer()

    def _start_timer(self) -> None:
        with self._timer_lock:
            if self._timer is not None or self._is_closed:
                return
            self._timer = timer = SingleAssignmentDisposable()
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
        """Writes the file if a store changed. Under the file lock; user code and the disk do not stop anybody else."""
        values = self._snapshot()
        entries = dict(self._state.entries)
        failed = {
            key
            for key, member in self._members.items()
            if values[key] is not member.saved
            and not self._encode(entries, key, member, values[key])
        }
        if not self._state.write(entries):
            return False
        for key, member in self._members.items():
            if key not in failed:
                member.saved = values[key]
        return not failed

    def _snapshot(self) -> dict[str, Any]:
        """Returns the values of all stores; those of one domain as they were at one commit."""
        values: dict[str, Any] = {}
        for domain in self._hooks:
            with domain._lock:
                for key, member in self._members.items():
                    if member.cell.domain is domain:
                        values[key] = member.cell._value
        return values

    def _encode(self, entries: dict[str, Entry], key: str, member: _Member, value: Any) -> bool:
        try:
            state = encode_state(member.part(value))
        except Exception as error:  # noqa: BLE001 - the user's partialize, or a type that msgspec does not know
            text = f"store {key!r} cannot be written as JSON ({type(error).__name__}); its last good state stays"
            self._reporter.begins("unencodable", text, error, key=key)
            return False
        self._reporter.ends("unencodable", key=key)
        entries[key] = Entry(member.version, state)
        return True


def _whole(value: Any) -> Any:
    return value
