"""Brings received messages into order and to their handlers; one burst is one commit.

It knows neither sockets nor the state of the connection. `service` feeds it.

    async_handlers  slow handlers
    dispatcher      who gets a message
    order           the order of what arrives
    receiver        from frames to stores
    requests        questions and their answers: who waits for a reply, and which message is it
    subscriptions   which channels the program wants and which the server was told of on this connection
"""

from .async_handlers import AsyncHandler
from .dispatcher import Dispatcher, name_of
from .order import Inbound
from .receiver import Burst, Receiver
from .subscriptions import Subscriptions

__all__ = [
    "AsyncHandler",
    "Burst",
    "Dispatcher",
    "Inbound",
    "Receiver",
    "Subscriptions",
    "name_of",
]
