"""`End`: whether a list view is at its end, and how many rows came since it left the end.

The lists of all toolkits keep one for each view that follows its end. A program shows "3 new messages" with `unseen` and jumps
there with `go`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from ...engine import Domain, batch
from ...state import ReadOnly, Store

__all__ = ["End", "count_new_at_end"]

T = TypeVar("T")


class End:
    """The end of one view. UI thread.

    Args:
        domain: Of its two stores; `UiLoop.domain`.
        go: Scrolls the view to its end.
    """

    def __init__(self, domain: Domain, go: Callable[[], None]) -> None:
        self._domain = domain
        self._go = go
        self._at_end = Store(True, name="view at end", domain=domain, is_dumped=False)
        self._unseen = Store(0, name="rows unseen", domain=domain, is_dumped=False)

    @property
    def at_end(self) -> ReadOnly[bool]:
        """Whether the view shows its last row. UI thread."""
        return self._at_end.read_only

    @property
    def unseen(self) -> ReadOnly[int]:
        """How many rows came after the last row since the view left its end; 0 at the end. UI thread."""
        return self._unseen.read_only

    @property
    def is_there(self) -> bool:
        """Whether the view is at its end."""
        return self._at_end.get()

    def go(self) -> None:
        """Scrolls the view to its end. UI thread."""
        self._go()

    def moved(self, *, is_at_end: bool) -> None:
        """Notes where the view is. The list calls it after each scroll and each layout."""
        if is_at_end == self.is_there:
            return
        with batch(self._domain):
            self._at_end.set(is_at_end)
            if is_at_end:
                self._unseen.set(0)

    def came(self, count: int) -> None:
        """Notes rows that came after the last one. The list calls it after each change."""
        if count and not self.is_there:
            self._unseen.update(lambda now: now + count)


def count_new_at_end(old: Sequence[T], new: Sequence[T], key: Callable[[T], Hashable]) -> int:
    """Returns how many rows at the end of `new` are not in `old`."""
    if not new or (old and key(new[-1]) == key(old[-1])):
        return 0
    known = {key(row) for row in old}
    count = 0
    for row in reversed(new):
        if key(row) in known:
            break
        count += 1
    return count
