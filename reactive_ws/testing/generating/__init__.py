"""Generates messages and broken input for property tests.

Needs Hypothesis.

    garbage     frames that no server should send and some do
    profiles    hypothesis profiles
    schema      from a type to the JSON values that it accepts: the ground under `strategies` and `garbage`
    strategies  hypothesis strategies for everything that a program on a WebSocket can meet
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
