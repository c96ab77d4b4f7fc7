"""A step in the making: what `reactions` writes down while it decides, and the rules it decides by.

A `Draft` is the only mutable thing here and lives for one step; the state that it started from stays as it was.
"""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from reactive_ws.wire import Envelope, Registry

from ..wire import Message, MessageResponse, Session, SessionCreated, agent_chat
from .assistant import Reply, assistant
from .state import APP, Broadcast, Change, Delete, Only, Output, Owed, Put, State, Step, Stream

__all__ = ["Draft", "Refused", "Rules"]


@attrs.frozen
class Rules:
    """How this hub behaves.

    Attributes:
        registry: The message types; the hub relays those that are not of the agent chat to all clients.
        reply: Writes the answers.
        max_log: Entries kept of each stream for a resume, at least 1.
        max_history: Messages of a session in a snapshot.
        max_snapshot_size: Bytes of messages after which a snapshot goes back no further, so that clients can take it.
    """

    registry: Registry = attrs.field(factory=agent_chat)
    reply: Reply = assistant
    max_log: int = attrs.field(default=5_000, validator=attrs.validators.ge(1))
    max_history: int = attrs.field(default=1_000, validator=attrs.validators.ge(0))
    max_snapshot_size: int = 2**19


class Refused(Exception):
    """The message has no effect; becomes an `error` message for its sender."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Draft:
    """A step in the making."""

    def __init__(self, state: State, rules: Rules, now: float, sender: int = 0) -> None:
        self.state = state
        self.rules = rules
        self.now = now
        self.sender = sender
        self.changes: list[Change] = []
        self.outputs: list[Output] = []

    def finish(self) -> Step:
        return Step(self.state, tuple(self.changes), tuple(self.outputs))

    def evolve(self, **fields: Any) -> None:
        self.state = attrs.evolve(self.state, **fields)

    def envelope(self, payload: Any, **fields: Any) -> Envelope[Any]:
        name = self.rules.registry.of(payload.__class__).name
        return Envelope(name, payload, name, timestamp=self.now, **fields)

    def answer(self, payload: Any, **fields: Any) -> None:
        """Something for the sender alone."""
        self.outputs.append(Only(self.sender, self.envelope(payload, **fields)))

    def publish(self, stream: str, envelope: Envelope[Any]) -> int:
        """Something that happened on a stream: for all, numbered and logged. Returns its number."""
        log = self.state.stream(stream)
        seq = log.seq + 1
        positioned = msgspec.structs.replace(
            envelope, stream=stream, epoch=self.state.epoch, seq=seq
        )
        entries = log.entries.set(seq, positioned)
        first = log.first
        self.changes.append(Put("log", stream, seq, positioned))
        while seq - first >= self.rules.max_log:
            entries = entries.delete(first)
            self.changes.append(Delete("log", stream, first))
            first += 1
        self.evolve(streams=self.state.streams.set(stream, Stream(seq, first, entries)))
        self.outputs.append(Broadcast(positioned))
        return seq

    def say(self, message: Message) -> int:
        """A complete message joins its conversation. Returns its sequence."""
        said = self.state.conversation(message.session_id)
        sequence = said.length + 1
        numbered = msgspec.structs.replace(message, sequence=sequence)
        self._converse(
            message.session_id, messages=said.messages.set(sequence, numbered), length=sequence
        )
        self.changes.append(Put("messages", message.session_id, sequence, numbered))
        self.publish(
            message.session_id, self.envelope(MessageResponse(message.session_id, numbered))
        )
        return sequence

    def owe(self, number: int, owed: Owed) -> None:
        said = self.state.conversation(owed.session_id)
        self._converse(
            owed.session_id, owed=said.owed.set(number, owed), asked=max(said.asked, number)
        )
        self.changes.append(Put("owed", owed.session_id, number, owed))

    def settle(self, number: int, session_id: str) -> None:
        said = self.state.conversation(session_id)
        self._converse(session_id, owed=said.owed.delete(number), answered=number)
        self.changes.append(Delete("owed", session_id, number))

    def open(self, session: Session) -> None:
        if session.id in self.state.closed:
            self.evolve(closed=self.state.closed.delete(session.id))
            self.changes.append(Delete("closed", session.id, 0))
        self.evolve(sessions=self.state.sessions.set(session.id, session))
        self.changes.append(Put("sessions", session.id, 0, session))
        created = SessionCreated(session.id, session.title, session.created_at)
        self.publish(APP, self.envelope(created))

    def _converse(self, session_id: str, **fields: Any) -> None:
        said = attrs.evolve(self.state.conversation(session_id), **fields)
        self.evolve(conversations=self.state.conversations.set(session_id, said))
