"""The typing store: which users type in which conversation. A user without an event for a few seconds is removed.

It has one timer, for the first user that expires, and none while no user types.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from reactive_ws.engine import Domain, refuse_copy
from reactive_ws.state import Map, ReadOnly, Selection, Store
from reactive_ws.wire import Envelope

from .outside import Handlers, Later, Send
from .wire import Typing

__all__ = ["Later", "TypingState", "TypingUsers"]


# --- state ------------------------------------------------------------------------------------------------------------


def _nobody() -> Map[tuple[str, str], float]:
    return Map()


@attrs.frozen
class TypingState:
    """The time until which a user counts as typing: seconds of the clock by (conversation id, user id)."""

    until: Map[tuple[str, str], float] = attrs.field(factory=_nobody)

    def users(self, conversation_id: str) -> tuple[str, ...]:
        """Returns the users that type in a conversation, sorted by id."""
        return tuple(sorted(user for where, user in self.until if where == conversation_id))


# --- reducers ---------------------------------------------------------------------------------------------------------


def typed(state: TypingState, typing: Typing, until: float) -> TypingState:
    """A user types."""
    return TypingState(state.until.set((typing.conversation_id, typing.user_id), until))


def expired(state: TypingState, now: float) -> TypingState:
    """Removes the users whose last typing event is too old."""
    over = [key for key, until in state.until.items() if until <= now]
    if not over:
        return state
    left = state.until.mutate()
    for key in over:
        del left[key]
    return TypingState(left.finish())


# --- store ------------------------------------------------------------------------------------------------------------


class TypingUsers:
    """The users that type; `Application` makes it.

    Args:
        domain: The service's domain.
        send: See `ports`.
        now: Monotonic seconds.
        later: Starts a timer.
        lasts: Seconds after an event for which a user counts as typing.
        interval: Seconds between two own typing messages.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        send: Send,
        now: Callable[[], float],
        later: Later,
        lasts: float = 5.0,
        interval: float = 2.0,
    ) -> None:
        self._store = Store(TypingState(), name="stores.typing", domain=domain)
        self._send = send
        self._now = now
        self._later = later
        self._lasts = lasts
        self._interval = interval
        self._cancel: Callable[[], None] | None = None
        self._told: dict[tuple[str, str], float] = {}

    def __repr__(self) -> str:
        return f"<TypingUsers, {len(self._store.get().until)} typing>"

    @property
    def state(self) -> ReadOnly[TypingState]:
        """The users that type, in all conversations."""
        return self._store.read_only

    def users(self, conversation_id: str) -> Selection[tuple[str, ...]]:
        """Returns the stream of the users that type in a conversation."""
        return self._store.select(lambda state: state.users(conversation_id))

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {"typing": self._typed}

    def _typed(self, envelope: Envelope[Typing]) -> None:
        typing = envelope.payload
        until = self._now() + self._lasts
        self._store.update(lambda state: typed(state, typing, until))
        if self._cancel is None:
            self._cancel = self._later(self._lasts, self._expire)

    def _expire(self) -> None:
        now = self._now()
        self._cancel = None
        self._store.update(lambda state: expired(state, now))
        left = self._store.get().until.values()
        if left:
            self._cancel = self._later(max(0.0, min(left) - now), self._expire)

    # --- actions --------------------------------------------------------------------------------------------------------

    def tell(self, conversation_id: str, user_id: str) -> None:
        """Says that a user types here; call it with every key: most calls send nothing. Any thread.

        Raises:
            ServiceClosed: after disconnect().
        """
        now = self._now()
        last = self._told.get((conversation_id, user_id))
        if last is None or now - last >= self._interval:
            recent = {key: at for key, at in self._told.items() if now - at < self._interval}
            self._told = {**recent, (conversation_id, user_id): now}
            self._send(Typing(conversation_id, user_id))

    def send_typing(self, conversation_id: str, user_id: str) -> None:
        """The same as `tell`, under the name that chat programs know. Any thread.

        Raises:
            ServiceClosed: after disconnect().
        """
        self.tell(conversation_id, user_id)

    def clear(self) -> None:
        """Removes all users and ends the timer, as when the connection is lost."""
        cancel, self._cancel = self._cancel, None
        if cancel is not None:
            cancel()
        self._store.set(TypingState())
