"""Errors that end a simulated test, besides its own assertions. The loop, the network and the harness raise them.

SimulationError
├── Deadlock            all tasks wait, and no event is left that can wake one
├── Livelock            the test runs, but does not come to an end
├── NotSimulated        threads, real sockets, proxies: what would make the run depend on the machine
└── BackgroundFailure   exceptions that no task awaited
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ReactiveWSError

__all__ = ["BackgroundFailure", "Deadlock", "Livelock", "NotSimulated", "SimulationError"]


class SimulationError(ReactiveWSError):
    """Root of what the harness raises about a run, as opposed to what the test asserts."""


class _Stuck(SimulationError):
    def __init__(self, time: float, waiting: Sequence[str]) -> None:
        super().__init__(time, tuple(waiting))
        self.time = time
        self.waiting = tuple(waiting)

    def _who(self) -> str:
        return "".join(f"\n  - {line}" for line in self.waiting) or "\n  (no task at all)"


class Deadlock(_Stuck):
    """No callback is ready and no timer is set, so nothing can happen.

    Attributes:
        time: Virtual seconds since the start of the run.
        waiting: One line for each unfinished task: its name, and the place where it waits.
    """

    def __str__(self) -> str:
        return (
            f"deadlock at t={self.time:.6g} s: no timer is set, and these tasks wait:{self._who()}"
        )


class Livelock(_Stuck):
    """The loop turned more often than it was allowed to.

    Attributes:
        time: Virtual seconds since the start of the run.
        waiting: One line for each unfinished task: its name, and the place where it waits.
        turns: How often the loop turned.
        is_clock_moving: False when all of these turns happened at one moment of virtual time.
    """

    def __init__(
        self, time: float, waiting: Sequence[str], turns: int, *, is_clock_moving: bool
    ) -> None:
        super().__init__(time, waiting)
        self.turns = turns
        self.is_clock_moving = is_clock_moving

    def __str__(self) -> str:
        what = (
            "timers keep running, but the test does not end"
            if self.is_clock_moving
            else "tasks keep running without ever letting time pass"
        )
        return (
            f"livelock at t={self.time:.6g} s after {self.turns} turns of the loop: {what}. "
            f"Unfinished tasks:{self._who()}"
        )


class NotSimulated(SimulationError):
    """Something that cannot be the same in every run was asked for.

    Attributes:
        what: What was asked for.
        instead: What to do instead.
    """

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(what, instead)
        self.what = what
        self.instead = instead

    def __str__(self) -> str:
        return f"{self.what} cannot be simulated: {self.instead}"


class BackgroundFailure(SimulationError, ExceptionGroup[Exception]):
    """Exceptions of background tasks and callbacks that the test did not await, so that no assertion saw them."""
