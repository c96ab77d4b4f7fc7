"""Decides what one connection does, without I/O: states, close codes, backoff, heartbeat.

It opens no socket, starts no task and no thread, and keeps no message. It returns effects; `service` performs them.

    transitions   the six connection states and the table of what leads from one to another
    record        what a program sees of its connection: state, metrics, error events
    close_policy  the one table of what the end of a connection means
    backoff       delays before the next dial
    heartbeat     pings, confirmed bytes, and the time that an answer may take
    options       what the decisions are made by
    effects       what the decisions want done
    decisions     what follows each event
    metrics       the counters behind `record.Metrics`
    logbook       the lines that a service writes into its logs
"""

from . import effects
from .backoff import Backoff, DelaySource, Jitter
from .close_policy import CloseCode, ClosePolicy, Meaning, Verdict, may_be_sent_by_a_page
from .decisions import Decisions
from .effects import ConnectionEffect
from .heartbeat import Heartbeat, Reading
from .logbook import Logbook
from .metrics import Counters
from .options import DecisionOptions
from .record import Connection, ConnectionState, ErrorEvent, ErrorKind, Metrics, Phase
from .transitions import TRANSITIONS

__all__ = [
    "TRANSITIONS",
    "Backoff",
    "CloseCode",
    "ClosePolicy",
    "Connection",
    "ConnectionEffect",
    "ConnectionState",
    "Counters",
    "DecisionOptions",
    "Decisions",
    "DelaySource",
    "ErrorEvent",
    "ErrorKind",
    "Heartbeat",
    "Jitter",
    "Logbook",
    "Meaning",
    "Metrics",
    "Phase",
    "Reading",
    "Verdict",
    "effects",
    "may_be_sent_by_a_page",
]
