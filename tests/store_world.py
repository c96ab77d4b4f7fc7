"""The chat's stores over a service that is not started: what the server says is given to them by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from reactive_ws.engine.domain import Domain
from reactive_ws.outbox import Delivery, OutboxOptions, Overflow
from reactive_ws.service import WebSocketService
from reactive_ws.stores.sessions import Sessions
from reactive_ws.stores.wire.chat import ChatSnapshot, agent_chat
from reactive_ws.wire.control import Position
from reactive_ws.wire.envelope import Envelope

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Wire:
    """Records the payloads that a store sends, and keeps their deliveries open."""

    def __init__(self, *, room: int = 100) -> None:
        self.sent: list[object] = []
        self.deliveries: list[Delivery] = []
        self.synced: list[str] = []
        self.domain = Domain()
        self.service = WebSocketService(
            "ws://127.0.0.1:9/ws",
            domain=self.domain,
            registry=agent_chat(),
            outbox=OutboxOptions(limit=room, overflow=Overflow.RAISE),
        )
        self.follow = self.service.replica
        self.service.sending.subscribe(self._note)

    def _note(self, sending: Any) -> None:
        self.sent.append(sending.envelope.payload)
        self.deliveries.append(sending.delivery)


def give(store: Any, name: str, payload: object) -> None:
    """Gives a store a message without a position, as a service does: first to its replica, then to its handler."""
    replica = getattr(store, "replica", None)
    if isinstance(payload, ChatSnapshot):
        position = Position(payload.epoch, payload.seq)
        store.replica.state(position, msgspec.to_builtins(payload))
    elif replica is not None and name in replica.unnumbered:
        replica.loose(Envelope(name, payload, name))
    handler = getattr(store, "handlers", {}).get(name)
    if handler is not None:
        handler(Envelope(name, payload, name))


def sessions_over(wire: Wire, ids: str = "abcdef") -> Sessions:
    """Returns a sessions store that gives these ids to its sessions, at noon."""
    names = iter(ids)
    return Sessions(
        wire.domain,
        follow=wire.follow,
        new_id=lambda: next(names),
        clock=lambda: NOON,
        sync=wire.synced.append,
        report=lambda *_, **__: None,
        later=lambda _, __: lambda: None,
    )
