"""`persist`: the short way to a `PersistFile` with one store. Called by application roots.

`persist_file` says how a file is loaded and written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from reactivex.abc import SchedulerBase

from ...state import KeyedStore, Store
from .codec import StateCodec
from .persist_file import PersistFile
from .persist_report import PersistReport
from .storage import StateStorage

__all__ = ["persist"]

T = TypeVar("T")
P = TypeVar("P")
K = TypeVar("K")
V = TypeVar("V")


@overload
def persist(
    store: Store[T],
    path: str | os.PathLike[str],
    *,
    as_type: type[T],
    version: int = 1,
    migrate: Callable[[Any, int], Any] | None = None,
    codec: StateCodec | None = None,
    merge: Callable[[T, T], T] | None = None,
    delay: float = 0.5,
    on_report: Callable[[PersistReport], None] | None = None,
    scheduler: SchedulerBase | None = None,
    storage: StateStorage | None = None,
) -> PersistFile: ...
@overload
def persist(
    store: Store[T],
    path: str | os.PathLike[str],
    *,
    as_type: type[P],
    version: int = 1,
    migrate: Callable[[Any, int], Any] | None = None,
    codec: StateCodec | None = None,
    partialize: Callable[[T], P],
    merge: Callable[[T, P], T],
    delay: float = 0.5,
    on_report: Callable[[PersistReport], None] | None = None,
    scheduler: SchedulerBase | None = None,
    storage: StateStorage | None = None,
) -> PersistFile: ...
@overload
def persist(
    store: KeyedStore[K, V],
    path: str | os.PathLike[str],
    *,
    as_type: type[dict[K, V]],
    version: int = 1,
    migrate: Callable[[Any, int], Any] | None = None,
    codec: StateCodec | None = None,
    merge: Callable[[Mapping[K, V], dict[K, V]], Mapping[K, V]] | None = None,
    delay: float = 0.5,
    on_report: Callable[[PersistReport], None] | None = None,
    scheduler: SchedulerBase | None = None,
    storage: StateStorage | None = None,
) -> PersistFile: ...
@overload
def persist(
    store: KeyedStore[K, V],
    path: str | os.PathLike[str],
    *,
    as_type: type[P],
    version: int = 1,
    migrate: Callable[[Any, int], Any] | None = None,
    codec: StateCodec | None = None,
    partialize: Callable[[Mapping[K, V]], P],
    merge: Callable[[Mapping[K, V], P], Mapping[K, V]],
    delay: float = 0.5,
    on_report: Callable[[PersistReport], None] | None = None,
    scheduler: SchedulerBase | None = None,
    storage: StateStorage | None = None,
) -> PersistFile: ...


def persist(
    store: Any,
    path: str | os.PathLike[str],
    *,
    as_type: Any,
    version: int = 1,
    migrate: Callable[[Any, int], Any] | None = None,
    codec: StateCodec | None = None,
    partialize: Callable[[Any], Any] | None = None,
    merge: Callable[[Any, Any], Any] | None = None,
    delay: float = 0.5,
    on_report: Callable[[PersistReport], None] | None = None,
    scheduler: SchedulerBase | None = None,
    storage: StateStorage | None = None,
) -> PersistFile:
    """Keeps one store in a file of its own: loads it now, saves it after changes.

    Several stores in one file: make a `PersistFile` and `add` each.

    Args:
        store, as_type, version, migrate, codec, partialize, merge: As for `PersistFile.add`; the key in the file is "state".
        path, delay, on_report, scheduler, storage: As for `PersistFile`.

    Returns:
        The file; `close()` it at the end, or use it as a context manager.

    Raises:
        UsageError, FileUnusable, TypeError: as `PersistFile` and its `add`.
    """
    file = PersistFile(path, delay=delay, on_report=on_report, scheduler=scheduler, storage=storage)
    try:
        # The overloads say what goes together.
        add: Any = file.add
        add(
            store,
            as_type=as_type,
            key="state",
            version=version,
            migrate=migrate,
            codec=codec,
            partialize=partialize,
            merge=merge,
        )
    except BaseException:
        file.close()
        raise
    return file
