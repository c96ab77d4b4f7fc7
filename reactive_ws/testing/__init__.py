"""Tests for your stores and your program: virtual time, bad networks, a scripted server, rules to check against.

No other package of the framework imports it but `commands`. Tests call it. Importing it imports neither Hypothesis nor pytest:
each name is loaded at its first use. `strategies` is a module, so import it whole.

    simulation   `@simulate`: an async test in virtual time, and the network in memory, with faults, from one seed
    watching     recorders, monitors and histories of what a program sees, and rules to judge them by
    server       `ScriptedServer` and its mischief; transcripts; `ChaosProxy` for real sockets
    generating   Hypothesis strategies for messages, frames and faults; the catalogue of garbage; profiles
    machines     `World`; model-based machines for a store, and for a client with its server
    conformance  `check_*`: rules for stores, codecs, connect functions, logs, servers and UI loops of other authors
    plugin       the options for pytest
    fixtures     the pytest fixture `rws_domain`: a fresh default domain for each test
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
        ServerOptions,
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
    "ServerOptions",
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
