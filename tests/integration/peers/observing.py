"""A service under observation: what it went through, when, and what became of a steady flow of messages."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from reactive_ws.connection.backoff import Backoff
from reactive_ws.connection.heartbeat import Heartbeat
from reactive_ws.connection.record import Connection, ConnectionState, ErrorEvent
from reactive_ws.engine.domain import Domain
from reactive_ws.outbox.delivery import Delivery, DeliveryStatus
from reactive_ws.outbox.outgoing import OutboxOptions
from reactive_ws.service.service import WebSocketService
from reactive_ws.stores.wire.chat import Message, MessageSend, agent_chat

PATIENCE = 60.0
HEARTBEAT = Heartbeat(interval=0.4, timeout=1.0)
"""A dead peer is found within the sum of both."""
PAUSE = 0.02


class Observed:
    """Everything that a service tells about its connection, with the loop's time.

    Attributes:
        service: It.
        records: Every connection record.
        errors: Every error event.
        deliveries: What `flow` sent.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.service = WebSocketService(
            url,
            **{
                "registry": agent_chat(),
                "domain": Domain("test"),
                "proxy": None,
                "backoff": Backoff(initial=0.1, factor=1.0, cap=0.1),
                "heartbeat": HEARTBEAT,
                "dial_timeout": 10.0,
                "outbox": OutboxOptions(limit=5_000),
                "rng": random.Random(1),
                **options,
            },
        )
        self.records: list[Connection] = []
        self.errors: list[ErrorEvent] = []
        self.deliveries: list[Delivery] = []
        self.service.connection.select().subscribe(self.records.append)
        self.service.errors.subscribe(self.errors.append)

    @property
    def states(self) -> list[str]:
        """The states, each once as long as it lasted."""
        names = [record.state.name for record in self.records]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    def chat(self) -> Delivery:
        """Sends the next numbered message."""
        number = len(self.deliveries)
        message = Message(f"m{number}", "s", "user", f"text {number}", 0)
        self.deliveries.append(self.service.send(MessageSend("s", message)))
        return self.deliveries[-1]

    async def flow(self) -> None:
        """Sends message after message, whatever the connection does, until cancelled."""
        while True:
            self.chat()
            await asyncio.sleep(PAUSE)

    async def acknowledged(self) -> list[str]:
        """Waits until everything that was sent is acknowledged; returns the ids in the order of sending."""
        async with asyncio.timeout(PATIENCE):
            statuses = await asyncio.gather(*self.deliveries)
        assert set(statuses) <= {DeliveryStatus.ACKNOWLEDGED}
        return [delivery.id for delivery in self.deliveries]

    async def lost(self) -> Connection:
        """Waits until the connection is no longer connected; returns the record that says so."""

        def is_lost(record: Connection) -> bool:
            return record.state is not ConnectionState.CONNECTED

        await self.service.connection.select().wait_for(is_lost, PATIENCE)
        return next(
            record
            for before, record in zip(self.records, self.records[1:], strict=False)
            if before.is_connected and not record.is_connected
        )

    async def back(self) -> float:
        """Waits for the connection; returns when it began, in the loop's time."""
        await self.service.wait_connected(PATIENCE)
        return self.service.connection.get().since
