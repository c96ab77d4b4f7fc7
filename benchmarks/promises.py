"""Tries out which promises the Python libraries of the store rows keep: order, isolated errors, threads, no glitch.

python benchmarks/promises.py           prints the table
python benchmarks/promises.py --write   also joins it to benchmarks/results/latest.json and docs/performance.md
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import report, table
from benchmarks.stores import graphs, signal_libraries, writing
from benchmarks.timing import Case

__all__ = ["PROBES", "main", "tried"]

Build = Callable[[list[Callable[[Any], None]]], Callable[[int], object]]

_LIBRARIES: dict[str, tuple[Build, Callable[[], Any] | None]] = {
    "ours": (writing.WRITES["ours"], graphs.Ours),
    "BehaviorSubject": (writing.WRITES["BehaviorSubject"], None),
    "psygnal": (writing.WRITES["psygnal"], None),
    "traitlets": (writing.WRITES["traitlets"], None),
    "reaktiv": (writing.WRITES["reaktiv"], graphs.Reaktiv),
    **{
        who: (build, signal_libraries.GRAPHS.get(who))
        for who, build in signal_libraries.WRITES.items()
    },
}
_WRITES_OF_A_THREAD = 5_000
_ROUNDS = 10


def keeps_order(build: Build) -> bool:
    """Whether an observer that writes leaves every later observer with the new value last."""
    seen: list[int] = []
    writes: list[Callable[[int], object]] = []

    def chain(value: int) -> None:
        if value == 1:
            writes[0](2)

    writes.append(build([chain, seen.append]))
    seen.clear()
    writes[0](1)
    return seen == [1, 2]


def isolates_errors(build: Build) -> bool:
    """Whether an observer that raises leaves the other observers and the writer alone."""
    seen: list[int] = []

    def fail(value: int) -> None:
        if value == 1:
            raise ValueError(value)

    write = build([fail, seen.append])
    seen.clear()
    try:
        write(1)
        write(3)
    except Exception:
        return False
    return seen == [1, 3]


def orders_threads(build: Build) -> bool:
    """Whether two observers see the writes of two threads in one order, each of them once."""
    return all(_orders_threads_once(build) for _ in range(_ROUNDS))


def _orders_threads_once(build: Build) -> bool:
    seen: tuple[list[int], list[int]] = ([], [])
    write = build([seen[0].append, seen[1].append])
    for one in seen:
        one.clear()
    start = threading.Barrier(2)

    def run(first: int) -> None:
        start.wait()
        for number in range(first, first + _WRITES_OF_A_THREAD):
            write(number)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=run, args=(first,)) for first in (1, _WRITES_OF_A_THREAD + 1)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    # What is left over when the writers end may be delivered by another thread.
    deadline = time.monotonic() + 5
    while min(map(len, seen)) < 2 * _WRITES_OF_A_THREAD and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen[0] == seen[1] and len(set(seen[0])) == len(seen[0]) == 2 * _WRITES_OF_A_THREAD


def is_right(library: Callable[[], Any]) -> bool:
    """Whether the library computes the kairo graphs as their authors assert."""
    cases = [graphs.graph_case(name, library, build) for name, build in graphs.KAIRO.items()]
    return len(signal_libraries.right_cases(cases)[0]) == len(cases)


PROBES: dict[str, Callable[[Build], bool]] = {
    "an observer that writes": keeps_order,
    "an observer that raises": isolates_errors,
    "two threads": orders_threads,
}


def _answer(probe: Callable[[], bool]) -> str:
    try:
        return "yes" if probe() else "no"
    except Exception as error:
        return f"no: {type(error).__name__}"


def tried() -> dict[str, dict[str, str]]:
    """Returns for each library that is installed its answer to every probe."""
    found: dict[str, dict[str, str]] = {}
    for who, (build, library) in _LIBRARIES.items():
        if not Case(who, lambda: lambda: None, 1).is_there:
            continue
        found[who] = {
            name: _answer(lambda probe=probe, build=build: probe(build))
            for name, probe in PROBES.items()
        }
        found[who]["the graphs"] = (
            "no graphs" if library is None else _answer(lambda library=library: is_right(library))
        )
    return found


def main() -> None:
    """Prints the table, and writes it where `--write` asks for it."""
    logging.disable()
    warnings.simplefilter("ignore")
    threading.excepthook = lambda _: None
    found = tried()
    print(table.promises(found))
    if "--write" in sys.argv[1:]:
        results = json.loads(table.LATEST.read_text())
        results["promises"] = found
        report.save(results, table.LATEST)
        table.renew()


if __name__ == "__main__":
    main()
