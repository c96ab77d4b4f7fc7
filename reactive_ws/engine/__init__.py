"""The engine of the stores: one order of commits, who listens, batches, and how a value is written.

It knows no kinds of values, no messages and no sockets. `state` builds the public stores on it; `middleware` uses its hooks. Names with
an underscore are shared between the modules of `engine` and `state` only.

    audience            who listens to one stream, in registration order, and how an observer joins and leaves while values flow
    batch               several writes as one commit
    cell                how a value is written
    commit              what hooks and error hooks are told: one change of a domain, one failure of a user's function
    commit_queue        delivering the commits of one domain: in order, one thread at a time, where the home is
    domain              one order for all writes of a group of stores, and one thread at a time that tells the observers
    equality            when a new value counts as no change: the default rule, and `shallow` for those who want more
    graph               the order in which derived values are brought up to date: lowest first, each at most once per commit
    home                where a domain is delivered: the one thread that runs its observers, reached without blocking
    lifecycle           what a store does while somebody listens: start with the first observer, stop with the last
    registration_order  telling the observers of several audiences, or some of one, in the order in which they registered
    source              A value that can be observed whole or in parts: what stores, keyed stores and derived values share
"""

from .audience import UNSET, Audience, Link, ignore
from .batch import Batch, active_batch, batch, open_batches
from .cell import Cell
from .commit import Commit, ErrorReport
from .domain import Domain, default_domain
from .equality import COMPARED, Equals, is_told_by_identity, same, shallow, unchanged
from .graph import Dependent, HasDependents
from .home import LoopHome
from .registration_order import Few
from .source import Root, SelectionNode, Source

__all__ = [
    "COMPARED",
    "UNSET",
    "Audience",
    "Batch",
    "Cell",
    "Commit",
    "Dependent",
    "Domain",
    "Equals",
    "ErrorReport",
    "Few",
    "HasDependents",
    "Link",
    "LoopHome",
    "Root",
    "SelectionNode",
    "Source",
    "active_batch",
    "batch",
    "default_domain",
    "ignore",
    "is_told_by_identity",
    "open_batches",
    "same",
    "shallow",
    "unchanged",
]
