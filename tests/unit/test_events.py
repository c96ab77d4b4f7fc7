"""Event streams: current observers receive each event, and a disposed observer receives nothing more."""

from __future__ import annotations

import asyncio

import pytest
from reactivex import Observer
from reactivex.abc import DisposableBase

from reactive_ws.state.events import EventSource
from reactive_ws.testing import simulate


def test_no_event_reaches_an_observer_that_another_one_disposed_meanwhile() -> None:
    source: EventSource[int] = EventSource("events")
    log: list[int] = []
    later: list[DisposableBase] = []
    source.stream.subscribe(lambda _: later[0].dispose())
    later.append(source.stream.subscribe(log.append))
    source.emit(1)
    assert log == []


def test_an_observer_that_raises_is_logged_and_takes_nothing_from_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source: EventSource[int] = EventSource("events")
    seen: list[int] = []

    def fail(_: int) -> None:
        raise LookupError

    source.stream.subscribe(fail)
    source.stream.subscribe(seen.append)
    source.emit(1)
    source.emit(2)
    assert seen == [1, 2]
    assert [record.message for record in caplog.records] == [
        "an observer of events raised; it stays subscribed"
    ] * 2


def test_the_first_observer_starts_and_the_last_one_stops() -> None:
    calls: list[str] = []
    source: EventSource[int] = EventSource(
        "events", on_start=lambda: calls.append("start"), on_stop=lambda: calls.append("stop")
    )
    assert repr(source.stream) == "<EventStream 'events'>"
    source.stream.subscribe()
    assert calls == []
    first = source.stream.subscribe(lambda _: None)
    second = source.stream.subscribe(lambda _: None)
    first.dispose()
    first.dispose()
    assert calls == ["start"]
    second.dispose()
    source.stream.subscribe(lambda _: None).dispose()
    assert calls == ["start", "stop"] * 2


def test_an_rx_observer_and_the_same_function_twice_may_listen() -> None:
    source: EventSource[int] = EventSource("events")
    seen: list[int] = []
    source.stream.subscribe(Observer(seen.append))
    twice = [source.stream.subscribe(seen.append) for _ in range(2)]
    source.emit(1)
    twice[0].dispose()
    source.emit(2)
    assert seen == [1, 1, 1, 2, 2]


@simulate
async def test_a_loop_over_a_stream_gets_every_event_from_then_on_in_order() -> None:
    source: EventSource[int] = EventSource("events")
    seen: list[int] = []

    async def listen() -> None:
        async for event in source.stream:
            seen.append(event)
            if event == 5:
                break

    source.emit(0)
    listening = asyncio.create_task(listen())
    await asyncio.sleep(1)
    for event in (1, 2):
        source.emit(event)
    await asyncio.sleep(1)
    assert seen == [1, 2]
    for event in (3, 4, 5, 6):
        source.emit(event)
    await asyncio.wait_for(listening, 10)
    assert seen == [1, 2, 3, 4, 5]


@simulate
async def test_leaving_a_loop_over_a_stream_unsubscribes() -> None:
    calls: list[str] = []
    source: EventSource[int] = EventSource("events", on_stop=lambda: calls.append("stop"))

    async def listen() -> None:
        async for _ in source.stream:
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(1)
    assert calls == []
    listening.cancel()
    await asyncio.wait([listening])
    await asyncio.sleep(1)
    assert calls == ["stop"]


@simulate
async def test_a_loop_that_lags_behind_loses_the_oldest_events_and_the_log_says_so() -> None:
    source: EventSource[int] = EventSource("events")
    iterator = aiter(source.stream)
    first = asyncio.ensure_future(anext(iterator))
    await asyncio.sleep(1)
    for event in range(10_002):
        source.emit(event)
    assert await first == 2
    assert await anext(iterator) == 3
    await iterator.aclose()  # type: ignore[attr-defined]


def test_an_event_that_an_observer_emits_comes_after_the_current_one_to_all() -> None:
    source: EventSource[int] = EventSource("events")
    first: list[int] = []
    second: list[int] = []

    def emit_more(event: int) -> None:
        first.append(event)
        if event < 3:
            source.emit(event + 1)
            source.emit(10 * event)

    source.stream.subscribe(emit_more)
    source.stream.subscribe(second.append)
    source.emit(1)
    assert first == second == [1, 2, 10, 3, 20]


def test_an_observer_of_two_sources_emits_in_the_other_one_at_once() -> None:
    source: EventSource[int] = EventSource("events")
    other: EventSource[int] = EventSource("others")
    log: list[str] = []
    other.stream.subscribe(lambda event: log.append(f"other {event}"))
    source.stream.subscribe(other.emit)
    source.stream.subscribe(lambda event: log.append(f"source {event}"))
    source.emit(1)
    assert log == ["other 1", "source 1"]


def test_an_exit_leaves_emit_after_the_others_were_served() -> None:
    source: EventSource[int] = EventSource("events")
    seen: list[int] = []

    def leave(event: int) -> None:
        if event == 1:
            source.emit(2)
            raise SystemExit

    source.stream.subscribe(leave)
    source.stream.subscribe(seen.append)
    with pytest.raises(SystemExit):
        source.emit(1)
    source.emit(3)
    assert seen == [1, 2, 3]


def test_an_observer_gets_no_event_that_was_emitted_before_it_came() -> None:
    source: EventSource[int] = EventSource("events")
    late: list[int] = []

    def emit_and_subscribe(event: int) -> None:
        if event == 1:
            source.emit(2)
            source.stream.subscribe(late.append)
            source.emit(3)

    source.stream.subscribe(emit_and_subscribe)
    source.emit(1)
    assert late == [3]
