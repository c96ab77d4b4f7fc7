"""A confirmed value with pending changes on top of it.

The confirmed value and the pending changes are one record in one store. So each step is one commit, also when several
threads confirm and discard at once. The visible value is derived: all pending changes, in order, over the confirmed value,
computed at most once a commit. Does not know what makes a change pending: `service` and programs call this.
"""

# The classes of this module share names with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs

from ..engine import (
    Domain,
    Equals,
    Source,
    check_function,
    check_result,
    name_of,
    refuse_copy,
    same,
    unchanged,
)
from ..state import ReadOnly, Store, derived

__all__ = ["OptimisticStore", "Patch"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@attrs.frozen(eq=False)
class Layers(Generic[T]):
    """The state of an optimistic store.

    Attributes:
        confirmed: The value without pending changes.
        pending: The pending changes, oldest first.
    """

    confirmed: T
    pending: tuple[Patch[T], ...] = ()


class Patch(Generic[T]):
    """A pending change of an `OptimisticStore`. Made by its `apply`. All methods may be called from any thread."""

    __slots__ = ("_change", "_has_failed", "_store")

    __reduce_ex__ = refuse_copy

    def __init__(self, store: OptimisticStore[T], change: Callable[[T], T]) -> None:
        self._store = store
        self._change = change
        self._has_failed = False

    def __repr__(self) -> str:
        state = "pending" if self.is_pending else "done"
        return f"<Patch {name_of(self._change)} of {self._store.name!r}, {state}>"

    @property
    def is_pending(self) -> bool:
        """Whether the change is neither confirmed nor discarded; inside a batch as the batch sees it."""
        return self in self._store._layers.get().pending

    def confirm(self) -> bool:
        """Makes the change part of the confirmed value and no longer pending, in one commit.

        The change is applied to the confirmed value alone, without the other pending changes.

        Returns:
            Whether it was pending; if not, nothing happens.

        Raises:
            StoreClosed, FeedbackLoop: as a write to a store.
            Exception: what the change raises for the confirmed value; it is pending as before then.
        """
        return self._store._finish(self, is_confirmed=True)

    def discard(self) -> bool:
        """Removes this change alone; the other pending changes stay, in their order.

        For a change that was refused, and for one whose effect is in the confirmed value already. To write the confirmed
        value and discard the change in one commit, do both in a `batch()`.

        Returns:
            Whether it was pending; if not, nothing happens.

        Raises:
            StoreClosed, FeedbackLoop: as a write to a store.
        """
        return self._store._finish(self, is_confirmed=False)


class OptimisticStore(ReadOnly[T]):
    """A value that shows changes before they are confirmed.

    `get`, `select` and `derived` see the visible value: the pending changes, in the order in which they came, over the
    confirmed value. `set` and `update` write the confirmed value. All methods may be called from any thread and inside a
    batch.

    A pending change that raises for a later confirmed value is left out while it raises. The error hook of the domain gets
    one report.

    Args:
        initial: The first confirmed value.
        name: For reports; "optimistic" when None.
        domain: Whose order its commits have; the process's default domain when None.
        equals: When two values in a row count as no change; see `equality.same` for the default.
    """

    __slots__ = ("__weakref__", "_confirmed", "_equals", "_layers", "_pending", "_visible")

    def __init__(
        self,
        initial: T,
        *,
        name: str | None = None,
        domain: Domain | None = None,
        equals: Equals[T] | None = None,
    ) -> None:
        label = "optimistic" if name is None else name
        self._equals: Equals[T] = same if equals is None else equals
        self._layers: Store[Layers[T]] = Store(
            Layers(initial), name=label, domain=domain, is_dumped=False
        )
        layers = self._layers
        domain = layers.domain

        def visible(now: Layers[T]) -> T:
            value = now.confirmed
            for patch in now.pending:
                try:
                    value = patch._change(value)
                except Exception as error:  # noqa: BLE001 - the program's change; the others must show
                    if not patch._has_failed:
                        patch._has_failed = True
                        domain.report("patch", error, label, patch._change)
            return value

        self._visible = derived(layers, visible, equals=equals, name=label)
        self._confirmed = derived(
            layers, lambda now: now.confirmed, equals=equals, name=f"{label} confirmed"
        )
        self._pending = derived(layers, lambda now: now.pending, name=f"{label} pending")

    def __repr__(self) -> str:
        return f"<OptimisticStore {self.name!r} with {len(self._layers.get().pending)} pending>"

    @property
    def _origin(self) -> Source:
        return self._visible

    @property
    def name(self) -> str:
        """The store's name."""
        return self._layers.name

    @property
    def domain(self) -> Domain:
        """The domain whose order its commits have."""
        return self._layers.domain

    @property
    def confirmed(self) -> ReadOnly[T]:
        """The value without pending changes."""
        return self._confirmed

    @property
    def pending(self) -> ReadOnly[tuple[Patch[T], ...]]:
        """The pending changes, oldest first."""
        return self._pending

    def get(self) -> T:
        """Returns the visible value; inside a batch the batch's. Any thread, never blocks."""
        return self._visible.get()

    def set(self, value: T) -> None:
        """Makes `value` the confirmed value; the pending changes stay on top of it.

        Raises:
            StoreClosed, FeedbackLoop: as `Store.set`.
        """
        self.update(lambda _: value)

    def update(self, function: Callable[[T], T]) -> None:
        """Replaces the confirmed value by `function` of it; the pending changes stay on top of it.

        Args:
            function: Pure; runs again when another thread wrote meanwhile.

        Raises:
            StoreClosed, FeedbackLoop: as `Store.update`.
            Exception: what `function` raises; nothing is changed then.
        """

        def change(now: Layers[T]) -> Layers[T]:
            value = function(now.confirmed)
            check_result(value, function)
            if unchanged(self._equals, now.confirmed, value):
                return now
            return attrs.evolve(now, confirmed=value)

        self._layers.update(change)

    def apply(self, change: Callable[[T], T]) -> Patch[T]:
        """Puts a change on top of the visible value.

        Args:
            change: A pure function of the value. It runs again with each commit that changes what is below it, so it
                must accept a value in which an earlier pending change is missing.

        Returns:
            The pending change.

        Raises:
            StoreClosed, FeedbackLoop: as a write to a store.
            UsageError: `change` is not a function, or it returns a coroutine or a generator.
            Exception: what `change` raises for the visible value; nothing is changed then.
        """
        check_function(change, "the change of apply()", "await first, and apply the result")
        check_result(change(self.get()), change)
        patch = Patch(self, change)
        self._layers.update(lambda now: attrs.evolve(now, pending=(*now.pending, patch)))
        return patch

    def discard_all(self) -> int:
        """Removes all pending changes in one commit; returns how many there were."""
        found = 0

        def change(now: Layers[T]) -> Layers[T]:
            nonlocal found
            found = len(now.pending)
            return attrs.evolve(now, pending=()) if now.pending else now

        self._layers.update(change)
        return found

    def close(self) -> None:
        """Ends the store: its streams complete after the last value; later writes raise StoreClosed."""
        self._layers.close()

    def _finish(self, patch: Patch[T], *, is_confirmed: bool) -> bool:
        was_pending = False

        def change(now: Layers[T]) -> Layers[T]:
            nonlocal was_pending
            was_pending = patch in now.pending
            if not was_pending:
                return now
            confirmed: Any = patch._change(now.confirmed) if is_confirmed else now.confirmed
            return Layers(confirmed, tuple(it for it in now.pending if it is not patch))

        self._layers.update(change)
        return was_pending
