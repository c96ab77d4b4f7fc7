"""Developer tools: the stores, commits, messages and connections of a running program, on a page and in a terminal.

    with inspect_program(app.service) as tools:
        print(tools.url)

The page shows the live tree of stores, the log of commits with cause and difference, messages in and out, the outbox and the
connection; it filters, pauses, exports, imports, and moves the stores of the domain to an earlier commit and back.
`reactive-ws inspect URL` shows the same in a terminal. A program that does not call it pays nothing. It is for development: what it
shows needs the token, and secrets are hidden by their names only. Applications call it; nothing in the framework does.

    causes         finds why a commit is made: function, messages, thread, line
    recorder       records a domain and its services in a ring; travels in time
    values         shows values and differences as JSON, without secrets
    feed           what a viewer has not seen yet; documents to export and import
    server         the page and the WebSocket for viewers, on loopback, with a token
    viewer         what a viewer knows: filter, pause, tree
    terminal       the screen of `reactive-ws inspect`, with Textual
    command        the command `reactive-ws inspect`
    opentelemetry  metrics, and spans from the action to the acknowledgement (extra `opentelemetry`)
    prometheus     metrics for a Prometheus registry (extra `prometheus`)
"""

from .recorder import (
    CommitMade,
    ConnectionChanged,
    DeliveryChanged,
    ErrorHappened,
    MessageHandled,
    MessageSent,
    ProgramRecorder,
    RecordedEvent,
    StoreChange,
)
from .server import DevServer, inspect_program

__all__ = [
    "CommitMade",
    "ConnectionChanged",
    "DeliveryChanged",
    "DevServer",
    "ErrorHappened",
    "MessageHandled",
    "MessageSent",
    "ProgramRecorder",
    "RecordedEvent",
    "StoreChange",
    "inspect_program",
]
