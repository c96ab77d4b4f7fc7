"""What the stores need from outside, as types, and the usual clocks.

It imports no store.

    calls   calls functions that a user gives, sync or async, and tells what came of them
    clocks  what the time is, how to be called later, and new ids, when nobody gives others
    ports   what stores need from the outside, as plain types
"""

from . import clocks
from .calls import call
from .ports import Handlers, Later, Report, Runs, Send, Sync

__all__ = [
    "Handlers",
    "Later",
    "Report",
    "Runs",
    "Send",
    "Sync",
    "call",
    "clocks",
]
