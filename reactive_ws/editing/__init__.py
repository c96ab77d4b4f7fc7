"""Ways to change a state that are more than one write: changes that can be taken back.

Built on the public parts of `engine` and `state`. Does not talk to a server and does not draw anything: replicas, forms and
programs call it.

- `OptimisticStore`: a confirmed value with pending changes on top, each confirmed or discarded alone, in any order

Modules in reading order:

    optimistic  a confirmed value, and pending changes on top of it
"""

from .optimistic import OptimisticStore, Patch

__all__ = ["OptimisticStore", "Patch"]
