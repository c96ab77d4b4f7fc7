"""The channels that the program wants and those that the server has been asked for, and what to send to make both equal.

    * Observers are counted by name. The first one subscribes, the last one that leaves unsubscribes. The service sends both
      in the next turn of the loop, so that swapping one observer for another sends nothing.
    * On a new connection the server has been asked for nothing, so every wanted channel is subscribed again.
    * A subscription that the server does not confirm is repeated after 1, 2, 5, 10, 10, ... seconds, each by itself.

It sends nothing and owns no timer: `shell` calls `due` and sends. Observers may come and go on any thread.
"""

from __future__ import annotations

import threading

import attrs

from ..wire import Subscribe, Unsubscribe

__all__ = ["Subscriptions"]

_DELAYS = (1.0, 2.0, 5.0, 10.0)


@attrs.define
class _Told:
    attempts: int
    again_at: float | None


class Subscriptions:
    """The channels of one service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, int] = {}
        self._told: dict[str, _Told] = {}

    def add(self, name: str) -> None:
        """Counts an observer of a channel. Any thread."""
        with self._lock:
            self._wanted[name] = self._wanted.get(name, 0) + 1

    def remove(self, name: str) -> None:
        """An observer of a channel left. Any thread."""
        with self._lock:
            self._wanted[name] -= 1
            if not self._wanted[name]:
                del self._wanted[name]

    @property
    def deadline(self) -> float | None:
        """When `due` has something to say: the first subscription that should have been confirmed."""
        times = [told.again_at for told in self._told.values() if told.again_at is not None]
        return min(times, default=None)

    def lost(self) -> None:
        """The connection ended; the next server has been asked for nothing."""
        self._told.clear()

    def confirmed(self, name: str) -> None:
        """The server said that this channel is subscribed."""
        told = self._told.get(name)
        if told is not None:
            told.again_at = None

    def due(self, now: float) -> list[Subscribe | Unsubscribe]:
        """Returns what to tell the server now, in order."""
        with self._lock:
            wanted = tuple(self._wanted)
        unwanted = [name for name in self._told if name not in wanted]
        for name in unwanted:
            del self._told[name]
        say: list[Subscribe | Unsubscribe] = [Unsubscribe(name) for name in unwanted]
        for name in wanted:
            told = self._told.setdefault(name, _Told(0, now))
            if told.again_at is not None and told.again_at <= now:
                told.again_at = now + _DELAYS[min(told.attempts, len(_DELAYS) - 1)]
                told.attempts += 1
                say.append(Subscribe(name))
        return say
