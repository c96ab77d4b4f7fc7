"""Scenarios with threads and tasks that unit tests expect to go well, and planted bugs to go wrong."""

from __future__ import annotations

import asyncio
import threading

from reactivex import operators as ops

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.state.store import Store

__all__ = ["a_task_started_in_a_batch", "two_tasks_that_batch", "writes_that_meet_a_delivery"]


def writes_that_meet_a_delivery(domain: Domain, rounds: int, patience: float) -> list[str]:
    """Writes from another thread while this one delivers; returns what went wrong, up to the first stranded commit.

    Args:
        domain: A domain without a home.
        rounds: How often.
        patience: Seconds to wait for a commit that must come without a further write.
    """
    a, b = Store(0, domain=domain), Store(0, domain=domain)
    go, done = threading.Semaphore(0), threading.Semaphore(0)
    is_over = False
    seen: list[int] = []

    def observer(value: int) -> None:
        if value:
            # The other thread may commit from here on, also while this delivery comes to its end.
            go.release()

    a.select().subscribe(observer)
    b.select().pipe(ops.skip(1)).subscribe(seen.append)

    def other() -> None:
        number = 0
        while True:
            go.acquire()
            if is_over:
                return
            number += 1
            b.set(number)
            done.release()

    thread = threading.Thread(target=other)
    thread.start()
    wrong: list[str] = []
    number = 0
    while number < rounds and not wrong:
        number += 1
        a.set(number)
        done.acquire()
        if not domain.settled(patience):
            wrong.append(f"round {number}: a commit was stranded")
    is_over = True
    go.release()
    thread.join(5)
    if not wrong and seen != list(range(1, rounds + 1)):
        wrong.append("not every write was seen once, in order")
    return wrong


def two_tasks_that_batch(domain: Domain) -> None:
    """Two tasks batch over two stores across an `await`, each reading its own writes and none of the other's."""
    a, b = Store(0, name="a", domain=domain), Store(0, name="b", domain=domain)

    async def read() -> tuple[int, int]:
        return a.get(), b.get()

    async def work(mine: Store[int], other: Store[int], value: int) -> None:
        with batch(domain):
            mine.set(value)
            await asyncio.sleep(0)
            assert (mine.get(), other.get()) == (value, 0)
            assert await asyncio.create_task(read()) == (0, 0)
            mine.update(lambda now: now + 1)

    async def main() -> None:
        await asyncio.gather(work(a, b, 10), work(b, a, 20))

    asyncio.run(main())


def a_task_started_in_a_batch(domain: Domain) -> None:
    """A task, a thread and a callback that were started in a batch write for themselves: five commits."""
    a, b = Store(0, name="a", domain=domain), Store(0, name="b", domain=domain)

    async def write() -> None:
        b.set(1)
        with batch(domain):
            b.set(2)

    async def main() -> None:
        with batch(domain):
            a.set(1)
            await asyncio.create_task(write())
            await asyncio.to_thread(b.set, 3)
            asyncio.get_running_loop().call_soon(b.set, 4)
            await asyncio.sleep(0)

    asyncio.run(main())
    assert domain.number == 5, f"{domain.number} commits instead of 5"
