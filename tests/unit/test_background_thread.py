"""The thread of a service for GUI programs: it runs posted calls in order, and ends when no service needs it."""

from __future__ import annotations

import threading

from reactive_ws.service.loop.background_thread import BackgroundThread

LONG = 60.0


def test_what_is_posted_runs_on_the_thread_in_order() -> None:
    thread = BackgroundThread("a")
    seen: list[tuple[int, bool]] = []
    for number in range(3):
        assert thread.post(lambda number=number: seen.append((number, thread.is_current)))  # type: ignore[misc]
    thread.stop(lambda: True)
    assert seen == [(0, True), (1, True), (2, True)]
    assert not thread.is_current
    assert repr(thread) == "<BackgroundThread 'a' over>"


def test_after_its_end_nothing_is_taken_and_stopping_again_is_no_error() -> None:
    before = threading.active_count()
    thread = BackgroundThread("a")
    assert repr(thread) == "<BackgroundThread 'a'>"
    assert not thread.is_over
    thread.stop(lambda: True)
    assert thread.is_over
    assert not thread.post(lambda: None)
    thread.stop(lambda: True)
    assert threading.active_count() == before


def test_a_thread_that_is_needed_after_all_goes_on() -> None:
    thread = BackgroundThread("a")
    thread.stop(lambda: False)
    assert not thread.is_over
    done = threading.Event()
    assert thread.post(done.set)
    assert done.wait(LONG)
    thread.stop(lambda: True)


def test_what_was_accepted_runs_before_the_thread_is_asked_whether_it_may_end() -> None:
    thread = BackgroundThread("a")
    seen: list[str] = []
    is_blocked, go_on = threading.Event(), threading.Event()

    def block() -> None:
        is_blocked.set()
        go_on.wait(LONG)

    def is_idle() -> bool:
        seen.append("asked")
        return True

    thread.post(block)
    assert is_blocked.wait(LONG)
    assert thread.post(lambda: seen.append("accepted"))
    stopping = [threading.Thread(target=thread.stop, args=(is_idle,)) for _ in range(2)]
    for one in stopping:
        one.start()
    go_on.set()
    for one in stopping:
        one.join(LONG)
    # The second one may come when the thread is over already.
    assert seen in (["accepted", "asked"], ["accepted", "asked", "asked"])
    assert thread.is_over


def test_on_itself_it_only_begins_to_end() -> None:
    before = threading.active_count()
    thread = BackgroundThread("a")
    returned = threading.Event()

    def end() -> None:
        thread.stop(lambda: True)
        returned.set()

    thread.post(end)
    assert returned.wait(LONG)
    thread.stop(lambda: True)
    assert threading.active_count() == before
