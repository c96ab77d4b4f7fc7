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
    logs            check_log: a log of the server half against log_checks (the eleven rules)
    servers         check_server: a server in any language against server_checks (the rules, from outside)
    conformance     check_store, check_codec, check_connect: rules for parts that others write; unfit: what they raise
    loop            the virtual loop: jumps to the next timer, names the waiting tasks in a deadlock
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
    from .conformance import (
        LOG_RULES,
        SERVER_RULES,
        BrokenUiLoop,
        BrokenUiRule,
        ConnectRule,
        LogBench,
        LogFaults,
        MakeLog,
        Turning,
        UiRule,
        Unfit,
        check_codec,
        check_connect,
        check_log,
        check_server,
        check_store,
        check_ui_loop,
    )
    from .generating import GARBAGE, Garbage, wire_garbage, wrong_types
    from .machines import ClientSnapshot, ServiceMachine, StoreMachine, World
    from .server import (
        NEVER,
        ChaosProxy,
        Delay,
        DieAfter,
        Drop,
        Duplicate,
        Frame,
        Mischief,
        Mute,
        Peer,
        Reorder,
        ScriptedServer,
        Transcript,
    )
    from .simulation import (
        BackgroundFailure,
        Bandwidth,
        BlackHole,
        Buffers,
        Deadlock,
        Direction,
        Fault,
        FaultPlan,
        Hang,
        Heal,
        Latency,
        Link,
        Livelock,
        LoopScheduler,
        Network,
        NotSimulated,
        Refuse,
        Reset,
        Simulation,
        SimulationError,
        Split,
        Stall,
        Timed,
        Truncate,
        VirtualLoop,
        simulate,
    )
    from .watching import (
        BrokenRules,
        Event,
        History,
        Judgement,
        Kind,
        Monitor,
        Noted,
        Promise,
        Recorder,
        Rule,
        Step,
        Violation,
        assert_marbles,
        judge,
    )

__all__ = [
    "GARBAGE",
    "LOG_RULES",
    "NEVER",
    "SERVER_RULES",
    "BackgroundFailure",
    "Bandwidth",
    "BlackHole",
    "BrokenRules",
    "BrokenUiLoop",
    "BrokenUiRule",
    "Buffers",
    "ChaosProxy",
    "ClientSnapshot",
    "ConnectRule",
    "Deadlock",
    "Delay",
    "DieAfter",
    "Direction",
    "Drop",
    "Duplicate",
    "Event",
    "Fault",
    "FaultPlan",
    "Frame",
    "Garbage",
    "Hang",
    "Heal",
    "History",
    "Judgement",
    "Kind",
    "Latency",
    "Link",
    "Livelock",
    "LogBench",
    "LogFaults",
    "LoopScheduler",
    "MakeLog",
    "Mischief",
    "Monitor",
    "Mute",
    "Network",
    "NotSimulated",
    "Noted",
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
    "Violation",
    "VirtualLoop",
    "World",
    "assert_marbles",
    "check_codec",
    "check_connect",
    "check_log",
    "check_server",
    "check_store",
    "check_ui_loop",
    "judge",
    "simulate",
    "wire_garbage",
    "wrong_types",
]

_PACKAGES = ("simulation", "watching", "server", "conformance", "generating", "machines")
"""Where names are looked for: first the packages that need neither Hypothesis nor pytest."""


def __getattr__(name: str) -> object:
    if name in __all__:
        for package in _PACKAGES:
            module = importlib.import_module(f"{__name__}.{package}")
            if name in module.__all__:
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
