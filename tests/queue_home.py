"""A home for tests: it keeps posted functions until the test runs them."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["QueueHome"]


class QueueHome:
    """A home that runs posted functions when the test says so.

    Attributes:
        posted: The functions that wait.
        is_inside: Whether the current thread counts as the home's.
    """

    def __init__(self) -> None:
        self.posted: list[Callable[[], None]] = []
        self.is_inside = False

    def post(self, function: Callable[[], None], /) -> None:
        self.posted.append(function)

    def is_current(self) -> bool:
        return self.is_inside

    def run_one(self) -> None:
        self.is_inside = True
        try:
            self.posted.pop(0)()
        finally:
            self.is_inside = False

    def run(self) -> None:
        while self.posted:
            self.run_one()
