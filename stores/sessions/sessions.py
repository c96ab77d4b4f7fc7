"""The sessions store: which chat sessions there are, which one is active, and when something last happened in each.

The sessions are a replica (`created` and `closed` are its reducers): the server creates and closes them. A session that was
created here is shown at once, and is pending until the server says that it exists. Going from one to another and their names
here are the user's and are not sent. State and reducers are in `session_list`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from reactive_ws.connection import ErrorKind
from reactive_ws.engine import Domain, refuse_copy, shallow
from reactive_ws.outbox import Delivery, DeliveryStatus
from reactive_ws.state import ReadOnly, Selection, Store, derived
from reactive_ws.wire import Envelope

from ..outside import AskForState, Follow, Handlers, Later, Report, Runs
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
    Listed,
    Made,
    Own,
    SessionsState,
    Times,
    activated,
    active_of,
    asked_for,
    came,
    closed,
    created,
    forgotten,
    is_same,
    is_same_list,
    known_of,
    loaded,
    matched,
    panel_closed,
    renamed,
    requested,
    state_of,
    swept,
    touched,
    undone,
    went,
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
        domain: Of its stores.
        follow, sync, report: See `ports`.
        new_id: Ids of sessions that are created here.
        clock: Wall clock, UTC.
        later: Starts a timer.
        idle_after: Seconds without activity after which a session is idle.

    Attributes:
        replica: The server's sessions with those on their way; for the composition root, which keeps them in a file.
        own, times: The user's choices, and when something happened; for the same.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        domain: Domain,
        *,
        follow: Follow,
        new_id: Callable[[], str],
        clock: Callable[[], datetime],
        sync: AskForState,
        report: Report,
        later: Later,
        idle_after: float = 300.0,
    ) -> None:
        replica = self.replica = follow(
            _APP,
            Listed(),
            {"session.created": created, "session.closed": closed},
            snapshot=loaded,
            optimistic={"session.create": requested},
            part="sessions",
            takes_unnumbered=True,
        )
        own = self.own = Store(Own(), name="stores.sessions.own", domain=domain)
        self.times = Store(Times(), name="stores.sessions.times", domain=domain)
        self._known = derived(
            replica,
            replica.confirmed,
            replica.pending,
            own.select(lambda own: own.order),
            own.select(lambda own: own.renamed),
            own.select(lambda own: own.made),
            known_of,
            equals=is_same_list,
            name="stores.sessions.known",
        )
        self._state = derived(
            self._known, own, self.times, state_of, equals=is_same, name="stores.sessions"
        )
        self._new_id = new_id
        self._clock = clock
        self._sync = sync
        self._report = report
        self._idle = IdleWatch(
            self.times,
            lambda: self.replica.get().roster,
            clock=clock,
            later=later,
            after=timedelta(seconds=idle_after),
        )
        # Answers may still be on their way when their session is closed.
        self._gone: dict[str, None] = {}
        self._is_loaded = False

    def __repr__(self) -> str:
        return f"<Sessions of {len(self.replica.get().roster)} sessions>"

    @property
    def state(self) -> ReadOnly[SessionsState]:
        """The sessions, which one is active, and when something happened in them."""
        return self._state

    @property
    def all(self) -> Selection[tuple[Session, ...]]:
        """The sessions in the order in which they became known."""
        return self._known.select(lambda known: known.sessions)

    @property
    def by_activity(self) -> Selection[tuple[Session, ...]]:
        """The sessions, the one in which something happened last first."""
        return self._state.select(lambda state: state.by_activity, equals=shallow)

    @property
    def idle(self) -> Selection[frozenset[str]]:
        """Ids of the sessions in which nothing happened for a while."""
        return self.times.select(lambda times: times.quiet.frozen(), equals=operator.eq)

    def is_idle(self, session_id: str) -> Selection[bool]:
        """Returns the stream of whether nothing happened in a session for a while."""
        return self.times.select(lambda times: session_id in times.quiet)

    @property
    def active(self) -> Selection[Session | None]:
        """The session that is looked at."""
        return self._state.select(lambda state: state.active)

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name; `Application` registers them."""
        return {
            "session.created": self._created,
            "session.closed": self._closed,
            "panel.deleted": self._panel_closed,
            "message.response": self._answered,
            "ai.response": self._answered,
            "snapshot": self._loaded,
        }

    @property
    def runs(self) -> Runs:
        """Handlers for several messages of a type in a row; `Application` registers them."""
        return {"message.response": self._all_answered, "ai.response": self._all_answered}

    def _created(self, envelope: Envelope[SessionCreated]) -> None:
        session_id = envelope.payload.session_id
        self.own.update(lambda own: came(own, session_id))
        self._idle.became_known(session_id)

    def _closed(self, envelope: Envelope[SessionClosed]) -> None:
        session_id = envelope.payload.session_id
        self._gone[session_id] = None
        if len(self._gone) > _MAX_GONE:
            del self._gone[next(iter(self._gone))]
        roster = self.replica.get().roster
        self.own.update(lambda own: went(own, session_id, roster))
        self.times.update(lambda times: forgotten(times, session_id))

    def _panel_closed(self, envelope: Envelope[PanelDeleted]) -> None:
        self.times.update(lambda times: panel_closed(times, envelope.payload.panel_id))

    def _answered(self, envelope: Envelope[MessageResponse]) -> None:
        self._all_answered((envelope,))

    def _all_answered(self, envelopes: Sequence[Envelope[MessageResponse]]) -> None:
        now = self._clock()
        # The user's order has the same ids, and costs less to read.
        order, gone, is_loaded = self.own.get().order, self._gone, self._is_loaded
        spoken = {
            (response.session_id, response.message.panel_id): None
            for envelope in envelopes
            for response in (envelope.payload,)
        }
        strange: dict[str, None] = {}
        is_any_known = False
        for session_id, panel_id in tuple(spoken):
            if session_id in order:
                is_any_known = True
            elif session_id in gone:
                del spoken[session_id, panel_id]
            elif is_loaded:
                strange[session_id] = None
        for session_id in strange:
            self._doubt(session_id)
        if spoken:
            self.times.update(lambda times: touched(times, spoken, now))
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

    def _loaded(self, envelope: Envelope[ChatSnapshot]) -> None:
        if envelope.payload.sessions is not None:
            self._match()

    def _match(self) -> None:
        """Fits the user's part to the sessions that there are."""
        listed, confirmed = self.replica.get(), self.replica.confirmed.get().roster
        visible, self._is_loaded = listed.roster, listed.is_loaded
        self.own.update(lambda own: matched(own, visible, confirmed))
        self.times.update(lambda times: swept(times, visible))
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
        if session_id is not None and session_id in self._known.get():
            raise ValueError(f"there is a session {session_id!r} already; activate or rename it")
        session = Session(session_id or self._new_id(), title, self._clock())
        # Before it is there, so that it is active from the first moment on.
        self._ask_for(session)
        try:
            delivery = self.replica.send(SessionCreate(session.id, title))
        except Exception:
            self._undo(session.id)
            raise
        self._watch(session.id, delivery)
        self.touch(session.id)
        return session

    def adopt(self, create: SessionCreate, delivery: Delivery) -> None:
        """Shows a session that an earlier process created and that still waits; for the composition root."""
        if create.session_id not in self.own.get().order:
            self._ask_for(Session(create.session_id, create.title))
        self._watch(create.session_id, delivery)

    def restored(self) -> None:
        """Takes the sessions of an earlier process; `Application` calls it before connecting."""
        self._match()

    def rename(self, session_id: str, title: str) -> None:
        """Calls a session by another name here, whatever the server calls it.

        Raises:
            KeyError: there is no such session.
        """
        self._check(session_id)
        self.own.update(lambda own: renamed(own, session_id, title))

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
        self._check(session_id)
        return self.replica.send(SessionClose(session_id))

    def activate(self, session_id: str) -> None:
        """Makes a session the active one.

        Raises:
            KeyError: there is no such session.
        """
        self._check(session_id)
        self.own.update(lambda own: activated(own, session_id))

    def touch(self, session_id: str, panel_id: str | None = None) -> None:
        """Notes that something happened in a session now, perhaps about a panel."""
        now = self._clock()
        self.times.update(lambda times: touched(times, ((session_id, panel_id),), now))
        if session_id in self.own.get().order:
            self._idle.wait()

    def _check(self, session_id: str) -> None:
        if session_id not in self.replica.get().roster:
            raise KeyError(f"there is no session {session_id!r} here; look at sessions.all")

    def _ask_for(self, session: Session) -> None:
        known = self._known.get()
        self.own.update(lambda own: asked_for(own, Made(session, active_of(own, known))))

    def _watch(self, session_id: str, delivery: Delivery) -> None:
        def advanced(status: DeliveryStatus) -> None:
            if status is DeliveryStatus.FAILED or status is DeliveryStatus.UNCERTAIN:
                self._undo(session_id)

        delivery.watch(advanced)

    def _undo(self, session_id: str) -> None:
        self.own.update(lambda own: undone(own, session_id))
        if session_id not in self.replica.get().roster:
            self.times.update(lambda times: forgotten(times, session_id))
