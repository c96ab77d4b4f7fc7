"""Values that are fetched, and functions that run when a value changes.

A resource is a read-only value like every other; an effect is a function that follows a stream. Both run async functions on an
event loop: the running one, one that the program names, or a loop in a thread of their own. Neither knows a server or a
toolkit. Programs call this package.

- `resource(params, fetch)`: a value of `Loading | Ready | Failed` that is fetched when it is observed
- `derived_async(a, b, function)`: a value that an async function computes from others
- `invalidate(*keys)`: fetches resources again, by the names of what they show
- `effect(stream, function)`, `when(stream, function)`: functions that run with each value, or once

Modules in reading order:

    states    `Loading`, `Ready`, `Failed`
    runner    the event loop that async functions run on
    resource  `resource`, `derived_async` and `invalidate`
    effects   `effect` and `when`
"""

from ..state import Policy
from .effects import Effect, effect, when
from .resource import Resource, derived_async, invalidate, resource
from .states import Failed, Loading, Ready, ResourceState

__all__ = [
    "Effect",
    "Failed",
    "Loading",
    "Policy",
    "Ready",
    "Resource",
    "ResourceState",
    "derived_async",
    "effect",
    "invalidate",
    "resource",
    "when",
]
