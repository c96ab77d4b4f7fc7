"""The pipeline delivers a step only after the file holds it, and delivers nothing after the file failed."""

import asyncio
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from reactive_ws.errors import FileUnusable
from reactive_ws.stores.hub import pipeline as pipeline_room
from reactive_ws.stores.hub.pipeline import Pipeline
from reactive_ws.stores.hub.state import Change, Put, State, Step
from reactive_ws.stores.hub.storage import Storage
from reactive_ws.wire.codec import JsonCodec


class SlowDisk(Storage):
    """Writes when it is let, and remembers what it wrote in one transaction."""

    may_write = threading.Semaphore(0)
    transactions: list[list[str]] = []
    is_full = False

    def commit(self, changes: Iterable[Change]) -> None:
        assert self.may_write.acquire(timeout=10)
        if self.is_full:
            raise FileUnusable("hub.db", "is full")
        changes = list(changes)
        super().commit(changes)
        self.transactions.append([change.key for change in changes])


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> type[SlowDisk]:
    class Disk(SlowDisk):
        may_write = threading.Semaphore(0)
        transactions: list[list[str]] = []

    monkeypatch.setattr(pipeline_room, "Storage", Disk)
    return Disk


def step(number: int) -> Step:
    return Step(State(epoch=f"after {number}"), (Put("seen", f"m{number}", 0, number),))


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_step_is_delivered_after_its_commit_and_what_piles_up_is_one_transaction(
    tmp_path: Path, disk: type[SlowDisk]
) -> None:
    async def body() -> None:
        heard: list[str] = []
        is_heard = asyncio.Event()

        def deliver(one: Step) -> None:
            heard.append(one.state.epoch)
            is_heard.set()

        pipeline = Pipeline(tmp_path / "hub.db", JsonCodec(), deliver, lambda: None)
        await pipeline.open()
        pipeline.take(step(1))
        assert pipeline.state.epoch == "after 1"
        await turns()
        for number in (2, 3, 4):
            pipeline.take(step(number))
        await turns()
        assert heard == []
        disk.may_write.release()
        await asyncio.wait_for(is_heard.wait(), 10)
        assert heard == ["after 1"]
        disk.may_write.release()
        await pipeline.close()
        assert heard == ["after 1", "after 2", "after 3", "after 4"]
        assert disk.transactions == [["m1"], ["m2", "m3", "m4"]]

    asyncio.run(body())


def test_after_a_failure_nothing_is_delivered_or_taken_and_whoever_waits_is_told(
    tmp_path: Path, disk: type[SlowDisk]
) -> None:
    async def body() -> None:
        heard: list[Step] = []
        failures: list[str] = []
        disk.is_full = True
        pipeline = Pipeline(
            tmp_path / "hub.db", JsonCodec(), heard.append, lambda: failures.append("failed")
        )
        await pipeline.open()
        pipeline.take(step(1))
        disk.may_write.release()
        with pytest.raises(FileUnusable, match="is full"):
            await asyncio.wait_for(pipeline.failed(), 10)
        pipeline.take(step(2))
        await pipeline.close()
        assert (heard, failures, pipeline.has_failed) == ([], ["failed"], True)
        assert pipeline.state.epoch == "after 1"

    asyncio.run(body())


def test_producers_wait_while_too_much_waits_for_the_disk(
    tmp_path: Path, disk: type[SlowDisk]
) -> None:
    async def body() -> None:
        pipeline = Pipeline(tmp_path / "hub.db", JsonCodec(), lambda one: None, lambda: None)
        await pipeline.open()
        pipeline.take(step(0))
        await turns()
        for number in range(1, 1_001):
            pipeline.take(step(number))
        waiting = asyncio.create_task(pipeline.room())
        await turns()
        assert not waiting.done()
        disk.may_write.release()
        disk.may_write.release()
        await asyncio.wait_for(waiting, 10)
        await pipeline.close()

    asyncio.run(body())


def test_without_a_file_a_step_is_delivered_at_once() -> None:
    async def body() -> None:
        heard: list[str] = []
        pipeline = Pipeline(None, JsonCodec(), lambda one: heard.append(one.state.epoch), list)
        await pipeline.open()
        pipeline.take(step(1))
        assert heard == ["after 1"]
        await pipeline.close()

    asyncio.run(body())
