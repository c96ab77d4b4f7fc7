"""A scripted server of protocol v1, and a proxy that breaks real connections.

It is not for production.

    expectations  waiting for what a client sends, and saying clearly what came instead
    handshakes    how a `ScriptedServer` answers handshakes
    mischief      what a server can do wrong with whole messages, as data
    peer          one connection of a scripted server
    proxy         the faults of `faults` on real sockets
    replay        plays the server's side of a transcript again, to look at a failure, or to keep it from coming back
    server        A server that does what a test tells it: well-behaved by default, and wrong in every way on demand
    streams       the ordered streams of a `ScriptedServer`: numbers, and what a client that comes back gets
    transcript    every frame that went over the scripted servers of a run
"""

from .mischief import Delay, DieAfter, Drop, Duplicate, Mischief, Mute, Reorder
from .peer import Peer
from .proxy import ChaosProxy
from .server import NEVER, ScriptedServer
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
    "Transcript",
]
