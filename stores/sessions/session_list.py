"""The list of sessions: the server's part, the user's parts, and the pure functions that say what each message and each action makes
of them. The state that the user sees is made of all parts.

    Listed  the sessions by id; its reducers are those of the replica
    Own     the user's choices: the active session, the order, names, sessions that are on their way
    Times   when something was last said, and which sessions are idle

Every change of one session costs the same at ten and at ten thousand sessions; a state of the server that is loaded costs their
number. This module owns no store and sends nothing; `sessions` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

import attrs
import msgspec
from msgspec import UNSET, UnsetType

from reactive_ws.replicas import PendingCommand
from reactive_ws.state import Map

from ..collections import IdSet, Order, Roster
from ..wire import Session, SessionClosed, SessionCreate, SessionCreated

__all__ = [
    "Known",
    "Listed",
    "Made",
    "Own",
    "SessionsState",
    "Times",
    "activated",
    "active_of",
    "asked_for",
    "came",
    "closed",
    "created",
    "fell_idle",
    "forgotten",
    "is_same",
    "is_same_list",
    "known_as_idle",
    "known_of",
    "loaded",
    "matched",
    "panel_closed",
    "renamed",
    "requested",
    "state_of",
    "swept",
    "touched",
    "undone",
    "went",
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
class Listed:
    """The sessions that the server has, as a replica keeps them.

    Attributes:
        roster: By id.
        is_loaded: Whether the server said which ones there are.
    """

    roster: Roster[Session] = attrs.field(factory=_no_sessions)
    is_loaded: bool = False


@attrs.frozen
class Made:
    """A session that was created here, until the server says something about it.

    Attributes:
        session: As it is shown.
        before: The session that is active again when this one cannot be created.
    """

    session: Session
    before: str | None = None


def _none_made() -> Map[str, Made]:
    return Map()


@attrs.frozen
class Own:
    """The choices of the user.

    Attributes:
        active_id: The session that he looks at.
        order: Ids of the sessions in the order in which they became known.
        renamed: Titles that he gave, by session id; they hold whatever the server calls the session.
        made: The sessions that he created, until the server says something about them.
    """

    active_id: str | None = None
    order: Order = attrs.field(factory=Order)
    renamed: Map[str, str] = attrs.field(factory=_no_titles)
    made: Map[str, Made] = attrs.field(factory=_none_made)


@attrs.frozen
class Times:
    """When something happened.

    Attributes:
        sessions: When something was last said in a session, by session id.
        panels: When something was last said about a panel, by panel id.
        quiet: Ids of sessions in which nothing happened for a while.
    """

    sessions: Map[str, datetime] = attrs.field(factory=_no_times)
    panels: Map[str, datetime] = attrs.field(factory=_no_times)
    quiet: IdSet = attrs.field(factory=IdSet)


@attrs.frozen
class Known:
    """The sessions as the user sees them: the server's and those on their way, in his order and under his names.

    Attributes:
        listed: The sessions that the server has, with those on their way.
        order: Ids in the order in which they became known.
        renamed: Titles that the user gave, by session id.
        made: The sessions that he created, until the server says something about them.
        unconfirmed: Ids of those that the server has not confirmed yet.
    """

    listed: Listed = attrs.field(factory=Listed)
    order: Order = attrs.field(factory=Order)
    renamed: Map[str, str] = attrs.field(factory=_no_titles)
    made: Map[str, Made] = attrs.field(factory=_none_made)
    unconfirmed: IdSet = attrs.field(factory=IdSet)

    def __len__(self) -> int:
        return len(self.listed.roster)

    def __contains__(self, session_id: object) -> bool:
        return session_id in self.listed.roster

    def get(self, session_id: str) -> Session | None:
        """Returns the session with this id, or None."""
        session = self.listed.roster.get(session_id)
        if session is None:
            return None
        made = self.made.get(session_id)
        if made is not None:
            session = made.session
        title = self.renamed.get(session_id)
        if title is not None and title != session.title:
            session = msgspec.structs.replace(session, title=title)
        return session

    @cached_property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions in order. The first access costs a walk over all."""
        get, order = self.get, self.order
        found = [session for name in order.ids() if (session := get(name)) is not None]
        if len(found) < len(self):
            # Those of a state whose messages are on their way.
            found += [
                session
                for one in self.listed.roster.in_order()
                if one.id not in order and (session := get(one.id)) is not None
            ]
        return tuple(found)


@attrs.frozen
class SessionsState:
    """The sessions.

    Attributes:
        known: The sessions by id, and the names that the user gave.
        active_id: Which one is looked at; None when none is.
        last_activity: When something was last said in a session, by session id.
        panel_activity: When something was last said about a panel, by panel id.
        quiet: Ids of sessions in which nothing happened for a while.
    """

    known: Known = attrs.field(factory=Known)
    active_id: str | None = None
    last_activity: Map[str, datetime] = attrs.field(factory=_no_times)
    panel_activity: Map[str, datetime] = attrs.field(factory=_no_times)
    quiet: IdSet = attrs.field(factory=IdSet)

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions in the order in which they became known."""
        return self.known.sessions

    @property
    def pending(self) -> frozenset[str]:
        """Ids of the sessions that the server has not confirmed yet."""
        return self.known.unconfirmed.frozen()

    @property
    def idle(self) -> frozenset[str]:
        """Ids of the sessions in which nothing happened for a while."""
        return self.quiet.frozen()

    @property
    def renamed(self) -> Mapping[str, str]:
        """Titles that the user gave, by session id; they hold whatever the server calls the session."""
        return self.known.renamed

    @property
    def is_loaded(self) -> bool:
        """Whether the server's sessions are known."""
        return self.known.listed.is_loaded

    @property
    def active(self) -> Session | None:
        """The session that is looked at."""
        return self.get(self.active_id) if self.active_id is not None else None

    def get(self, session_id: str) -> Session | None:
        """Returns the session with this id, or None."""
        return self.known.get(session_id)

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


# The server's part.


def loaded(state: Mapping[str, Any]) -> Listed | UnsetType:
    """Returns the sessions of the server's state; UNSET when it says nothing about sessions."""
    found = state.get("sessions")
    if found is None:
        return UNSET
    sessions = msgspec.convert(found, tuple[Session, ...])
    return Listed(Roster({one.id: one for one in sessions}), is_loaded=True)


def created(state: Listed, entry: SessionCreated) -> Listed:
    """A session exists."""
    session = Session(entry.session_id, entry.title, entry.created_at)
    if state.roster.get(session.id) == session:
        return state
    return Listed(state.roster.with_one(session.id, session), state.is_loaded)


def requested(state: Listed, command: SessionCreate) -> Listed:
    """A session was created here, and the server has not confirmed it."""
    if command.session_id in state.roster:
        return state
    session = Session(command.session_id, command.title)
    return Listed(state.roster.with_one(session.id, session), state.is_loaded)


def closed(state: Listed, entry: SessionClosed) -> Listed:
    """A session ended."""
    if entry.session_id not in state.roster:
        return state
    return Listed(state.roster.without(entry.session_id), state.is_loaded)


# The user's part.


def asked_for(own: Own, made: Made) -> Own:
    """A session is created here; it becomes the active one as soon as it is there."""
    name = made.session.id
    return Own(name, own.order.with_last(name), own.renamed, own.made.set(name, made))


def undone(own: Own, session_id: str) -> Own:
    """A session could not be created; what was active before is again."""
    made = own.made.get(session_id)
    if made is None:
        return own
    left = own.made.delete(session_id)
    for name, other in own.made.items():
        if other.before == session_id:
            left = left.set(name, Made(other.session, made.before))
    active_id = made.before if own.active_id == session_id else own.active_id
    return Own(active_id, own.order.without(session_id), own.renamed, left)


def came(own: Own, session_id: str) -> Own:
    """The server says that a session exists. The first one of all becomes active."""
    order, made = own.order.with_last(session_id), _without(own.made, session_id)
    if order is own.order and made is own.made and own.active_id is not None:
        return own
    return Own(own.active_id or session_id, order, own.renamed, made)


def went(own: Own, session_id: str, roster: Roster[Session]) -> Own:
    """A session ended. If it was active, the one that moves into its place is, else the one before it."""
    if session_id not in own.order:
        return own
    active_id = own.active_id
    if active_id == session_id:
        active_id = _near(own.order, session_id, roster)
    return Own(
        active_id,
        own.order.without(session_id),
        _without(own.renamed, session_id),
        _without(own.made, session_id),
    )


def matched(own: Own, visible: Roster[Session], confirmed: Roster[Session]) -> Own:
    """The server's state was loaded. Sessions that stay keep their place, and what was noted of those that are gone goes."""
    made = Map({name: it for name, it in own.made.items() if name not in confirmed})
    active_id = own.active_id
    if active_id is not None and active_id not in visible and active_id not in made:
        active_id = _near(own.order, active_id, visible)
    kept = [name for name in own.order.ids() if name in visible or name in made]
    new = [one.id for one in visible.in_order() if one.id not in own.order]
    ids = (*kept, *new)
    return Own(
        active_id or next(iter(ids), None),
        own.order if ids == own.order.ids() else Order(ids),
        Map({name: title for name, title in own.renamed.items() if name in visible}),
        made,
    )


def _near(order: Order, session_id: str, roster: Roster[Session]) -> str | None:
    """Returns the next session after one that is gone, else the next one before it."""
    for step in (order.after, order.before):
        at = step(session_id)
        while at is not None:
            if at in roster and at != session_id:
                return at
            at = step(at)
    return None


def renamed(own: Own, session_id: str, title: str) -> Own:
    """The user calls a session so."""
    return attrs.evolve(own, renamed=own.renamed.set(session_id, title))


def activated(own: Own, session_id: str) -> Own:
    """The user looks at a session."""
    return attrs.evolve(own, active_id=session_id)


def _without(of: Map[str, T], key: str) -> Map[str, T]:
    return of.delete(key) if key in of else of


# When something happened.


def touched(times: Times, spoken: Iterable[tuple[str, str | None]], now: datetime) -> Times:
    """Something was said in sessions, each perhaps about a panel.

    Args:
        times: What was.
        spoken: Ids of a session and of a panel, or None.
        now: When.
    """
    sessions, panels, quiet = times.sessions, times.panels, times.quiet
    for session_id, panel_id in spoken:
        sessions = sessions.set(session_id, now)
        quiet = quiet.without(session_id)
        if panel_id is not None:
            panels = panels.set(panel_id, now)
    return Times(sessions, panels, quiet)


def panel_closed(times: Times, panel_id: str) -> Times:
    """A panel is gone, and with it when something was last said about it."""
    if panel_id not in times.panels:
        return times
    return attrs.evolve(times, panels=times.panels.delete(panel_id))


def forgotten(times: Times, session_id: str) -> Times:
    """A session is gone."""
    if session_id not in times.sessions and session_id not in times.quiet:
        return times
    sessions = _without(times.sessions, session_id)
    return Times(sessions, times.panels, times.quiet.without(session_id))


def swept(times: Times, roster: Roster[Session]) -> Times:
    """The server's state was loaded: only its sessions are left."""
    sessions = times.sessions
    for name in [name for name in sessions if name not in roster]:
        sessions = sessions.delete(name)
    return attrs.evolve(times, sessions=sessions)


def fell_idle(times: Times, roster: Roster[Session], now: datetime, after: timedelta) -> Times:
    """Time has passed: sessions in which nothing happened for this long, or ever, are idle."""
    ids = (one.id for one in roster.in_order())
    idle = frozenset(name for name in ids if _is_quiet(times, name, now, after))
    return times if idle == times.quiet.frozen() else attrs.evolve(times, quiet=IdSet(idle))


def known_as_idle(times: Times, session_id: str, now: datetime, after: timedelta) -> Times:
    """Does what `fell_idle` does, for one session that became known."""
    if session_id not in times.quiet and _is_quiet(times, session_id, now, after):
        return attrs.evolve(times, quiet=times.quiet.with_one(session_id))
    return times


def _is_quiet(times: Times, session_id: str, now: datetime, after: timedelta) -> bool:
    last = times.sessions.get(session_id)
    return last is None or now - last >= after


# What the user sees.


def known_of(
    visible: Listed,
    confirmed: Listed,
    pending: Collection[PendingCommand],
    order: Order,
    renamed: Map[str, str],
    made: Map[str, Made],
) -> Known:
    """Returns the sessions as the user sees them."""
    ids = (it.payload.session_id for it in pending)
    unconfirmed = IdSet(name for name in ids if name not in confirmed.roster)
    return Known(visible, order, renamed, made, unconfirmed)


def active_of(own: Own, known: Known) -> str | None:
    """Returns the active one of these sessions."""
    chosen = own.active_id
    for _ in range(len(own.made) + 1):
        if chosen is None or chosen in known:
            break
        made = own.made.get(chosen)
        chosen = None if made is None else made.before
    if chosen is not None and chosen in known:
        return chosen
    first = own.order.first
    if first is not None and first in known:
        return first
    return next((one.id for one in known.sessions), None)


def state_of(known: Known, own: Own, times: Times) -> SessionsState:
    """Returns the state that the user sees."""
    return SessionsState(known, active_of(own, known), times.sessions, times.panels, times.quiet)


def is_same_list(one: Known, other: Known) -> bool:
    """Whether two lists have the same sessions, in the same order and under the same names."""
    return (
        one.listed is other.listed
        and one.order is other.order
        and one.renamed is other.renamed
        and one.made is other.made
        and one.unconfirmed == other.unconfirmed
    )


def is_same(one: SessionsState, other: SessionsState) -> bool:
    """Whether two states show the same."""
    return (
        one.known is other.known
        and one.active_id == other.active_id
        and one.last_activity is other.last_activity
        and one.panel_activity is other.panel_activity
        and one.quiet is other.quiet
    )
