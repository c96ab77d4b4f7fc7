"""The sessions store: which chat sessions there are, which one is active, and when something last happened in each.

State and reducers are in `session_list`. Going from one to another and their names here are the user's and are not sent. A
session that was created here is shown at once and is pending until the server says that it exists.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from reactive_ws.connection import ErrorKind
from reactive_ws.engine import Domain, refuse_copy, shallow
from reactive_ws.outbox import Delivery, DeliveryStatus
from reactive_ws.state import ReadOnly, Selection, Store
from reactive_ws.wire import Envelope

from ..outside import AskForState, Handlers, Later, Report, Runs, Send
from ..wire import (
    ChatSnapshot,
    MessageResponse,
    PanelDeleted,
    Session,
    SessionClose,
    SessionClosed,
    SessionCreate,
    SessionCreated,
)
from .idle import IdleWatch
from .session_list import (
    SessionsState,
    activated,
    closed,
    created,
    panel_closed,
    renamed,
    replaced,
    requested,
    touched,
    undone,
)

__all__ = ["Sessions", "SessionsState"]

_APP = "app"
"""The stream of everything that belongs to no session."""
_MAX_GONE = 256
"""Closed sessions that are remembered."""


# --- store ------------------------------------------------------------------------------------------------------------


class Sessions:
    """The sessions. Made by `Application`.

    Args:
        domain: Of its store.
        send, sync, report: See `ports`.
        new_id: Ids of sessions that are created here.
        clock: Wall clock, UTC.
        later: Starts a timer.
        idle_after: Seconds without activity after which a session is idle.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        send: Send,
        new_id: Callable[[], str],
        clock: Callable[[], datetime],
        sync: AskForState,
        report: Report,
        later: Later,
        idle_after: float = 300.0,
    ) -> None:
        self._store = Store(SessionsState(), name="stores.sessions", domain=domain)
        self._send = send
        self._new_id = new_id
        self._clock = clock
        self._sync = sync
        self._report = report
        self._idle = IdleWatch(
            self._store, clock=clock, later=later, after=timedelta(seconds=idle_after)
        )
        # Answers may still be on their way when their session is closed.
        self._gone: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Sessions of {len(self._store.get().sessions)} sessions>"

    @property
    def state(self) -> ReadOnly[SessionsState]:
        """The sessions, which one is active, and when something happened in them."""
        return self._store.read_only

    @property
    def store(self) -> Store[SessionsState]:
        """The store itself; for the composition root, which keeps it in a file."""
        return self._store

    @property
    def all(self) -> Selection[tuple[Session, ...]]:
        """The sessions in the order in which they became known."""
        return self._store.select(lambda state: state.sessions)

    @property
    def by_activity(self) -> Selection[tuple[Session, ...]]:
        """The sessions, the one in which something happened last first."""
        return self._store.select(lambda state: state.by_activity, equals=shallow)

    @property
    def idle(self) -> Selection[frozenset[str]]:
        """Ids of the sessions in which nothing happened for a while."""
        return self._store.select(lambda state: state.idle, equals=operator.eq)

    def is_idle(self, session_id: str) -> Selection[bool]:
        """Returns the stream of whether nothing happened in a session for a while."""
        return self._store.select(lambda state: session_id in state.quiet)

    @property
    def active(self) -> Selection[Session | None]:
        """The session that is looked at."""
        return self._store.select(lambda state: state.active)

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {
            "session.created": self._created,
            "session.closed": self._closed,
            "panel.deleted": self._panel_closed,
            "message.response": self._answered,
            "ai.response": self._answered,
            "snapshot": self._replaced,
        }

    @property
    def runs(self) -> Runs:
        """Handlers for several messages of a type in a row; `Application` registers them."""
        return {"message.response": self._all_answered, "ai.response": self._all_answered}

    def _created(self, envelope: Envelope[SessionCreated]) -> None:
        it = envelope.payload
        session = Session(it.session_id, it.title, it.created_at)
        self._store.update(lambda state: created(state, session))
        self._idle.became_known(session.id)

    def _closed(self, envelope: Envelope[SessionClosed]) -> None:
        session_id = envelope.payload.session_id
        self._gone[session_id] = None
        if len(self._gone) > _MAX_GONE:
            del self._gone[next(iter(self._gone))]
        self._store.update(lambda state: closed(state, session_id))

    def _panel_closed(self, envelope: Envelope[PanelDeleted]) -> None:
        self._store.update(lambda state: panel_closed(state, envelope.payload.panel_id))

    def _answered(self, envelope: Envelope[MessageResponse]) -> None:
        self._all_answered((envelope,))

    def _all_answered(self, envelopes: Sequence[Envelope[MessageResponse]]) -> None:
        now = self._clock()
        state = self._store.get()
        roster, gone, is_loaded = state.roster, self._gone, state.is_loaded
        spoken = {
            (response.session_id, response.message.panel_id): None
            for envelope in envelopes
            for response in (envelope.payload,)
        }
        strange: dict[str, None] = {}
        is_any_known = False
        for session_id, panel_id in tuple(spoken):
            if session_id in roster:
                is_any_known = True
            elif session_id in gone:
                del spoken[session_id, panel_id]
            elif is_loaded:
                strange[session_id] = None
        for session_id in strange:
            self._doubt(session_id)
        if spoken:
            self._store.update(lambda state: touched(state, spoken, now))
        if is_any_known:
            self._idle.wait()

    def _doubt(self, session_id: str) -> None:
        self._report(
            ErrorKind.PROTOCOL,
            f"something was said in session {session_id}, which is not known; it is kept, and "
            "the sessions are fetched again",
            is_retryable=True,
        )
        self._sync(_APP)

    def _replaced(self, envelope: Envelope[ChatSnapshot]) -> None:
        sessions = envelope.payload.sessions
        if sessions is not None:
            self._store.update(lambda state: replaced(state, sessions))
            self._idle.look()

    # --- actions --------------------------------------------------------------------------------------------------------

    def create(self, title: str = "", *, session_id: str | None = None) -> Session:
        """Opens a session, makes it active and returns it; it is pending until the server confirms it. Any thread.

        Args:
            title: What it is called, here and by the server.
            session_id: Of your own making; it must be new.

        Raises:
            ValueError: there is a session with this id.
            ServiceClosed: it cannot be sent; there is no such session then.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
        """
        state = self._store.get()
        if session_id is not None and state.get(session_id) is not None:
            raise ValueError(f"there is a session {session_id!r} already; activate or rename it")
        session = Session(session_id or self._new_id(), title, self._clock())
        before = state.active_id
        self._store.update(lambda state: requested(state, session))
        try:
            delivery = self._send(SessionCreate(session.id, title))
        except Exception:
            self._store.update(lambda state: undone(state, session.id, before))
            raise
        delivery.watch(lambda status: self._advanced(session.id, status, before))
        self.touch(session.id)
        return session

    def adopt(self, create: SessionCreate, delivery: Delivery) -> None:
        """Shows a session that an earlier process created and that still waits; for the composition root."""
        if self._store.get().get(create.session_id) is None:
            session = Session(create.session_id, create.title)
            before = self._store.get().active_id
            self._store.update(lambda state: requested(state, session))
            delivery.watch(lambda status: self._advanced(session.id, status, before))

    def restored(self) -> None:
        """Takes the sessions of an earlier process; `Application` calls it before connecting."""
        self._idle.look()

    def rename(self, session_id: str, title: str) -> None:
        """Calls a session by another name here, whatever the server calls it.

        Raises:
            KeyError: there is no such session.
        """
        self._known(session_id)
        self._store.update(lambda state: renamed(state, session_id, title))

    def stop_waiting(self) -> None:
        """Ends the timer that waits for idle sessions; for the composition root, at the end."""
        self._idle.end()

    def close(self, session_id: str) -> Delivery:
        """Ends a session; it goes when the server says so. Any thread.

        Raises:
            KeyError: there is no such session.
            ServiceClosed: it cannot be sent.
            OutboxFull: the outbox is full, and its overflow is RAISE; otherwise the Delivery fails with it.
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
        self._store.update(lambda state: touched(state, ((session_id, panel_id),), now))
        if session_id in self._store.get().roster:
            self._idle.wait()

    def _known(self, session_id: str) -> None:
        if self._store.get().get(session_id) is None:
            raise KeyError(f"there is no session {session_id!r} here; look at sessions.all")

    def _advanced(self, session_id: str, status: DeliveryStatus, before: str | None) -> None:
        if status is DeliveryStatus.FAILED and session_id in self._store.get().unconfirmed:
            self._store.update(lambda state: undone(state, session_id, before))
