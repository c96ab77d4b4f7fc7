"""Keeps what waits to be sent and what became of it, in memory and in a file.

It knows no sockets and no message types, and it owns no timer. `service` fills it, takes messages out to send them, and
reports what became of them.

    pending   a result that comes later
    delivery  the outcome of one sent message
    outgoing  options, entries, and the read-only view
    queue     one ordered queue with bounds, a window, acknowledgements and resends
    sqlite_file  opens a SQLite file for one owner: private, locked, errors in plain words
    journal   keeps promised messages in a file, written by one thread
    storage   keeps the queue and the journal in step
"""

from .delivery import Delivery, DeliveryEvent, DeliveryStatus
from .outgoing import OutboxOptions, OutboxView, Outgoing, Overflow, Sending, Waiting
from .pending import Pending
from .queue import Outbox
from .sqlite_file import SqliteFile
from .storage import Storage

__all__ = [
    "Delivery",
    "DeliveryEvent",
    "DeliveryStatus",
    "Outbox",
    "OutboxOptions",
    "OutboxView",
    "Outgoing",
    "Overflow",
    "Pending",
    "Sending",
    "SqliteFile",
    "Storage",
    "Waiting",
]
