"""`Mirror`: a replica of a store that changes between frames only, so that all widgets of a frame agree.

All mirrors of a loop change together, in one commit of the loop's own domain. Observers, selections and derived values of
mirrors follow the rules of stores, on the UI thread. `UiLoop.mirror` makes mirrors.
"""

from __future__ import annotations

from typing import Any, TypeVar

import attrs
from reactivex import abc

from ..engine import Domain, ErrorReport, Source, batch
from ..state import KeyedStore, ReadOnly, ReadOnlyKeyed, Selection, Store, snapshot
from .binding import value_of
from .ui_thread import FramedUi

__all__ = ["Mirror", "Mirrors"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Mirror(ReadOnly[T_co], abc.DisposableBase):
    """A replica of a store for one user interface. Call `get` and `select`, and derive from it, on the UI thread.

    It holds the value that its store had when the frame began. It does not change between two frames, and all mirrors of one
    domain show one commit. `dispose` and the end of the loop complete its streams.
    """

    __slots__ = ("__weakref__", "_kept", "_room", "_store")

    def __init__(self, room: Mirrors, store: ReadOnly[T_co], kept: Store[Any]) -> None:
        self._room = room
        self._store = store
        self._kept = kept

    def __repr__(self) -> str:
        return f"<Mirror of {self._store!r}>"

    @property
    def _origin(self) -> Source:
        return self._kept

    @property
    def store(self) -> ReadOnly[T_co]:
        """The store that it mirrors; of a keyed store or a selection, a derived value of it."""
        return self._store

    def get(self) -> T_co:
        """Returns the value as of the last frame."""
        value: T_co = self._kept.get()
        return value

    def dispose(self) -> None:
        """Stops following the store. UI thread."""
        self._room.remove(self)


@attrs.define(eq=False)
class _Following:
    """The value that one mirror shows, and its subscription to the store."""

    store: ReadOnly[Any]
    kept: Store[Any]
    upstream: abc.DisposableBase


class Mirrors:
    """All mirrors of one loop, and their domain. UI thread."""

    def __init__(self, ui: FramedUi) -> None:
        self._ui = ui
        self._all: dict[Mirror[Any], _Following] = {}
        self.domain = Domain("ui", on_error=self._report)
        ui.on_close(self._close)

    def add(
        self,
        source: ReadOnly[Any] | Selection[Any] | KeyedStore[Any, Any] | ReadOnlyKeyed[Any, Any],
    ) -> Mirror[Any]:
        store = value_of(source)
        name = f"mirror of {getattr(store, 'name', 'a value')}"
        kept: Store[Any] = Store(store.get(), name=name, domain=self.domain, equals=_is_same)
        mirror = Mirror(self, store, kept)
        if self._ui.is_closed:
            return mirror
        upstream = store.select().subscribe(self._changed)
        self._all[mirror] = _Following(store, kept, upstream)
        return mirror

    def remove(self, mirror: Mirror[Any]) -> None:
        following = self._all.pop(mirror, None)
        if following is not None:
            following.upstream.dispose()
            following.kept.close()

    def _changed(self, _: object) -> None:
        self._ui.frame.request_early(self, self._refresh)

    def _refresh(self) -> None:
        by_domain: dict[Domain, list[_Following]] = {}
        for following in self._all.values():
            by_domain.setdefault(following.store.domain, []).append(following)
        # Read before the batch opens, all mirrors of a domain at one commit, so that they agree.
        values = [(mirrors, self._values(mirrors)) for mirrors in by_domain.values()]
        with batch(self.domain):
            for mirrors, them in values:
                for mirror, value in zip(mirrors, them, strict=True):
                    mirror.kept.set(value)

    def _values(self, mirrors: list[_Following]) -> tuple[Any, ...]:
        try:
            return snapshot(*(mirror.store for mirror in mirrors))
        except Exception as error:  # noqa: BLE001 - a derived value that fails; the mirrors keep what they show
            self._ui.on_error(error)
            return tuple(mirror.kept.get() for mirror in mirrors)

    def _report(self, report: ErrorReport) -> None:
        if isinstance(report.error, Exception):
            self._ui.on_error(report.error)

    def _close(self) -> None:
        for mirror in list(self._all):
            self.remove(mirror)


def _is_same(old: object, new: object) -> bool:
    return old is new
