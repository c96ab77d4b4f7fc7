"""Model-based machines for stores, and for a client with its server and faults.

Needs Hypothesis.

    client_snapshot   what a client shows at one moment, frozen: what the model of a `service_machine` is compared with
    connection_watch  the rules of one connection, whatever happens to it
    service_machine   A model-based machine for client, server and everything between
    service_steps     what can happen to a service in a machine
    store_machine     A model-based machine for a user's own store
    world             servers, services and what they must keep, in one simulation
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
