"""The work of the store rows in other Python libraries of signals and events: fynx, observ, nervio, eventkit.

Each builder does what `writing`, `keys` and `graphs` ask for in the way that the library's own documentation shows. A library
that computes a wrong result for a graph is left out of that row and named in its note.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from benchmarks.timing import Case

__all__ = [
    "GRAPHS",
    "KEYED",
    "SELECTS",
    "WRITES",
    "Fynx",
    "Nervio",
    "Observ",
    "right_cases",
]

Read = Callable[[], Any]
Observers = list[Callable[[Any], None]]


def right_cases(cases: list[Case]) -> tuple[list[Case], str]:
    """Returns the cases whose first run gives the right result, and a note that names the others.

    A case whose library is missing stays in: the clock leaves it out and says so.
    """
    right: list[Case] = []
    wrong: list[str] = []
    for case in cases:
        try:
            if case.is_there:
                case.prepare()()
        except AssertionError:
            wrong.append(case.name)
        else:
            right.append(case)
    return right, f"({', '.join(wrong)}: wrong result)" if wrong else ""


# --- one value, N observers -------------------------------------------------------------------------------------------


def _write_fynx(observers: Observers) -> Callable[[int], object]:
    from fynx import observable

    value = observable(0)
    for observer in observers:
        value.subscribe(observer)
    return value.set  # type: ignore[no-any-return]


def _write_observ(observers: Observers) -> Callable[[int], object]:
    from observ import reactive, watch

    state = reactive({"value": 0})
    kept = [watch(lambda: state["value"], observer, sync=True) for observer in observers]

    def write(value: int, _kept: Any = kept) -> None:
        state["value"] = value

    return write


def _write_nervio(observers: Observers) -> Callable[[int], object]:
    from nervio import effect, signal

    one = signal(0)
    kept = [effect(lambda observer=observer: observer(one.value)) for observer in observers]

    def write(value: int, _kept: Any = kept) -> None:
        one.value = value

    return write


def _write_eventkit(observers: Observers) -> Callable[[int], object]:
    from eventkit import Event

    event = Event("value")
    for observer in observers:
        event.connect(observer, keep_ref=True)
    return event.emit  # type: ignore[no-any-return]


WRITES: dict[str, Callable[[Observers], Callable[[int], object]]] = {
    "fynx": _write_fynx,
    "observ": _write_observ,
    "nervio": _write_nervio,
    "eventkit": _write_eventkit,
}


# --- N selectors on one immutable value -------------------------------------------------------------------------------

Selectors = list[Callable[[Any], int]]
See = Callable[[Any], None]


def _select_fynx(initial: Any, selectors: Selectors, see: See) -> Callable[[Any], object]:
    from fynx import observable

    value = observable(initial)
    kept = [value.then(selector) for selector in selectors]
    for part in kept:
        part.subscribe(see)

    def write(state: Any, _kept: Any = kept) -> None:
        value.set(state)

    return write


def _select_observ(initial: Any, selectors: Selectors, see: See) -> Callable[[Any], object]:
    from observ import shallow_reactive, watch

    state = shallow_reactive({"value": initial})
    kept = [
        watch(lambda selector=selector: selector(state["value"]), see, sync=True)
        for selector in selectors
    ]

    def write(value: Any, _kept: Any = kept) -> None:
        state["value"] = value

    return write


def _select_nervio(initial: Any, selectors: Selectors, see: See) -> Callable[[Any], object]:
    from nervio import computed, effect, signal

    whole = signal(initial)
    kept: list[Any] = []
    for selector in selectors:
        part = computed(lambda selector=selector: selector(whole.value))
        kept += [part, effect(lambda part=part: see(part.value))]

    def write(value: Any, _kept: Any = kept) -> None:
        whole.value = value

    return write


SELECTS: dict[str, Callable[[Any, Selectors, See], Callable[[Any], object]]] = {
    "fynx": _select_fynx,
    "observ": _select_observ,
    "nervio": _select_nervio,
}


# --- N keys, an observer each -----------------------------------------------------------------------------------------

Entities = dict[str, Any]
Observer = Callable[[str], Callable[[Any], None]]
Write = Callable[[str, Any], object]


def _keyed_fynx(entities: Entities, observer: Observer) -> Write:
    from fynx import observable

    values = {key: observable(entity) for key, entity in entities.items()}
    for key, entity in entities.items():
        see = observer(key)
        values[key].subscribe(see)
        see(entity)

    def write(key: str, entity: Any) -> None:
        values[key].set(entity)

    return write


def _keyed_observ(entities: Entities, observer: Observer) -> Write:
    from observ import shallow_reactive, watch

    state = shallow_reactive(dict(entities))
    kept: list[Any] = []
    for key, entity in entities.items():
        see = observer(key)
        see(entity)
        kept.append(watch(lambda key=key: state[key], see, sync=True))

    def write(key: str, entity: Any, _kept: Any = kept) -> None:
        state[key] = entity

    return write


def _keyed_nervio(entities: Entities, observer: Observer) -> Write:
    from nervio import effect, signal

    values = {key: signal(entity) for key, entity in entities.items()}
    kept: list[Any] = []
    for key, value in values.items():
        see = observer(key)
        kept.append(effect(lambda see=see, value=value: see(value.value)))

    def write(key: str, entity: Any, _kept: Any = kept) -> None:
        values[key].value = entity

    return write


def _keyed_eventkit(entities: Entities, observer: Observer) -> Write:
    from eventkit import Event

    events = {key: Event(key) for key in entities}
    for key, entity in entities.items():
        see = observer(key)
        see(entity)
        events[key].connect(see, keep_ref=True)

    def write(key: str, entity: Any) -> None:
        events[key].emit(entity)

    return write


KEYED: dict[str, Callable[[Entities, Observer], Write]] = {
    "fynx": _keyed_fynx,
    "observ": _keyed_observ,
    "nervio": _keyed_nervio,
    "eventkit": _keyed_eventkit,
}


# --- graphs -----------------------------------------------------------------------------------------------------------


class Fynx:
    """Observables that are merged and mapped; a chain of maps becomes one function."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.nodes: dict[Read, Any] = {}

    def _keep(self, node: Any) -> Read:
        def read() -> Any:
            return node.value

        self.nodes[read] = node
        self.kept.append(node)
        return read

    def signal(self, value: Any) -> tuple[Read, Callable[[Any], object]]:
        from fynx import observable

        made = observable(value)
        return self._keep(made), made.set

    def computed(self, sources: list[Read], function: Callable[..., Any]) -> Read:
        nodes = [self.nodes[source] for source in sources]
        merged = functools.reduce(lambda left, right: left.alongside(right), nodes)
        return self._keep(merged.then(function))

    def effect(self, source: Read, see: See) -> None:
        self.nodes[source].subscribe(see)

    def batched(self, work: Callable[[], None]) -> None:
        work()


class _Tracking:
    """The part that observ and nervio share: a function's sources are those that it reads."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    @staticmethod
    def reading(sources: list[Read], function: Callable[..., Any]) -> Read:
        if len(sources) == 1:
            (only,) = sources
            return lambda: function(only())
        return lambda: function(*[source() for source in sources])


class Observ(_Tracking):
    """Reactive dicts with watchers, as in Vue."""

    def signal(self, value: Any) -> tuple[Read, Callable[[Any], object]]:
        from observ import shallow_reactive

        state = shallow_reactive({"value": value})

        def write(value: Any) -> None:
            state["value"] = value

        return lambda: state["value"], write

    def computed(self, sources: list[Read], function: Callable[..., Any]) -> Read:
        from observ import computed

        made: Read = computed(self.reading(sources, function))
        self.kept.append(made)
        return made

    def effect(self, source: Read, see: See) -> None:
        from observ import watch

        self.kept.append(watch(source, see, sync=True, deep=False))

    def batched(self, work: Callable[[], None]) -> None:
        work()


class Nervio(_Tracking):
    """Signals, computed values and effects."""

    def signal(self, value: Any) -> tuple[Read, Callable[[Any], object]]:
        from nervio import signal

        made = signal(value)
        return lambda: made.value, made.set

    def computed(self, sources: list[Read], function: Callable[..., Any]) -> Read:
        from nervio import computed

        made = computed(self.reading(sources, function))
        self.kept.append(made)
        return lambda: made.value

    def effect(self, source: Read, see: See) -> None:
        from nervio import effect

        self.kept.append(effect(lambda: see(source())))

    def batched(self, work: Callable[[], None]) -> None:
        from nervio import batch

        with batch():
            work()


GRAPHS: dict[str, Callable[[], Any]] = {"fynx": Fynx, "observ": Observ, "nervio": Nervio}
