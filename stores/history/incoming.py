"""Applies the server's messages to the histories: acknowledgements, answers, pieces of answers, tools, snapshots.

It finds out what fits and what is strange, reports that, and leaves the change to the reducers of `conversation`,
`own_messages` and `answers`. It holds no state; `history` does, and hands this to the composition root.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from reactive_ws.connection import ErrorKind
from reactive_ws.state import Store
from reactive_ws.wire import Envelope, Hello, MessageReceived

from ..outside import AskForState, Handlers, Report, Runs
from ..wire import (
    AiToolCall,
    ChatSnapshot,
    MessageDelta,
    MessageResponse,
    SessionClosed,
    SessionCreated,
)
from .answers import Fit, called, fit, grown
from .conversation import Conversation, all_answered, began, continued, ended, merged
from .doubts import doubts_about, dubious, latest_likely
from .entry import ToolCall

__all__ = ["Incoming"]


# --- store ------------------------------------------------------------------------------------------------------------


class Incoming:
    """The handlers of the server's messages. Made by `History`.

    Args:
        get: Returns a session's conversation.
        known: Returns the ids of the sessions in which something was said.
        change: Applies a reducer to a session's conversation.
        received: Hears that an own message was acknowledged, and in which epoch.
        epoch: The server's epoch.
        sync, report: See `ports`.
        clock: Wall clock, UTC.
    """

    def __init__(
        self,
        *,
        get: Callable[[str], Conversation],
        known: Callable[[], AbstractSet[str]],
        change: Callable[[str, Callable[[Conversation], Conversation]], None],
        received: Callable[[MessageReceived, str | None], object],
        epoch: Store[str | None],
        sync: AskForState,
        report: Report,
        clock: Callable[[], datetime],
    ) -> None:
        self._get = get
        self._known = known
        self._change = change
        self._received_own = received
        self._epoch = epoch
        self._sync = sync
        self._report = report
        self._clock = clock

    @property
    def handlers(self) -> Handlers:
        """Handlers for the server's messages, by type name."""
        return {
            "hello": self._greeted,
            "message.received": self._received,
            "message.response": self._answered,
            "message.delta": self._grown,
            "session.created": self._began,
            "session.closed": self._ended,
            "snapshot": self._merged,
            "ai.response": self._answered,
            "ai.stream": self._grown,
            "ai.tool_call": self._called,
        }

    @property
    def runs(self) -> Runs:
        """Handlers for several messages of a type in a row."""
        return {"message.response": self._all_answered, "ai.response": self._all_answered}

    def _greeted(self, envelope: Envelope[Hello]) -> None:
        # A server whose streams have epochs of their own names none here.
        self._epoch.set(envelope.payload.epoch or None)

    def _received(self, envelope: Envelope[MessageReceived]) -> None:
        position = next(iter(envelope.payload.positions.values()), None)
        epoch = envelope.epoch or (self._epoch.get() if position is None else position.epoch)
        self._received_own(envelope.payload, epoch)

    def _answered(self, envelope: Envelope[MessageResponse]) -> None:
        self._all_answered((envelope,))

    def _all_answered(self, envelopes: Sequence[Envelope[MessageResponse]]) -> None:
        sessions: defaultdict[str, list[Envelope[MessageResponse]]] = defaultdict(list)
        for envelope in envelopes:
            sessions[envelope.payload.session_id].append(envelope)
        usual = self._epoch.get()
        latest = latest_likely(self._clock)
        for session_id, said in sessions.items():
            before = self._get(session_id)
            after = continued(before, session_id, said, usual, latest)
            if after is None:
                for response in dubious([one.payload for one in said], before, latest):
                    self._doubt(response)
            self._change(session_id, _with_all(said, usual, before, after))

    def _doubt(self, response: MessageResponse) -> None:
        for doubt in doubts_about(response, self._get(response.session_id), self._clock):
            self._report(ErrorKind.PROTOCOL, doubt)

    def _grown(self, envelope: Envelope[MessageDelta]) -> None:
        delta = envelope.payload
        epoch = envelope.epoch or self._epoch.get()
        how = fit(self._get(delta.session_id), delta)
        if how is Fit.GAP:
            if self._get(delta.session_id).is_loaded:
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

    def _ended(self, envelope: Envelope[SessionClosed]) -> None:
        self._settle(envelope.payload.session_id)

    def _settle(self, session_id: str) -> None:
        # The user cannot open a session that is gone: its unread messages would count forever.
        if session_id in self._known() and not self._get(session_id).is_over:
            self._change(session_id, ended)

    def _merged(self, envelope: Envelope[ChatSnapshot]) -> None:
        snapshot = envelope.payload
        if snapshot.sessions is not None:
            open_ids = {session.id for session in snapshot.sessions}
            for session_id in self._known() - open_ids:
                self._settle(session_id)
            for session_id in open_ids:
                if self._get(session_id).is_over:
                    self._change(session_id, began)
        if snapshot.messages is not None:
            self._change(snapshot.stream, lambda now: merged(now, snapshot))

    def _called(self, envelope: Envelope[AiToolCall]) -> None:
        it = envelope.payload
        call = ToolCall(it.call_id, it.name, it.arguments, it.result, it.status)
        epoch = envelope.epoch or self._epoch.get()
        now_ms = self._clock().timestamp() * 1000.0
        self._change(
            it.session_id,
            lambda now: called(now, it.session_id, it.message_id, call, epoch, now_ms),
        )


def _with_all(
    said: Sequence[Envelope[MessageResponse]],
    usual: str | None,
    before: Conversation,
    after: Conversation | None,
) -> Callable[[Conversation], Conversation]:
    """Returns a reducer; `after` is what it makes of `before`, if that is known already."""

    def change(now: Conversation) -> Conversation:
        if now is before and after is not None:
            return after
        return all_answered(now, ((one.payload, one.epoch or usual) for one in said))

    return change
