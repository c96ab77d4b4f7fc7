"""Languages of servers, without I/O: a dialect turns frames into messages and messages into frames.

A session knows one connection. It opens no socket and reads no clock: the owner of the socket calls it and performs the steps
that it returns. `Registry` gives payloads their classes. No module here knows an application.

    session   `Dialect` and `Session`, `Step` and its events
    values    JSON text and typed payloads
    parts     long lists cut into frames, states in parts joined
    v1        `V1`: protocol v1
    plain     `PlainJson`: objects with a type in a field
    graphql   `GraphqlTransportWs`: GraphQL over WebSocket
    socketio  `SocketIo`: Socket.IO v4
    jsonrpc   `JsonRpc`: JSON-RPC 2.0, both ways
    phoenix   `Phoenix`: the channels of Phoenix and Supabase
"""

from .graphql import GraphqlTransportWs
from .jsonrpc import JsonRpc
from .phoenix import Phoenix
from .plain import PlainJson
from .session import (
    Acknowledged,
    Alive,
    Capabilities,
    Control,
    Dialect,
    Ended,
    Event,
    Fault,
    Following,
    Frame,
    Handshaking,
    Hangup,
    Leaving,
    Limit,
    Marked,
    Notice,
    Opening,
    Probe,
    Ready,
    Refused,
    Request,
    RunReader,
    Session,
    State,
    Step,
    TokenWanted,
)
from .socketio import SocketIo
from .v1 import V1
from .values import unzipped

__all__ = [
    "V1",
    "Acknowledged",
    "Alive",
    "Capabilities",
    "Control",
    "Dialect",
    "Ended",
    "Event",
    "Fault",
    "Following",
    "Frame",
    "GraphqlTransportWs",
    "Handshaking",
    "Hangup",
    "JsonRpc",
    "Leaving",
    "Limit",
    "Marked",
    "Notice",
    "Opening",
    "Phoenix",
    "PlainJson",
    "Probe",
    "Ready",
    "Refused",
    "Request",
    "RunReader",
    "Session",
    "SocketIo",
    "State",
    "Step",
    "TokenWanted",
    "unzipped",
]
