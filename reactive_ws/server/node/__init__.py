"""One server process on a log: its clients, their sessions and sockets, and what they hear.

It knows neither the protocol, which is the sessions' part, nor the application, which answers through `Answering`. `Server` makes the one
node of its process, and the shells make the sockets.

Modules in reading order:

    duplex    `Duplex`: the role of a socket
    outgoing  `Outgoing`: the frames of one client on their way to its socket
    audience  `Audience`: which clients may hear a stream
    tail      `Tail`: the newest entries that this node committed
    client    `Client`: one connection with its session
    node      `Node`: follows the log, reads each page once for all clients, and answers questions
"""

from .duplex import Disconnected, Duplex
from .node import Answering, Node

__all__ = ["Answering", "Disconnected", "Duplex", "Node"]
