"""Runs an async test in virtual time, with a network in memory that unmodified libraries use, from one seed.

It simulates one thread; it refuses other threads, real sockets and TLS. Tests call `simulate` or `Simulation`.

    scheduler   a `reactivex` scheduler in the time of an asyncio loop, virtual or real
    failures    errors that end a simulated test, besides its own assertions
    faults      faults below the messages, at the level of bytes, as data
    entropy     one seed for everything random, and the clocks
    lane        decides when which bytes of one direction arrive, without I/O
    link        one connection: two ends with a lane in each direction
    loop        an asyncio loop that jumps to the next timer and names the waiting tasks of a deadlock
    network     names, listeners, connections, and their faults
    simulation  `simulate` for a test, `Simulation` for everything else
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
