"""Rows of writes.

`store_write_N`: a write that N observers see. `batch_2`: one commit of two stores. `chain_2`: a write whose observer writes another
store. `select_N`: N selectors on one store, of which a hundredth sees a change. `come_and_go_part`: a part is selected, shown to
one observer, and let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs

from benchmarks.stores import signal_libraries
from benchmarks.timing import Case, Metric, Run, metric
from reactive_ws import Domain, Store, batch

__all__ = ["WRITES", "come_and_go_rows", "pair_rows", "select_rows", "write_rows"]

_WRITES = {1: 20_000, 10: 5_000, 100: 800}
_FIELDS = 100


class _Counter:
    """Observers that count, and remember the last value."""

    def __init__(self) -> None:
        self.calls = 0
        self.last: Any = None

    def see(self, value: Any) -> None:
        self.calls += 1
        self.last = value

    def make(self, count: int) -> list[Callable[[Any], None]]:
        """Returns `count` different functions; all do the same."""

        def one() -> Callable[[Any], None]:
            def observer(value: Any) -> None:
                self.last = value

            return observer

        return [self.see, *[one() for _ in range(count - 1)]]


class _Writes:
    """Writes `writes` new numbers with every call."""

    def __init__(self, write: Callable[[int], object], writes: int) -> None:
        self.write = write
        self.writes = writes
        self.next = 1_000_000
        self.done = 0

    def __call__(self) -> None:
        write = self.write
        first, self.next = self.next, self.next + self.writes
        for number in range(first, self.next):
            write(number)
        self.done += self.writes


def _case(
    who: str,
    count: int,
    writes: int,
    build: Callable[[list[Callable[[Any], None]]], Callable[[int], object]],
) -> Case:
    counter = _Counter()
    made: list[_Writes] = []

    def prepare() -> Run:
        write = build(counter.make(count))
        counter.calls = 0
        made.append(_Writes(write, writes))
        return made[0]

    def check() -> None:
        done = made[0]
        if (counter.calls, counter.last) != (done.done, done.next - 1):
            raise AssertionError(f"{who}: {counter.calls} of {done.done} writes were seen")

    return Case(who, prepare, writes, check)


def _ours(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    store = Store(0, domain=Domain())
    stream = store.select()
    for observer in observers:
        stream.subscribe(observer)
    return store.set


def _loop(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    def write(value: int) -> None:
        for observer in observers:
            observer(value)

    return write


def _behavior_subject(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from reactivex.subject import BehaviorSubject

    subject: BehaviorSubject[int] = BehaviorSubject(0)
    for observer in observers:
        subject.subscribe(observer)
    return subject.on_next


def _psygnal(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from psygnal import Signal

    class Model:
        changed = Signal(int)

    model = Model()
    for observer in observers:
        model.changed.connect(observer)
    # The signal holds its owner weakly.
    observers.append(lambda _, model=model: model)  # type: ignore[misc]
    return model.changed.emit


def _traitlets(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from traitlets import HasTraits, Int

    class Model(HasTraits):  # type: ignore[misc]
        value = Int(0)

    model = Model()

    def unpacking(observer: Callable[[Any], None]) -> Callable[[Any], None]:
        return lambda change: observer(change["new"])

    for observer in observers:
        model.observe(unpacking(observer), "value")

    def write(value: int) -> None:
        model.value = value

    return write


def _reaktiv(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from reaktiv import Effect, Signal

    signal = Signal(0)

    def effect(observer: Callable[[Any], None]) -> Any:
        def run() -> None:
            observer(signal())

        return Effect(run)

    effects = [effect(observer) for observer in observers]

    def write(value: int, _kept: Any = effects) -> None:
        signal.set(value)

    return write


WRITES: dict[str, Callable[[list[Callable[[Any], None]]], Callable[[int], object]]] = {
    "ours": _ours,
    "plain loop": _loop,
    "BehaviorSubject": _behavior_subject,
    "psygnal": _psygnal,
    "traitlets": _traitlets,
    "reaktiv": _reaktiv,
    **signal_libraries.WRITES,
}
"""Builds observers and returns the function that writes their value, by the library's name."""


def write_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows for 1, 10 and 100 observers."""
    subject = {1: 1.3, 10: 1.4, 100: 1.6}
    for count, full in _WRITES.items():
        writes = full // 20 if is_quick else full
        targets = {"BehaviorSubject": subject[count], "psygnal": 1.0, "traitlets": 1.0}
        targets["reaktiv"] = 1.0
        # Those that keep no order under threads; see docs/performance.md.
        targets |= {"fynx": 0.9, "eventkit": 0.9, "observ": 0.9, "nervio": 0.9}
        if count == 100:
            targets["plain loop"] = 1 / 1.3
        cases = [_case(who, count, writes, build) for who, build in WRITES.items()]
        yield metric(f"store_write_{count}", cases, rounds=rounds, targets=targets)


# --- two values -------------------------------------------------------------------------------------------------------


def _batch_ours(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    domain = Domain()
    left, right = Store(0, domain=domain), Store(0, domain=domain)
    left.select().subscribe(lambda _: None)
    right.select().subscribe(observers[0])

    def write(value: int) -> None:
        with batch(domain):
            left.set(value)
            right.set(value)

    return write


def _batch_reaktiv(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from reaktiv import Effect, Signal
    from reaktiv import batch as reaktiv_batch

    left, right = Signal(0), Signal(0)
    effects = [Effect(lambda: left() and None), Effect(lambda: observers[0](right()))]

    def write(value: int, _kept: Any = effects) -> None:
        with reaktiv_batch():
            left.set(value)
            right.set(value)

    return write


def _batch_subjects(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from reactivex.subject import BehaviorSubject

    left: BehaviorSubject[int] = BehaviorSubject(0)
    right: BehaviorSubject[int] = BehaviorSubject(0)
    left.subscribe(lambda _: None)
    right.subscribe(observers[0])

    def write(value: int) -> None:
        left.on_next(value)
        right.on_next(value)

    return write


def _chain_ours(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    domain = Domain()
    first, second = Store(0, domain=domain), Store(0, domain=domain)
    first.select().subscribe(second.set)
    second.select().subscribe(observers[0])
    return first.set


def _chain_subjects(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from reactivex.subject import BehaviorSubject

    first: BehaviorSubject[int] = BehaviorSubject(0)
    second: BehaviorSubject[int] = BehaviorSubject(0)
    first.subscribe(second.on_next)
    second.subscribe(observers[0])
    return first.on_next


def _chain_psygnal(observers: list[Callable[[Any], None]]) -> Callable[[int], object]:
    from psygnal import Signal

    class Model:
        first = Signal(int)
        second = Signal(int)

    model = Model()
    model.second.connect(observers[0])
    model.first.connect(lambda value: model.second.emit(value))
    # The signal holds its owner weakly.
    observers.append(lambda _, model=model: model)  # type: ignore[misc]
    return model.first.emit


def pair_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows of one commit of two stores, and of a write whose observer writes. Two subjects know no batch."""
    writes = 500 if is_quick else 10_000
    together = {
        "ours": _batch_ours,
        "two BehaviorSubjects": _batch_subjects,
        "reaktiv": _batch_reaktiv,
    }
    chained = {"ours": _chain_ours, "BehaviorSubject": _chain_subjects, "psygnal": _chain_psygnal}
    for name, builds in (("batch_2", together), ("chain_2", chained)):
        cases = [_case(who, 1, writes, build) for who, build in builds.items()]
        yield metric(name, cases, rounds=rounds, targets={})


# --- selectors --------------------------------------------------------------------------------------------------------

_State: Any = attrs.make_class(
    "State", {f"field{number}": attrs.field(default=0) for number in range(_FIELDS)}, frozen=True
)
# Made before timing: replacing one field of a hundred would be most of what is timed.
_STATES = [_State(**{f"field{number}": version}) for number in range(_FIELDS) for version in (1, 2)]


def _selector(number: int) -> Callable[[Any], int]:
    namespace: dict[str, Any] = {}
    exec(f"select = lambda state: state.field{number % _FIELDS}", namespace)
    return namespace["select"]  # type: ignore[no-any-return]


class _Changes:
    def __init__(self, write: Callable[[Any], object], states: list[Any]) -> None:
        self.write = write
        self.states = states
        self.done = 0

    def __call__(self) -> None:
        write = self.write
        for state in self.states:
            write(state)
        self.done += 1


def _select_case(
    who: str,
    count: int,
    build: Callable[[list[Callable[[Any], int]], Callable[[Any], None]], Callable[[Any], object]],
) -> Case:
    seen = [0]
    made: list[_Changes] = []
    states = _STATES if count < 10_000 else _STATES[:20]

    def see(_: int) -> None:
        seen[0] += 1

    def prepare() -> Run:
        made.append(_Changes(build([_selector(number) for number in range(count)], see), states))
        seen[0] = 0
        return made[0]

    def check() -> None:
        # By hand: how often a field differs from what it was, the first round from the state of zeros.
        before, changes = _State(), 0
        for _ in range(made[0].done):
            for state in states:
                changes += sum(
                    old != new
                    for old, new in zip(attrs.astuple(before), attrs.astuple(state), strict=True)
                )
                before = state
        if seen[0] != changes * (count // _FIELDS):
            raise AssertionError(f"{who}: {seen[0]} changes were seen")

    return Case(who, prepare, len(states), check)


def _select_ours(
    selectors: list[Callable[[Any], int]], see: Callable[[Any], None]
) -> Callable[[Any], object]:
    store = Store(_State(), domain=Domain())
    for selector in selectors:
        store.select(selector).subscribe(see)
    return store.set


def _select_rx(
    selectors: list[Callable[[Any], int]], see: Callable[[Any], None]
) -> Callable[[Any], object]:
    from reactivex import operators as ops
    from reactivex.subject import BehaviorSubject

    subject: BehaviorSubject[Any] = BehaviorSubject(_State())
    for selector in selectors:
        subject.pipe(ops.map(selector), ops.distinct_until_changed()).subscribe(see)
    return subject.on_next


def select_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows for 100, 1 000 and 10 000 selectors."""
    for count in (100, 1_000) if is_quick else (100, 1_000, 10_000):
        cases = [
            _select_case("ours", count, _select_ours),
            _select_case("BehaviorSubject stack", count, _select_rx),
            *(
                _select_case(who, count, partial(build, _State()))
                for who, build in signal_libraries.SELECTS.items()
                if count < 10_000
            ),
        ]
        targets = {"BehaviorSubject stack": 4.0, "fynx": 0.9, "observ": 0.9, "nervio": 0.9}
        yield metric(f"select_{count}", cases, rounds=rounds, targets=targets)


class _Visits:
    """Makes streams, each with one observer that leaves at once.

    Args:
        stream: Makes a stream.
        visits: How many in one call.
    """

    def __init__(self, stream: Callable[[], Any], visits: int) -> None:
        self.stream = stream
        self.visits = visits
        self.seen: list[int] = []

    def __call__(self) -> None:
        stream, seen = self.stream, self.seen
        seen.clear()
        for _ in range(self.visits):
            stream().subscribe(seen.append).dispose()

    def check(self) -> None:
        """Raises when an observer missed the value."""
        if self.seen != [7] * self.visits:
            raise AssertionError(
                f"{len(self.seen)} of {self.visits} observers were shown the value"
            )


def come_and_go_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the row for a part that comes and goes, as the parts of a screen do."""
    from reactivex import operators as ops
    from reactivex.subject import BehaviorSubject

    visits = 200 if is_quick else 5_000
    store = Store((7, 8), domain=Domain())
    subject: BehaviorSubject[Any] = BehaviorSubject((7, 8))

    def first(pair: tuple[int, int]) -> int:
        return pair[0]

    ways = {
        "ours": lambda: store.select(first),
        "BehaviorSubject": lambda: subject.pipe(ops.map(first), ops.distinct_until_changed()),
    }
    runs = {name: _Visits(stream, visits) for name, stream in ways.items()}
    cases = [Case(name, lambda run=run: run, visits, run.check) for name, run in runs.items()]  # type: ignore[misc]
    yield metric("come_and_go_part", cases, rounds=rounds)
