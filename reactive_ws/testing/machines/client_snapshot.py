"""The frozen state of a client at one moment. `service_machine` compares it with its model.

Values only. `service_machine` takes one after every step and hands it to `observe`; tests may take one of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from ...connection import Connection
from ...outbox import OutboxView
from ...service import WebSocketService
from ...state import ReadOnly, snapshot
from ...wire import Position

__all__ = ["ClientSnapshot"]


@attrs.frozen
class ClientSnapshot:
    """The client under one commit number: no store is newer than another.

    `snapshot["name"]` is the value of a store of the program.

    Attributes:
        connection: The connection.
        outbox: What waits to be sent or acknowledged.
        positions: How far the client is in every stream.
        heard: Payloads of the numbered messages that reached handlers, in order.
        values: The values of the program's own stores, by the names that `attach` gave them.
    """

    connection: Connection
    outbox: OutboxView
    positions: Mapping[str, Position]
    heard: tuple[Any, ...] = ()
    values: Mapping[str, Any] = MappingProxyType({})

    def __getitem__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            known = ", ".join(map(repr, self.values)) or "none"
            raise LookupError(
                f"there is no store {name!r} in the snapshot; attach() returned these: {known}"
            ) from None

    @classmethod
    def of(
        cls,
        service: WebSocketService,
        stores: Mapping[str, ReadOnly[Any]],
        heard: tuple[Any, ...] = (),
    ) -> ClientSnapshot:
        """Reads a service and stores of its domain, all under one commit number. Any thread.

        Raises:
            DomainMismatch: a store is of another domain than the service.
            UsageError: one of the stores is none that `reactive_ws.snapshot` takes.
        """
        read: tuple[Any, ...] = snapshot(
            service.connection, service.outbox, service.positions, *stores.values()
        )
        connection, outbox, positions, *values = read
        own = MappingProxyType(dict(zip(stores, values, strict=True)))
        return cls(connection, outbox, positions, heard, own)
