"""Live views of keyed stores: sorted, filtered, grouped, counted, joined, and kept up to date by what changed.

A view computes from what a commit changed, where `KeyedStore.select_sorted` and its like compute from all entities. Views
stand on the public `incremental` of `state`. They draw nothing and write nothing. Programs call them, and the lists of `gui`
take their rows.

- `view(store)`: the way to all of them
- `Rows`: the value of a view, an immutable sequence that tells what changed since another one
- `list_changes`: the operations that turn one list into another, for lists on a screen

Modules in reading order:

    list_changes  the operations that turn one list into another, by key
    tree          sorted rows as the leaves of a balanced tree that no change writes to
    rows          immutable rows in an order
    pipeline      rows of whole snapshots, or of the last rows and what changed
    totals        counts, sums and groups
    view          `view` and `View`
"""

from .list_changes import Change, Insert, Move, Remove, Update, apply_changes, list_changes
from .rows import Rows
from .view import View, view

__all__ = [
    "Change",
    "Insert",
    "Move",
    "Remove",
    "Rows",
    "Update",
    "View",
    "apply_changes",
    "list_changes",
    "view",
]
