"""Performs steps in order: each is written before a client hears of it. It alone owns the hub's state and its file.

With a data file, the steps that pile up while one transaction is written become the next one (group commit). A step sends
only after its commit, so that no client ever sees what a crash can undo. Without a file it sends at once. It knows no
sockets: `server` puts steps in and gets them back to deliver.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reactive_ws.wire import Codec

from .state import State, Step
from .storage import Storage

__all__ = ["Pipeline"]

_MAX_UNWRITTEN = 1_000
"""Steps that may wait for the disk; beyond that `room` makes their producers wait."""


class Pipeline:
    """The state and the way from a step to its delivery. Lives on one loop.

    Args:
        data: The data file, None for memory only.
        codec: For the frames in the file.
        deliver: Called on the loop with each step, in order, once it can no longer be undone.
        on_failure: Called once when the file could not be written; no step is taken or delivered after that.
    """

    def __init__(
        self,
        data: str | Path | None,
        codec: Codec,
        deliver: Callable[[Step], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.state = State(epoch=uuid.uuid4().hex)
        self._data = data
        self._codec = codec
        self._deliver = deliver
        self._on_failure = on_failure
        self._writer: asyncio.Task[None] | None = None
        self._unwritten: list[Step] = []
        self._has_unwritten = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._is_closing = False
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def has_failed(self) -> bool:
        """Whether the file could not be written."""
        return self._failure.done()

    async def open(self) -> None:
        """Opens the file and loads the state.

        Raises:
            FileUnusable: it cannot be used.
        """
        if self._data is None:
            return
        loop = asyncio.get_running_loop()
        disk = ThreadPoolExecutor(1, thread_name_prefix="reactive-ws-hub-disk")
        try:
            storage = await loop.run_in_executor(disk, Storage, self._data, self._codec)
            try:
                self.state = await loop.run_in_executor(disk, storage.load)
            except BaseException:
                storage.close()
                raise
        except BaseException:
            disk.shutdown()
            raise
        self._writer = loop.create_task(self._write(storage, disk))
        self._writer.add_done_callback(self._ended)

    def take(self, step: Step) -> None:
        """The step has happened. It is delivered when it is written, in the order of the calls.

        After a failure, and after `close`, it has not: no client hears of it, and its sender sends it again.
        """
        if self.has_failed or self._is_closing:
            return
        self.state = step.state
        if self._writer is None:
            self._deliver(step)
            return
        self._unwritten.append(step)
        self._has_unwritten.set()
        if len(self._unwritten) >= _MAX_UNWRITTEN:
            self._has_room.clear()

    async def room(self) -> None:
        """Waits while too much waits for the disk."""
        await self._has_room.wait()

    async def failed(self) -> None:
        """Raises the `FileUnusable` that stopped the writing; does not return before."""
        await asyncio.shield(self._failure)

    async def close(self) -> None:
        """Writes and delivers what was taken, then closes the file. Never raises; see `failed`."""
        self._is_closing = True
        self._has_room.set()
        self._has_unwritten.set()
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write(self, storage: Storage, disk: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._unwritten or not self._is_closing:
                await self._has_unwritten.wait()
                self._has_unwritten.clear()
                steps, self._unwritten = self._unwritten, []
                changes = [change for step in steps for change in step.changes]
                if changes:
                    await loop.run_in_executor(disk, storage.commit, changes)
                self._has_room.set()
                for step in steps:
                    self._deliver(step)
        finally:
            await loop.run_in_executor(disk, storage.close)
            disk.shutdown()

    def _ended(self, writer: asyncio.Task[None]) -> None:
        error = None if writer.cancelled() else writer.exception()
        if error is None:
            return
        self._failure.set_exception(error)
        self._failure.exception()  # Not every program awaits `failed`; all see that the connections end.
        self._has_room.set()
        self._on_failure()
