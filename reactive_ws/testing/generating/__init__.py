"""Generates messages and broken input for property tests.

It needs Hypothesis and runs no program. Property tests and `machines` call it.

    schema      the JSON values that a type accepts
    strategies  Hypothesis strategies for messages, frames, close codes and faults
    garbage     frames that no server should send, row by row
    profiles    Hypothesis profiles: how long a test may search
"""

from .garbage import GARBAGE, Garbage, wire_garbage, wrong_types
from .profiles import register
from .strategies import envelopes, faults, seeds

__all__ = [
    "GARBAGE",
    "Garbage",
    "envelopes",
    "faults",
    "register",
    "seeds",
    "wire_garbage",
    "wrong_types",
]
