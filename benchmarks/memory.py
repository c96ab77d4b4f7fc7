"""`memory_*`: bytes of one observer, one observed key, one retained message, one idle service. `import_*`.

Bytes are what `tracemalloc` counts, after a collection, divided by how many were made; extension types are counted too.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.timing import Metric

__all__ = ["import_rows", "memory_rows"]


def _bytes_each(count: int, make: Callable[[int], object]) -> float:
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = make(count)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return (after - before) / count


def _see(_: object) -> None:
    pass


def _observers(count: int) -> object:
    from reactive_ws import Domain, Store

    store = Store(0, domain=Domain())
    stream = store.select()
    return store, [stream.subscribe(_see) for _ in range(count)]


def _subject_observers(count: int) -> object:
    from reactivex.subject import BehaviorSubject

    subject: BehaviorSubject[int] = BehaviorSubject(0)
    return subject, [subject.subscribe(_see) for _ in range(count)]


def _keys(count: int) -> object:
    from reactive_ws import Domain, KeyedStore

    store: KeyedStore[int, int] = KeyedStore(((key, key) for key in range(count)), domain=Domain())
    return store, [store.select(key).subscribe(_see) for key in range(count)]


def _subjects(count: int) -> object:
    from reactivex.subject import BehaviorSubject

    subjects = {key: BehaviorSubject(key) for key in range(count)}
    return subjects, [subject.subscribe(_see) for subject in subjects.values()]


def _decoded(count: int) -> Iterator[Any]:
    from benchmarks.blaster import frame_of
    from reactive_ws.stores.wire import agent_chat
    from reactive_ws.wire import JsonCodec

    codec = JsonCodec(agent_chat())
    for number in range(count):
        yield codec.decode(frame_of(number, 300, 1).decode()).payload


def _timeline(count: int) -> object:
    from reactive_ws.stores.history.conversation import Conversation, all_answered

    state = Conversation()
    responses = _decoded(count)
    for _ in range(0, count, 50):
        burst = [(response, "e1") for response, _ in zip(responses, range(50), strict=False)]
        state = all_answered(state, burst)
    return state


def _list(count: int) -> object:
    return [response.message for response in _decoded(count)]


def _list_with_ids(count: int) -> object:
    kept = [response.message for response in _decoded(count)]
    return kept, {message.id: message for message in kept}


def _idle(count: int, url: str, *, is_ours: bool) -> float:
    async def measure() -> float:
        # One more, which also pays for what is made once: modules that are imported at the first connection.
        first = await (_service(url) if is_ours else _bare(url))
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        made = [await (_service(url) if is_ours else _bare(url)) for _ in range(count)]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        for one in [first, *made]:
            await (one.disconnect() if is_ours else one.close())
        return (after - before) / count

    return asyncio.run(measure())


async def _service(url: str) -> Any:
    from reactive_ws import Domain, WebSocketService

    service = WebSocketService(url, domain=Domain(), proxy=None)
    await service.connect()
    await service.wait_connected(10)
    return service


async def _bare(url: str) -> Any:
    from websockets.asyncio.client import connect

    return await connect(url, compression=None, ping_interval=None, proxy=None)


def memory_rows(*, is_quick: bool = False) -> Iterator[Metric]:
    """Yields the rows; each number is measured twice, because the first one also pays for what is made once."""
    from benchmarks.blaster import blasting

    scale = 10 if is_quick else 1
    rows: dict[str, tuple[int, float, dict[str, Callable[[int], object]]]] = {
        "memory_observer": (
            10_000,
            1.5,
            {"ours": _observers, "BehaviorSubject": _subject_observers},
        ),
        "memory_key": (10_000, 1.5, {"ours": _keys, "dict of BehaviorSubject": _subjects}),
        "memory_message": (
            50_000,
            1.3,
            {"ours": _timeline, "list of records": _list, "list and dict of ids": _list_with_ids},
        ),
    }
    for name, (count, limit, makers) in rows.items():
        samples = {
            who: [_bytes_each(count // scale, make) for _ in range(2)][1:]
            for who, make in makers.items()
        }
        first = next(peer for peer in samples if peer != "ours")
        yield Metric(name, "bytes", samples, {first: 1 / limit})
    with blasting(1, 300, 1) as url:
        count = 1_000 // scale
        samples = {
            "ours": [_idle(count, url, is_ours=True)],
            "bare connection": [_idle(count, url, is_ours=False)],
        }
    yield Metric("memory_idle_service", "bytes", samples, {"bare connection": 0.4})


_IMPORTS = {
    "ours": "import reactive_ws",
    "the four": "import reactivex, websockets, attrs, msgspec",
}
_EVERYTHING = {
    "ours": "import reactive_ws; [getattr(reactive_ws, name) for name in reactive_ws.__all__]",
    "the four and websockets' client": "import reactivex, websockets.asyncio.client, attrs, msgspec",
}


def _import_samples(rounds: int, cases: dict[str, str]) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {who: [] for who in cases}
    with tempfile.TemporaryDirectory() as folder:
        # All cases keep their bytecode in one new place. Where ours may not be written, Python would compile it each time.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + 1):
            for who, what in cases.items():
                code = f"import time; t = time.thread_time(); {what}; print(time.thread_time() - t)"
                ran = subprocess.run(
                    [sys.executable, "-c", code],
                    cwd=Path(__file__).parent.parent,
                    env=environment,
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                if number:
                    # The first round finds no bytecode on the disk.
                    samples[who].append(float(ran.stdout) * 1e3)
    return samples


def import_rows(rounds: int) -> Iterator[Metric]:
    """Yields the rows of importing, in milliseconds: the package as a program first meets it, and every public name."""
    samples = _import_samples(rounds, _IMPORTS)
    yield Metric("import_time", "ms", samples, {"the four": 1.0})
    yield Metric("import_everything", "ms", _import_samples(rounds, _EVERYTHING))
