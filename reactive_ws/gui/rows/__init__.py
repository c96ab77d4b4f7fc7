"""The shared part of the lists of all toolkits: groups of row operations, and the end of a view.

It paints nothing and imports no toolkit. The row operations themselves come from `reactive_ws.views.list_changes`. The lists of
`gui.tk`, `gui.qt` and `gui.textual` call this package; so can the list of another toolkit.

Modules in reading order:

    runs  `runs`: groups of row operations that one call of a toolkit can do
    end   `End`: whether a view is at its end, and how many rows came since
    differ  `Differ`: the operations from the rows shown to the new ones
    checks  `check_row_functions`: refuses what a list cannot call
"""

from .checks import check_row_functions
from .differ import Differ
from .end import End, count_new_at_end
from .runs import runs

__all__ = ["Differ", "End", "check_row_functions", "count_new_at_end", "runs"]
