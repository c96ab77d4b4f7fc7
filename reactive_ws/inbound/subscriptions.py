"""The channels that the program wants and those that the server has been asked for, and what to send to make both equal.

    * Observers are counted by name. The first one subscribes, the last one that leaves unsubscribes. The service sends both
      in the next turn of the loop, so that swapping one observer for another sends nothing.
    * On a new connection the server has been asked for nothing, so every wanted channel is subscribed again.
    * A subscription that the server does not confirm is repeated after 1, 2, 5, 10, 10, ... seconds, each by itself.
    * A subscription that the server refused is not asked for again until the token changes, or until its last observer left.

It sends nothing and owns no timer: `shell` calls `due` and sends. Observers may come and go on any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import attrs

from ..engine import refuse_copy

__all__ = ["Asking", "Subscriptions"]

_DELAYS = (1.0, 2.0, 5.0, 10.0)


@attrs.frozen
class Asking:
    """A question for the server: to subscribe a channel, or to end that."""

    channel: str
    is_wanted: bool = True


@attrs.define
class _Told:
    attempts: int
    again_at: float | None


class Subscriptions:
    """The channels of one service."""

    __reduce_ex__ = refuse_copy

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, int] = {}
        self._told: dict[str, _Told] = {}
        self._refused: set[str] = set()

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
                self._refused.discard(name)

    @property
    def deadline(self) -> float | None:
        """When `due` has something to say: the first subscription that should have been confirmed."""
        times = [told.again_at for told in self._told.values() if told.again_at is not None]
        return min(times, default=None)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The channels to ask a server for."""
        with self._lock:
            return tuple(name for name in self._wanted if name not in self._refused)

    def asked(self, names: Iterable[str]) -> None:
        """The handshake asked for these channels, and the server answered it."""
        for name in names:
            if name not in self._refused:
                self._told[name] = _Told(1, None)

    def lost(self) -> None:
        """The connection ended; the next server has been asked for nothing."""
        self._told.clear()

    def is_confirmed(self, name: str) -> bool:
        """Whether the server said on this connection that this channel is subscribed."""
        told = self._told.get(name)
        return told is not None and told.again_at is None and name not in self._refused

    def is_asking(self, name: str) -> bool:
        """Whether the server has not answered yet that this channel is subscribed."""
        told = self._told.get(name)
        return told is not None and told.again_at is not None

    def confirmed(self, name: str) -> None:
        """The server said that this channel is subscribed."""
        told = self._told.get(name)
        if told is not None:
            told.again_at = None

    def ended(self, name: str, *, is_refused: bool, again_at: float | None = None) -> None:
        """The server ended or refused a subscription.

        Args:
            name: The channel.
            is_refused: Whether the server said that the client may not hear it.
            again_at: When to ask again; None: not on this connection.
        """
        told = self._told.get(name)
        if told is not None:
            told.again_at = again_at
        if is_refused and again_at is None and (told is not None or name in self._wanted):
            self._refused.add(name)

    def token_changed(self) -> None:
        """Lets channels that the server refused to the old token be asked for again."""
        for name in self._refused:
            self._told.pop(name, None)
        self._refused.clear()

    def due(self, now: float) -> list[Asking]:
        """Returns what to ask the server now, in order."""
        wanted = self.wanted
        unwanted = [name for name in self._told if name not in wanted]
        for name in unwanted:
            del self._told[name]
        say = [Asking(name, is_wanted=False) for name in unwanted if name not in self._refused]
        for name in wanted:
            told = self._told.setdefault(name, _Told(0, now))
            if told.again_at is not None and told.again_at <= now:
                told.again_at = now + _DELAYS[min(told.attempts, len(_DELAYS) - 1)]
                told.attempts += 1
                say.append(Asking(name))
        return say
