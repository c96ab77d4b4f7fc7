"""Socket to subscriber: how much of the speed of a plain loop is left when everything is done.

    python benchmarks/pipeline.py [--count 200000] [--size 300] [--sessions 8] [--rounds 5] [--only NAME ...]

A raw server blasts prepared frames; each way of taking them runs in a fresh process, one after the other in every round,
and keeps everything that it received:

    receive        `async for`, and nothing else: the limit of the socket library
    bare           `async for` and `json.loads`; the results in a list
    hand           a loop by hand for the same job: json.loads, a typed record, known ids, a list per session, a callback
    hand_msgspec   the same with msgspec: typed decoding in one step, a watermark per session
    ours           service -> codec -> order -> dispatcher -> history store -> keyed select -> callback
    picows         the limit again, with the callbacks of `picows`; `picows_recv` through its `recv`
    ours_picows    ours over `picows.websockets`, as the extra `fast` installs it
    aiohttp_again  the client of aiohttp and `json.loads`, with a loop that connects again; `picows_again` the same with picows
    socketio       the client of python-socketio with an event handler, from the same server, which speaks its protocol then

The time is the CPU time of the process. The server always has more frames, so the client never waits on an idle machine.
Each way checks afterwards, outside the timing, that it has every message of every session in order.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import other_clients
from benchmarks.blaster import blasting
from benchmarks.timing import Metric
from benchmarks.work import Work, check

__all__ = ["WAYS", "rows", "run"]


async def receive(work: Work) -> float:
    seen = 0
    async with work.connect() as socket:
        began = time.process_time()
        await socket.send("go")
        async for _ in socket:
            seen += 1
            if seen == work.count:
                break
        return time.process_time() - began


async def bare(work: Work) -> float:
    kept: list[Any] = []
    async with work.connect() as socket:
        began = time.process_time()
        await socket.send("go")
        async for frame in socket:
            kept.append(json.loads(frame))
            if len(kept) == work.count:
                break
        took = time.process_time() - began
    found: dict[str, list[str]] = {}
    for envelope in kept:
        message = envelope["payload"]["message"]
        found.setdefault(message["sessionId"], []).append(message["id"])
    check(found, work)
    return took


@dataclass(frozen=True, slots=True)
class Record:
    """A message as a program without msgspec would keep it."""

    id: str
    session_id: str
    role: str
    content: str
    timestamp: float
    sequence: int | None = None


async def hand(work: Work) -> float:
    known: set[str] = set()
    sessions: dict[str, list[Record]] = {}
    seen = 0

    def callback(_session: str, _records: list[Record]) -> None:
        nonlocal seen
        seen += 1

    async with work.connect() as socket:
        began = time.process_time()
        await socket.send("go")
        async for frame in socket:
            envelope = json.loads(frame)
            if envelope["type"] == "message.response":
                fields = envelope["payload"]["message"]
                record = Record(
                    fields["id"],
                    fields["sessionId"],
                    fields["role"],
                    fields["content"],
                    fields["timestamp"],
                    fields.get("sequence"),
                )
                if record.id not in known:
                    known.add(record.id)
                    records = sessions.setdefault(record.session_id, [])
                    records.append(record)
                    callback(record.session_id, records)
            if seen == work.count:
                break
        took = time.process_time() - began
    check({name: [record.id for record in records] for name, records in sessions.items()}, work)
    return took


class Fields(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    id: str
    session_id: str
    role: str
    content: str
    timestamp: float
    sequence: int | None = None


class Payload(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    session_id: str
    message: Fields


class Frame(msgspec.Struct, frozen=True, gc=False):
    type: str
    stream: str
    epoch: str
    seq: int
    payload: Payload


async def hand_msgspec(work: Work) -> float:
    decode = msgspec.json.Decoder(Frame).decode
    marks: dict[str, int] = {}
    sessions: dict[str, list[Fields]] = {}
    seen = 0

    def callback(_session: str, _records: list[Fields]) -> None:
        nonlocal seen
        seen += 1

    async with work.connect() as socket:
        began = time.process_time()
        await socket.send("go")
        async for text in socket:
            frame = decode(text)
            if frame.type == "message.response" and frame.seq > marks.get(frame.stream, 0):
                marks[frame.stream] = frame.seq
                message = frame.payload.message
                records = sessions.setdefault(message.session_id, [])
                records.append(message)
                callback(message.session_id, records)
            if seen == work.count:
                break
        took = time.process_time() - began
    check({name: [record.id for record in records] for name, records in sessions.items()}, work)
    return took


async def ours(work: Work) -> float:
    """Over `websockets`, as it comes."""
    return await _application(work)


async def ours_picows(work: Work) -> float:
    """Over the socket library of the extra `fast`."""
    from reactive_ws.transport.picows import connect

    return await _application(work, connect=connect)


async def _application(work: Work, **options: Any) -> float:
    from reactive_ws.stores.app import Application
    from reactive_ws.stores.history.conversation import Conversation

    names = [f"session-{number}" for number in range(work.sessions)]
    sizes = dict.fromkeys(names, 0)
    is_over = asyncio.Event()

    def watch(session: str) -> Callable[[Conversation | None], None]:
        def callback(now: Conversation | None) -> None:
            if now is not None:
                sizes[session] = len(now.timeline)
                if sizes[session] >= work.count // work.sessions and (
                    sum(sizes.values()) == work.count
                ):
                    is_over.set()

        return callback

    async with Application.at(work.url, proxy=None, **options) as app:
        for name in names:
            app.history.select(name).subscribe(watch(name))
        await app.service.wait_connected(10)
        began = time.process_time()
        app.service.send("go", {})
        await is_over.wait()
        took = time.process_time() - began
        problems = app.errors.state.get().errors
        found = {name: [entry.id for entry in app.history.get_entries(name)] for name in names}
        await app.service.disconnect()
    # On a busy machine the service may report a slow handler. That does not make the result wrong.
    if wrong := [problem for problem in problems if "use on_async" not in problem.text]:
        raise AssertionError(wrong)
    check(found, work)
    return took


WAYS: dict[str, Callable[[Work], Awaitable[float]]] = {
    "receive": receive,
    "bare": bare,
    "hand": hand,
    "hand_msgspec": hand_msgspec,
    "ours": ours,
    "picows": other_clients.picows,
    "picows_recv": other_clients.picows_recv,
    "ours_picows": ours_picows,
    "aiohttp_again": other_clients.aiohttp_again,
    "picows_again": other_clients.picows_again,
    "socketio": other_clients.socketio,
}
_IS_MISSING = 3
"""The exit code of a way whose library is not installed."""


def run(
    ways: Sequence[str], *, count: int, size: int = 300, sessions: int = 8, rounds: int = 5
) -> dict[str, list[float]]:
    """Runs every way in every round, in an order that rotates; returns the seconds of each.

    A way whose library is not installed is left out.
    """
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with blasting(count, size, sessions) as url:
        for number in range(rounds):
            turn = number % len(ways)
            for way in (*ways[turn:], *ways[:turn]):
                words = [str(Path(__file__)), "--child", way, url, str(count), str(sessions)]
                child = subprocess.run(
                    [sys.executable, *words], stdout=subprocess.PIPE, text=True, check=False
                )
                if child.returncode == _IS_MISSING:
                    continue
                child.check_returncode()
                seconds[way].append(float(child.stdout))
    return {way: took for way, took in seconds.items() if took}


def rows(rounds: int, *, count: int) -> Iterator[Metric]:
    """Yields the rows of the whole path, over `websockets` and over picows, in microseconds a frame."""
    samples = {
        way: [took / count * 1e6 for took in seconds]
        for way, seconds in run(tuple(WAYS), count=count, rounds=rounds).items()
    }
    usual = ("ours", "receive", "bare", "hand", "hand_msgspec", "aiohttp_again", "socketio")
    targets = {"hand": 2.0, "bare": 2.0}
    found = {way: samples[way] for way in usual if way in samples}
    yield Metric("pipeline", "us/frame", found, targets)
    if "ours_picows" in samples:
        fast = {"ours": samples["ours_picows"]} | {
            way: samples[way] for way in ("picows", "picows_recv", "picows_again", "bare", "hand")
        }
        yield Metric("pipeline_picows", "us/frame", fast, {"bare": 2.5, "hand": 2.5})


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        way, url, count, sessions = sys.argv[2:6]
        # The service logs slow handlers, and on a busy machine any handler may be slow.
        logging.disable()
        try:
            print(asyncio.run(WAYS[way](Work(url, int(count), int(sessions)))))
        except ModuleNotFoundError:
            sys.exit(_IS_MISSING)
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=200_000, help="frames")
    parser.add_argument("--size", type=int, default=300, help="bytes of a frame")
    parser.add_argument("--sessions", type=int, default=8, help="sessions that take turns")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=tuple(WAYS), default=tuple(WAYS))
    given = parser.parse_args()
    seconds = run(
        given.only,
        count=given.count,
        size=given.size,
        sessions=given.sessions,
        rounds=given.rounds,
    )
    per_frame = {way: statistics.median(took) / given.count * 1e6 for way, took in seconds.items()}
    print(f"{given.count} frames of {given.size} bytes, median of {given.rounds} rounds")
    for way, microseconds in per_frame.items():
        print(f"{way:14} {microseconds:8.2f} us a frame {1e6 / microseconds:12,.0f} frames/s")
    own = per_frame.get("ours")
    for way in ("bare", "hand", "hand_msgspec"):
        if own and way in per_frame:
            print(f"ours runs at {per_frame[way] / own:.2f}x of the {way} loop")


if __name__ == "__main__":
    main()
