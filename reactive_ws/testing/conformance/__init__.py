"""Checks parts of other authors by rules: stores, codecs, connect functions, UI loops, logs, servers.

It needs no pytest. Tests of such a part call a `check_*` function; `reactive-ws check-server` calls `check_server`.

    unfit           the exception of the `check_*` functions
    log_checks      the twelve rules of a log of the server half, and one check for each
    logs            `check_log`: a log, with several nodes and with faults
    server_checks   the rules of a server of protocol v1, seen from outside, and one check for each
    servers         `check_server`: a server in any language
    connect_bench   a small server that ends connections in every way, for `connect_checks`
    connect_checks  the rules of a connect function, and one check for each
    connecting      runs `connect_checks` against a socket library
    ui_bench        the rules of a UI loop, and the bench that checks a loop
    ui_loops        `check_ui_loop`: an adapter for the event loop of a toolkit
    conformance     `check_store`, `check_codec`, `check_connect`
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
