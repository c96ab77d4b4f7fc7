"""Older messages of a session: the reducers that put a page before what is here, and the loads that are under way.

Where a page comes from is the user's business: a function, sync or async, of a REST client or a database. One load a
session at a time. `history` hands it out; it sends nothing and keeps no messages itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeAlias

import attrs

from reactive_ws.connection import ErrorKind
from reactive_ws.outbox import Pending

from ..collections import Vector
from ..outside import Report, call
from ..wire import Message
from .conversation import Conversation
from .entry import Entry, Place

__all__ = ["Loader", "OlderLoads", "OlderRequest", "preceded"]


# --- state ------------------------------------------------------------------------------------------------------------


@attrs.frozen
class OlderRequest:
    """A request to a loader.

    Attributes:
        session_id: Whose messages.
        before: The oldest message that is here; the page ends before it. None when there is none.
        count: How many messages a page has at most; fewer mean that it is the last one.
    """

    session_id: str
    before: Message | None
    count: int

    @property
    def before_sequence(self) -> int | None:
        """The sequence of `before`, for servers that page by it."""
        return None if self.before is None else self.before.sequence


Loader: TypeAlias = Callable[[OlderRequest], Sequence[Message] | Awaitable[Sequence[Message]]]
"""Returns one page of older messages: by sequence in any order, without sequences the oldest first."""


# --- reducers ---------------------------------------------------------------------------------------------------------


def preceded(state: Conversation, page: Sequence[Message], *, is_full: bool) -> Conversation:
    """An older page is here. What is known already is left as it is.

    A page that is not full, or that brings nothing new, is the last one.

    Args:
        state: What was.
        page: Messages of this session.
        is_full: Whether there are as many as were asked for.
    """
    timeline = state.timeline
    oldest = timeline.settled[0].place if len(timeline.settled) else None
    era = state.era if oldest is None else oldest[0]
    numbered = sorted((one for one in page if one.sequence is not None), key=_sequence)
    plain = [one for one in page if one.sequence is None]
    added = 0
    for message in reversed(numbered):
        place: Place = (era, _sequence(message), 0)
        if timeline.find(message.id, place) is None:
            timeline = timeline.put(Entry(message).placed(place))
            added += 1
    for message in reversed(plain):
        first = timeline.settled[0].place if len(timeline.settled) else None
        if timeline.find(message.id) is None and not _is_first(timeline.settled, message.id):
            before: Place = (era, 0, 0) if first is None else (first[0], first[1], first[2] - 1)
            timeline = timeline.put(Entry(message).placed(before))
            added += 1
    dropped = max(0, timeline.dropped - added)
    return attrs.evolve(
        state,
        timeline=attrs.evolve(timeline, dropped=dropped),
        has_older=is_full and added > 0,
        is_loading_older=False,
        loaded_older=state.loaded_older + added,
        read=state.read or timeline.last_place,
    )


def _sequence(message: Message) -> int:
    return message.sequence or 0


def _is_first(entries: Vector[Entry], identity: str) -> bool:
    # Ids of old entries are not indexed; a page that overlaps does so where the two meet.
    return any(entry.id == identity for entry in entries.window(0, 512))


# --- store ------------------------------------------------------------------------------------------------------------


class OlderLoads:
    """The loads under way, one a session. Made by `History`.

    Args:
        get: Returns a session's conversation.
        change: Applies a reducer to a session's conversation.
        report: See `ports`.
    """

    def __init__(
        self,
        *,
        get: Callable[[str], Conversation],
        change: Callable[[str, Callable[[Conversation], Conversation]], None],
        report: Report,
    ) -> None:
        self._get = get
        self._change = change
        self._report = report
        self._lock = threading.Lock()
        self._loads: dict[str, Pending[int]] = {}

    # --- actions --------------------------------------------------------------------------------------------------------

    def load(self, session_id: str, loader: Loader, count: int) -> Pending[int]:
        """Fetches a page; the load that is under way when there is one. See `History.load_older`."""
        if count < 1:
            raise ValueError(f"a page has at least one message, not {count}")
        load: Pending[int] = Pending()
        with self._lock:
            running = self._loads.get(session_id)
            if running is not None:
                return running
            state = self._get(session_id)
            if state.has_older is False and not state.dropped:
                load.settle(0)
                return load
            self._loads[session_id] = load
        self._change(session_id, lambda now: attrs.evolve(now, is_loading_older=True))
        entries = state.timeline.window(0, 1)
        request = OlderRequest(session_id, entries[0].message if entries else None, count)
        call(
            partial(loader, request),
            partial(self._loaded, session_id, count, load),
            partial(self._failed, session_id, load),
        )
        return load

    def forget(self, session_id: str) -> None:
        """Waits no longer for a page of a session: when it comes, it is left out."""
        self._end(session_id)

    def _loaded(
        self, session_id: str, count: int, load: Pending[int], page: Sequence[Message]
    ) -> None:
        if not self._is_under_way(session_id, load):
            load.settle(0)
            return
        own = [one for one in page if one.session_id == session_id]
        if len(own) < len(page):
            self._report(
                ErrorKind.APPLICATION,
                f"the loader gave {len(page) - len(own)} messages of other sessions than "
                f"{session_id}; they were left out",
            )
        before = len(self._get(session_id).timeline)
        self._change(session_id, lambda now: preceded(now, own, is_full=len(page) >= count))
        self._end(session_id)
        load.settle(max(0, len(self._get(session_id).timeline) - before))

    def _failed(self, session_id: str, load: Pending[int], error: BaseException) -> None:
        if self._is_under_way(session_id, load):
            self._end(session_id)
            self._change(session_id, lambda now: attrs.evolve(now, is_loading_older=False))
        if not isinstance(error, asyncio.CancelledError):
            self._report(
                ErrorKind.APPLICATION,
                f"older messages of session {session_id} could not be loaded: "
                f"{type(error).__name__}; try again",
                is_retryable=True,
            )
        load.fail(error)

    def _is_under_way(self, session_id: str, load: Pending[int]) -> bool:
        with self._lock:
            return self._loads.get(session_id) is load

    def _end(self, session_id: str) -> None:
        with self._lock:
            self._loads.pop(session_id, None)
