"""`Agenda`: work for later, by name. It owns no timer: `shell` asks for the deadline and calls `tick`."""

from __future__ import annotations

from collections.abc import Callable, Hashable

__all__ = ["Agenda"]


class Agenda:
    """Functions to call at a time. Loop only."""

    def __init__(self) -> None:
        self._items: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def __repr__(self) -> str:
        return f"<Agenda of {len(self._items)} items>"

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called, in seconds of the service's clock; None for never."""
        return min((due for due, _ in self._items.values()), default=None)

    def at(self, name: Hashable, due: float, act: Callable[[], None]) -> None:
        """Calls a function at a time, instead of the function with this name."""
        self._items[name] = (due, act)

    def cancel(self, name: Hashable) -> None:
        """Takes a function off; an unknown name changes nothing."""
        self._items.pop(name, None)

    def tick(self, now: float) -> None:
        """Calls the functions whose time has come."""
        for name, (due, act) in list(self._items.items()):
            if due <= now and self._items.get(name) == (due, act):
                del self._items[name]
                act()
