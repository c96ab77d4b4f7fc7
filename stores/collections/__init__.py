"""The structures that keep long histories and long answers cheap.

They know no messages.

    growing_text  `GrowingText`: an immutable text that is cheap to extend, for answers that arrive word by word
    vector        `Vector`: an immutable sequence that is cheap to change anywhere, at any length
"""

from .growing_text import GrowingText
from .vector import Vector

__all__ = [
    "GrowingText",
    "Vector",
]
