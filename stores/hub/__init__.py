"""A small server for protocol v1, for demos and tests: `async with Hub() as hub: hub.url`.

    grammar, assistant      what a message orders, what is answered
    state, draft, reactions what the hub knows; message -> step, pure
    pipeline, storage       each step is written before anybody hears of it; the data file
    connection, admission   one client; who is let in
    listening               the listening socket, also of `replay`
    server                  `Hub`: performs the steps

It is no production server: one process, no access rights, everything in memory (and in one file when you name one).

Modules in reading order:

    admission   who is let in
    assistant   what the hub answers when nobody injects something cleverer
    command     `reactive-ws hub`: the hub as a program, until SIGTERM (exit 0) or Ctrl-C (exit 130)
    connection  one client of the hub
    draft       A step in the making: what `reactions` writes down while it decides, and the rules it decides by
    grammar     what can be ordered from the hub by talking to it: one order a line, anything else is talk
    pipeline    steps in their order
    reactions   what the hub does about each message of a client
    server      the hub itself
    state       what the hub knows, as one immutable value
    storage     the hub's data file
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
