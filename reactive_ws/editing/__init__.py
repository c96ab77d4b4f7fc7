"""Ways to change a state: changes that can be taken back, drafts, writable parts.

Built on the public parts of `engine` and `state`. Does not talk to a server and does not draw anything: replicas, forms and
programs call it.

- `OptimisticStore`: a confirmed value with pending changes on top, each confirmed or discarded alone, in any order
- `produce(value, recipe)`: code changes a draft and gets a new immutable value
- `at(store, *path)`, `part(store, get, put)`: writable parts of a store

Modules in reading order:

    optimistic  a confirmed value, and pending changes on top of it
    drafts      `produce`: a new value by changing a draft
    parts       parts of a store that write through
"""

from .drafts import produce
from .optimistic import OptimisticStore, Patch
from .parts import Part, at, part

__all__ = ["OptimisticStore", "Part", "Patch", "at", "part", "produce"]
