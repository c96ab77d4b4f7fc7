"""The order in which derived values are brought up to date: lowest first, each at most once per commit.

A dependent's height is one more than that of its highest source, so walking up by height meets every dependent after all
of its sources. The walk costs what the touched part of the graph costs, and nothing recurses.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol

__all__ = ["Dependent", "HasDependents", "propagate"]


class HasDependents(Protocol):
    """Anything that dependents can be computed from."""

    @property
    def _dependents(self) -> dict[Dependent, None]:
        """The values computed from this one, and readers."""
        ...

    def _start_again(self) -> None:
        """Drops what it remembers of earlier commits, in a forked child and after an interrupt."""
        ...

    def _begin_as_child(self) -> None:
        """Ends what other threads did with its observers, in a forked child."""
        ...

    def _end_streams(self) -> None:
        """Ends its streams."""
        ...


class Dependent(HasDependents, Protocol):
    """A derived value as the walk needs it, or of a reader that stands for one without observers."""

    _is_reader: bool
    _height: int
    _joined: int
    _queued: int

    def _update(self) -> bool:
        """Computes the value for the commit under delivery and tells its observers; True when it changed."""
        ...

    def _interrupted(self, error: BaseException) -> None:
        """Takes what a user's comparer raised past `_update`; observers that missed the value get the next one."""
        ...

    def _is_left_alone(self) -> bool:
        """Whether the last of its sources has just ended."""
        ...


def propagate(number: int, changed: Sequence[HasDependents]) -> None:
    """Updates everything above the changed sources. On the delivering thread, in commit `number`."""
    if len(changed) == 1:
        # A chain without branches, such as a view of a store, has an order without a heap. The copy is looked at and not the
        # dict, because another thread may add a dependent at any instruction.
        only: tuple[Dependent, ...] = tuple(changed[0]._dependents)
        while len(only) == 1:
            dependent = only[0]
            if dependent._queued == number or dependent._joined >= number:
                return
            dependent._queued = number
            try:
                is_changed = dependent._update()
            except BaseException as error:  # noqa: BLE001 - kept, and raised after the others were served
                dependent._interrupted(error)
                is_changed = True
            if not is_changed:
                return
            changed = only
            only = tuple(dependent._dependents)
        if not only:
            return
    waiting: dict[int, list[Dependent]] = {}
    heights: list[int] = []
    for source in changed:
        _queue(number, source, waiting, heights)
    while heights:
        for dependent in waiting.pop(heights.pop() if len(heights) == 1 else heappop(heights)):
            try:
                is_changed = dependent._update()
            except BaseException as error:  # noqa: BLE001 - kept, and raised after the others were served
                dependent._interrupted(error)
                is_changed = True
            above = dependent._dependents if is_changed else None
            if above:
                # `_queue`, written out, because a call for each value costs as much as its update.
                for other in tuple(above):
                    if other._queued == number or other._joined >= number:
                        continue
                    other._queued = number
                    height = other._height
                    if height in waiting:
                        waiting[height].append(other)
                    else:
                        waiting[height] = [other]
                        heappush(heights, height)


def _queue(
    number: int, source: HasDependents, waiting: dict[int, list[Dependent]], heights: list[int]
) -> None:
    # A copy, because an observer may subscribe to a derived value of this source while it is walked.
    for dependent in tuple(source._dependents):
        if dependent._queued == number or dependent._joined >= number:
            continue
        dependent._queued = number
        height = dependent._height
        if height in waiting:
            waiting[height].append(dependent)
        else:
            waiting[height] = [dependent]
            heappush(heights, height)
