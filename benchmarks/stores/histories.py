"""`history_*`: a chat of N messages grows, is read in windows, cut at its beginning and filled up from its past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from benchmarks.timing import Case, Metric, Run, metric
from reactive_ws.stores.history.entry import Entry
from reactive_ws.stores.history.timeline import Timeline
from reactive_ws.stores.wire.chat import Message

__all__ = ["history_rows"]

_CHANGES = 200


def _entry(number: int) -> Entry:
    head = Message(f"m{number}", "s", "assistant", "text", 0.0, None, number)
    return Entry(head).placed((0, number, 0))


@cache
def _entries(size: int) -> tuple[Entry, ...]:
    """The same for every peer: three times a million would fill the memory of a small machine."""
    return tuple(map(_entry, range(size)))


def _timeline(size: int) -> Timeline:
    state = Timeline()
    for start in range(0, size, 10_000):
        end = min(size, start + 10_000)
        # The first 10 000 numbers are left for what comes before.
        state = state.extended(
            {it.id: it for it in map(_entry, range(10_000 + start, 10_000 + end))}
        )
    return state


def _appending(size: int) -> Case:
    def prepare() -> Run:
        state = _timeline(size)
        new = [_entry(10_000 + size + number) for number in range(_CHANGES)]

        def run() -> None:
            now = state
            for entry in new:
                now = now.put(entry)
            if len(now) != size + _CHANGES:
                raise AssertionError(len(now))

        return run

    return Case("ours", prepare, _CHANGES)


def _tuple_copy(size: int) -> Case:
    count = _CHANGES if size <= 1_000 else 5

    def prepare() -> Run:
        state = _entries(size)
        new = [_entry(size + number) for number in range(count)]

        def run() -> None:
            now = state
            for entry in new:
                now = (*now, entry)

        return run

    return Case("tuple copy", prepare, count)


def _list(size: int) -> Case:
    def prepare() -> Run:
        state = list(_entries(size))
        new = [_entry(size + number) for number in range(_CHANGES)]

        def run() -> None:
            append = state.append
            for entry in new:
                append(entry)
            del state[size:]

        return run

    return Case("list", prepare, _CHANGES)


def _subject_of_list(size: int) -> Case:
    count = _CHANGES if size <= 1_000 else 5

    def prepare() -> Run:
        from reactivex.subject import BehaviorSubject

        state = list(_entries(size))
        new = [_entry(size + number) for number in range(count)]
        subject: BehaviorSubject[list[Entry]] = BehaviorSubject(state)

        def run() -> None:
            subject.on_next(state)
            for entry in new:
                subject.on_next([*subject.value, entry])

        return run

    return Case("BehaviorSubject of list", prepare, count)


def _doing(change: Callable[[Timeline, int], object]) -> Callable[[int], Case]:
    def case(size: int) -> Case:
        def prepare() -> Run:
            state = _timeline(size)

            def run() -> None:
                for number in range(_CHANGES):
                    change(state, number)

            return run

        return Case("ours", prepare, _CHANGES)

    return case


def _window(state: Timeline, number: int) -> None:
    start = number * 7919 % (len(state) - 50)
    if len(state.window(start, 50)) != 50:
        raise AssertionError(start)


def _list_windows(size: int) -> Case:
    def prepare() -> Run:
        state = list(_timeline(size))

        def run() -> None:
            for number in range(_CHANGES):
                start = number * 7919 % (size - 50)
                if len(tuple(state[start : start + 50])) != 50:
                    raise AssertionError(start)

        return run

    return Case("list" if size > 1_000 else "list at 1 000", prepare, _CHANGES)


def _cut(state: Timeline, number: int) -> None:
    keep = len(state) - 1 - number
    if len(state.cut(keep)) != keep:
        raise AssertionError(keep)


_OLD = [_entry(number) for number in range(_CHANGES)]


def _prepend(state: Timeline, number: int) -> None:
    if len(state.put(_OLD[number])) != len(state) + 1:
        raise AssertionError(number)


def history_rows(rounds: int, *, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows of appending, and how a million compares with a thousand."""
    names = {1_000: "1k", 100_000: "100k", 1_000_000: "1m"}
    sizes = (1_000,) if is_quick else tuple(names)
    own: dict[int, list[float]] = {}
    for size in sizes:
        cases = [_appending(size), _list(size), _tuple_copy(size), _subject_of_list(size)]
        row = metric(f"history_append_{names[size]}", cases, rounds=rounds)
        _entries.cache_clear()
        own[size] = row.samples["ours"]
        if size != 1_000:
            row.samples["itself at 1 000"] = own[1_000]
            row.targets["itself at 1 000"] = 1 / 1.5
        yield row
    for name, case in (
        ("window", _doing(_window)),
        ("cut", _doing(_cut)),
        ("prepend", _doing(_prepend)),
    ):
        small, large = 1_000, sizes[-1]
        samples = metric("small", [case(small)], rounds=rounds).samples
        if large != small:
            big = metric("large", [case(large)], rounds=rounds).samples["ours"]
            samples = {"ours": big, "itself at 1 000": samples["ours"]}
        note = ""
        if name == "window" and large != small:
            # Reading cold memory is slow for every structure, so a plain list is read in the same places.
            for count in (large, small):
                who = "list" if count == large else "list at 1 000"
                samples[who] = metric(who, [_list_windows(count)], rounds=rounds).samples[who]
            note = "a list's own slice of cold entries is slower than one of warm ones; compare the two lists"
        yield Metric(f"history_{name}", "us", samples, {"itself at 1 000": 1 / 1.5}, note=note)
