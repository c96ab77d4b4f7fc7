"""The calls of a stream and their times: a `Recorder` for one stream, and `assert_marbles` to compare it with a drawing.

For a list of values `recorder.values` is enough; drawings are for tests about time. The rules that every stream must keep
are checked by `monitor`.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import attrs
from reactivex import Observable, abc

from ...errors import UsageError
from ..simulation import Simulation

__all__ = ["Event", "Kind", "Recorder", "assert_marbles"]

T = TypeVar("T")

_MAX_COLUMNS = 1_000


class Kind(enum.Enum):
    """The kinds of calls of a stream."""

    NEXT = "next"
    ERROR = "error"
    COMPLETED = "completed"


@attrs.frozen
class Event:
    """One thing that a stream did.

    Attributes:
        time: Seconds on the recorder's clock.
        kind: What it did.
        value: The value or the exception; None for the end.
    """

    time: float
    kind: Kind
    value: Any = None

    def __str__(self) -> str:
        said = {Kind.NEXT: repr(self.value), Kind.ERROR: f"error {self.value!r}"}
        return f"{self.time:g} s: {said.get(self.kind, 'completed')}"


class Recorder(Generic[T]):
    """Subscribes to a stream and writes down what it does. A context manager: leaving it disposes.

    Args:
        stream: What to listen to.
        clock: Gives seconds; the loop of the open simulation when None, else real seconds since now.
        scheduler: Given to the stream's operators; the open simulation's when None.

    Attributes:
        events: Everything so far, in order.
        has_real_time: Whether its times are those of a real clock, which no drawing can foresee.
    """

    def __init__(
        self,
        stream: Observable[T],
        *,
        clock: Callable[[], float] | None = None,
        scheduler: abc.SchedulerBase | None = None,
    ) -> None:
        self.events: list[Event] = []
        simulation = Simulation.current_or_none()
        self.has_real_time = clock is None and simulation is None
        if clock is None:
            clock = _real_seconds() if simulation is None else simulation.loop.time
        if scheduler is None and simulation is not None:
            scheduler = simulation.scheduler
        self._clock = clock
        self._subscription = stream.subscribe(
            lambda value: self._note(Kind.NEXT, value),
            lambda error: self._note(Kind.ERROR, error),
            lambda: self._note(Kind.COMPLETED),
            scheduler=scheduler,
        )

    def __repr__(self) -> str:
        return f"<Recorder of {len(self.events)} events>"

    def __enter__(self) -> Recorder[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    @property
    def values(self) -> list[T]:
        """The values, without times and ends."""
        return [event.value for event in self.events if event.kind is Kind.NEXT]

    @property
    def error(self) -> Exception | None:
        """The error that ended the stream, or None."""
        errors = [event.value for event in self.events if event.kind is Kind.ERROR]
        return errors[-1] if errors else None

    @property
    def is_completed(self) -> bool:
        """Whether the stream ended without an error."""
        return any(event.kind is Kind.COMPLETED for event in self.events)

    def clear(self) -> None:
        """Forgets what was recorded; the subscription goes on."""
        self.events.clear()

    def dispose(self) -> None:
        """Ends the subscription."""
        self._subscription.dispose()

    def _note(self, kind: Kind, value: Any = None) -> None:
        self.events.append(Event(round(self._clock(), 9), kind, value))


def _real_seconds() -> Callable[[], float]:
    start = time.monotonic()
    return lambda: time.monotonic() - start


def assert_marbles(
    recorder: Recorder[Any],
    drawing: str,
    values: Mapping[str, Any] | None = None,
    *,
    unit: float = 1.0,
    start: float = 0.0,
    error: Exception | type[Exception] | None = None,
) -> None:
    """Compares a recording with a drawing.

    Every character is one `unit` of seconds: `-` nothing, `|` completed, `#` an error, a letter or digit a value, and
    `(ab|)` several things at one moment, also one unit long. Spaces are for the eye.

    Args:
        recorder: What happened.
        drawing: What should have happened.
        values: What the characters stand for; a digit stands for its number and a letter for itself when left out.
        unit: Seconds of one character.
        start: Seconds on the recorder's clock at the first character.
        error: What `#` stands for: an equal type and text, or a class; any error when None.

    Raises:
        AssertionError: they differ; the text shows both.
        ValueError: the drawing has a character without a meaning.
        UsageError: something happened on a real clock, whose times no drawing can foresee.
    """
    meanings = dict(values or {})
    _check_arguments(drawing, meanings, unit, error)
    if recorder.has_real_time and recorder.events:
        raise UsageError(
            "a drawing needs virtual time, and this recorder has a real clock: put @simulate above the test, give "
            "the recorder a clock, or compare recorder.values"
        )
    wanted = _parse(drawing, meanings, unit, start)
    got = recorder.events
    if len(wanted) == len(got) and all(map(_same(error), wanted, got)):
        return
    raise AssertionError(
        f"the stream did something else than was drawn\n"
        f"  want: {''.join(drawing.split())}\n"
        f"  got:  {_draw(got, meanings, unit, start)}\n"
        f"  want: [{', '.join(map(str, wanted))}]\n"
        f"  got:  [{', '.join(map(str, got))}]"
    )


_ANY_ERROR = object()
_SIGNS = frozenset("-|#()")


def _check_arguments(
    drawing: str,
    meanings: Mapping[str, Any],
    unit: float,
    error: Exception | type[Exception] | None,
) -> None:
    for sign in meanings:
        if len(sign) != 1 or sign in _SIGNS or sign.isspace():
            raise ValueError(
                f"{sign!r} cannot stand for a value in a drawing: one character that is none of -|#() can"
            )
    if not unit > 0:
        raise ValueError(f"the unit of a drawing is more than 0 seconds, not {unit!r}")
    if error is not None and "#" not in drawing:
        raise ValueError(f"there is no # in the drawing {drawing!r} that {error!r} could stand for")


def _parse(drawing: str, meanings: Mapping[str, Any], unit: float, start: float) -> list[Event]:
    events: list[Event] = []
    ticks = 0
    is_group = is_empty = False
    for character in drawing:
        if character.isspace():
            continue
        if events and events[-1].kind is not Kind.NEXT and character not in "-)":
            raise ValueError(f"{character!r} cannot come after the end in the drawing {drawing!r}")
        moment = round(start + ticks * unit, 9)
        if character == "(" and not is_group:
            is_group = is_empty = True
            continue
        if character == ")" and is_group:
            if is_empty:
                raise ValueError(f"there is nothing between ( and ) in the drawing {drawing!r}")
            is_group = False
        elif character == "|":
            events.append(Event(moment, Kind.COMPLETED))
        elif character == "#":
            events.append(Event(moment, Kind.ERROR, _ANY_ERROR))
        elif character.isalnum() or character in meanings:
            default = int(character) if character.isdecimal() else character
            events.append(Event(moment, Kind.NEXT, meanings.get(character, default)))
        elif character != "-" or is_group:
            raise ValueError(f"{character!r} cannot stand here in the drawing {drawing!r}")
        is_empty = False
        if not is_group:
            ticks += 1
    if is_group:
        raise ValueError(f"a '(' is not closed in the drawing {drawing!r}")
    return events


def _same(error: Exception | type[Exception] | None) -> Callable[[Event, Event], bool]:
    def same(wanted: Event, got: Event) -> bool:
        if wanted.kind is not got.kind or abs(wanted.time - got.time) > 1e-6:
            return False
        if wanted.kind is not Kind.ERROR:
            return bool(wanted.value == got.value)
        if error is None:
            return True
        if isinstance(error, type):
            return isinstance(got.value, error)
        return type(got.value) is type(error) and str(got.value) == str(error)

    return same


def _draw(events: list[Event], meanings: Mapping[str, Any], unit: float, start: float) -> str:
    """Draws what happened; a moment between two characters goes to the one before, and `?` is a value without a name."""
    columns: dict[int, str] = {}
    for event in events:
        column = max(0, int((event.time - start) / unit + 1e-6))
        sign = {Kind.COMPLETED: "|", Kind.ERROR: "#"}.get(event.kind) or _name(
            event.value, meanings
        )
        columns[column] = columns.get(column, "") + sign
    if not columns:
        return "(nothing)"
    if max(columns) > _MAX_COLUMNS:
        return f"(too long to draw: {max(columns) + 1} units)"
    signs = [columns.get(column, "-") for column in range(max(columns) + 1)]
    return "".join(sign if len(sign) == 1 else f"({sign})" for sign in signs)


def _name(value: Any, meanings: Mapping[str, Any]) -> str:
    for sign, meaning in meanings.items():
        if meaning == value:
            return sign
    text = str(value)
    return text if isinstance(value, (str, int)) and len(text) == 1 and text.isalnum() else "?"
