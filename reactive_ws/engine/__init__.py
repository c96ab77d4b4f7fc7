"""The engine of the stores: one order of commits, the observers, batches, and how a value is written.

What it does: it gives every write of a domain a number and delivers the writes in that order, on one thread at a time.
It keeps the lists of observers correct while values flow. What it does not do: it knows no kinds of values, no
messages and no sockets. `state` builds the public stores on it; `middleware` uses the public methods of `Domain`.
Names with an underscore are shared between the modules of `engine` and `state` only.

The modules, from the bottom to the top:

    equality      decides whether a new value counts as a change: the default rule, and `shallow`
    home          the thread that runs the observers of a domain, reached without blocking
    commit        the records that hooks and error hooks receive: `Commit`, `ErrorReport`
    checks        refuses what a program passes in by mistake, and copies of what others hold; says what to write
    graph         updates derived values, lowest first, each at most once per commit
    commit_queue  delivers the commits of one domain: in order, on one thread at a time, at the home
    domain        the public face of one order of commits: `commit`, `on_commit`, `settled`, `set_home`
    audience      the observers of one stream: how they join, leave, and get values in registration order
    source        a value with observers, selected parts and derived values above it
    batch         several writes as one commit, with savepoints
    cell          a written value: the one write path, and the start and stop callbacks
"""

from .audience import UNSET, Audience, SomeObservers, Subscription, ignore
from .batch import OpenBatch, active_batch, batch
from .cell import Cell, Lifecycle, lifecycle_of
from .checks import (
    Registration,
    advise_names,
    check_comparer,
    check_count,
    check_function,
    check_iterable,
    check_kind,
    check_methods,
    check_result,
    check_seconds,
    check_valid,
    refuse_copy,
    warn_without_gil,
)
from .commit import Cause, Changed, Commit, Dump, ErrorReport, Tracer, name_of
from .commit_queue import fork_safe_lock, open_batches, outside_batches
from .domain import Domain, as_default_domain, default_domain
from .equality import COMPARED, Equals, is_compared_by_identity, same, shallow, unchanged
from .graph import Dependent, HasDependents, propagate
from .home import Home, LoopHome
from .source import Root, SelectionNode, SharedSelector, Source, plain_function

__all__ = [
    "COMPARED",
    "UNSET",
    "Audience",
    "Cause",
    "Cell",
    "Changed",
    "Commit",
    "Dependent",
    "Domain",
    "Dump",
    "Equals",
    "ErrorReport",
    "HasDependents",
    "Home",
    "Lifecycle",
    "LoopHome",
    "OpenBatch",
    "Registration",
    "Root",
    "SelectionNode",
    "SharedSelector",
    "SomeObservers",
    "Source",
    "Subscription",
    "Tracer",
    "active_batch",
    "advise_names",
    "as_default_domain",
    "batch",
    "check_comparer",
    "check_count",
    "check_function",
    "check_iterable",
    "check_kind",
    "check_methods",
    "check_result",
    "check_seconds",
    "check_valid",
    "default_domain",
    "fork_safe_lock",
    "ignore",
    "is_compared_by_identity",
    "lifecycle_of",
    "name_of",
    "open_batches",
    "outside_batches",
    "plain_function",
    "propagate",
    "refuse_copy",
    "same",
    "shallow",
    "unchanged",
    "warn_without_gil",
]

warn_without_gil()
