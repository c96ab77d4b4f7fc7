"""The sessions store: which chat sessions there are, which one is active, and when something last happened in each.

What is said in a session is `history`. A session that was created here is shown at once and is pending until the server
says that it exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
from immutables import Map

from reactive_ws.delivery import Delivery, DeliveryStatus
from reactive_ws.domain import Domain
from reactive_ws.messages import (
    Envelope,
    MessageResponse,
    Session,
    SessionClose,
    SessionClosed,
    SessionCreate,
    SessionCreated,
    Snapshot,
)
from reactive_ws.selection import Selection
from reactive_ws.store import ReadOnly, Store

from .ports import Handlers, Runs, Send

__all__ = ["Sessions", "SessionsState"]


# --- state ------------------------------------------------------------------------------------------------------------


def _no_times() -> Map[str, datetime]:
    return Map()


@attrs.frozen
class SessionsState:
    """The sessions.

    Attributes:
        sessions: In the order in which they became known.
        active_id: Which one is looked at; None when none is.
        pending: Ids of those that the server has not confirmed yet.
        last_activity: When something was last said in a session, by session id.
        panel_activity: When something was last said about a panel, by panel id.
    """

    sessions: tuple[Session, ...] = ()
    active_id: str | None = None
    pending: frozenset[str] = frozenset()
    last_activity: Map[str, datetime] = attrs.field(factory=_no_times)
    panel_activity: Map[str, datetime] = attrs.field(factory=_no_times)

    @property
    def active(self) -> Session | None:
        """The session that is looked at."""
        return self.get(self.active_id) if self.active_id is not None else None

    def get(self, session_id: str) -> Session | None:
        """Returns the session with this id, or None."""
        return next((one for one in self.sessions if one.id == session_id), None)


# --- reducers ---------------------------------------------------------------------------------------------------------


def requested(state: SessionsState, session: Session) -> SessionsState:
    """A session was created here; it becomes the active one."""
    state = created(state, session)
    return attrs.evolve(state, active_id=session.id, pending=state.pending | {session.id})


def created(state: SessionsState, session: Session) -> SessionsState:
    """A session exists. The first one of all becomes active."""
    if state.get(session.id) is None:
        sessions = (*state.sessions, session)
    else:
        sessions = tuple(session if one.id == session.id else one for one in state.sessions)
    return attrs.evolve(
        state,
        sessions=sessions,
        active_id=state.active_id or session.id,
        pending=state.pending - {session.id},
    )


def closed(state: SessionsState, session_id: str) -> SessionsState:
    """A session ended. If it was active, the one that moves into its place is, else the one before it."""
    place = next((at for at, one in enumerate(state.sessions) if one.id == session_id), None)
    if place is None:
        return state
    sessions = (*state.sessions[:place], *state.sessions[place + 1 :])
    active_id = state.active_id
    if active_id == session_id:
        active_id = sessions[min(place, len(sessions) - 1)].id if sessions else None
    times = state.last_activity
    return attrs.evolve(
        state,
        sessions=sessions,
        active_id=active_id,
        pending=state.pending - {session_id},
        last_activity=times.delete(session_id) if session_id in times else times,
    )


def undone(state: SessionsState, session_id: str, before: str | None) -> SessionsState:
    """A session that was created here will not be; what was active before is again."""
    was_active = state.active_id == session_id
    state = closed(state, session_id)
    return activated(state, before) if was_active and before is not None else state


def replaced(state: SessionsState, sessions: tuple[Session, ...]) -> SessionsState:
    """These are the server's sessions. Those that it has not confirmed yet stay: their creation is on its way."""
    known = {session.id for session in sessions}
    for old in state.sessions:
        if old.id not in known and old.id not in state.pending:
            state = closed(state, old.id)
    for session in sessions:
        state = created(state, session)
    return state


def activated(state: SessionsState, session_id: str) -> SessionsState:
    """A session is looked at; nothing when there is no such session."""
    return state if state.get(session_id) is None else attrs.evolve(state, active_id=session_id)


def touched(
    state: SessionsState, session_id: str, panel_id: str | None, now: datetime
) -> SessionsState:
    """Something was said in a session, perhaps about a panel."""
    state = attrs.evolve(state, last_activity=state.last_activity.set(session_id, now))
    if panel_id is None:
        return state
    return attrs.evolve(state, panel_activity=state.panel_activity.set(panel_id, now))


# --- store ------------------------------------------------------------------------------------------------------------


class Sessions:
    """The sessions. Made by `Application`.

    Args:
        domain: Of its store.
        send: See `ports`.
        new_id: Ids of sessions that are created here.
        clock: Wall clock, UTC.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        send: Send,
        new_id: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = Store(SessionsState(), name="stores.sessions", domain=domain)
        self._send = send
        self._new_id = new_id
        self._clock = clock

    @property
    def state(self) -> ReadOnly[SessionsState]:
        """The sessions, which one is active, and when something happened in them."""
        return self._store.read_only

    @property
    def all(self) -> Selection[tuple[Session, ...]]:
        """The sessions in the order in which they became known."""
        return self._store.select(lambda state: state.sessions)

    @property
    def active(self) -> Selection[Session | None]:
        """The session that is looked at."""
        return self._store.select(lambda state: state.active)

    @property
    def handlers(self) -> Handlers:
        """What this store does about the server's messages; for the composition root."""
        return {
            "session.created": self._created,
            "session.closed": self._closed,
            "message.response": self._answered,
            "snapshot": self._replaced,
        }

    @property
    def runs(self) -> Runs:
        """What this store does about several messages of a type in a row; for the composition root."""
        return {"message.response": self._all_answered}

    def _created(self, envelope: Envelope[SessionCreated]) -> None:
        it = envelope.payload
        session = Session(it.session_id, it.title, it.created_at)
        self._store.update(lambda state: created(state, session))

    def _closed(self, envelope: Envelope[SessionClosed]) -> None:
        session_id = envelope.payload.session_id
        self._store.update(lambda state: closed(state, session_id))

    def _answered(self, envelope: Envelope[MessageResponse]) -> None:
        response = envelope.payload
        self.touch(response.session_id, response.message.panel_id)

    def _all_answered(self, envelopes: Sequence[Envelope[MessageResponse]]) -> None:
        now = self._clock()
        spoken = {(it.payload.session_id, it.payload.message.panel_id) for it in envelopes}

        def change(state: SessionsState) -> SessionsState:
            for session_id, panel_id in spoken:
                state = touched(state, session_id, panel_id, now)
            return state

        self._store.update(change)

    def _replaced(self, envelope: Envelope[Snapshot]) -> None:
        sessions = envelope.payload.sessions
        if sessions is not None:
            self._store.update(lambda state: replaced(state, sessions))

    # --- actions --------------------------------------------------------------------------------------------------------

    def create(self, title: str = "", *, session_id: str | None = None) -> Session:
        """Opens a session, makes it active and returns it; it is pending until the server confirms it. Any thread.

        Raises:
            OutboxFull, ServiceClosed: it cannot be sent; there is no such session then.
        """
        session = Session(session_id or self._new_id(), title, self._clock())
        before = self._store.get().active_id
        self._store.update(lambda state: requested(state, session))
        try:
            delivery = self._send(SessionCreate(session.id, title))
        except Exception:
            self._store.update(lambda state: undone(state, session.id, before))
            raise
        delivery.watch(lambda status: self._advanced(session.id, status, before))
        return session

    def close(self, session_id: str) -> Delivery:
        """Ends a session; it goes when the server says so. Any thread.

        Raises:
            KeyError: there is no such session.
            OutboxFull, ServiceClosed: it cannot be sent.
        """
        self._known(session_id)
        return self._send(SessionClose(session_id))

    def activate(self, session_id: str) -> None:
        """Makes a session the active one.

        Raises:
            KeyError: there is no such session.
        """
        self._known(session_id)
        self._store.update(lambda state: activated(state, session_id))

    def touch(self, session_id: str, panel_id: str | None = None) -> None:
        """Notes that something happened in a session now, perhaps about a panel."""
        now = self._clock()
        self._store.update(lambda state: touched(state, session_id, panel_id, now))

    def _known(self, session_id: str) -> None:
        if self._store.get().get(session_id) is None:
            raise KeyError(session_id)

    def _advanced(self, session_id: str, status: DeliveryStatus, before: str | None) -> None:
        if status is DeliveryStatus.FAILED and session_id in self._store.get().pending:
            self._store.update(lambda state: undone(state, session_id, before))
