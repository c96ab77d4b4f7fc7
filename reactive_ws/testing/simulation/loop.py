"""An asyncio loop whose time is virtual: it jumps to the next timer instead of waiting for it.

Differences from a real loop, all on purpose: timers with equal deadlines run first in, first out (asyncio leaves their
order open); a test that can never end is an error that names the waiting tasks; there are no threads, sockets, subprocesses
and signals. `create_connection` and `create_server` reach the in-memory `Network`, so unmodified `websockets` clients and
servers run here.

This room knows time and tasks. Bytes are in `network`, seeds in `entropy`, and `simulation` puts them together.
It replaces the turn of `asyncio.BaseEventLoop`, and knows a few of its private names: `tests/unit/testing/test_loop.py` fails first
when one of them changes.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from .failures import BackgroundFailure, Deadlock, Livelock, NotSimulated

if TYPE_CHECKING:
    from .network import Network

__all__ = ["VirtualLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_MAX_TURNS_AT_ONE_MOMENT = 100_000
"""A server that answers 10 000 requests in one moment needs about 60 000 turns; a `sleep(0)` loop reaches this in 0.2 s."""
_MAX_TURNS = 300_000
"""Four days of a 30 s heartbeat between client and server; a test that needs more has lost its way."""


class _Timer(asyncio.TimerHandle):
    """A timer that remembers its place in line: asyncio's heap compares deadlines only, so ties would run in any order."""

    __slots__ = ("place",)
    place: int

    def __lt__(self, other: object) -> bool:
        if isinstance(other, _Timer):
            return (self.when(), self.place) < (other.when(), other.place)
        return NotImplemented


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop in virtual time, starting at 0 seconds. Use it through `simulate` or `Simulation`.

    Args:
        network: What `create_connection` and `create_server` reach; None refuses both.
        shuffle: Orders ready task steps; None keeps first in, first out. Callbacks that are not task steps keep their
            order in any case: asyncio promises it for them, and nothing between tasks.

    Attributes:
        turns: How often the loop turned since it was made.
    """

    # Private names of BaseEventLoop that this class relies on.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool

    def __init__(
        self, *, network: Network | None = None, shuffle: Callable[[list[Any]], None] | None = None
    ) -> None:
        self._now = 0.0
        super().__init__()
        self.turns = 0
        self._network = network
        self._shuffle = shuffle
        self._owner = threading.get_ident()
        self._places = 0
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._task_numbers = 0
        self._turns_at_moment = 0
        self._turns_of_run = 0
        self._failures: list[Exception] = []
        self._quiet: list[asyncio.Future[None]] = []
        self.set_exception_handler(_collect)

    # --- time ---------------------------------------------------------------------------------------------------------

    def time(self) -> float:
        """Returns the virtual seconds since the loop was made."""
        return self._now

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Runs the callback at this virtual time, after those that were given the same time before."""
        self._check_closed()  # type: ignore[attr-defined]
        timer = _Timer(when, callback, args, self, context)
        self._places += 1
        timer.place = self._places
        heapq.heappush(self._scheduled, timer)
        return timer

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Runs the callback after this many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    @property
    def timers(self) -> tuple[asyncio.TimerHandle, ...]:
        """The timers that are set, in no order."""
        return tuple(timer for timer in self._scheduled if not timer.cancelled())

    def _run_once(self) -> None:
        """One turn, in place of BaseEventLoop's: what is ready runs, and when nothing is, time jumps to the next timer.

        Exactly what is due now runs. The real loop also takes what is due within the resolution of its clock: code that
        finds its deadline still ahead and sets the timer again would never end here, where time stands still meanwhile.
        """
        ready = self._ready
        if ready or self._stopping:
            self._count_turn()
            if self._shuffle is not None and len(ready) > 1:
                self._permute(self._shuffle)
        else:
            self._pause()
        self._take_what_is_due()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _pause(self) -> None:
        """Handles a loop without ready callbacks: wakes `settle`, or lets time pass."""
        due = self._next_deadline()
        # A timer whose time is now is as good as ready.
        is_idle = due is None or due > self._now
        if is_idle and self._quiet and (self._network is None or self._network.in_flight == 0):
            self._announce_quiet()
            return
        # A timer at infinity, such as of sleep(inf), never wakes a task.
        if due is None or due == math.inf:
            raise self._caused(Deadlock(self._now, self._waiting()))
        self._count_turn()
        if due > self._now:
            self._now = due
            self._turns_at_moment = 0

    def _next_deadline(self) -> float | None:
        scheduled = self._scheduled
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)
        return scheduled[0].when() if scheduled else None

    def _take_what_is_due(self) -> None:
        scheduled, now = self._scheduled, self._now
        while scheduled and (scheduled[0].when() <= now or scheduled[0].cancelled()):
            self._ready.append(heapq.heappop(scheduled))

    def _count_turn(self) -> None:
        self.turns += 1
        self._turns_at_moment += 1
        self._turns_of_run += 1
        is_standing_still = self._turns_at_moment > _MAX_TURNS_AT_ONE_MOMENT
        if is_standing_still or self._turns_of_run > _MAX_TURNS:
            turns = self._turns_at_moment if is_standing_still else self._turns_of_run
            self._turns_at_moment = self._turns_of_run = 0
            waiting = self._waiting()
            raise self._caused(
                Livelock(self._now, waiting, turns, is_clock_moving=not is_standing_still)
            )

    def _permute(self, shuffle: Callable[[list[Any]], None]) -> None:
        handles = list(self._ready)
        places = [place for place, handle in enumerate(handles) if _is_task_step(handle)]
        steps = [handles[place] for place in places]
        shuffle(steps)
        for place, step in zip(places, steps, strict=True):
            handles[place] = step
        self._ready.clear()
        self._ready.extend(handles)

    async def quiet(self) -> None:
        """Waits until no callback is ready and no byte is under way, letting as little time pass as that takes.

        Timers that are still set do not count: heartbeats and retries would keep the loop busy without an end.
        """
        waiter: asyncio.Future[None] = self.create_future()
        self._quiet.append(waiter)
        await waiter

    def _announce_quiet(self) -> None:
        waiters, self._quiet = self._quiet, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- tasks --------------------------------------------------------------------------------------------------------

    def create_task(self, coro: Any, *, name: object = None, **options: Any) -> asyncio.Task[Any]:
        """Makes a task, named after its number and its coroutine when no name is given."""
        self._task_numbers += 1
        if name is None:
            name = f"{self._task_numbers}: {getattr(coro, '__qualname__', type(coro).__name__)}"
        task: asyncio.Task[Any] = super().create_task(coro, name=str(name), **options)
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        # A failed task is kept until the end: only then it is known whether the test asked for its exception.
        if task.cancelled() or not getattr(task, "_log_traceback", False):
            self._tasks.pop(task, None)

    def _waiting(self) -> list[str]:
        return [f"{task.get_name()}{_place(task)}" for task in self._tasks if not task.done()]

    def run_until_complete(self, future: Any) -> Any:
        """Runs until the future is done, and returns its result.

        Raises:
            Deadlock: it can never be done. Chained to the background failures, which may be the cause.
            Livelock: it is not done after very many turns.
        """
        self._turns_of_run = self._turns_at_moment = 0
        return super().run_until_complete(future)

    def cancel_all(self) -> None:
        """Cancels the unfinished tasks, oldest first, and runs until they ended."""
        tasks = [task for task in self._tasks if not task.done()]
        for task in tasks:
            task.cancel("the simulation ended")

        async def end() -> None:
            await asyncio.gather(*tasks, return_exceptions=True)

        if tasks:
            self.run_until_complete(end())

    # --- failures -----------------------------------------------------------------------------------------------------

    def check_background(self) -> None:
        """Raises the exceptions that the test did not await.

        Raises:
            BackgroundFailure: with the exceptions, each reported once.
        """
        failure = self._background_failure()
        if failure is not None:
            raise failure

    def _background_failure(self) -> BackgroundFailure | None:
        for task in [task for task in self._tasks if task.done()]:
            del self._tasks[task]
            if not task.cancelled() and getattr(task, "_log_traceback", False):
                error = task.exception()
                if isinstance(error, Exception):
                    error.add_note(f"in background task {task.get_name()}")
                    self._failures.append(error)
        failures, self._failures = self._failures, []
        if not failures:
            return None
        return BackgroundFailure("exceptions that no task awaited", failures)

    def _caused(self, error: Deadlock | Livelock) -> Exception:
        """Chains an error to the background failures, if there are any: they are often the cause."""
        failure = self._background_failure()
        if failure is not None:
            error.__cause__ = failure
        return error

    def note_failure(self, error: Exception) -> None:
        """Remembers an exception that the test did not await."""
        self._failures.append(error)

    def refuse(self, what: str, instead: str) -> NotSimulated:
        """Returns the error to raise, and remembers it: the run fails even when the code under test swallows it."""
        error = NotSimulated(what, instead)
        self._failures.append(error)
        return error

    # --- the world outside --------------------------------------------------------------------------------------------

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """Opens a connection in the in-memory network."""
        if options.get("ssl"):
            raise self.refuse(
                "TLS", "use a ws:// address; certificates belong in tests with real sockets"
            )
        if self._network is None:
            raise self.refuse("a connection", "this loop has no network; use Simulation")
        if options.get("sock") is not None:
            return self._network.adopt(protocol_factory, options["sock"])
        return await self._network.connect(protocol_factory, host, port)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """Listens in the in-memory network. Port 0 picks a free one."""
        if options.get("ssl"):
            raise self.refuse(
                "TLS", "use a ws:// address; certificates belong in tests with real sockets"
            )
        if options.get("sock") is not None:
            raise self.refuse("a real socket", "pass host and port; any name will do")
        if self._network is None:
            raise self.refuse("a server", "this loop has no network; use Simulation")
        return self._network.listen(protocol_factory, host, port)

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Returns the addresses that the network knows for a name; without more, a name is its own address."""
        names = (host,) if self._network is None else self._network.addresses(host)
        return [(2, 1, 6, "", (name, port)) for name in names]

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connects a socket to an address of the in-memory network."""
        if self._network is None:
            raise self.refuse("a connection", "this loop has no network; use Simulation")
        await self._network.connect_socket(sock, *address)

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - the signature is asyncio's
        func: Callable[[Unpack[Ts]], T],
        *args: *Ts,  # noqa: ARG002
    ) -> asyncio.Future[T]:
        """Refused.

        Raises:
            NotSimulated: always.
        """
        raise self.refuse(
            f"run_in_executor({getattr(func, '__qualname__', func)!s})",
            "threads run in another order every time; give the code under test a function that needs none",
        )

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """The same as `call_soon`, and refused from other threads."""
        if threading.get_ident() != self._owner:
            raise self.refuse(
                f"a call from thread {threading.current_thread().name!r}",
                "threads run in another order every time; keep the test in one thread",
            )
        return self.call_soon(callback, *args, context=context)

    def _write_to_self(self) -> None:
        """Does nothing: no thread waits in a system call."""


def _collect(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    error = context.get("exception")
    if not isinstance(error, Exception):
        error = RuntimeError(context.get("message", "unknown error"))
    else:
        error.add_note(str(context.get("message", "")))
    loop.note_failure(error)


def _is_task_step(handle: asyncio.Handle) -> bool:
    return isinstance(getattr(getattr(handle, "_callback", None), "__self__", None), asyncio.Task)


def _place(task: asyncio.Task[Any]) -> str:
    """Says where a task waits: the innermost line that is not of the standard library's event loop."""
    frame: Any = None
    coroutine: Any = task.get_coro()
    while coroutine is not None:
        here = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if here is not None and "asyncio" not in here.f_code.co_filename.replace("\\", "/").split(
            "/"
        ):
            frame = here
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    if frame is None:
        return ""
    file = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f" ({file}:{frame.f_lineno}, in {frame.f_code.co_name})"
