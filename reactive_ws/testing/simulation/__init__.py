"""A virtual loop and an in-memory network that unmodified libraries run on, with one seed.

It simulates one thread.

    entropy     where chance and the date come from in a simulation
    failures    what a simulated test can die of, besides its own assertions
    faults      what can go wrong below the messages: the vocabulary of byte-level faults, as data
    lane        one direction of one connection, without any input or output: decides when which bytes arrive
    link        one connection of the in-memory network: two ends, two lanes between them, and what can happen to it
    loop        an asyncio loop whose time is virtual: it jumps to the next timer instead of waiting for it
    network     the network of a simulation: names, listeners, connections, and everything that goes wrong with them
    scheduler   A `reactivex` scheduler that lives in the time of an asyncio loop, virtual or real
    simulation  the front door of virtual time: `simulate` for a test, `Simulation` for everything else
"""

from .entropy import seeded
from .failures import BackgroundFailure, Deadlock, Livelock, NotSimulated, SimulationError
from .faults import (
    Bandwidth,
    BlackHole,
    Buffers,
    Direction,
    Fault,
    FaultPlan,
    Hang,
    Heal,
    Latency,
    Refuse,
    Reset,
    Split,
    Stall,
    Timed,
    Truncate,
)
from .lane import Conditions, Ending, Item, Lane
from .link import Link
from .loop import VirtualLoop
from .network import Network
from .scheduler import LoopScheduler
from .simulation import Simulation, simulate

__all__ = [
    "BackgroundFailure",
    "Bandwidth",
    "BlackHole",
    "Buffers",
    "Conditions",
    "Deadlock",
    "Direction",
    "Ending",
    "Fault",
    "FaultPlan",
    "Hang",
    "Heal",
    "Item",
    "Lane",
    "Latency",
    "Link",
    "Livelock",
    "LoopScheduler",
    "Network",
    "NotSimulated",
    "Refuse",
    "Reset",
    "Simulation",
    "SimulationError",
    "Split",
    "Stall",
    "Timed",
    "Truncate",
    "VirtualLoop",
    "seeded",
    "simulate",
]
