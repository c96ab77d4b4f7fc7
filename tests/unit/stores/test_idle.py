"""The timer that waits for idle sessions."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from reactive_ws.engine.domain import Domain
from reactive_ws.state import Map
from reactive_ws.state.store import Store
from reactive_ws.stores.collections import Roster
from reactive_ws.stores.sessions.idle import IdleWatch
from reactive_ws.stores.sessions.session_list import Times
from reactive_ws.stores.wire.chat import Session

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_two_threads_that_begin_to_wait_start_one_timer() -> None:
    started: list[float] = []

    def later(delay: float, _: Callable[[], None]) -> Callable[[], None]:
        started.append(delay)
        if len(started) == 1:
            other = threading.Thread(target=watch.wait)
            others.append(other)
            other.start()
            # Long enough for a thread that is not kept waiting to get through.
            other.join(0.2)
        return lambda: None

    others: list[threading.Thread] = []
    roster = Roster({"a": Session("a")})
    store = Store(Times(Map({"a": NOON})), domain=Domain())
    watch = IdleWatch(
        store, lambda: roster, clock=lambda: NOON, later=later, after=timedelta(seconds=60)
    )
    watch.wait()
    for other in others:
        other.join()
    assert started == [60.0]
