"""The rules that every stream must keep, watched on one stream while a test does something else.

A `Monitor` collects what breaks a rule and raises it in `check()`, all at once and with the rules' names. It asks nothing of
the order of values: that is what `recorder` is for. `world` puts monitors on the streams of services.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs
from reactivex import Observable, abc

from ..simulation import Simulation

__all__ = ["BrokenRules", "Monitor", "Rule", "Violation"]

T = TypeVar("T")
_NOTHING: Any = object()


class Rule(enum.Enum):
    """The rules that a stream must keep."""

    GRAMMAR = "values, then at most one end, then nothing"
    ONE_THREAD = "all values after the first come on one thread"
    NO_OVERLAP = "no call while another call is under way, also not from inside it"
    RISING_NUMBERS = "numbers only grow"
    DISTINCT = "no value twice in a row"
    NOTHING_AFTER_DISPOSE = "nothing after dispose() returned"
    LAST_VALUE = "the last value is the value of the store at rest"


@attrs.frozen
class Violation:
    """A rule that was broken, and how."""

    rule: Rule
    text: str

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.text} (the rule: {self.rule.value})"


class BrokenRules(AssertionError):
    """A stream broke rules.

    Attributes:
        stream: Name of the stream.
        violations: Each broken rule once, with its first case.
    """

    def __init__(self, stream: str, violations: tuple[Violation, ...]) -> None:
        super().__init__(stream, violations)
        self.stream = stream
        self.violations = violations

    def __str__(self) -> str:
        return f"{self.stream} broke rules:" + "".join(f"\n  - {each}" for each in self.violations)


class Monitor(Generic[T]):
    """Watches a stream until `dispose()`; `check()` tells what was wrong. A context manager that does both.

    Args:
        stream: What to watch.
        name: What to call it in errors.
        current: Returns the value that the stream shows, such as `store.get`; compared in `check()`.
        number: Returns the number of a value, such as a commit number or a sequence; they must grow.
        is_distinct: Whether a value may not come twice in a row (by `==`).
        is_one_thread: Whether all values after the subscription must come on one thread.
        scheduler: Given to the stream's operators; the open simulation's when None.
    """

    def __init__(
        self,
        stream: Observable[T],
        *,
        name: str = "the stream",
        current: Callable[[], T] | None = None,
        number: Callable[[T], int] | None = None,
        is_distinct: bool = False,
        is_one_thread: bool = True,
        scheduler: abc.SchedulerBase | None = None,
    ) -> None:
        self.name = name
        self._current = current
        self._number = number
        self._is_distinct = is_distinct
        self._is_one_thread = is_one_thread
        self._violations: dict[Rule, Violation] = {}
        self._lock = threading.Lock()
        self._busy_in: int | None = None
        self._last: Any = _NOTHING
        self._last_number: int | None = None
        self._thread: int | None = None
        self._has_ended = False
        self._is_disposed = False
        self._is_subscribing = True
        if scheduler is None:
            simulation = Simulation.current_or_none()
            scheduler = None if simulation is None else simulation.scheduler
        self._subscription = stream.subscribe(_Watching(self), scheduler=scheduler)
        self._is_subscribing = False

    def __repr__(self) -> str:
        return f"<Monitor of {self.name}, {len(self._violations)} rules broken>"

    def __enter__(self) -> Monitor[T]:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.dispose()

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The first case of each broken rule, in the order in which they were broken."""
        return tuple(self._violations.values())

    def dispose(self) -> None:
        """Ends the subscription; what comes later breaks a rule."""
        self._subscription.dispose()
        self._is_disposed = True

    def check(self) -> None:
        """Compares the last value with the store, and raises what was wrong so far. Call it when nothing is under way.

        Raises:
            BrokenRules: something was.
        """
        if self._current is not None and not self._is_disposed and not self._has_ended:
            current = self._current()
            if self._last is _NOTHING:
                self._break(Rule.LAST_VALUE, f"nothing was seen, the store holds {current!r}")
            elif self._last is not current and self._last != current:
                self._break(
                    Rule.LAST_VALUE, f"{self._last!r} was seen last, the store holds {current!r}"
                )
        if self._violations:
            raise BrokenRules(self.name, self.violations)

    def enter(self, what: str) -> bool:
        """Notes that a call begins; returns whether it is the only one."""
        here = threading.get_ident()
        with self._lock:
            other = self._busy_in
            if other is None:
                self._busy_in = here
        if other is not None:
            inside = "inside of" if other == here else "beside"
            self._break(Rule.NO_OVERLAP, f"{what} came {inside} another call")
        if self._is_disposed:
            self._break(Rule.NOTHING_AFTER_DISPOSE, f"{what} came")
        if self._has_ended:
            self._break(Rule.GRAMMAR, f"{what} came after the end")
        return other is None

    def leave(self, *, is_first: bool) -> None:
        """Notes that a call ended."""
        if is_first:
            self._busy_in = None

    def value(self, value: T) -> None:
        """Checks a value."""
        if self._is_distinct and self._last is not _NOTHING and self._last == value:
            self._break(Rule.DISTINCT, f"{value!r} came twice")
        self._last = value
        if self._number is not None:
            number = self._number(value)
            if self._last_number is not None and number <= self._last_number:
                self._break(Rule.RISING_NUMBERS, f"{number} came after {self._last_number}")
            self._last_number = number
        if self._is_one_thread and not self._is_subscribing:
            here = threading.get_ident()
            if self._thread is None:
                self._thread = here
            elif self._thread != here:
                name = threading.current_thread().name
                self._break(Rule.ONE_THREAD, f"{value!r} came on another thread, {name!r}")

    def ended(self) -> None:
        """Notes the end of the stream."""
        self._has_ended = True

    def _break(self, rule: Rule, text: str) -> None:
        self._violations.setdefault(rule, Violation(rule, text))


class _Watching(abc.ObserverBase[Any]):
    """The observer. It is not a reactivex `Observer`, because that would hide calls after the end."""

    def __init__(self, monitor: Monitor[Any]) -> None:
        self._monitor = monitor

    def on_next(self, value: Any) -> None:
        is_first = self._monitor.enter(f"the value {value!r}")
        try:
            self._monitor.value(value)
        finally:
            self._monitor.leave(is_first=is_first)

    def on_error(self, error: Exception) -> None:
        is_first = self._monitor.enter(f"the error {error!r}")
        self._monitor.ended()
        self._monitor.leave(is_first=is_first)

    def on_completed(self) -> None:
        is_first = self._monitor.enter("the completion")
        self._monitor.ended()
        self._monitor.leave(is_first=is_first)
