"""A small server that speaks chat, for demos and tests: `async with Hub() as hub: hub.url`.

It is an application of `reactive_ws.server`, and knows no access rights. `reactive-ws hub` runs it as a program; the demo kills it.

    assistant   the usual answers of the hub
    grammar     the orders that a chat message may give
    chat        the states: sessions and panels, conversations, answers that are owed
    reactions   the handlers of a client's messages, and the next piece of an answer
    server      `Hub`: serves, and gives the answers
    command     `reactive-ws hub`: until SIGTERM (exit 0) or Ctrl-C (exit 130)
"""

from .assistant import Reply, assistant
from .grammar import GRAMMAR, RefuseMessage, orders
from .server import Hub

__all__ = [
    "GRAMMAR",
    "Hub",
    "RefuseMessage",
    "Reply",
    "assistant",
    "orders",
]
