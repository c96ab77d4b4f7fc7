"""The state of an application that survives the process: sessions, panels, notifications, read marks, failed messages, and
the position in the stream that changes them.

Histories are not kept: they may be large, and the server shows the newest part of them again. That is why no position of a
session's stream is kept either. Called by the composition root, before anything is connected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import attrs
import msgspec

from reactive_ws.connection import ErrorKind
from reactive_ws.middleware import PersistFile, PersistReport
from reactive_ws.replicas import Saved
from reactive_ws.service import WebSocketService
from reactive_ws.state import Map
from reactive_ws.wire import Position

from .carousel import Carousel, Edit, OwnPanels
from .collections import Choice, Order, Roster
from .history import Conversation, History
from .notifications import Notifications, NotificationsState
from .offline import FailedMessage, Offline, OfflineState
from .outside import Report
from .sessions import Listed, Made, Own, Sessions, Times
from .wire import Panel, Session

__all__ = ["keep"]

_APP = "app"
"""The stream of everything that belongs to no session."""


# --- state ------------------------------------------------------------------------------------------------------------


_ReadMark: TypeAlias = tuple[str, int]
"""Up to where a session was read: the server's epoch, and the sequence in it."""


@attrs.frozen
class _Listed:
    sessions: tuple[Session, ...] = ()
    is_loaded: bool = False


@attrs.frozen
class _OwnSessions:
    active_id: str | None = None
    order: tuple[str, ...] = ()
    renamed: dict[str, str] = attrs.field(factory=dict[str, str])
    made: dict[str, Made] = attrs.field(factory=dict[str, Made])


@attrs.frozen
class _Times:
    sessions: dict[str, datetime] = attrs.field(factory=dict[str, datetime])
    panels: dict[str, datetime] = attrs.field(factory=dict[str, datetime])


@attrs.frozen
class _Failed:
    """A failed message: its payload as plain JSON values."""

    id: str
    type: str
    reason: str
    is_uncertain: bool
    since: datetime | None
    payload: Any


@attrs.frozen
class _OwnPanels:
    choice: Choice = attrs.field(factory=Choice)
    hidden: tuple[str, ...] = ()
    edits: dict[str, Edit] = attrs.field(factory=dict[str, Edit])


# --- reducers ---------------------------------------------------------------------------------------------------------


def _part_of_listed(saved: Saved[Listed]) -> Saved[_Listed]:
    listed = saved.state
    state = None if listed is None else _Listed(listed.roster.in_order(), listed.is_loaded)
    return Saved(state, saved.epoch, saved.seq, saved.awaited)


def _listed_with(_: Saved[Listed], part: Saved[_Listed]) -> Saved[Listed]:
    state = part.state
    listed = (
        None
        if state is None
        else Listed(Roster({one.id: one for one in state.sessions}), state.is_loaded)
    )
    return Saved(listed, part.epoch, part.seq, part.awaited)


def _part_of_own(own: Own) -> _OwnSessions:
    return _OwnSessions(own.active_id, own.order.ids(), dict(own.renamed), dict(own.made))


def _own_with(_: Own, part: _OwnSessions) -> Own:
    return Own(part.active_id, Order(part.order), Map(part.renamed), Map(part.made))


def _part_of_times(times: Times) -> _Times:
    return _Times(dict(times.sessions), dict(times.panels))


def _times_with(times: Times, part: _Times) -> Times:
    return Times(Map(part.sessions), Map(part.panels), times.quiet)


def _part_of_panels(own: OwnPanels) -> _OwnPanels:
    return _OwnPanels(own.choice, tuple(sorted(own.hidden)), dict(own.edits))


def _panels_with(_: OwnPanels, part: _OwnPanels) -> OwnPanels:
    return OwnPanels(part.choice, frozenset(part.hidden), Map(part.edits))


def _part_of_offline(state: OfflineState) -> tuple[_Failed, ...]:
    return tuple(
        _Failed(
            one.id,
            one.type,
            one.reason,
            one.is_uncertain,
            one.since,
            msgspec.to_builtins(one.payload),
        )
        for one in state.failed
    )


def _offline_with(state: OfflineState, part: tuple[_Failed, ...]) -> OfflineState:
    return attrs.evolve(
        state,
        failed=tuple(
            FailedMessage(it.id, it.type, it.reason, it.is_uncertain, it.since, it.payload)
            for it in part
        ),
    )


def _part_of_history(conversations: Mapping[str, Conversation]) -> dict[str, _ReadMark]:
    # Sessions without sequences have no place that the next process would find again, and the user cannot open closed ones.
    return {
        session_id: (one.epoch, one.read[1])
        for session_id, one in conversations.items()
        if one.epoch is not None
        and one.read is not None
        and one.read[0] == one.era
        and not one.is_over
    }


def _history_with(
    conversations: Mapping[str, Conversation], part: dict[str, _ReadMark]
) -> Mapping[str, Conversation]:
    known = {
        session_id: Conversation(epoch=epoch, read=(0, sequence, 0))
        for session_id, (epoch, sequence) in part.items()
    }
    return {**known, **conversations}


def _part_of_positions(positions: Mapping[str, Position]) -> dict[str, Position]:
    return {_APP: positions[_APP]} if _APP in positions else {}


def _positions_with(
    positions: Mapping[str, Position], part: dict[str, Position]
) -> Mapping[str, Position]:
    return Map({**positions, **part})


class Kept(Protocol):
    """The parts of an application that are kept; every `Application` is one."""

    sessions: Sessions
    carousel: Carousel
    notifications: Notifications
    offline: Offline
    history: History
    service: WebSocketService


# --- actions ----------------------------------------------------------------------------------------------------------


def keep(app: Kept, path: str | os.PathLike[str], report: Report) -> PersistFile:
    """Loads an application's state from a file, and saves its changes from now on.

    Args:
        app: Not connected yet.
        path: The file; its folder must exist.
        report: See `ports`; a file that cannot be read is set aside and reported.

    Raises:
        UsageError: this process has the file open already.
    """

    def reported(it: PersistReport) -> None:
        report(ErrorKind.APPLICATION, f"state file: {it.text}")

    file = PersistFile(path, on_report=reported)
    try:
        _add_all(app, file)
    except BaseException:
        file.close()
        raise
    app.sessions.restored()
    return file


def _add_all(app: Kept, file: PersistFile) -> None:
    sessions = app.sessions
    file.add(
        sessions.replica.saved,
        as_type=Saved[_Listed],
        partialize=_part_of_listed,
        merge=_listed_with,
    )
    file.add(sessions.own, as_type=_OwnSessions, partialize=_part_of_own, merge=_own_with)
    file.add(sessions.times, as_type=_Times, partialize=_part_of_times, merge=_times_with)
    carousel, notifications = app.carousel, app.notifications
    file.add(carousel.replica.saved, as_type=Saved[tuple[Panel, ...]])
    file.add(notifications.replica.saved, as_type=Saved[NotificationsState])
    file.add(carousel.own, as_type=_OwnPanels, partialize=_part_of_panels, merge=_panels_with)
    sessions.replica.restore()
    carousel.replica.restore()
    notifications.replica.restore()
    file.add(
        app.offline.store,
        as_type=tuple[_Failed, ...],
        partialize=_part_of_offline,
        merge=_offline_with,
    )
    file.add(
        app.history.store,
        as_type=dict[str, _ReadMark],
        partialize=_part_of_history,
        merge=_history_with,
    )
    file.add(
        app.service.positions,
        as_type=dict[str, Position],
        partialize=_part_of_positions,
        merge=_positions_with,
    )
