"""`WebSocketService`: the parts put together, with threads and timers.

It knows no application. User code and `reactive_ws.stores` use it.

    alarm              one timer for many deadlines
    background_thread  an event loop in its own daemon thread, for programs whose main thread belongs to a GUI
    control            what the connection itself says, past everything that waits in the outbox
    following          connecting while somebody is signed in
    handlers           the reading half of a service's surface
    runtime            when and where a service runs
    sender             the writing half of a service's surface: send a message, ask a question
    service            the service: one WebSocket that stays, with everything a program wants to know and do about it
    shell              the hands of the protocol: performs its effects in an event loop and tells it what happens
    status             what a service tells the world: connection records, metrics, the outbox, errors, and the log
    suspension         how long the computer has slept
"""

from .service import WebSocketService

__all__ = [
    "WebSocketService",
]
