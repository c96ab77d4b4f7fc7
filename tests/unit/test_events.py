"""Event streams: who listens now hears, and who left hears nothing more."""

from __future__ import annotations

from reactivex.abc import DisposableBase

from reactive_ws.events import EventSource


def test_no_event_reaches_an_observer_that_another_one_disposed_meanwhile() -> None:
    source: EventSource[int] = EventSource("events")
    log: list[int] = []
    later: list[DisposableBase] = []
    source.stream.subscribe(lambda _: later[0].dispose())
    later.append(source.stream.subscribe(log.append))
    source.emit(1)
    assert log == []
