"""The server's side of protocol v1 for one client: no socket, no clock, no log, only what is to be asked and written.

`reactive_ws.server` drives a session with a real log and a real socket. The scripted server of `reactive_ws.testing` drives one
with streams in memory, and answers each question at once.

Modules in reading order:

    records    settings, questions, answers, effects
    frames     frames of entries and snapshots, in JSON or with any codec
    following  which streams a client follows, and which of them have more
    session    `ServerSession`
"""

from .frames import (
    CodecFraming,
    Framing,
    JsonFraming,
    encode_entry,
    snapshot_frames,
    with_cause,
)
from .records import (
    Accepted,
    Ask,
    Authenticate,
    Close,
    EncodedEntry,
    EncodedPage,
    Failure,
    FindOutcomes,
    Hear,
    MakeMark,
    MakeState,
    Question,
    ReadHeads,
    ReadPage,
    Rights,
    Run,
    RunAnswer,
    SessionEffect,
    SessionSettings,
    StateAt,
    Unhear,
    Write,
)
from .session import ServerSession

__all__ = [
    "Accepted",
    "Ask",
    "Authenticate",
    "Close",
    "CodecFraming",
    "EncodedEntry",
    "EncodedPage",
    "Failure",
    "FindOutcomes",
    "Framing",
    "Hear",
    "JsonFraming",
    "MakeMark",
    "MakeState",
    "Question",
    "ReadHeads",
    "ReadPage",
    "Rights",
    "Run",
    "RunAnswer",
    "ServerSession",
    "SessionEffect",
    "SessionSettings",
    "StateAt",
    "Unhear",
    "Write",
    "encode_entry",
    "snapshot_frames",
    "with_cause",
]
