"""The list of sessions: the state, and the pure functions that say what each message and each action makes of it.

It owns no store and sends nothing; `sessions` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

import attrs
import msgspec

from reactive_ws.state import Map

from ..collections import IdSet, Roster
from ..wire import Session

__all__ = [
    "SessionsState",
    "activated",
    "closed",
    "created",
    "fell_idle",
    "known_as_idle",
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


def _no_sessions() -> Roster[Session]:
    return Roster()


@attrs.frozen
class SessionsState:
    """The sessions.

    Attributes:
        roster: By id, in the order in which they became known.
        active_id: Which one is looked at; None when none is.
        unconfirmed: Ids of those that the server has not confirmed yet.
        last_activity: When something was last said in a session, by session id.
        panel_activity: When something was last said about a panel, by panel id.
        renamed: Titles that the user gave, by session id; they hold whatever the server calls the session.
        quiet: Ids of sessions in which nothing happened for a while.
        is_loaded: Whether the server's sessions are known.
    """

    roster: Roster[Session] = attrs.field(factory=_no_sessions)
    active_id: str | None = None
    unconfirmed: IdSet = attrs.field(factory=IdSet)
    last_activity: Map[str, datetime] = attrs.field(factory=_no_times)
    panel_activity: Map[str, datetime] = attrs.field(factory=_no_times)
    renamed: Map[str, str] = attrs.field(factory=_no_titles)
    quiet: IdSet = attrs.field(factory=IdSet)
    is_loaded: bool = False

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions in the order in which they became known."""
        return self.roster.in_order()

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the sessions that the server has not confirmed yet."""
        return self.unconfirmed.frozen()

    @property
    def idle(self) -> frozenset[str]:
        """Ids of the sessions in which nothing happened for a while."""
        return self.quiet.frozen()

    @property
    def active(self) -> Session | None:
        """The session that is looked at."""
        return self.get(self.active_id) if self.active_id is not None else None

    def get(self, session_id: str) -> Session | None:
        """Returns the session with this id, or None."""
        return self.roster.get(session_id)

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
    return attrs.evolve(
        state, active_id=session.id, unconfirmed=state.unconfirmed.with_one(session.id)
    )


def created(state: SessionsState, session: Session) -> SessionsState:
    """A session exists. The first one of all becomes active."""
    title = state.renamed.get(session.id)
    if title is not None:
        session = msgspec.structs.replace(session, title=title)
    return attrs.evolve(
        state,
        roster=state.roster.with_one(session.id, session),
        active_id=state.active_id or session.id,
        unconfirmed=state.unconfirmed.without(session.id),
    )


def closed(state: SessionsState, session_id: str) -> SessionsState:
    """A session ended. If it was active, the one that moves into its place is, else the one before it."""
    if session_id not in state.roster:
        return state
    roster = state.roster.without(session_id)
    active_id = state.active_id
    if active_id == session_id:
        place = next(at for at, one in enumerate(state.sessions) if one.id == session_id)
        left = roster.in_order()
        active_id = left[min(place, len(left) - 1)].id if left else None
    return attrs.evolve(
        state,
        roster=roster,
        active_id=active_id,
        unconfirmed=state.unconfirmed.without(session_id),
        last_activity=_without(state.last_activity, session_id),
        renamed=_without(state.renamed, session_id),
        quiet=state.quiet.without(session_id),
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
        if old.id not in known and old.id not in state.unconfirmed:
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
    session = msgspec.structs.replace(session, title=title)
    return attrs.evolve(
        state,
        renamed=state.renamed.set(session_id, title),
        roster=state.roster.with_one(session_id, session),
    )


def fell_idle(state: SessionsState, now: datetime, after: timedelta) -> SessionsState:
    """Time has passed: sessions in which nothing happened for this long, or ever, are idle."""
    idle = frozenset(one.id for one in state.sessions if _is_quiet(state, one.id, now, after))
    return state if idle == state.idle else attrs.evolve(state, quiet=IdSet(idle))


def known_as_idle(
    state: SessionsState, session_id: str, now: datetime, after: timedelta
) -> SessionsState:
    """Does what `fell_idle` does, for one session that became known."""
    if session_id in state.roster and _is_quiet(state, session_id, now, after):
        return attrs.evolve(state, quiet=state.quiet.with_one(session_id))
    return state


def _is_quiet(state: SessionsState, session_id: str, now: datetime, after: timedelta) -> bool:
    last = state.last_activity.get(session_id)
    return last is None or now - last >= after


def activated(state: SessionsState, session_id: str) -> SessionsState:
    """A session is looked at; nothing when there is no such session."""
    return state if state.get(session_id) is None else attrs.evolve(state, active_id=session_id)


def touched(
    state: SessionsState, spoken: Iterable[tuple[str, str | None]], now: datetime
) -> SessionsState:
    """Something was said in sessions, each perhaps about a panel.

    Args:
        state: What was.
        spoken: Ids of a session and of a panel, or None.
        now: When.
    """
    activity, panels, quiet = state.last_activity, state.panel_activity, state.quiet
    for session_id, panel_id in spoken:
        activity = activity.set(session_id, now)
        quiet = quiet.without(session_id)
        if panel_id is not None:
            panels = panels.set(panel_id, now)
    # Written out, because each message that comes alone pays for `attrs.evolve`.
    return SessionsState(
        state.roster,
        state.active_id,
        state.unconfirmed,
        activity,
        panels,
        state.renamed,
        quiet,
        state.is_loaded,
    )
