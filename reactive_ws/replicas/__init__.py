"""Replicas: an application's own state, kept equal to the server's, with commands whose effect shows at once.

A replica follows one stream. It opens no socket and decides nothing about the connection: `service` makes it and feeds it. A
program gets one of `service.replica`, or one for each stream of a pattern of `service.replicas`.

    facts    the rules of a replica, as pure functions on one record
    replica  `Replica`: that record in a store, with its selections and `send`
    family   `Replicas`: a replica for each stream of a pattern, for as long as something needs it
"""

from .facts import PendingCommand, ReplicaStatus
from .family import Replicas
from .replica import Replica, ReplicaService, Saved

__all__ = ["PendingCommand", "Replica", "ReplicaService", "ReplicaStatus", "Replicas", "Saved"]
