"""Rules for parts that others write: stores, codecs, connect functions, UI loops.

Needs no pytest.

    conformance     checks that a part from another author keeps the rules of the framework; plain functions without pytest
    connect_bench   the bench for `connect_checks`
    connect_checks  what the service needs of a `connect=`: the rules, and one check for each, run by `connecting`
    connecting      A check of a socket library, as `WebSocketService(connect=...)` takes it, against the rules in `connect_checks`
    log_checks      the eleven rules of a log of the server half, and one check for each
    logs            `check_log`: whether a log keeps them, with several nodes and with faults
    server_checks   the rules of a server of protocol v1, seen from outside, and one check for each
    servers         `check_server`: whether a server, in whatever language, keeps them
    ui_bench        what `ui_loops` checks with: the rules of a UI loop by name, and the bench on which a loop is put
    ui_loops        `check_ui_loop`: whether an adapter for a toolkit's event loop keeps the contract of `gui.UiLoop`
    unfit           what the `check_*` functions raise. No logic here
"""

from .conformance import check_codec, check_store
from .connecting import ConnectRule, check_connect
from .log_checks import LOG_RULES, LogBench, LogFaults, MakeLog
from .logs import check_log
from .server_checks import SERVER_RULES
from .servers import check_server
from .ui_bench import BrokenUiLoop, BrokenUiRule, Turning, UiRule
from .ui_loops import check_ui_loop
from .unfit import Unfit

__all__ = [
    "LOG_RULES",
    "SERVER_RULES",
    "BrokenUiLoop",
    "BrokenUiRule",
    "ConnectRule",
    "LogBench",
    "LogFaults",
    "MakeLog",
    "Turning",
    "UiRule",
    "Unfit",
    "check_codec",
    "check_connect",
    "check_log",
    "check_server",
    "check_store",
    "check_ui_loop",
]
