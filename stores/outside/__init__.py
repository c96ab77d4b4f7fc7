"""Functions, clocks and timers that the stores need from outside, as types, and the usual ones.

The stores import no clock and no service: `Application` gives them these functions, and a test gives its own.

    ports   types of the functions that stores need
    clocks  the usual clock, timer and ids
    calls   calls functions of the user, sync or async, and reports their results
"""

from . import clocks
from .calls import call
from .ports import AskForState, Follow, Handlers, Later, Report, Runs, Send

__all__ = [
    "AskForState",
    "Follow",
    "Handlers",
    "Later",
    "Report",
    "Runs",
    "Send",
    "call",
    "clocks",
]
