"""Model-based machines: for a store, and for a client with its server and faults.

It needs Hypothesis. Programs subclass the machines and say what the model is.

    connection_watch  the rules of one connection, whatever happens to it
    world             `World`: servers, services and their rules, in one simulation
    client_snapshot   the frozen state of a client, which a service machine compares with its model
    store_machine     `StoreMachine`: random messages, batches, rollbacks, observers that come and go
    service_steps     the steps of a service machine
    service_machine   `ServiceMachine`: messages both ways, faults, mischief, restarts
"""

from .client_snapshot import ClientSnapshot
from .service_machine import Command, Event, ServiceMachine
from .store_machine import StoreMachine
from .world import World

__all__ = [
    "ClientSnapshot",
    "Command",
    "Event",
    "ServiceMachine",
    "StoreMachine",
    "World",
]
