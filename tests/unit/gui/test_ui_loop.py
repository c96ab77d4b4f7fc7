"""The contract of UI loops, on the loops that need no toolkit, and that its check finds what breaks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import ui_drivers

from reactive_ws.errors import UsageError
from reactive_ws.gui import ManualLoop, UiLoop
from reactive_ws.testing import BrokenUiLoop, Turning, UiRule, check_ui_loop


@pytest.mark.parametrize("make", [ui_drivers.manual, ui_drivers.on_asyncio])
def test_loops_without_a_toolkit_keep_the_contract(make: Callable[[], Turning]) -> None:
    check_ui_loop(make)


# --- three ways to get it wrong: each is found under the name of its rule ---


class Realtime(ManualLoop):
    """A correct loop in real time, to break."""

    def __init__(self) -> None:
        super().__init__(clock=time.monotonic)


class Widget:
    """Stands for a widget of a toolkit."""

    is_destroyed = False

    def __init__(self) -> None:
        self.on_destroy: list[Callable[[], None]] = []

    def destroy(self) -> None:
        self.is_destroyed = True
        for function in self.on_destroy:
            function()


class WithWidgets(Realtime):
    """A correct loop with widgets."""

    def is_alive(self, thing: Any) -> bool:
        return thing is not None and not getattr(thing, "is_destroyed", False)

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        if isinstance(thing, Widget):
            thing.on_destroy.append(gone)


class Forgetful(WithWidgets):
    """Does not tell that a widget was destroyed, as a toolkit without a hook."""

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        del thing, gone


def turning(ui: ManualLoop) -> Turning:
    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ui.run_until_now()
            time.sleep(0.0005)

    return Turning(ui, turn, make_widget=Widget, destroy=Widget.destroy)


def test_a_loop_with_widgets_keeps_the_contract() -> None:
    check_ui_loop(lambda: turning(WithWidgets()))


class Blocking(Realtime):
    """Waits for the UI thread, as `root.after` of tkinter does."""

    def post(self, function: Callable[[], object]) -> bool:
        if self.is_closed or self.is_ui_thread():
            return super().post(function)
        done = threading.Event()
        is_taken = super().post(lambda: (done.set(), function()))
        done.wait(0.5)
        return is_taken


class Dropping(Realtime):
    """Loses what comes from other threads, as `QTimer.singleShot` of Qt does."""

    def post(self, function: Callable[[], object]) -> bool:
        return super().post(function if self.is_ui_thread() else lambda: None)


class Draining(Realtime):
    """Runs what was posted on the thread that posts, and timers that were taken back."""

    def post(self, function: Callable[[], object]) -> bool:
        if self.is_closed:
            return False
        self.guard(function)
        return True

    def later(self, delay: float, function: Callable[[], object]) -> Callable[[], None]:
        self.start_timer(delay, lambda: self.guard(function))
        return lambda: None


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Blocking, UiRule.NEVER_BLOCKS),
        (Dropping, UiRule.KEEPS_WHAT_COMES_EARLY),
        (Draining, UiRule.UI_THREAD_ONLY),
        (Forgetful, UiRule.WIDGETS),
    ],
)
def test_the_check_rejects_a_broken_loop_and_names_the_rule(
    kind: type[Realtime], rule: UiRule
) -> None:
    with pytest.raises(BrokenUiLoop) as caught:
        check_ui_loop(lambda: turning(kind()), patience=0.2)
    assert rule in {each.rule for each in caught.value.broken}
    assert rule.name in str(caught.value)
    assert caught.value.name == kind.__name__


# --- the manual loop, in time that the test moves ---


@pytest.fixture
def errors() -> list[Exception]:
    return []


@pytest.fixture
def ui(errors: list[Exception]) -> ManualLoop:
    return ManualLoop(on_error=errors.append)


def test_nothing_happens_until_the_loop_is_run(ui: ManualLoop) -> None:
    ran: list[str] = []
    assert ui.post(lambda: ran.append("posted"))
    ui.later(1.0, lambda: ran.append("timer"))
    assert ran == []
    ui.run()
    assert ran == ["posted"]
    ui.run(0.5)
    assert ran == ["posted"]
    ui.run(0.5)
    assert ran == ["posted", "timer"]
    assert ui.timer_count == 0


def test_timers_with_one_deadline_run_in_the_order_in_which_they_were_started(
    ui: ManualLoop,
) -> None:
    ran: list[int] = []
    for number in range(5):
        ui.later(1.0, lambda number=number: ran.append(number))
    ui.run(1.0)
    assert ran == [0, 1, 2, 3, 4]


def test_later_on_another_thread_says_what_to_use_instead(ui: ManualLoop) -> None:
    caught: list[Exception] = []

    def try_it() -> None:
        try:
            ui.later(1.0, lambda: None)
        except UsageError as error:
            caught.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert [str(error) for error in caught] == [
        "later() is for the UI thread; use post() or scheduler from others"
    ]


def test_work_stops_when_the_budget_is_over_and_goes_on_after_the_toolkits_turn() -> None:
    seconds = 0.0
    ui = ManualLoop(clock=lambda: seconds, budget=0.008)
    ran: list[int] = []

    def work(number: int) -> None:
        nonlocal seconds
        seconds += 0.003
        ran.append(number)

    for number in range(5):
        ui.post(lambda number=number: work(number))
    ui.run()
    assert ran == [0, 1, 2]
    seconds += 0.001
    ui.run_until_now()
    assert ran == [0, 1, 2, 3, 4]
    assert ui.timer_count == 0


def test_an_error_hook_that_fails_falls_back_to_the_excepthook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("sys.excepthook", lambda *arguments: seen.append(arguments[1]))
    second = RuntimeError("hook")

    def fail(_: Exception) -> None:
        raise second

    ui = ManualLoop(on_error=fail)
    ui.post(lambda: 1 // 0)
    ui.run()
    assert seen == [second]


def test_a_wake_that_fails_closes_the_loop_and_close_still_releases_it() -> None:
    released: list[str] = []

    class Gone(ManualLoop):
        def wake(self) -> None:
            raise RuntimeError("the window is gone")

        def release(self) -> None:
            released.append("released")

    ui: UiLoop = Gone()
    assert ui.post(lambda: None) is False
    assert ui.is_closed
    ui.close()
    ui.close()
    assert released == ["released"]


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5, float("nan")])
def test_a_share_of_the_thread_that_is_no_part_of_it_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must be above 0 and at most 1"):
        ManualLoop(share=share)


@pytest.mark.parametrize("options", [{"fps": 0.0}, {"budget": 0.0}])
def test_a_loop_without_frames_or_budget_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        ManualLoop(**options)


# --- frames ---


def test_a_key_is_called_once_a_frame_with_its_newest_function(ui: ManualLoop) -> None:
    ran: list[str] = []
    ui.frame.request("b", lambda: ran.append("b1"))
    ui.frame.request("a", lambda: ran.append("a1"))
    ui.frame.request("b", lambda: ran.append("b2"))
    ui.run(0.002)
    assert ran == ["b2", "a1"]
    assert (ui.frame.number, ui.timer_count) == (1, 0)


def test_a_request_made_in_a_frame_is_for_the_next_one(ui: ManualLoop) -> None:
    frames: list[int] = []

    def again() -> None:
        frames.append(ui.frame.number)
        if len(frames) < 3:
            ui.frame.request("key", again)

    ui.frame.request("key", again)
    ui.run(0.010)
    assert frames == [1]
    ui.run(1.0)
    assert frames == [1, 2, 3]
    assert ui.timer_count == 0


def test_there_are_at_most_fps_frames_a_second(ui: ManualLoop) -> None:
    ui.fps = 10.0
    times: list[float] = []

    def again() -> None:
        times.append(round(ui.now(), 3))
        ui.frame.request("key", again)

    ui.frame.request("key", again)
    ui.run(0.45)
    assert times == [0.001, 0.101, 0.201, 0.301, 0.401]


class _Painting(ManualLoop):
    """Plays a toolkit that works for a time after each frame."""

    worked = 0.0

    def spent(self) -> float:
        return self.worked


@pytest.mark.parametrize(
    ("fps", "share", "work", "expected"),
    [
        # Nothing to paint: as many frames as asked for.
        (200.0, 0.5, 0.0, [0.001, 0.006, 0.011, 0.016, 0.021]),
        # A picture of 4 ms at half of the thread: one each 8 ms.
        (200.0, 0.5, 0.004, [0.001, 0.009, 0.017, 0.025, 0.033]),
        (200.0, 1.0, 0.004, [0.001, 0.006, 0.011, 0.016, 0.021]),
        # Sixty a second are always there.
        (200.0, 0.5, 0.020, [0.001, 0.0177, 0.0343, 0.0510, 0.0677]),
        (60.0, 0.5, 0.020, [0.001, 0.0177, 0.0343, 0.0510, 0.0677]),
    ],
)
def test_above_sixty_frames_a_second_painting_takes_a_share_of_the_thread(
    fps: float, share: float, work: float, expected: list[float]
) -> None:
    ui = _Painting(fps=fps, share=share)
    times: list[float] = []

    def again() -> None:
        times.append(round(ui.now(), 4))
        ui.worked += work
        ui.frame.request("key", again)

    ui.frame.request("key", again)
    ui.run(0.1)
    assert times[:5] == expected


def test_a_picture_that_is_painted_after_the_timer_began_delays_the_next_frame() -> None:
    ui = _Painting(fps=200.0)
    times: list[float] = []

    def again() -> None:
        times.append(round(ui.now(), 4))
        ui.frame.request("key", again)
        ui.later(0.002, paint)

    def paint() -> None:
        ui.worked += 0.004

    ui.frame.request("key", again)
    ui.run(0.03)
    assert times == [0.001, 0.009, 0.017, 0.025]


def test_an_early_request_runs_before_the_others_and_its_own_requests_in_the_same_frame(
    ui: ManualLoop,
) -> None:
    ran: list[tuple[str, int]] = []

    def note(name: str) -> Callable[[], None]:
        return lambda: ran.append((name, ui.frame.number))

    def early() -> None:
        note("early")()
        ui.frame.request("asked for by early", note("asked for by early"))

    ui.frame.request("other", note("other"))
    ui.frame.request_early("early", early)
    ui.run(1.0)
    assert ran == [("early", 1), ("other", 1), ("asked for by early", 1)]


def test_a_cancelled_request_is_not_called(ui: ManualLoop) -> None:
    ran: list[str] = []
    ui.frame.request("key", lambda: ran.append("ran"))
    ui.frame.cancel("key")
    ui.run(1.0)
    assert ran == []


def test_a_frame_over_its_budget_goes_on_after_the_toolkits_turn_before_anybody_is_called_again() -> (
    None
):
    seconds = 0.0
    ui = ManualLoop(clock=lambda: seconds, budget=0.008)
    ran: list[int] = []

    def paint(number: int) -> None:
        nonlocal seconds
        seconds += 0.005
        ran.append(number)

    for number in range(4):
        ui.frame.request(number, lambda number=number: paint(number))
    ui.run_until_now()
    seconds += 0.001
    ui.run_until_now()
    assert ran == [0, 1]
    ui.frame.request(0, lambda: paint(0))
    seconds += 0.001
    ui.run_until_now()
    assert ran == [0, 1, 2, 3]
    seconds += 0.02
    ui.run_until_now()
    assert ran == [0, 1, 2, 3, 0]
