"""One log line for each change of a store or of a whole domain.

A line names the store, the commit and the depth in a chain of causes. It has values only when the program says how to show
them, so that secrets stay out. Keeps nothing: that is `inspector`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from reactivex.abc import DisposableBase

from ..engine import Cell, Commit, Domain, check_function, check_kind
from ..state import KeyedStore, Store

__all__ = ["logger"]

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

_log = logging.getLogger("reactive_ws.stores")


@overload
def logger(
    target: Store[T], *, show: Callable[[T], str] | None = None, level: int = logging.DEBUG
) -> DisposableBase: ...
@overload
def logger(
    target: KeyedStore[K, V],
    *,
    show: Callable[[Mapping[K, V]], str] | None = None,
    level: int = logging.DEBUG,
) -> DisposableBase: ...
@overload
def logger(
    target: Domain, *, show: Callable[[Any], str] | None = None, level: int = logging.DEBUG
) -> DisposableBase: ...


def logger(
    target: Store[Any] | KeyedStore[Any, Any] | Domain,
    *,
    show: Callable[[Any], str] | None = None,
    level: int = logging.DEBUG,
) -> DisposableBase:
    """Logs each change to `reactive_ws.stores`: name, commit number, depth.

    Runs on the delivering thread, before the observers. A `show` that raises is reported as a failing hook.

    Args:
        target: A store, a keyed store, or a domain for all of its stores.
        show: Makes the text of a value; leave secrets out of it. None logs no values.
        level: The level of the lines. Nothing is formatted, and `show` is not called, when it is not enabled.

    Returns:
        The logger; `dispose()` it to stop.

    Raises:
        UsageError: an argument of a wrong kind.
    """
    check_kind(
        target, (Store, KeyedStore, Domain), "logger()", "logger(store.domain)", is_required=True
    )
    check_kind(level, int, "level=", "logging.INFO", is_required=True)
    if show is not None:
        check_function(show, "show=", "make the text at once")
    domain = target if isinstance(target, Domain) else target.domain
    only: Cell[Any] | None = None if isinstance(target, Domain) else target

    def write(commit: Commit) -> None:
        if not _log.isEnabledFor(level):
            return
        for store, old, new in commit.changes:
            if only is not None and store is not only:
                continue
            if show is None:
                _log.log(
                    level,
                    "commit %d: %r changed, depth %d",
                    commit.number,
                    store.name,
                    commit.depth,
                )
            else:
                _log.log(
                    level,
                    "commit %d: %r changed, depth %d: %s -> %s",
                    commit.number,
                    store.name,
                    commit.depth,
                    show(old),
                    show(new),
                )
        for store in commit.closed:
            if only is None or store is only:
                _log.log(level, "commit %d: %r closed", commit.number, store.name)

    return domain.on_commit(write)
