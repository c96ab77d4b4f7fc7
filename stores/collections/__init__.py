"""Immutable collections that keep long histories and long answers cheap.

They know no messages. The history of the chat uses them.

    vector        `Vector`: a sequence that is cheap to change anywhere, at any length
    id_index      `IdIndex`: values by id, for the newest values of a growing collection
    growing_text  `GrowingText`: a text that is cheap to extend, for answers that arrive word by word
"""

from .growing_text import GrowingText
from .id_index import IdIndex
from .vector import Vector

__all__ = [
    "GrowingText",
    "IdIndex",
    "Vector",
]
