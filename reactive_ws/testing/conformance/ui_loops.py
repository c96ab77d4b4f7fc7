"""`check_ui_loop`: whether an adapter for a toolkit's event loop keeps the contract of `gui.UiLoop`.

    check_ui_loop(lambda: Turning(ui := TkLoop(root), lambda seconds: turn(root, seconds)))

For authors of adapters. It runs on the thread that calls it, which is the UI thread, with other threads that post and
subscribe; it needs no test framework and takes about two seconds of real time. It is not realistic about how toolkits paint.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import reactivex as rx
from reactivex import operators as ops
from reactivex.subject import Subject

from ...gui import conflate
from .ui_bench import BrokenUiLoop, Turning, UiBench, UiRule

__all__ = ["check_ui_loop"]


def check_ui_loop(make: Callable[[], Turning], *, patience: float = 2.0) -> None:
    """Puts a UI loop through everything that the contract names. Blocks for about two seconds; on the UI thread.

    Args:
        make: Returns a fresh loop; called once.
        patience: Seconds after which something that should have happened counts as lost, and a call on another thread
            as blocked. The default is ten times what busy machines need.

    Raises:
        BrokenUiLoop: with all rules that it broke.
    """
    under_test = make()
    try:
        check = UiBench(under_test, patience)
        for step in _STEPS:
            step(check)
    finally:
        under_test.loop.close()
        under_test.clean_up()
    if check.broken:
        raise BrokenUiLoop(type(under_test.loop).__name__, tuple(check.broken.values()))


def _early(check: UiBench) -> None:
    ran: list[str] = []
    check.ui.post(lambda: ran.append("own"))
    check.elsewhere(lambda: check.ui.post(lambda: ran.append("other")), "post()")
    check.expect(UiRule.KEEPS_WHAT_COMES_EARLY, not ran, "it ran before the loop turned")
    check.until(lambda: len(ran) == 2)
    check.expect(UiRule.KEEPS_WHAT_COMES_EARLY, ran == ["own", "other"], f"{ran} ran")
    check.expect(
        UiRule.UI_THREAD_ONLY,
        check.elsewhere(check.ui.is_ui_thread, "is_ui_thread()") is False,
        "is_ui_thread() says True on another thread",
    )


def _order(check: UiBench) -> None:
    ran: list[int] = []

    def run(number: int) -> None:
        check.on_ui_thread()
        ran.append(number)

    def post_all() -> None:
        for number in range(2_000):
            check.ui.post(partial(run, number))

    check.elsewhere(post_all, "post()")
    check.until(lambda: len(ran) >= 2_000)
    check.expect(
        UiRule.IN_ORDER, ran == list(range(2_000)), f"2 000 functions ran as {len(ran)}, or mixed"
    )


def _errors(check: UiBench) -> None:
    ran: list[int] = []
    error = ValueError("on purpose")

    def fail() -> None:
        raise error

    def post_both() -> None:
        check.ui.post(fail)
        check.ui.post(lambda: ran.append(1))

    check.elsewhere(post_both, "post()")
    check.until(lambda: ran)
    check.expect(
        UiRule.SURVIVES_ERRORS, ran, "what was posted after a failing function did not run"
    )
    check.expect(UiRule.SURVIVES_ERRORS, check.errors == [error], f"reported: {check.errors!r}")
    check.errors.clear()


def _yields(check: UiBench) -> None:
    timers: list[float] = []
    is_on = True

    def again() -> None:
        if is_on:
            check.ui.post(again)

    check.ui.post(lambda: check.ui.later(0.02, lambda: timers.append(check.ui.now())))
    check.ui.post(again)
    check.until(lambda: timers)
    is_on = False
    check.expect(UiRule.YIELDS, timers, "a function that posts itself kept a timer from running")
    check.turn(0.02)


def _nests(check: UiBench) -> None:
    if not check.can_nest:
        return
    ran: list[str] = []

    def modal() -> None:
        threading.Thread(target=lambda: check.ui.post(lambda: ran.append("inside"))).start()
        check.until(lambda: ran)
        ran.append("after")

    check.ui.post(modal)
    check.until(lambda: "after" in ran, 2.0 * check.patience)
    check.expect(
        UiRule.NESTS,
        ran == ["inside", "after"],
        "what was posted during a modal dialog waited for its end",
    )


def _timers(check: UiBench) -> None:
    ran: list[str] = []
    started = fired = 0.0

    def second() -> None:
        nonlocal fired
        fired = check.ui.now()
        check.on_ui_thread()
        ran.append("second")

    def start() -> None:
        nonlocal started
        started = check.ui.now()
        check.ui.later(0.06, second)
        check.ui.later(0.02, lambda: ran.append("first"))
        check.ui.later(0.04, lambda: ran.append("taken back"))()

    check.ui.post(start)
    check.until(lambda: "second" in ran)
    check.turn(0.03)
    check.expect(UiRule.TIMERS, ran == ["first", "second"], f"{ran} ran")
    # Toolkits round to milliseconds, in both directions.
    check.expect(UiRule.TIMERS, fired - started >= 0.055, f"60 ms took {fired - started:.3f} s")


def _schedules(check: UiBench) -> None:
    ran: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def action(*_: Any) -> None:
            check.on_ui_thread()
            ran.append(name)

        return action

    def schedule() -> None:
        check.ui.scheduler.schedule(note("now"))
        check.ui.scheduler.schedule_relative(0.02, note("relative"))
        check.ui.scheduler.schedule_absolute(
            check.ui.scheduler.now + timedelta(seconds=0.04), note("absolute")
        )

    async def from_a_loop() -> None:
        check.ui.scheduler.schedule_relative(0.06, note("loop"))
        check.ui.post(note("posted"))

    check.elsewhere(schedule, "scheduling")
    check.elsewhere(lambda: asyncio.run(from_a_loop()), "scheduling in another asyncio loop")
    expected = {"now", "relative", "absolute", "loop", "posted"}
    check.until(lambda: expected <= set(ran))
    check.expect(UiRule.SCHEDULES_FROM_THREADS, sorted(ran) == sorted(expected), f"{ran} ran")
    values: list[int] = []
    check.elsewhere(
        lambda: rx.range(0, 50).pipe(ops.observe_on(check.ui.scheduler)).subscribe(values.append),
        "observe_on()",
    )
    check.until(lambda: len(values) >= 50)
    check.expect(
        UiRule.SCHEDULES_FROM_THREADS, values == list(range(50)), f"observe_on gave {values}"
    )


def _disposes(check: UiBench) -> None:
    ran: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def action(*_: object) -> None:
            ran.append(name)

        return action

    def schedule_and_dispose() -> None:
        check.ui.scheduler.schedule(note("now")).dispose()
        check.ui.scheduler.schedule_relative(0.02, note("soon")).dispose()

    check.elsewhere(schedule_and_dispose, "dispose()")
    timer = check.ui.scheduler.schedule_relative(0.05, note("later"))
    check.turn(0.02)
    check.elsewhere(timer.dispose, "dispose()")
    # On a slow machine its time may have come before it was disposed.
    before = [name for name in ran if name == "later"]
    check.turn(0.06)
    check.expect(UiRule.DISPOSES_FROM_THREADS, ran == before, f"{ran} ran after dispose()")


def _periodic(check: UiBench) -> None:
    counts: list[int] = []

    def action(state: int | None) -> int:
        counts.append(state or 0)
        return (state or 0) + 1

    work = check.ui.scheduler.schedule_periodic(0.01, action, 0)
    check.until(lambda: len(counts) >= 4)
    work.dispose()
    ran = list(counts)
    check.turn(0.04)
    check.expect(
        UiRule.PERIODIC, ran == list(range(len(ran))) and len(ran) >= 4, f"it ran as {ran}"
    )
    check.expect(UiRule.PERIODIC, counts == ran, "it ran after dispose()")


def _frames(check: UiBench) -> None:
    fps, check.ui.fps = check.ui.fps, 50.0
    frames: list[int] = []
    shown: list[int] = []
    is_on = True

    def flood() -> None:
        number = 0
        while is_on:
            number += 1
            check.ui.frame.request(check, partial(paint, number))
            time.sleep(0.0002)

    def paint(number: int) -> None:
        check.on_ui_thread()
        frames.append(check.ui.frame.number)
        shown.append(number)

    thread = threading.Thread(target=flood, daemon=True)
    started = time.monotonic()
    thread.start()
    check.turn(0.3)
    is_on = False
    thread.join()
    spent = time.monotonic() - started
    check.ui.frame.request(check, lambda: paint(1_000_000))
    check.until(lambda: shown and shown[-1] == 1_000_000)
    check.expect(
        UiRule.FRAMES, len(set(frames)) == len(frames), "a key was called twice in a frame"
    )
    check.expect(UiRule.FRAMES, shown == sorted(set(shown)), "requests were shown out of order")
    check.expect(UiRule.FRAMES, shown and shown[-1] == 1_000_000, "the last request was lost")
    most = spent * 50.0 + 3.0
    check.expect(
        UiRule.FRAMES, 2 <= len(frames) <= most, f"{len(frames)} frames in {spent:.2f} s at 50 fps"
    )
    check.ui.fps = fps


def _conflates(check: UiBench) -> None:
    source: Subject[int] = Subject()
    shown: list[int] = []
    frames = check.ui.frame.number

    def observe(value: int) -> None:
        check.on_ui_thread()
        shown.append(value)
        if len(shown) == 1:
            raise ValueError("on purpose")

    def flood() -> None:
        for number in range(20_000):
            source.on_next(number)

    subscription = source.pipe(conflate(check.ui)).subscribe(observe)
    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    check.until(
        lambda: shown and shown[-1] == 19_999 and not thread.is_alive(), 5.0 * check.patience
    )
    thread.join()
    frames = check.ui.frame.number - frames
    check.expect(UiRule.CONFLATES, shown and shown[-1] == 19_999, "the last value was not shown")
    check.expect(UiRule.CONFLATES, shown == sorted(set(shown)), "values came out of order or twice")
    check.expect(
        UiRule.CONFLATES, len(shown) <= frames + 1, f"{len(shown)} values in {frames} frames"
    )
    check.expect(UiRule.SURVIVES_ERRORS, len(check.errors) == 1, "an observer's error got lost")
    check.errors.clear()
    source.on_next(20_000)
    check.elsewhere(subscription.dispose, "dispose()")
    before = list(shown)
    check.turn(0.05)
    check.expect(UiRule.CONFLATES, shown == before, "a value came after dispose()")


def _widgets(check: UiBench) -> None:
    if check.make_widget is None:
        return
    kept, widget = check.make_widget(), check.make_widget()
    source: Subject[int] = Subject()
    ended: list[str] = []
    values: list[int] = []
    for target in (kept, widget):
        check.ui.bind(source, target, lambda _, value: values.append(value))
    check.ui.watch(widget, lambda: ended.append("widget"))
    check.expect(UiRule.WIDGETS, check.ui.is_alive(widget), "is_alive() denies a new widget")
    check.destroy(widget)
    check.until(lambda: ended)
    check.expect(UiRule.WIDGETS, ended == ["widget"], "nothing told that the widget was destroyed")
    check.expect(
        UiRule.WIDGETS, not check.ui.is_alive(widget), "is_alive() is True after the destruction"
    )
    check.expect(
        UiRule.WIDGETS,
        len(source.observers) == 1,
        f"{len(source.observers)} of two bindings are left, and one widget",
    )
    check.expect(UiRule.WIDGETS, check.ui.is_alive(kept), "is_alive() denies a living widget")
    source.on_next(1)
    check.until(lambda: values)
    check.turn(0.02)
    check.expect(UiRule.WIDGETS, values == [1], f"the two bindings wrote {values}")
    late: Subject[int] = Subject()
    check.ui.bind(late, widget, lambda _, value: values.append(value))
    check.ui.bind(late, kept, lambda _, value: values.append(value), until=widget)
    check.expect(
        UiRule.WIDGETS,
        not late.observers and check.ui.scope(widget).is_disposed,
        "a binding or a scope of a widget that was destroyed before has not ended",
    )


def _closes(check: UiBench) -> None:
    ran: list[str] = []
    source: Subject[int] = Subject()
    source.pipe(conflate(check.ui)).subscribe(lambda _: ran.append("stream"))
    check.ui.post(lambda: check.ui.later(0.01, lambda: ran.append("timer")))
    check.turn(0.005)
    ran.clear()
    check.ui.post(lambda: ran.append("posted"))
    source.on_next(1)
    check.ui.close()
    said = check.elsewhere(
        lambda: check.ui.post(lambda: ran.append("late")), "post() after close()"
    )
    source.on_next(2)
    check.turn(0.05)
    check.expect(UiRule.CLOSES, said is False, f"post() after close() said {said!r}")
    check.expect(UiRule.CLOSES, not ran, f"{ran} ran after close()")
    check.ui.close()


_STEPS = (
    _early,
    _order,
    _errors,
    _yields,
    _nests,
    _timers,
    _schedules,
    _disposes,
    _periodic,
    _frames,
    _conflates,
    _widgets,
    _closes,
)
