"""A small server for protocol v1, for demos and tests: `async with Hub() as hub: hub.url`.

    grammar, assistant      what a message orders, what is answered
    state, draft, reactions what the hub knows; message -> step, pure
    pipeline, storage       each step is written before anybody hears of it; the data file
    connection, admission   one client; who is let in
    listening               the listening socket, also of `replay`
    server                  `Hub`: performs the steps

It is no production server: one process, no access rights, everything in memory (and in one file when you name one).
"""

from .assistant import Reply, assistant
from .grammar import GRAMMAR
from .server import Hub

__all__ = ["GRAMMAR", "Hub", "Reply", "assistant"]
