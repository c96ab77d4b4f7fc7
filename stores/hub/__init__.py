"""A small server that speaks chat, for demos and tests: `async with Hub() as hub: hub.url`.

It is not a production server: one process, no access rights, everything in memory, and in one file when you name one.
`reactive-ws hub` runs it as a program; the demo kills it.

    state       the state of the hub, as one immutable value
    assistant   the usual answers of the hub
    grammar     the orders that a chat message may give
    draft       the rules of a hub, and a step in the making
    reactions   pure functions from a client's message to a `Step`
    storage     the data file
    pipeline    performs steps in order: written first, then delivered
    admission   subprotocol and token of a client
    connection  one client
    server      `Hub`: accepts clients and performs the steps
    command     `reactive-ws hub`: until SIGTERM (exit 0) or Ctrl-C (exit 130)
"""

from .assistant import Reply, assistant
from .grammar import GRAMMAR, Refuse, orders
from .server import Hub

__all__ = [
    "GRAMMAR",
    "Hub",
    "Refuse",
    "Reply",
    "assistant",
    "orders",
]
