"""The list of sessions: the state, and the pure functions that say what each message and each action makes of it.

It owns no store and sends nothing; `sessions` does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

import attrs
import msgspec

from reactive_ws.state import Map

from ..wire import Session

__all__ = [
    "SessionsState",
    "activated",
    "closed",
    "created",
    "fell_idle",
    "panel_closed",
    "renamed",
    "replaced",
    "requested",
    "touched",
    "undone",
]

T = TypeVar("T")


# --- state ------------------------------------------------------------------------------------------------------------


def _no_times() -> Map[str, datetime]:
    return Map()


def _no_titles() -> Map[str, str]:
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
        renamed: Titles that the user gave, by session id; they hold whatever the server calls the session.
        idle: Ids of sessions in which nothing happened for a while.
        is_loaded: Whether the server's sessions are known.
    """

    sessions: tuple[Session, ...] = ()
    active_id: str | None = None
    pending: frozenset[str] = frozenset()
    last_activity: Map[str, datetime] = attrs.field(factory=_no_times)
    panel_activity: Map[str, datetime] = attrs.field(factory=_no_times)
    renamed: Map[str, str] = attrs.field(factory=_no_titles)
    idle: frozenset[str] = frozenset()
    is_loaded: bool = False

    @property
    def active(self) -> Session | None:
        """The session that is looked at."""
        return self.get(self.active_id) if self.active_id is not None else None

    def get(self, session_id: str) -> Session | None:
        """Returns the session with this id, or None."""
        return next((one for one in self.sessions if one.id == session_id), None)

    @property
    def by_activity(self) -> tuple[Session, ...]:
        """The sessions, the one in which something happened last first, and those without any activity at the end."""
        times = self.last_activity
        known = [one for one in self.sessions if one.id in times]
        rest = [one for one in self.sessions if one.id not in times]
        # Equal times: what became known later comes first, as among those that are new.
        known.sort(key=lambda one: times[one.id])
        return (*reversed(known), *rest)


# --- reducers ---------------------------------------------------------------------------------------------------------


def requested(state: SessionsState, session: Session) -> SessionsState:
    """A session was created here; it becomes the active one."""
    state = created(state, session)
    return attrs.evolve(state, active_id=session.id, pending=state.pending | {session.id})


def created(state: SessionsState, session: Session) -> SessionsState:
    """A session exists. The first one of all becomes active."""
    title = state.renamed.get(session.id)
    if title is not None:
        session = msgspec.structs.replace(session, title=title)
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
    return attrs.evolve(
        state,
        sessions=sessions,
        active_id=active_id,
        pending=state.pending - {session_id},
        last_activity=_without(state.last_activity, session_id),
        renamed=_without(state.renamed, session_id),
        idle=state.idle - {session_id},
    )


def panel_closed(state: SessionsState, panel_id: str) -> SessionsState:
    """A panel is gone, and with it when something was last said about it."""
    return attrs.evolve(state, panel_activity=_without(state.panel_activity, panel_id))


def _without(of: Map[str, T], key: str) -> Map[str, T]:
    return of.delete(key) if key in of else of


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
    times = state.last_activity
    for session_id in set(times) - {session.id for session in state.sessions}:
        times = times.delete(session_id)
    return attrs.evolve(state, last_activity=times, is_loaded=True)


def renamed(state: SessionsState, session_id: str, title: str) -> SessionsState:
    """The user calls a session so; nothing when there is no such session."""
    session = state.get(session_id)
    if session is None:
        return state
    state = attrs.evolve(state, renamed=state.renamed.set(session_id, title))
    at = state.sessions.index(session)
    session = msgspec.structs.replace(session, title=title)
    sessions = (*state.sessions[:at], session, *state.sessions[at + 1 :])
    return attrs.evolve(state, sessions=sessions)


def fell_idle(state: SessionsState, now: datetime, after: timedelta) -> SessionsState:
    """Time has passed: sessions in which nothing happened for this long, or ever, are idle."""
    times = state.last_activity
    idle = frozenset(
        one.id for one in state.sessions if one.id not in times or now - times[one.id] >= after
    )
    return state if idle == state.idle else attrs.evolve(state, idle=idle)


def activated(state: SessionsState, session_id: str) -> SessionsState:
    """A session is looked at; nothing when there is no such session."""
    return state if state.get(session_id) is None else attrs.evolve(state, active_id=session_id)


def touched(
    state: SessionsState, session_id: str, panel_id: str | None, now: datetime
) -> SessionsState:
    """Something was said in a session, perhaps about a panel."""
    activity = state.last_activity.set(session_id, now)
    idle = state.idle - {session_id} if session_id in state.idle else state.idle
    if panel_id is None:
        return attrs.evolve(state, last_activity=activity, idle=idle)
    panels = state.panel_activity.set(panel_id, now)
    return attrs.evolve(state, last_activity=activity, idle=idle, panel_activity=panels)
