"""`Active`: which entity of a keyed store is the active one, such as the open document or the selected row."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from ...engine import Source, check_kind
from ..computed import Derived
from ..derived import derived
from ..store import ReadOnly, Store
from .keyed_store import KeyedStore

__all__ = ["Active"]

K = TypeVar("K")
V = TypeVar("V")


class Active(ReadOnly["V | None"], Generic[K, V]):
    """The active entity of a keyed store, or None. It follows the entity, and is None in the commit that removes it.

    Args:
        store: The keyed store.
        key: The key that is active first; None: no key.
        name: For reports and dumps. None: reports say "active" with the name of the store, and dumps have no active key.
    """

    __slots__ = ("__weakref__", "_entity", "_key", "_shown")

    def __init__(
        self, store: KeyedStore[K, V], key: K | None = None, *, name: str | None = None
    ) -> None:
        check_kind(store, KeyedStore, "Active()", "a keyed store", is_required=True)
        label = f"active {store.name}" if name is None else name
        self._key: Store[K | None] = Store(
            key, name=label, domain=store.domain, is_dumped=name is not None
        )
        entities = store.select_all()

        def shown(key: K | None, now: Any) -> K | None:
            return key if key is not None and key in now else None

        self._shown: Derived[K | None] = derived(self._key, entities, shown, name=f"key of {label}")
        self._entity: Derived[V | None] = derived(
            self._shown,
            entities,
            lambda key, now: None if key is None else now.get(key),
            name=label,
        )

    def __repr__(self) -> str:
        return f"<Active {self.key.get()!r}>"

    @property
    def _origin(self) -> Source:
        return self._entity

    @property
    def key(self) -> ReadOnly[K | None]:
        """The active key; None when there is none, or when its entity is gone."""
        return cast("ReadOnly[K | None]", self._shown)

    def get(self) -> V | None:
        """Returns the active entity, or None; inside a batch the batch's. Any thread, never blocks."""
        return self._entity.get()

    def set(self, key: K | None) -> None:
        """Makes another key the active one; None: no key. A key without an entity is active once its entity is there.

        Raises:
            StoreClosed, FeedbackLoop: as `Store.set`.
        """
        self._key.set(key)
