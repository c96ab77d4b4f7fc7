"""Keeps what waits to be sent and what became of it, in memory and in a file.

It knows no sockets. `service` fills it and takes messages out to send them.

    books     the books of the outbox
    delivery  what became of one sent message. `send` returns a Delivery at once; the outbox moves it on
    entry     what the outbox is told and what it shows
    journal   the durable outbox's file
    pending   A result that comes later, from whatever thread
    queue     what waits to be sent or acknowledged
    storage   what joins the outbox and its journal
"""

from .delivery import Delivery, DeliveryStatus
from .entry import Entry, OutboxOptions, OutboxView, Overflow, Waiting
from .pending import Pending
from .queue import Outbox
from .storage import Storage

__all__ = [
    "Delivery",
    "DeliveryStatus",
    "Entry",
    "Outbox",
    "OutboxOptions",
    "OutboxView",
    "Overflow",
    "Pending",
    "Storage",
    "Waiting",
]
