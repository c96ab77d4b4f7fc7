"""`one_message`: what a message that comes alone costs, from the frame to an observer of its session, without a socket.

`pipeline` measures a flood, in which many messages share one commit. In a chat nearly every message comes alone.

    python benchmarks/one_message.py            time and calls of Python functions
    python benchmarks/one_message.py --profile  where they are
"""

from __future__ import annotations

import cProfile
import json
import pstats
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.blaster import frame_of
from benchmarks.timing import Case, Metric, metric
from reactive_ws.dialects import V1, Opening
from reactive_ws.stores.app import Application
from reactive_ws.stores.wire import agent_chat
from reactive_ws.wire import JsonCodec

__all__ = ["calls", "prepared", "rows"]

_SESSIONS = 8
_SIZE = 300


def prepared(
    count: int, *, is_together: bool = False, is_counted: bool = False
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Returns a function that makes `count` frames, and one that takes them into the stores of an application.

    Args:
        count: How many.
        is_together: Whether they come in one burst; else one by one.
        is_counted: Whether clocks stand still, so that a slow machine ends no burst and reports no slow handler.
    """
    app = Application.at("ws://127.0.0.1:1/", proxy=None)
    for number in range(_SESSIONS):
        app.history.select(f"session-{number}").subscribe(lambda _: None)
    receiver = app.service._receiver  # pyright: ignore[reportPrivateUsage] - no socket takes part
    session = V1(codec=JsonCodec(agent_chat(), subprotocol=None)).session()
    session.opened(Opening(), 0.0)
    receiver.begin(session)
    if is_counted:
        receiver.clock = receiver._dispatcher.clock = lambda: 0.0  # pyright: ignore[reportPrivateUsage]
    numbers = iter(range(1 << 60))
    frames: list[str] = []
    waiting: deque[str | bytes] = deque()

    def make() -> None:
        frames[:] = [frame_of(next(numbers), _SIZE, _SESSIONS).decode() for _ in range(count)]

    def take() -> None:
        if is_together:
            waiting.extend(frames)
            receiver.burst(waiting)
            return
        for frame in frames:
            waiting.append(frame)
            receiver.burst(waiting)

    return make, take


def calls(count: int = 200) -> float:
    """Returns how many Python functions run for a message, on average after a warm-up."""
    make, take = prepared(count, is_counted=True)
    make()
    take()
    make()
    made = 0

    def see(_frame: FrameType, event: str, _arg: Any) -> None:
        nonlocal made
        made += event == "call"

    sys.setprofile(see)
    try:
        take()
    finally:
        sys.setprofile(None)
    return made / count


def rows(rounds: int, *, count: int) -> Iterator[Metric]:
    """Yields the row, in microseconds a message."""
    make, take = prepared(count)
    frames = [frame_of(number, _SIZE, _SESSIONS).decode() for number in range(count)]

    def plain() -> None:
        for frame in frames:
            json.loads(frame)

    cases = [
        Case("ours", lambda: take, count, refresh=make),
        Case("json.loads", lambda: plain, count),
    ]
    note = f"{calls():.0f} Python functions run for a message"
    yield metric("one_message", cases, rounds=rounds, note=note)


def main() -> None:
    print(f"{calls():.0f} Python functions run for a message")
    if "--profile" in sys.argv:
        make, take = prepared(2_000)
        make()
        profile = cProfile.Profile()
        profile.runcall(take)
        pstats.Stats(profile).sort_stats("tottime").print_stats(35)
        return
    for row in rows(5, count=2_000):
        print({who: round(row.median(who), 1) for who in row.samples})


if __name__ == "__main__":
    main()
