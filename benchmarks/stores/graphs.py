"""`derived_*`: published workloads of signal libraries, with the results that their authors assert.

kairo      six small graphs from milomg/js-reactivity-benchmark; one operation is one `iter()` of theirs
cellx      layers of four values, each computed from the layer before; an observer on every value
static     rectangular graphs in which every node adds up some of the row before, at a hundredth of the iterations
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from benchmarks.stores import signal_libraries
from benchmarks.timing import Case, Metric, Run, metric
from reactive_ws import Domain, Store, batch, derived, derived_all

__all__ = ["KAIRO", "Ours", "Reaktiv", "cellx_rows", "kairo_rows", "static_rows"]

Read = Callable[[], Any]


class Library(Protocol):
    """The four operations that the graphs need of a library."""

    def signal(self, value: Any) -> tuple[Read, Callable[[Any], object]]: ...
    def computed(self, sources: list[Any], function: Callable[..., Any]) -> Read: ...
    def effect(self, source: Any, see: Callable[[Any], None]) -> None: ...
    def batched(self, work: Callable[[], None]) -> None: ...


_MOST = 6
"""Sources that `derived` documents; `derived_all` takes any number."""


class Ours:
    """Stores, derived values and observers."""

    def __init__(self) -> None:
        self.domain = Domain()
        self.nodes: dict[Read, Any] = {}

    def signal(self, value: Any) -> tuple[Read, Callable[[Any], object]]:
        store = Store(value, domain=self.domain)
        self.nodes[store.get] = store
        return store.get, store.set

    def computed(self, sources: list[Read], function: Callable[..., Any]) -> Read:
        nodes = [self.nodes[it] for it in sources]
        if len(nodes) <= _MOST:
            several: Callable[..., Any] = derived
            node = several(*nodes, function)
        else:
            node = derived_all(nodes, lambda values: function(*values))
        self.nodes[node.get] = node
        return node.get

    def effect(self, source: Read, see: Callable[[Any], None]) -> None:
        self.nodes[source].select().subscribe(see)

    def batched(self, work: Callable[[], None]) -> None:
        with batch(self.domain):
            work()


class Reaktiv:
    """The peer: signals that find their dependencies by themselves."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def signal(self, value: Any) -> tuple[Read, Callable[[Any], object]]:
        from reaktiv import Signal

        made = Signal(value)
        return made, made.set

    def computed(self, sources: list[Read], function: Callable[..., Any]) -> Read:
        from reaktiv import Computed

        if len(sources) == 1:
            (only,) = sources
            return Computed(lambda: function(only()))
        return Computed(lambda: function(*[source() for source in sources]))

    def effect(self, source: Read, see: Callable[[Any], None]) -> None:
        from reaktiv import Effect

        self.kept.append(Effect(lambda: see(source())))

    def batched(self, work: Callable[[], None]) -> None:
        from reaktiv import batch as reaktiv_batch

        with reaktiv_batch():
            work()


class Plain:
    """No library: every write computes all values again, in the order in which they were built."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.rules: list[tuple[int, list[int], Callable[..., Any]]] = []
        self.places: dict[Read, int] = {}
        self.seers: list[tuple[int, Callable[[Any], None]]] = []

    def _place(self, value: Any) -> tuple[int, Read]:
        place = len(self.values)
        self.values.append(value)

        def read() -> Any:
            return self.values[place]

        self.places[read] = place
        return place, read

    def signal(self, value: Any) -> tuple[Read, Callable[[Any], object]]:
        place, read = self._place(value)

        def write(value: Any) -> None:
            self.values[place] = value
            self._compute()

        return read, write

    def computed(self, sources: list[Read], function: Callable[..., Any]) -> Read:
        places = [self.places[source] for source in sources]
        place, read = self._place(function(*[self.values[it] for it in places]))
        self.rules.append((place, places, function))
        return read

    def effect(self, source: Read, see: Callable[[Any], None]) -> None:
        self.seers.append((self.places[source], see))

    def batched(self, work: Callable[[], None]) -> None:
        work()

    def _compute(self) -> None:
        values = self.values
        for place, sources, function in self.rules:
            values[place] = function(*[values[source] for source in sources])
        for place, see in self.seers:
            see(values[place])


Build = Callable[[Library], Callable[[], None]]
"""Builds a graph; returns one `iter()`, which asserts its results."""


def _expect(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r} where {wanted!r} was expected")


def _busy() -> None:
    total = 0
    for number in range(100):
        total += number


def _avoidable(library: Library) -> Callable[[], None]:
    head, write = library.signal(0)
    runs = [0]

    def third(value: int) -> int:
        runs[0] += 1
        _busy()
        return value + 1

    one = library.computed([head], lambda value: value)
    two = library.computed([one], lambda _: 0)
    three = library.computed([two], third)
    four = library.computed([three], lambda value: value + 2)
    five = library.computed([four], lambda value: value + 3)
    library.effect(five, lambda _: _busy())

    def run() -> None:
        write(1)
        _expect(five(), 6)
        before = runs[0]
        for number in range(1000):
            write(number)
            _expect(five(), 6)
        _expect(runs[0], before)

    return run


def _broad(library: Library) -> Callable[[], None]:
    head, write = library.signal(0)
    calls = [0]

    def see(_: int) -> None:
        calls[0] += 1

    last: Read = head
    for offset in range(50):
        current = library.computed([head], lambda value, offset=offset: value + offset)
        last = library.computed([current], lambda value: value + 1)
        library.effect(last, see)

    def run() -> None:
        write(1)
        calls[0] = 0
        for number in range(50):
            write(number)
            _expect(last(), number + 50)
        _expect(calls[0], 50 * 50)

    return run


def _deep(library: Library) -> Callable[[], None]:
    head, write = library.signal(0)
    calls = [0]

    def see(_: int) -> None:
        calls[0] += 1

    current = head
    for _ in range(50):
        current = library.computed([current], lambda value: value + 1)
    library.effect(current, see)

    def run() -> None:
        write(1)
        calls[0] = 0
        for number in range(50):
            write(number)
            _expect(current(), 50 + number)
        _expect(calls[0], 50)

    return run


def _diamond(library: Library) -> Callable[[], None]:
    head, write = library.signal(0)
    calls = [0]

    def see(_: int) -> None:
        calls[0] += 1

    middle = [library.computed([head], lambda value: value + 1) for _ in range(5)]
    total = library.computed(middle, lambda *values: sum(values))
    library.effect(total, see)

    def run() -> None:
        write(1)
        _expect(total(), 2 * 5)
        calls[0] = 0
        for number in range(500):
            write(number)
            _expect(total(), (number + 1) * 5)
        _expect(calls[0], 500)

    return run


def _mux(library: Library) -> Callable[[], None]:
    heads = [library.signal(0) for _ in range(100)]
    whole = library.computed([read for read, _ in heads], lambda *values: dict(enumerate(values)))
    split: list[Read] = []
    for number in range(100):
        picked = library.computed([whole], lambda values, number=number: values[number])
        split.append(library.computed([picked], lambda value: value + 1))
        library.effect(split[number], lambda _: None)

    def run() -> None:
        for number in range(10):
            heads[number][1](number)
            _expect(split[number](), number + 1)
        for number in range(10):
            heads[number][1](number * 2)
            _expect(split[number](), number * 2 + 1)

    return run


def _triangle(library: Library) -> Callable[[], None]:
    head, write = library.signal(0)
    calls = [0]

    def see(_: int) -> None:
        calls[0] += 1

    nodes: list[Read] = []
    current = head
    for _ in range(10):
        nodes.append(current)
        current = library.computed([current], lambda value: value + 1)
    total = library.computed(nodes, lambda *values: sum(values))
    library.effect(total, see)

    def run() -> None:
        write(1)
        _expect(total(), 55)
        calls[0] = 0
        for number in range(100):
            write(number)
            _expect(total(), 55 - 10 + 10 * number)
        _expect(calls[0], 100)

    return run


KAIRO: dict[str, Build] = {
    "avoidable": _avoidable,
    "broad": _broad,
    "deep": _deep,
    "diamond": _diamond,
    "mux": _mux,
    "triangle": _triangle,
}


def graph_case(who: str, library: Callable[[], Library], build: Build) -> Case:
    def prepare() -> Run:
        kept = library()
        run = build(kept)
        return lambda _kept=kept: run()

    return Case(who, prepare, 1)


def kairo_rows(rounds: int) -> Iterator[Metric]:
    """Yields the rows of the six kairo graphs, in milliseconds an `iter()`."""
    for name, build in KAIRO.items():
        cases = [graph_case("ours", Ours, build), graph_case("reaktiv", Reaktiv, build)]
        if build is not _avoidable:
            # Its authors assert that the costly node is not computed again, and that is all that Plain can do.
            cases.append(graph_case("plain recomputation", Plain, build))
        cases += [
            graph_case(who, library, build) for who, library in signal_libraries.GRAPHS.items()
        ]
        cases, note = signal_libraries.right_cases(cases)
        yield metric(
            f"derived_kairo_{name}",
            cases,
            rounds=rounds,
            targets={"reaktiv": 5.0, "observ": 1.3, "nervio": 1.3},
            scale=1e3,
            unit="ms",
            note=note,
        )


# --- cellx ------------------------------------------------------------------------------------------------------------

_START = (1, 2, 3, 4)
_LATER = (4, 3, 2, 1)
_PUBLISHED = {16: ((-3, -6, -2, 2), (-2, -4, 2, 3)), 10: ((3, 6, 2, -2), (2, 4, -2, -3))}
_PUBLISHED |= {1000: _PUBLISHED[16], 2500: _PUBLISHED[16]}


def _end(values: tuple[int, ...], layers: int) -> tuple[int, ...]:
    one, two, three, four = values
    for _ in range(layers):
        one, two, three, four = two, one - three, two + four, three
    return one, two, three, four


def _cellx(library: Library, layers: int) -> Callable[[], None]:
    signals = [library.signal(value) for value in _START]
    nodes = [read for read, _ in signals]
    for _ in range(layers):
        one, two, three, four = nodes
        nodes = [
            library.computed([two], lambda value: value),
            library.computed([one, three], lambda left, right: left - right),
            library.computed([two, four], lambda left, right: left + right),
            library.computed([three], lambda value: value),
        ]
        for node in nodes:
            library.effect(node, lambda _: None)
    expected = _PUBLISHED[layers]
    _expect((_end(_START, layers), _end(_LATER, layers)), expected)
    ends = {_START: expected[0], _LATER: expected[1]}

    def turn(values: tuple[int, ...]) -> None:
        def write() -> None:
            for (_, set_one), value in zip(signals, values, strict=True):
                set_one(value)

        library.batched(write)
        _expect(tuple(node() for node in nodes), ends[values])

    def run() -> None:
        turn(_LATER)
        turn(_START)

    return run


def _plain(layers: int) -> Callable[[], None]:
    """Computes all values again and calls the same observers."""
    observers: list[Callable[[Any], None]] = [lambda _: None for _ in range(4 * layers)]

    def turn(values: tuple[int, ...]) -> tuple[int, ...]:
        one, two, three, four = values
        calls = iter(observers)
        for _ in range(layers):
            one, two, three, four = two, one - three, two + four, three
            next(calls)(one)
            next(calls)(two)
            next(calls)(three)
            next(calls)(four)
        return one, two, three, four

    def run() -> None:
        _expect(turn(_LATER), _PUBLISHED[layers][1])
        _expect(turn(_START), _PUBLISHED[layers][0])

    return run


def cellx_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows of cellx: one operation is two changes of the first layer, in milliseconds."""
    for layers in (10,) if is_quick else (10, 16):
        cases = [
            Case("ours", lambda layers=layers: _cellx(Ours(), layers), 1),
            Case("plain recomputation", lambda layers=layers: _plain(layers), 1),
            Case("reaktiv", lambda layers=layers: _cellx(Reaktiv(), layers), 1),
            *(
                Case(who, lambda layers=layers, made=made: _cellx(made(), layers), 1)
                for who, made in signal_libraries.GRAPHS.items()
                # A quarter of an hour a round with 16 layers.
                if who != "fynx" or layers == 10
            ),
        ]
        cases, note = signal_libraries.right_cases(cases)
        yield metric(
            f"derived_cellx_{layers}",
            cases,
            rounds=rounds if layers == 10 else max(3, rounds // 3),
            targets={"reaktiv": 5.0, "observ": 1.3, "nervio": 1.3},
            scale=1e3,
            unit="ms",
            note=note,
        )
    if is_quick:
        return
    own: dict[int, list[float]] = {}
    for layers in (1000, 2500):
        cases = [
            Case("ours", lambda layers=layers: _cellx(Ours(), layers), 1),
            Case("plain recomputation", lambda layers=layers: _plain(layers), 1),
        ]
        row = metric(f"derived_cellx_{layers}", cases, rounds=rounds, scale=1e3, unit="ms")
        own[layers] = row.samples["ours"]
        if layers == 2500:
            row.samples["itself at 1 000"] = own[1000]
            row.targets["itself at 1 000"] = 1 / 3
        yield row


# --- static rectangular graphs ----------------------------------------------------------------------------------------

_STATIC = {"1000x5": (1000, 5, 25, 30), "500x3": (500, 3, 5, 5)}
"""Width, layers, sources of a node, iterations (a hundredth of the published ones)."""


class _Rectangle:
    """One graph; every call writes to the first row and adds up the last one."""

    def __init__(self, library: Library, width: int, layers: int, fan: int, writes: int) -> None:
        self.library = library
        self.shape = width, layers, fan
        self.writes = writes
        self.signals = [library.signal(number) for number in range(width)]
        self.values = list(range(width))
        self.turn = 0
        self.found: Any = None
        row = [read for read, _ in self.signals]
        for _ in range(layers - 1):
            row = [
                library.computed([row[at] for at in self.below(node)], lambda *them: sum(them))
                for node in range(width)
            ]
        for node in row:
            library.effect(node, lambda _: None)
        self.leaves = row

    def below(self, node: int) -> list[int]:
        """Returns which nodes of the row before a node adds up."""
        width, _, fan = self.shape
        return [(node + source) % width for source in range(fan)]

    def __call__(self) -> None:
        width = self.shape[0]
        self.turn += 1
        for number in range(self.writes):
            at = number % width
            self.values[at] = value = number + at + self.turn
            self.signals[at][1](value)
        self.found = sum(leaf() for leaf in self.leaves)

    def check(self) -> None:
        """Compares with the same sums over plain lists."""
        width, layers, _ = self.shape
        line = list(self.values)
        for _ in range(layers - 1):
            line = [sum(line[at] for at in self.below(node)) for node in range(width)]
        _expect(self.found, sum(line))


def _static_case(
    who: str, library: Callable[[], Library], shape: tuple[int, int, int, int]
) -> Case:
    made: list[_Rectangle] = []

    def prepare() -> Run:
        made.append(_Rectangle(library(), *shape))
        return made[0]

    return Case(who, prepare, 1, lambda: made[0].check())


def static_rows(rounds: int) -> Iterator[Metric]:
    """Yields the rows of the static rectangular graphs, in milliseconds for all iterations."""
    for name, shape in _STATIC.items():
        cases = [
            _static_case("ours", Ours, shape),
            _static_case("plain recomputation", Plain, shape),
        ]
        if name != "1000x5":
            # There one write takes it seconds: it walks the sources of sources again for every node.
            cases.append(_static_case("reaktiv", Reaktiv, shape))
            cases += [
                _static_case(who, library, shape)
                for who, library in signal_libraries.GRAPHS.items()
            ]
        cases, note = signal_libraries.right_cases(cases)
        yield metric(
            f"derived_static_{name}",
            cases,
            rounds=rounds,
            targets={"reaktiv": 5.0, "observ": 1.3, "nervio": 1.3},
            scale=1e3,
            unit="ms",
            note=note,
        )
