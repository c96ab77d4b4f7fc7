"""Decides what one connection does, without I/O: states, close codes, backoff, heartbeat.

It opens no socket, starts no task and no thread: it returns effects. `service` performs them.

    backoff            how long to wait before the next dial
    close_policy       what a close code or an HTTP status means
    connection_record  the one place where the connection's state changes, and where it is decided which events are too old to matter
    decisions          the connection's mind, without I/O: what to do when something happens to the connection or its time has come
    effects            what `protocol` wants done
    heartbeat          is the server still there? A ping every `interval` seconds, and `timeout` seconds for anything at all to arrive
    judgement          what a failure means: the verdict of the close policy on an exception, and whose fault it is
    logbook            what a service writes into the logs `reactive_ws.connection`, `.service` and `.messages`
    metrics            what is counted while the service runs
    options            what the protocol decides by. Values only
    record             what a program can see of its connection
    transitions        the six connection states and the literal table of what leads from one to the other
"""

from . import effects
from .backoff import Backoff, Delays, DelaySource, Jitter
from .close_policy import ClosePolicy, Verdict
from .decisions import Protocol
from .effects import Effect
from .heartbeat import Heartbeat
from .logbook import Logbook
from .metrics import Counters
from .options import ProtocolOptions
from .record import Connection, ConnectionState, ErrorEvent, ErrorKind, Metrics, Phase
from .transitions import TRANSITIONS

__all__ = [
    "TRANSITIONS",
    "Backoff",
    "ClosePolicy",
    "Connection",
    "ConnectionState",
    "Counters",
    "DelaySource",
    "Delays",
    "Effect",
    "ErrorEvent",
    "ErrorKind",
    "Heartbeat",
    "Jitter",
    "Logbook",
    "Metrics",
    "Phase",
    "Protocol",
    "ProtocolOptions",
    "Verdict",
    "effects",
]
