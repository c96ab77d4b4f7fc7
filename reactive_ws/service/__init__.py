"""`WebSocketService`: the parts put together, with threads and timers.

It decides nothing about a connection (`connection`), keeps no message (`outbox`) and knows no application. Programs and
`reactive_ws.stores` use it.

    service       the service: builds the parts; every public method is one call
    options       names, types and checks of the options
    runtime       start, stop, connect, disconnect
    sender        send, request, discard, drain
    handlers      handlers and streams of messages
    followers     the replicas, joined to the receiver
    status        errors, connection records, metrics, the outbox as programs see it
    place         where the service runs at the moment
    conversation  the session of the dialect, and what it leaves to the next one
    shell         performs the effects of the decisions in the loop
    loop          the event loop: its thread, its one timer, the sleep of the computer
"""

from .options import ServiceOptions
from .service import WebSocketService

__all__ = [
    "ServiceOptions",
    "WebSocketService",
]
