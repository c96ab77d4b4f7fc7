"""A scripted server of protocol v1, and a proxy that breaks real connections.

It is not for production: the server accepts every token. Tests call it.

    transcript    every frame of a run, kept in memory, written and read as JSON lines
    mischief      faults of a server with whole messages, as data
    streams       ordered streams in memory, with the pages that sessions read
    conversation  a session of `reactive_ws.server` for each client, on these streams
    handshakes    answers to handshakes: a WebSocket, any other answer, or none
    peer          one connection of a scripted server
    expectations  waits for a message of a client, and describes what came instead
    server        `ScriptedServer`: follows the protocol by default, and breaks it where a test says so
    replay        plays the server's side of a transcript again
    proxy         `ChaosProxy`: the faults of `simulation` on real sockets
"""

from .mischief import Delay, DieAfter, Drop, Duplicate, Mischief, Mute, Reorder
from .peer import Peer
from .proxy import ChaosProxy
from .server import NEVER, ScriptedServer, ServerOptions
from .transcript import Frame, Transcript

__all__ = [
    "NEVER",
    "ChaosProxy",
    "Delay",
    "DieAfter",
    "Drop",
    "Duplicate",
    "Frame",
    "Mischief",
    "Mute",
    "Peer",
    "Reorder",
    "ScriptedServer",
    "ServerOptions",
    "Transcript",
]
