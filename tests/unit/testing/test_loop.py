"""The virtual loop: time, order, and the ends of a run."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import threading
import time

import pytest

from reactive_ws.testing import (
    BackgroundFailure,
    Deadlock,
    Livelock,
    NotSimulated,
    Simulation,
    VirtualLoop,
)


def test_the_private_names_of_asyncio_that_the_loop_uses_exist() -> None:
    loop = asyncio.BaseEventLoop()  # type: ignore[abstract]
    for name in ("_ready", "_scheduled", "_stopping", "_check_closed", "_run_once"):
        assert hasattr(loop, name)
    handle = asyncio.TimerHandle(0.0, print, (), loop)
    for name in ("_callback", "_cancelled", "_run"):
        assert hasattr(handle, name)
    loop._closed = True  # type: ignore[attr-defined]


def test_an_hour_passes_in_no_time_and_the_clock_is_exact() -> None:
    started = time.perf_counter()
    with Simulation() as simulation:
        seen: list[float] = []

        async def main() -> None:
            for _ in range(60):
                await asyncio.sleep(60)
                seen.append(simulation.loop.time())

        simulation.run(main())
    assert seen == [60.0 * n for n in range(1, 61)]
    # A few milliseconds; any machine is faster than the hour.
    assert time.perf_counter() - started < 60


def test_timers_with_equal_deadlines_run_first_in_first_out() -> None:
    with Simulation() as simulation:
        seen: list[int] = []

        async def main() -> None:
            for number in range(200):
                simulation.loop.call_at(1.0, seen.append, number)
            await asyncio.sleep(2)

        simulation.run(main())
    assert seen == list(range(200))


def test_time_moves_on_also_when_the_numbers_are_so_large_that_small_steps_round_away() -> None:
    with Simulation() as simulation:

        async def main() -> list[float]:
            await asyncio.sleep(1e12)
            before = simulation.loop.time()
            await asyncio.sleep(1.0)
            return [before, simulation.loop.time()]

        assert simulation.run(main()) == [1e12, 1e12 + 1]


def test_no_timer_runs_before_its_time_however_close_another_one_is() -> None:
    with Simulation() as simulation:
        loop, late = simulation.loop, 0.1 + 0.2
        seen: list[bool] = []

        async def main() -> None:
            loop.call_at(0.3, lambda: seen.append(loop.time() >= 0.3))
            loop.call_at(late, lambda: seen.append(loop.time() >= late))
            await asyncio.sleep(1)

        simulation.run(main())
        assert late > 0.3
    assert seen == [True, True]


def test_a_deadlock_names_every_waiting_task_and_the_line_where_it_waits() -> None:
    async def waiter() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        task = asyncio.create_task(waiter(), name="the reader")
        await asyncio.sleep(3)
        await task

    with pytest.raises(Deadlock) as caught, Simulation() as simulation:
        simulation.run(main())
    assert caught.value.time == 3.0
    here = test_a_deadlock_names_every_waiting_task_and_the_line_where_it_waits
    first = here.__code__.co_firstlineno
    assert caught.value.waiting == (
        f"1: _await (test_loop.py:{first + 7}, in main)",
        f"the reader (test_loop.py:{first + 2}, in waiter)",
    )
    assert "deadlock at t=3 s" in str(caught.value)


def test_a_deadlock_that_a_background_failure_caused_is_chained_to_it() -> None:
    async def producer() -> None:
        raise ValueError("no more")

    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        task = asyncio.create_task(producer())
        await queue.get()
        await task

    with pytest.raises(Deadlock) as caught, Simulation() as simulation:
        simulation.run(main())
    cause = caught.value.__cause__
    assert isinstance(cause, BackgroundFailure)
    assert [str(error) for error in cause.exceptions] == ["no more"]


def test_tasks_that_never_let_time_pass_are_a_livelock() -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Livelock) as caught, Simulation() as simulation:
        simulation.run(spin())
    assert not caught.value.is_clock_moving
    assert caught.value.time == 0.0
    assert "without ever letting time pass" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_timers_that_keep_a_finished_test_alive_are_a_livelock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reactive_ws.testing.simulation.loop._MAX_TURNS", 1_000)

    async def heartbeat() -> None:
        while True:
            await asyncio.sleep(30)

    async def main() -> None:
        task = asyncio.create_task(heartbeat())
        await asyncio.get_running_loop().create_future()
        await task

    with pytest.raises(Livelock) as caught, Simulation() as simulation:
        simulation.run(main())
    assert caught.value.is_clock_moving
    assert "timers keep running" in str(caught.value)


def test_an_exception_that_nobody_awaits_fails_the_run() -> None:
    async def main() -> None:
        async def broken() -> None:
            raise KeyError("missing")

        def callback() -> None:
            raise ValueError("in a callback")

        task = asyncio.create_task(broken(), name="poller")
        asyncio.get_running_loop().call_soon(callback)
        await asyncio.sleep(1)
        assert task.done()

    with pytest.raises(BackgroundFailure) as caught, Simulation() as simulation:
        simulation.run(main())
    assert sorted(repr(error) for error in caught.value.exceptions) == [
        "KeyError('missing')",
        "ValueError('in a callback')",
    ]
    assert "in background task poller" in caught.value.exceptions[1].__notes__


def test_an_exception_that_was_awaited_later_is_none_of_the_harness_business() -> None:
    async def broken() -> None:
        raise KeyError("missing")

    async def main() -> str:
        task = asyncio.create_task(broken())
        await asyncio.sleep(1)
        try:
            await task
        except KeyError:
            return "handled"
        return "lost"

    with Simulation() as simulation:
        assert simulation.run(main()) == "handled"


def test_a_failed_assertion_tells_what_went_wrong_in_the_background() -> None:
    async def broken() -> None:
        raise KeyError("missing")

    async def main() -> None:
        task = asyncio.create_task(broken())
        await asyncio.sleep(1)
        assert task.cancelled()

    with pytest.raises(AssertionError) as caught, Simulation() as simulation:
        simulation.run(main())
    assert caught.value.__notes__ == ["meanwhile in the background: KeyError: 'missing'"]


def test_unfinished_tasks_are_cancelled_oldest_first_when_the_run_ends() -> None:
    ended: list[str] = []

    async def endless(name: str) -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append(name)

    async def main() -> None:
        for name in "abc":
            asyncio.get_running_loop().create_task(endless(name))
        await asyncio.sleep(1)

    with Simulation() as simulation:
        simulation.run(main())
    assert ended == ["a", "b", "c"]


def test_quiet_waits_for_ready_tasks_but_not_for_timers() -> None:
    async def worker(seen: list[str]) -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        seen.append("worked")
        await asyncio.sleep(1_000)
        seen.append("woke")

    async def main(loop: VirtualLoop) -> tuple[list[str], float]:
        seen: list[str] = []
        task = asyncio.create_task(worker(seen))
        await loop.quiet()
        assert not task.done()
        return list(seen), loop.time()

    with Simulation() as simulation:
        assert simulation.run(main(simulation.loop)) == (["worked"], 0.0)


def test_quiet_waits_for_timers_whose_time_is_now() -> None:
    with Simulation() as simulation:
        loop = simulation.loop
        seen: list[str] = []

        async def main() -> None:
            loop.call_later(0, seen.append, "due now")
            loop.call_later(0, loop.call_later, 0, seen.append, "set by it")
            loop.call_later(0.001, seen.append, "later")
            await loop.quiet()
            assert seen == ["due now", "set by it"]

        simulation.run(main())
    assert seen == ["due now", "set by it"]


@pytest.mark.parametrize(
    ("forbidden", "named"),
    [
        (lambda: asyncio.get_running_loop().run_in_executor(None, time.time), "run_in_executor"),
        (lambda: threading.Thread(target=print).start(), "a thread cannot be simulated"),
        (lambda: time.sleep(1), "time.sleep()"),
    ],
)
def test_threads_and_sleeping_are_refused_even_when_the_code_under_test_swallows_the_error(
    forbidden: object, named: str
) -> None:
    async def main() -> None:
        with contextlib.suppress(NotSimulated):
            forbidden()  # type: ignore[operator]

    with pytest.raises(BackgroundFailure) as caught, Simulation() as simulation:
        simulation.run(main())
    assert [type(error) for error in caught.value.exceptions] == [NotSimulated]
    assert named in str(caught.value.exceptions[0])


def test_a_call_from_another_thread_is_refused() -> None:
    errors: list[BaseException] = []
    with Simulation() as simulation:
        pass

    loop = VirtualLoop()

    def foreign() -> None:
        try:
            loop.call_soon_threadsafe(print)
        except NotSimulated as error:
            errors.append(error)

    thread = threading.Thread(target=foreign, name="a stranger")
    thread.start()
    thread.join()
    loop.close()
    assert ["'a stranger'" in str(error) for error in errors] == [True]
    assert simulation.loop.is_closed()


def test_other_threads_keep_the_real_clock_while_a_simulation_is_open() -> None:
    ready, seen = threading.Event(), []

    def other() -> None:
        ready.wait(10)
        seen.append(time.time())

    thread = threading.Thread(target=other)
    thread.start()
    with Simulation() as simulation:
        simulated = time.time()
        ready.set()
        thread.join()
    assert simulated == 1767225600.0
    assert seen[0] != simulated
    assert simulation.seed == 0


def test_a_sleep_without_an_end_is_a_deadlock() -> None:
    with Simulation() as simulation, pytest.raises(Deadlock, match=r"deadlock at t=0 s"):
        simulation.run(asyncio.sleep(float("inf")))
