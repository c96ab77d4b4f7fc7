"""Where a domain is delivered: the one thread that runs its observers, reached without blocking.

A `Home` is a way to get a function onto a thread, and to know whether this is that thread. Anything that has `post`
and `is_current` will do; asyncio loops and executors are wrapped here. Called by `domain`, which decides when to post.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import attrs

from ..errors import UsageError

__all__ = ["ExecutorHome", "Home", "LoopHome", "home_of", "is_lost"]


@runtime_checkable
class Home(Protocol):
    """A thread that observers are delivered on."""

    def post(self, function: Callable[[], None], /) -> object:
        """Runs `function` there, soon. From any thread; never blocks.

        Raises:
            RuntimeError: the thread or loop is gone.
        """
        ...

    def is_current(self) -> bool:
        """Whether the caller is on that thread."""
        ...


@attrs.frozen
class LoopHome:
    """An asyncio event loop. Only code that the loop runs counts as being at home."""

    loop: asyncio.AbstractEventLoop

    def post(self, function: Callable[[], None], /) -> None:
        """Runs `function` in the loop's next iteration."""
        self.loop.call_soon_threadsafe(function)

    def is_current(self) -> bool:
        """Whether this loop is the one that is running this code."""
        return asyncio._get_running_loop() is self.loop


@attrs.frozen
class ExecutorHome:
    """A `concurrent.futures.Executor`. No thread counts as being at home: every commit goes through `submit`."""

    executor: concurrent.futures.Executor

    def post(self, function: Callable[[], None], /) -> concurrent.futures.Future[None]:
        """Submits `function`; the future tells whether the executor dropped it."""
        return self.executor.submit(function)

    def is_current(self) -> bool:
        """Always False: an executor does not say which threads are its own."""
        return False


def home_of(place: asyncio.AbstractEventLoop | concurrent.futures.Executor | Home) -> Home:
    """Returns `place` as a Home.

    Raises:
        UsageError: it is none of the three, or a class; or the loop is closed, or the executor shut down.
    """
    if isinstance(place, (asyncio.AbstractEventLoop, LoopHome)):
        home = place if isinstance(place, LoopHome) else LoopHome(place)
        if home.loop.is_closed():
            raise UsageError(
                "a closed event loop cannot be a home, because it runs nothing; pass the loop that runs the program,"
                " such as asyncio.get_running_loop()"
            )
        return home
    if isinstance(place, concurrent.futures.Executor):
        # By name for the second: it is new in Python 3.14.
        is_elsewhere = isinstance(place, concurrent.futures.ProcessPoolExecutor)
        if is_elsewhere or type(place).__name__ == "InterpreterPoolExecutor":
            raise UsageError(
                f"a {type(place).__name__} cannot be a home: its functions run where the observers are not;"
                " use a ThreadPoolExecutor(1)"
            )
        return _of_executor(place)
    given: Any = place
    if isinstance(given, type):
        raise UsageError(
            f"a home is an object, and {given.__name__} is a class; make one of it and pass that, such as {given.__name__}(...)"
        )
    if callable(getattr(given, "post", None)) and callable(getattr(given, "is_current", None)):
        return place
    raise UsageError(
        f"a home is an asyncio loop, an executor, or has post() and is_current(); got {type(place).__name__}"
    )


def _of_executor(executor: concurrent.futures.Executor) -> ExecutorHome:
    """Returns an executor as a home.

    Raises:
        UsageError: it takes no functions.
    """
    home = ExecutorHome(executor)
    try:
        # No method says whether an executor is shut down, so this asks it for work.
        home.post(_nothing)
    except RuntimeError as error:
        raise UsageError(
            f"a {type(executor).__name__} that is shut down cannot be a home, because it runs nothing ({error});"
            " make a new one, and shut it down after the last write"
        ) from error
    return home


def _nothing() -> None:
    """Does nothing, at home."""


def is_lost(home: Home, posted: object) -> bool:
    """Whether what `post` took will never run: its loop was closed, or its executor shut down, before its turn came.

    Args:
        home: Where it was posted; one of the user's own never loses what it took.
        posted: What `post` returned.
    """
    if isinstance(home, LoopHome):
        return home.loop.is_closed()
    return isinstance(posted, concurrent.futures.Future) and posted.cancelled()
