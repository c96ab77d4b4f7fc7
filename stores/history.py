"""The history store: what was said, session by session.

State and reducers of one session are in `conversation`; here are the store of all sessions, what UI code may see of it, the
handlers of the server's messages, and the actions. One new message wakes only the observers of its session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from immutables import Map
from reactivex import Observable
from reactivex import operators as ops

from reactive_ws.connection import ErrorKind
from reactive_ws.delivery import Delivery, DeliveryStatus
from reactive_ws.domain import Domain
from reactive_ws.keyed import KeyedStore
from reactive_ws.messages import (
    Envelope,
    Hello,
    Message,
    MessageDelta,
    MessageReceived,
    MessageResponse,
    MessageSend,
    SessionCreated,
    Snapshot,
)
from reactive_ws.selection import Selection
from reactive_ws.store import Store

from .conversation import (
    Conversation,
    Fit,
    acknowledged,
    advanced,
    all_answered,
    answered,
    began,
    composed,
    fit,
    grown,
    merged,
    withdrawn,
)
from .entry import Entry
from .ports import Handlers, Report, Runs, Send, Sync

__all__ = ["History"]

_EMPTY = Conversation()


# --- store ------------------------------------------------------------------------------------------------------------


class History:
    """Messages per session. Made by `Application`.

    Args:
        domain: Of its stores.
        send, sync, report: See `ports`.
        new_id: Ids of own messages; the server acknowledges a message by its own id.
        clock: Wall clock, UTC.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        send: Send,
        sync: Sync,
        report: Report,
        new_id: Callable[[], str],
        clock: Callable[[], datetime],
    ) -> None:
        self._conversations: KeyedStore[str, Conversation] = KeyedStore(
            name="stores.history", domain=domain
        )
        # An acknowledgement names a message and no session.
        self._sent: Store[Map[str, str]] = Store(Map(), name="stores.history.sent", domain=domain)
        self._epoch: Store[str | None] = Store(None, name="stores.history.epoch", domain=domain)
        self._send = send
        self._sync = sync
        self._report = report
        self._new_id = new_id
        self._clock = clock

    def __repr__(self) -> str:
        return f"<History of {len(self._conversations)} sessions>"

    def get(self, session_id: str) -> Conversation:
        """Returns what was said in a session; an empty conversation when nothing is known of it. Any thread."""
        return self._conversations.get(session_id) or _EMPTY

    def get_entries(self, session_id: str) -> tuple[Entry, ...]:
        """Returns all entries of a session in order. Linear; for what is on the screen use `get(...).timeline.last`."""
        return tuple(self.get(session_id).timeline)

    def select(self, session_id: str) -> Selection[Conversation | None]:
        """Returns the stream of one session's conversation; None while nothing is known of it."""
        return self._conversations.select(session_id)

    def select_session_ids(self) -> Selection[tuple[str, ...]]:
        """Returns the stream of the ids of all sessions in which something was said."""
        return self._conversations.select_keys()

    def select_window(
        self, session_id: str, start: int, count: int
    ) -> Observable[tuple[Entry, ...]]:
        """Returns the stream of at most `count` entries of a session from index `start` on."""
        return self._windows(session_id, lambda now: now.timeline.window(start, count))

    def select_last(self, session_id: str, count: int) -> Observable[tuple[Entry, ...]]:
        """Returns the stream of the newest `count` entries of a session, oldest first."""
        return self._windows(session_id, lambda now: now.timeline.last(count))

    def _windows(
        self, session_id: str, window: Callable[[Conversation], tuple[Entry, ...]]
    ) -> Observable[tuple[Entry, ...]]:
        def part(now: Conversation | None) -> tuple[Entry, ...]:
            return window(now or _EMPTY)

        return self.select(session_id).pipe(ops.map(part), ops.distinct_until_changed())

    @property
    def handlers(self) -> Handlers:
        """What this store does about the server's messages; for the composition root."""
        return {
            "hello": self._greeted,
            "message.received": self._received,
            "message.response": self._answered,
            "message.delta": self._grown,
            "session.created": self._began,
            "snapshot": self._merged,
        }

    @property
    def runs(self) -> Runs:
        """What this store does about several messages of a type in a row; for the composition root."""
        return {"message.response": self._all_answered}

    def _greeted(self, envelope: Envelope[Hello]) -> None:
        self._epoch.set(envelope.payload.epoch)

    def _received(self, envelope: Envelope[MessageReceived]) -> None:
        received = envelope.payload
        session_id = self._sent.get().get(received.message_id)
        if session_id is not None:
            epoch = envelope.epoch or self._epoch.get()
            self._change(session_id, lambda now: acknowledged(now, received, epoch))
            self._forget(received.message_id)

    def _answered(self, envelope: Envelope[MessageResponse]) -> None:
        response = envelope.payload
        if response.message.session_id != response.session_id:
            self._report_stray(response)
        epoch = envelope.epoch or self._epoch.get()
        self._change(response.session_id, lambda now: answered(now, response, epoch))

    def _all_answered(self, envelopes: Sequence[Envelope[MessageResponse]]) -> None:
        sessions: dict[str, list[tuple[MessageResponse, str | None]]] = {}
        for envelope in envelopes:
            response = envelope.payload
            session_id = response.session_id
            if response.message.session_id != session_id:
                self._report_stray(response)
            answer = response, envelope.epoch or self._epoch.get()
            if session_id in sessions:
                sessions[session_id].append(answer)
            else:
                sessions[session_id] = [answer]
        for session_id, answers in sessions.items():
            self._change(session_id, partial(all_answered, responses=answers))

    def _report_stray(self, response: MessageResponse) -> None:
        self._report(
            ErrorKind.PROTOCOL,
            f"message {response.message.id} says it is of another session than its response; "
            f"it is shown in session {response.session_id}",
        )

    def _grown(self, envelope: Envelope[MessageDelta]) -> None:
        delta = envelope.payload
        epoch = envelope.epoch or self._epoch.get()
        how = fit(self.get(delta.session_id), delta)
        if how is Fit.GAP:
            if self.get(delta.session_id).is_loaded:
                self._report(
                    ErrorKind.PROTOCOL,
                    f"a piece of answer {delta.message_id} is missing before character "
                    f"{delta.offset}; the session is fetched again",
                    is_retryable=True,
                )
            self._sync(delta.session_id)
        elif how is Fit.LATE:
            self._report(
                ErrorKind.PROTOCOL, f"answer {delta.message_id} went on after its end; dropped"
            )
        else:
            now_ms = self._clock().timestamp() * 1000.0
            self._change(delta.session_id, lambda now: grown(now, delta, epoch, now_ms))

    def _began(self, envelope: Envelope[SessionCreated]) -> None:
        self._change(envelope.payload.session_id, began)

    def _merged(self, envelope: Envelope[Snapshot]) -> None:
        snapshot = envelope.payload
        if snapshot.messages is not None:
            self._change(snapshot.stream, lambda now: merged(now, snapshot))

    def _change(self, session_id: str, reducer: Callable[[Conversation], Conversation]) -> None:
        # Not `upsert`: an own message may be added from another thread while the burst's batch is open.
        self._conversations.update(session_id, reducer, default=_EMPTY)

    def _forget(self, message_id: str) -> None:
        self._sent.update(lambda now: now.delete(message_id) if message_id in now else now)

    # --- actions --------------------------------------------------------------------------------------------------------

    def send(
        self,
        session_id: str,
        content: str,
        *,
        panel_id: str | None = None,
        role: str = "user",
    ) -> Delivery:
        """Says something in a session. It is shown at once; its delivery status follows. Any thread, never blocks.

        Raises:
            OutboxFull, ServiceClosed, MessageRejected: it cannot be sent, and is not shown.
        """
        return self.send_message(
            Message(self._new_id(), session_id, role, content, self._clock(), panel_id)
        )

    def send_message(self, message: Message) -> Delivery:
        """Like `send`, with a message of your own making; its id must be new.

        Raises:
            OutboxFull, ServiceClosed, MessageRejected: it cannot be sent, and is not shown.
        """
        session_id, message_id = message.session_id, message.id
        before = self.get(session_id).timeline.find(message_id)
        # Before it is queued, because the acknowledgement may come before `send` returns.
        self._sent.update(lambda now: now.set(message_id, session_id))
        self._change(session_id, lambda now: composed(now, message))
        try:
            delivery = self._send(MessageSend(session_id, message))
        except Exception:
            self._forget(message_id)
            self._change(session_id, lambda now: withdrawn(now, message_id, before))
            raise
        delivery.watch(lambda status: self._advanced(session_id, delivery, status))
        return delivery

    def retry(self, session_id: str, message_id: str) -> Delivery:
        """Sends an own message again that failed, or whose fate is uncertain, with its old id.

        Raises:
            KeyError: there is no such message.
            ValueError: it is not own, or it did not fail.
            OutboxFull, ServiceClosed: it cannot be sent now; it stays as it was.
        """
        entry = self.get(session_id).timeline.find(message_id)
        if entry is None:
            raise KeyError(message_id)
        if entry.status not in (DeliveryStatus.FAILED, DeliveryStatus.UNCERTAIN):
            raise ValueError(f"message {message_id} did not fail; only what failed is sent again")
        return self.send_message(entry.message)

    def _advanced(self, session_id: str, delivery: Delivery, status: DeliveryStatus) -> None:
        is_final = delivery.is_final
        reason = delivery.reason
        self._change(
            session_id, lambda now: advanced(now, delivery.id, status, reason, is_final=is_final)
        )
        if is_final and status is not DeliveryStatus.ACKNOWLEDGED:
            self._forget(delivery.id)
