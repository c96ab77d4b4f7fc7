"""What of an application survives the process, and how: sessions, panels, notifications, read marks, failed messages, and
the position in the stream that changes them.

Histories are not kept: they may be large, and the server shows the newest part of them again. That is why no position of a
session's stream is kept either. Called by the composition root, before anything is connected.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import attrs
from immutables import Map

from reactive_ws.connection import ErrorKind
from reactive_ws.messages import Notification, Panel, Position, Session
from reactive_ws.middleware import PersistFile
from reactive_ws.middleware.persist_report import PersistReport

from .carousel import CarouselState
from .history import ReadMark, read_marks, with_read_marks
from .notifications import NotificationsState
from .offline import KeptMessage, came_back, kept
from .ports import Report
from .session_list import SessionsState

if TYPE_CHECKING:
    from .app import Application

__all__ = ["keep"]

_APP = "app"
"""The stream of everything that belongs to no session."""


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Sessions:
    sessions: tuple[Session, ...] = ()
    active_id: str | None = None
    pending: tuple[str, ...] = ()
    last_activity: dict[str, datetime] = attrs.field(factory=dict[str, datetime])
    panel_activity: dict[str, datetime] = attrs.field(factory=dict[str, datetime])
    renamed: dict[str, str] = attrs.field(factory=dict[str, str])
    is_loaded: bool = False


@attrs.frozen
class _Carousel:
    panels: tuple[Panel, ...] = ()
    active_id: str | None = None


# --- reducers ---------------------------------------------------------------------------------------------------------


def _part_of_sessions(state: SessionsState) -> _Sessions:
    return _Sessions(
        state.sessions,
        state.active_id,
        tuple(sorted(state.pending)),
        dict(state.last_activity),
        dict(state.panel_activity),
        dict(state.renamed),
        state.is_loaded,
    )


def _sessions_with(state: SessionsState, part: _Sessions) -> SessionsState:
    return attrs.evolve(
        state,
        sessions=part.sessions,
        active_id=part.active_id,
        pending=frozenset(part.pending),
        last_activity=Map(part.last_activity),
        panel_activity=Map(part.panel_activity),
        renamed=Map(part.renamed),
        is_loaded=part.is_loaded,
    )


def _part_of_carousel(state: CarouselState) -> _Carousel:
    return _Carousel(state.panels, state.active_id)


def _carousel_with(_: CarouselState, part: _Carousel) -> CarouselState:
    return CarouselState(part.panels, part.active_id)


def _part_of_notifications(state: NotificationsState) -> tuple[Notification, ...]:
    return state.notifications


def _notifications_with(
    _: NotificationsState, part: tuple[Notification, ...]
) -> NotificationsState:
    return NotificationsState(part)


def _part_of_positions(positions: Mapping[str, Position]) -> dict[str, Position]:
    return {_APP: positions[_APP]} if _APP in positions else {}


def _positions_with(
    positions: Mapping[str, Position], part: dict[str, Position]
) -> Mapping[str, Position]:
    return Map({**positions, **part})


# --- actions ----------------------------------------------------------------------------------------------------------


def keep(app: Application, path: str | os.PathLike[str], report: Report) -> PersistFile:
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


def _add_all(app: Application, file: PersistFile) -> None:
    file.add(
        app.sessions.store,
        as_type=_Sessions,
        partialize=_part_of_sessions,
        merge=_sessions_with,
    )
    file.add(
        app.carousel.store,
        as_type=_Carousel,
        partialize=_part_of_carousel,
        merge=_carousel_with,
    )
    file.add(
        app.notifications.store,
        as_type=tuple[Notification, ...],
        partialize=_part_of_notifications,
        merge=_notifications_with,
    )
    file.add(
        app.offline.store,
        as_type=tuple[KeptMessage, ...],
        partialize=kept,
        merge=came_back,
    )
    file.add(
        app.history.store,
        as_type=dict[str, ReadMark],
        partialize=read_marks,
        merge=with_read_marks,
    )
    file.add(
        app.service.positions,
        as_type=dict[str, Position],
        partialize=_part_of_positions,
        merge=_positions_with,
    )
