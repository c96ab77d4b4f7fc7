"""Replicas: an application's own state, kept equal to the server's, with commands whose effect shows at once.

A replica follows one stream. It opens no socket and decides nothing about the connection: `service` makes it and feeds it.

    facts    the rules of a replica, as pure functions on one record
    replica  `Replica`: that record in a store, with its selections and `send`
"""

from .facts import PendingCommand, ReplicaStatus
from .replica import Hub, Replica, Saved

__all__ = ["Hub", "PendingCommand", "Replica", "ReplicaStatus", "Saved"]
