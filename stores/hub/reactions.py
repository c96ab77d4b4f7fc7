"""Reactions of the hub to a client's messages: `apply` and `advance`, pure functions from state to `Step`.

A step is all or nothing: a message that is refused changes nothing. No clock, no socket, no file here. `server` calls
`apply` for every message that arrives and `advance` once for every piece of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from reactive_ws.wire import (
    Envelope,
    Guarantee,
    MessageReceived,
    Ping,
    Pong,
    Recovery,
    Resume,
    Resumed,
    ServerError,
    Subscribe,
    Subscribed,
    Sync,
    Unsubscribe,
)

from ..wire import (
    ChatSnapshot,
    Message,
    MessageDelta,
    MessageSend,
    Notification,
    NotificationNew,
    NotificationRead,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    Session,
    SessionClose,
    SessionClosed,
    SessionCreate,
    Typing,
    agent_chat,
)
from .draft import Draft, Refused, Rules
from .grammar import ClosePanel, CreatePanel, Notify, Order, Refuse, UpdatePanel, orders
from .state import APP, Broadcast, Delete, Only, Owed, Put, Replay, State, Step, Subscription

__all__ = ["advance", "apply", "refusal"]

_PIECE = re.compile(r"\s*\S+")
_OWN_TYPES = frozenset(row.name for row in agent_chat())


def apply(state: State, envelope: Envelope[Any], sender: int, rules: Rules, now: float) -> Step:
    """Returns what a client's message does.

    Args:
        state: The state before.
        envelope: The message, decoded.
        sender: Number of the connection it came on.
        rules: How this hub behaves.
        now: Epoch milliseconds.
    """
    draft = Draft(state, rules, now, sender)
    identity = envelope.id
    if identity is None and isinstance(envelope.payload, MessageSend):
        identity = envelope.payload.message.id
    row = rules.registry.get(envelope.type)
    is_sure = row is not None and row.guarantee is Guarantee.AT_LEAST_ONCE
    try:
        if not is_sure or identity is None:
            _react(draft, envelope)
        elif identity in state.seen:
            draft.answer(MessageReceived(identity, state.seen[identity]))
        else:
            sequence = _react(draft, envelope)
            draft.evolve(seen=draft.state.seen.set(identity, sequence))
            draft.changes.append(Put("seen", identity, 0, sequence))
            received = draft.envelope(MessageReceived(identity, sequence))
            draft.outputs.insert(0, Only(sender, received))
    except Refused as refused:
        return refusal(state, sender, refused.code, refused.reason, reply_to=identity)
    return draft.finish()


def refusal(
    state: State, sender: int, code: str, reason: str, *, reply_to: str | None = None
) -> Step:
    """Returns the step that changes nothing and tells the sender so."""
    error = ServerError(code, reason, reply_to, retryable=False)
    return Step(state, outputs=(Only(sender, Envelope("error", error, "error")),))


def advance(state: State, session_id: str, rules: Rules, now: float) -> Step | None:
    """Returns the step that says the next piece of what is owed to a session, or None when nothing is.

    The last piece and the whole answer are one step: no delta says `done` without the answer being there.
    """
    said = state.conversation(session_id)
    number = said.answered + 1
    owed = said.owed.get(number)
    if owed is None:
        return None
    draft = Draft(state, rules, now)
    end = owed.sent
    if match := _PIECE.match(owed.text, owed.sent):
        end = match.end()
        piece = MessageDelta(
            session_id, owed.reply_id, owed.sent, match.group(), done=end == len(owed.text)
        )
        draft.publish(session_id, draft.envelope(piece))
    if end < len(owed.text):
        draft.owe(number, msgspec.structs.replace(owed, sent=end))
    else:
        draft.settle(number, session_id)
        draft.say(Message(owed.reply_id, session_id, "assistant", owed.text, owed.timestamp))
    return draft.finish()


# --- one function a type ------------------------------------------------------------------------------------------------


def _react(draft: Draft, envelope: Envelope[Any]) -> int | None:
    reaction = _REACTIONS.get(envelope.payload.__class__)
    if reaction is not None:
        return reaction(draft, envelope)
    if envelope.type in _OWN_TYPES:
        raise Refused("unexpected_type", f"{envelope.type!r} is not for clients to send")
    if envelope.type not in draft.rules.registry:
        raise Refused("unknown_type", f"this hub knows no message type {envelope.type!r}")
    relayed = Envelope(
        envelope.type, envelope.payload, envelope.channel, envelope.id, timestamp=draft.now
    )
    return draft.publish(APP, relayed)


def _send(draft: Draft, envelope: Envelope[MessageSend]) -> int:
    message, session_id = envelope.payload.message, envelope.payload.session_id
    if envelope.id is not None and envelope.id != message.id:
        raise Refused("bad_id", "the id of a message.send must be the id of its message")
    if message.session_id != session_id:
        raise Refused("bad_session", "sessionId and message.sessionId differ")
    _check_session_id(session_id)
    if session_id in draft.state.closed:
        raise Refused("session_closed", f"session {session_id!r} is closed; create it again")
    if session_id not in draft.state.sessions:
        # A hub without a file forgets the sessions when it restarts, and the client's outbox resends only messages.
        draft.open(Session(session_id, created_at=draft.now))
    wanted = orders(message.content)
    if reason := next((order.reason for order in wanted if isinstance(order, Refuse)), None):
        raise Refused("refused", reason)
    sequence = draft.say(message)
    outcomes = tuple(
        _obey(draft, order, f"{message.id}.{number}") for number, order in enumerate(wanted, 1)
    )
    text = draft.rules.reply(message, outcomes).strip()
    number = draft.state.conversation(session_id).asked + 1
    draft.owe(number, Owed(session_id, f"{message.id}.reply", text, draft.now))
    return sequence


def _obey(draft: Draft, order: Order, new_id: str) -> str:
    """Carries out one order; returns a sentence about it."""
    if isinstance(order, Refuse):
        return ""
    if isinstance(order, Notify):
        notice = Notification(new_id, order.title, order.text, draft.now)
        draft.publish(APP, draft.envelope(NotificationNew(notice)))
        return f"Notified: {order.title}."
    panels = draft.state.panels
    wanted = order.title.casefold()
    found = next(((age, p) for age, p in panels.items() if p.title.casefold() == wanted), None)
    if isinstance(order, CreatePanel):
        if found is not None:
            return f"There is a panel {order.title} already."
        panel = Panel(new_id, "text", order.title, {"text": ""})
        age = draft.publish(APP, draft.envelope(PanelCreated(panel)))
        _keep_panel(draft, age, panel)
        return f"Created panel {order.title}."
    if found is None:
        return f"There is no panel {order.title}."
    age, panel = found
    if isinstance(order, UpdatePanel):
        data = {**panel.data, "text": order.text}
        draft.publish(APP, draft.envelope(PanelUpdated(PanelChange(panel.id, data=data))))
        _keep_panel(draft, age, msgspec.structs.replace(panel, data=data))
        return f"Updated panel {panel.title}."
    return _close_panel(draft, order, age, panel)


def _keep_panel(draft: Draft, age: int, panel: Panel) -> None:
    draft.evolve(panels=draft.state.panels.set(age, panel))
    draft.changes.append(Put("panels", "", age, panel))


def _close_panel(draft: Draft, order: ClosePanel, age: int, panel: Panel) -> str:
    draft.publish(APP, draft.envelope(PanelDeleted(panel.id)))
    draft.evolve(panels=draft.state.panels.delete(age))
    draft.changes.append(Delete("panels", "", age))
    return f"Closed panel {order.title}."


def _create(draft: Draft, envelope: Envelope[SessionCreate]) -> None:
    wanted = envelope.payload
    _check_session_id(wanted.session_id)
    if wanted.session_id not in draft.state.sessions:
        draft.open(Session(wanted.session_id, wanted.title, draft.now))


def _close(draft: Draft, envelope: Envelope[SessionClose]) -> None:
    session_id = envelope.payload.session_id
    if session_id not in draft.state.sessions:
        return
    draft.evolve(
        sessions=draft.state.sessions.delete(session_id),
        closed=draft.state.closed.set(session_id, True),
    )
    draft.changes += [Delete("sessions", session_id, 0), Put("closed", session_id, 0, None)]
    draft.publish(APP, draft.envelope(SessionClosed(session_id)))


def _check_session_id(session_id: str) -> None:
    if not session_id or session_id == APP:
        raise Refused("bad_session", f"{session_id!r} cannot be the id of a session")


def _read(draft: Draft, envelope: Envelope[NotificationRead]) -> None:
    draft.publish(APP, draft.envelope(envelope.payload))


def _type(draft: Draft, envelope: Envelope[Typing]) -> None:
    draft.outputs.append(Broadcast(draft.envelope(envelope.payload), but=draft.sender))


def _ping(draft: Draft, envelope: Envelope[Ping]) -> None:
    draft.answer(Pong(), id=envelope.id)


def _resume(draft: Draft, envelope: Envelope[Resume]) -> None:
    answer: dict[str, Recovery] = {}
    missed: list[Envelope[Any]] = []
    for name, position in envelope.payload.streams.items():
        log = draft.state.stream(name)
        entries = log.after(position.seq) if position.epoch == draft.state.epoch else None
        answer[name] = Recovery(entries is not None, draft.state.epoch, log.seq)
        missed += entries or ()
    resumed = draft.envelope(Resumed(answer), id=envelope.id)
    draft.outputs.append(Replay(draft.sender, resumed, answer, tuple(missed)))


def _sync(draft: Draft, envelope: Envelope[Sync]) -> None:
    state = draft.state
    for name in dict.fromkeys(envelope.payload.streams):
        seq = state.stream(name).seq
        if name == APP:
            sessions = sorted(state.sessions.values(), key=_age)
            panels = [panel for _, panel in sorted(state.panels.items(), key=lambda row: row[0])]
            draft.answer(ChatSnapshot(name, state.epoch, seq, tuple(sessions), tuple(panels)))
        else:
            rules = draft.rules
            messages = state.conversation(name).last(rules.max_history, rules.max_snapshot_size)
            draft.answer(ChatSnapshot(name, state.epoch, seq, messages=messages))


def _age(session: Session) -> tuple[float, str]:
    return (session.created_at if isinstance(session.created_at, float) else 0.0, session.id)


def _subscribe(draft: Draft, envelope: Envelope[Subscribe]) -> None:
    channel = envelope.payload.channel
    draft.outputs.append(Subscription(draft.sender, channel, is_wanted=True))
    if channel == APP or channel in draft.state.streams or channel in draft.state.sessions:
        seq = draft.state.stream(channel).seq
        draft.answer(Subscribed(channel, channel, draft.state.epoch, seq), id=envelope.id)
    else:
        draft.answer(Subscribed(channel), id=envelope.id)


def _unsubscribe(draft: Draft, envelope: Envelope[Unsubscribe]) -> None:
    draft.outputs.append(Subscription(draft.sender, envelope.payload.channel, is_wanted=False))


_REACTIONS: dict[type[Any], Callable[[Draft, Envelope[Any]], int | None]] = {
    MessageSend: _send,
    SessionCreate: _create,
    SessionClose: _close,
    NotificationRead: _read,
    Typing: _type,
    Ping: _ping,
    Resume: _resume,
    Sync: _sync,
    Subscribe: _subscribe,
    Unsubscribe: _unsubscribe,
}
"""By payload class; whatever is not here is relayed when it is the user's own type, and refused otherwise."""
