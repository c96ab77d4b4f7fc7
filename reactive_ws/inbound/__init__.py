"""Brings received messages into order and to their handlers; one burst is one commit.

It knows neither sockets nor the state of the connection, and it sends nothing. `service` feeds it.

    entries         the messages that share one number are delivered together
    order           the order of what arrives: duplicates, gaps, positions
    dispatcher      calls the handlers of a message
    async_handlers  queues and tasks of slow handlers
    requests        matches replies to requests
    subscriptions   the channels to ask the server for
    followers       the followers of each stream, such as replicas
    agenda          work of the replicas for later
    receiver        from frames to stores
"""

from .async_handlers import AsyncHandler
from .dispatcher import Dispatcher
from .followers import Follower
from .order import Inbound
from .receiver import Burst, Receiver
from .subscriptions import Asking, Subscriptions

__all__ = [
    "Asking",
    "AsyncHandler",
    "Burst",
    "Dispatcher",
    "Follower",
    "Inbound",
    "Receiver",
    "Subscriptions",
]
