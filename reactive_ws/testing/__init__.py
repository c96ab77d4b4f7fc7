"""The testing package: your stores and your app against a bad network, in milliseconds and without real time.

    simulation      @simulate: an async test becomes a plain function in virtual time, from one seed
    world           servers, services and the rules they must keep, in one simulation
    connection_watch   the rules of one connection, for world
    recorder        what a stream did and when, and drawings to compare it with
    monitor         the rules that every stream must keep, watched on one
    history         delivered, lost, duplicated, invented, reordered? Against a promise
    server          a real websockets server that does what a test tells it; peer: one connection of it
    expectations, handshakes, streams   parts of server: what a test awaits, how it answers dials, what it numbers and replays
    mischief        what a server can do wrong with whole messages, as data
    transcript      every frame of a run, written and read as JSON lines
    replay          plays the server's side of a transcript again (from reactive_ws.testing.replay)
    strategies      Hypothesis strategies: messages, frames, close codes, faults (a module: import it whole)
    garbage         frames that no server should send, row by row; schema: strategies from types
    store_machine   a model-based machine for your own store; service_machine: for client, server and faults
    service_steps   what can happen in a service_machine
    client_snapshot   what a client shows at one moment, for service_machine
    profiles        Hypothesis profiles: quick, deep, nightly; plugin: the pytest options
    conformance     check_store, check_codec, check_connect: rules for parts that others write; unfit: what they raise
    loop            the virtual loop: jumps to the next timer, names who waits in a deadlock
    network         the in-memory network that unmodified websocket libraries run on; link, lane: one connection
    faults          what can go wrong below the messages, as data
    scheduler       a reactivex scheduler in the loop's time
    entropy         one seed for everything random, and the clocks
    failures        what a run can die of, besides its assertions
    connecting      check_connect: a socket library against connect_checks (the rules) on connect_bench (their server)
    proxy           the same faults on real sockets, between a client and a foreign server
    ui_loops        check_ui_loop: whether an adapter for a toolkit's event loop keeps the contract of `gui`
    ui_bench        what check_ui_loop checks with: the rules of UI loops by name

Nothing here is imported by the framework itself, and importing this package imports neither hypothesis nor pytest:
its names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client_snapshot import ClientSnapshot
    from .conformance import check_codec, check_store
    from .connecting import ConnectRule, check_connect
    from .failures import BackgroundFailure, Deadlock, Livelock, NotSimulated, SimulationError
    from .faults import (
        Bandwidth,
        BlackHole,
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
    from .garbage import GARBAGE, Garbage, wire_garbage, wrong_types
    from .history import Entry, History, Promise, Step, Verdict, judge
    from .link import Link
    from .loop import VirtualLoop
    from .mischief import Delay, DieAfter, Drop, Duplicate, Mischief, Mute, Reorder
    from .monitor import BrokenRules, Monitor, Rule, Violation
    from .network import Network
    from .peer import Peer
    from .proxy import ChaosProxy
    from .recorder import Event, Kind, Recorder, assert_marbles
    from .scheduler import LoopScheduler
    from .server import NEVER, ScriptedServer
    from .service_machine import ServiceMachine
    from .simulation import Simulation, simulate
    from .store_machine import StoreMachine
    from .transcript import Frame, Transcript
    from .ui_bench import BrokenUiLoop, BrokenUiRule, Turning, UiRule
    from .ui_loops import check_ui_loop
    from .unfit import Unfit
    from .world import World

__all__ = [
    "GARBAGE",
    "NEVER",
    "BackgroundFailure",
    "Bandwidth",
    "BlackHole",
    "BrokenRules",
    "BrokenUiLoop",
    "BrokenUiRule",
    "ChaosProxy",
    "ClientSnapshot",
    "ConnectRule",
    "Deadlock",
    "Delay",
    "DieAfter",
    "Direction",
    "Drop",
    "Duplicate",
    "Entry",
    "Event",
    "Fault",
    "FaultPlan",
    "Frame",
    "Garbage",
    "Hang",
    "Heal",
    "History",
    "Kind",
    "Latency",
    "Link",
    "Livelock",
    "LoopScheduler",
    "Mischief",
    "Monitor",
    "Mute",
    "Network",
    "NotSimulated",
    "Peer",
    "Promise",
    "Recorder",
    "Refuse",
    "Reorder",
    "Reset",
    "Rule",
    "ScriptedServer",
    "ServiceMachine",
    "Simulation",
    "SimulationError",
    "Split",
    "Stall",
    "Step",
    "StoreMachine",
    "Timed",
    "Transcript",
    "Truncate",
    "Turning",
    "UiRule",
    "Unfit",
    "Verdict",
    "Violation",
    "VirtualLoop",
    "World",
    "assert_marbles",
    "check_codec",
    "check_connect",
    "check_store",
    "check_ui_loop",
    "judge",
    "simulate",
    "wire_garbage",
    "wrong_types",
]

_ROOMS = {
    "client_snapshot": ("ClientSnapshot",),
    "conformance": (
        "check_codec",
        "check_store",
    ),
    "connecting": (
        "ConnectRule",
        "check_connect",
    ),
    "failures": (
        "BackgroundFailure",
        "Deadlock",
        "Livelock",
        "NotSimulated",
        "SimulationError",
    ),
    "faults": (
        "Bandwidth",
        "BlackHole",
        "Direction",
        "Fault",
        "FaultPlan",
        "Hang",
        "Heal",
        "Latency",
        "Refuse",
        "Reset",
        "Split",
        "Stall",
        "Timed",
        "Truncate",
    ),
    "garbage": (
        "GARBAGE",
        "Garbage",
        "wire_garbage",
        "wrong_types",
    ),
    "history": (
        "Entry",
        "History",
        "Promise",
        "Step",
        "Verdict",
        "judge",
    ),
    "link": ("Link",),
    "loop": ("VirtualLoop",),
    "mischief": (
        "Delay",
        "DieAfter",
        "Drop",
        "Duplicate",
        "Mischief",
        "Mute",
        "Reorder",
    ),
    "monitor": (
        "BrokenRules",
        "Monitor",
        "Rule",
        "Violation",
    ),
    "network": ("Network",),
    "peer": ("Peer",),
    "proxy": ("ChaosProxy",),
    "recorder": (
        "Event",
        "Kind",
        "Recorder",
        "assert_marbles",
    ),
    "scheduler": ("LoopScheduler",),
    "server": (
        "NEVER",
        "ScriptedServer",
    ),
    "service_machine": ("ServiceMachine",),
    "simulation": (
        "Simulation",
        "simulate",
    ),
    "store_machine": ("StoreMachine",),
    "transcript": (
        "Frame",
        "Transcript",
    ),
    "ui_bench": (
        "BrokenUiLoop",
        "BrokenUiRule",
        "Turning",
        "UiRule",
    ),
    "ui_loops": ("check_ui_loop",),
    "unfit": ("Unfit",),
    "world": ("World",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    room = _ROOM_OF.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{room}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
