"""Immutable collections that keep long histories, long answers and many sessions cheap.

They know no messages. The history, the sessions and the carousel of the chat use them.

    vector        `Vector`: a sequence that is cheap to change anywhere, at any length
    id_index      `IdIndex`: values by id, for the newest values of a growing collection
    roster        `Roster`, `IdSet`: values by id in order, and a set of ids
    order         `Order`: ids in the order in which they came, with their neighbours
    choice        `Choice`: the item of a list that the user looks at, which stays near when the item is gone
    growing_text  `GrowingText`: a text that is cheap to extend, for answers that arrive word by word
"""

from .choice import Choice
from .growing_text import GrowingText
from .id_index import IdIndex
from .order import Order
from .roster import IdSet, Roster
from .vector import Vector

__all__ = [
    "Choice",
    "GrowingText",
    "IdIndex",
    "IdSet",
    "Order",
    "Roster",
    "Vector",
]
