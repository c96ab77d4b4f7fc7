"""A service whose connection, metrics and outbox a test sets by hand, for what only shows them."""

from __future__ import annotations

from typing import Any

import attrs

from reactive_ws.connection.record import Connection, ConnectionState, Metrics
from reactive_ws.engine.domain import Domain
from reactive_ws.state.store import ReadOnly, Store


class FakeService:
    """Unrealistic: any state may follow any other."""

    def __init__(self, domain: Domain) -> None:
        self.connections = Store(Connection(), domain=domain)
        self.counts = Store(Metrics(), domain=domain)
        self.waiting: Store[tuple[str, ...]] = Store((), domain=domain)
        self.room = Store(True, domain=domain)
        self.filling = Store(False, domain=domain)
        self.dials = 0

    @property
    def connection(self) -> ReadOnly[Connection]:
        return self.connections.read_only

    @property
    def metrics(self) -> ReadOnly[Metrics]:
        return self.counts.read_only

    @property
    def outbox(self) -> ReadOnly[tuple[str, ...]]:
        return self.waiting.read_only

    @property
    def can_send(self) -> ReadOnly[bool]:
        return self.room.read_only

    @property
    def is_filling(self) -> ReadOnly[bool]:
        return self.filling.read_only

    def connect(self) -> None:
        self.dials += 1

    def become(self, state: ConnectionState, **changes: Any) -> None:
        self.connections.update(lambda now: attrs.evolve(now, state=state, **changes))

    def queue(self, count: int) -> None:
        self.waiting.set(tuple(map(str, range(count))))
