"""The observed keys of a keyed store: one source for each, found by a dict lookup when its key changes."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ...engine import UNSET, Cell, Dependent, Root, fork_safe_lock

__all__ = ["KeySource", "KeySources"]

K = TypeVar("K")


class KeySource(Root):
    """One key: its observers, and the derived values computed from it. There is at most one for each key of a store.

    The store finds it through a weak reference and holds it while it is observed.
    """

    __slots__ = ("_key", "_observed", "_store")

    def __init__(self, store: Cell[Any], key: Any, observed: set[KeySource]) -> None:
        super().__init__(store._domain, store.name)
        self._store = store
        self._key = key
        # Of all sources of the store: those that have observers or readers.
        self._observed = observed

    @property
    def _cell(self) -> Cell[Any]:
        return self._store

    def _capture(self) -> Any:
        return self._store._value

    def _has_ended(self) -> bool:
        return self._store._is_shut

    def _project(self, captured: Any) -> Any:
        return captured._values.get(self._key)

    def _awake(self) -> None:
        store = self._store
        # While it had no observer, no delivery gave it values, nor the end.
        self._delivered = UNSET
        self._is_closed = store._is_closed
        # A set of sources, not a dict of keys: hashing a key may run user code, and this runs under the lock.
        self._observed.add(self)
        if not store._is_light:
            self._domain._interest.append(store)
        if not self._is_awake:
            self._is_awake = True
            store._others += 1

    def _asleep(self) -> None:
        store = self._store
        self._domain._trash.append(self._delivered)
        self._delivered = UNSET
        if not self._readers:
            self._observed.discard(self)
        if not store._is_light:
            self._domain._interest.append(store)
        if self._is_awake:
            self._is_awake = False
            store._others -= 1

    def _add_dependent(self, dependent: Dependent) -> None:
        self._domain._interest.append(self)
        if dependent not in self._dependents:
            self._dependents[dependent] = None
            self._others += 1
            self._store._reached += 1

    def _remove_dependent(self, dependent: Dependent) -> None:
        self._domain._interest.append(self)
        if dependent in self._dependents:
            del self._dependents[dependent]
            self._others -= 1
            self._store._reached -= 1

    def _add_reader(self, reader: Dependent) -> None:
        store = self._store
        # Found at the next commit, like an observed one.
        self._observed.add(self)
        if reader not in self._dependents:
            self._dependents[reader] = None
            self._others += 1
            self._readers += 1
            store._others += 1
            store._readers += 1
            store._reached += 1

    def _remove_reader(self, reader: Dependent) -> None:
        store = self._store
        if reader in self._dependents:
            del self._dependents[reader]
            self._others -= 1
            self._readers -= 1
            store._others -= 1
            store._readers -= 1
            store._reached -= 1
        if not self._readers and not self._is_awake:
            self._domain._trash.append(self._delivered)
            self._delivered = UNSET
            self._observed.discard(self)

    def _label(self) -> str:
        return f"{self._store.name}[{self._key!r}]"


class _Reference(weakref.ref[KeySource]):
    """A weak reference to the source of a key."""

    __slots__ = ("key",)

    key: Any


class KeySources(Generic[K]):
    """The sources of one keyed store, at most one for each key.

    Args:
        store: The store.
    """

    __slots__ = ("_forget", "_lock", "_references", "_store", "observed")

    def __init__(self, store: Cell[Any]) -> None:
        self._store = weakref.ref(store)
        self._references: dict[K, _Reference] = {}
        # Not the domain's lock, because hashing and comparing keys may run user code.
        self._lock = fork_safe_lock()
        self._forget = _forgetting(self._references, self._lock)
        # A set of sources, not a dict of keys: it changes under the domain's lock, and hashing a key may run user code.
        self.observed: set[KeySource] = set()

    def find(self, key: K) -> KeySource | None:
        """Returns the source of a key, or None when there is none now."""
        reference = self._references.get(key)
        return None if reference is None else reference()

    def source(self, key: K) -> KeySource:
        """Returns the source of a key, made now if there is none. Any thread."""
        with self._lock:
            source = self.find(key)
            if source is None:
                store = self._store()
                assert store is not None, "a store holds its keys, so it is there"
                source = KeySource(store, key, self.observed)
                reference = self._references[key] = _Reference(source, self._forget)
                reference.key = key
            return source


def _forgetting(
    references: dict[Any, _Reference], lock: threading.RLock
) -> Callable[[_Reference], None]:
    """Returns what removes a dead reference; it keeps no store alive."""

    def forget(reference: _Reference) -> None:
        # Not blocking: this runs whenever a source dies, also inside the lock. A dead reference that stays is replaced
        # by the next observer of its key.
        if lock.acquire(blocking=False):
            try:
                if references.get(reference.key) is reference:
                    del references[reference.key]
            finally:
                lock.release()

    return forget
