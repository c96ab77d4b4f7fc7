"""The front door of virtual time: `simulate` for a test, `Simulation` for everything else.

A simulation is a virtual loop, its network, and one seed for every source of chance. The same seed gives the same run,
byte for byte, in every process; what cannot be the same in every run is refused. Not here: servers, services and stores
under test (`world`).
"""

from __future__ import annotations

import functools
import inspect
import os
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from datetime import datetime, timedelta
from random import Random
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

from .entropy import EPOCH, one_seed, seeded
from .loop import VirtualLoop
from .network import Network
from .scheduler import LoopScheduler

__all__ = ["Simulation", "simulate"]

T = TypeVar("T")
P = ParamSpec("P")

_open: list[Simulation] = []


class Simulation:
    """One run: a context manager around a virtual loop and what belongs to it.

    Args:
        seed: Decides everything random.
        order: None runs ready tasks first in, first out; a number runs them in the order that it stands for.

    Attributes:
        loop: The virtual loop.
        network: What its connections go through.
        scheduler: A `reactivex` scheduler in the loop's time.
        random: Random numbers for the test itself.

    Raises:
        BackgroundFailure: on leaving, when a task failed without an await, or something was refused.
    """

    def __init__(self, seed: int = 0, *, order: int | None = None) -> None:
        self.seed = seed
        self.order = order
        shuffle = None if order is None else seeded(order, "order").shuffle
        self.network = Network(seed)
        self.loop = VirtualLoop(network=self.network, shuffle=shuffle)
        self.network.attach(self.loop, self.loop.refuse)
        self.scheduler = LoopScheduler(self.loop, epoch=EPOCH)
        self.random: Random = seeded(seed, "test")
        self._ids = seeded(seed, "ids")
        self._exits = ExitStack()

    def __repr__(self) -> str:
        order = "" if self.order is None else f", order={self.order}"
        return f"Simulation(seed={self.seed}{order})"

    @classmethod
    def current(cls) -> Simulation:
        """Returns the simulation that is open in this process.

        Raises:
            RuntimeError: there is none.
        """
        simulation = cls.current_or_none()
        if simulation is None:
            raise RuntimeError("no simulation is open: put @simulate above the test")
        return simulation

    @classmethod
    def current_or_none(cls) -> Simulation | None:
        """Returns the simulation that is open in this process, or None."""
        return _open[-1] if _open else None

    def wall_clock(self) -> datetime:
        """Returns the date in virtual time; give it to code that takes a clock."""
        return EPOCH + timedelta(seconds=self.loop.time())

    def new_id(self) -> str:
        """Returns the next UUID of this seed; give it to code that takes a source of ids."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    def run(self, awaitable: Awaitable[T]) -> T:
        """Runs the loop until the awaitable is done, and returns its result.

        Raises:
            Deadlock, Livelock: it never will be.
        """
        result: T = self.loop.run_until_complete(_await(awaitable))
        return result

    def __enter__(self) -> Self:
        self._exits.enter_context(one_seed(self.loop, self.seed, self.scheduler))
        _open.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.loop.cancel_all()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            if error is None:
                self.loop.check_background()
            else:
                _add_background(error, self.loop)
        finally:
            _open.remove(self)
            self._exits.close()
            self.loop.close()


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _add_background(error: BaseException, loop: VirtualLoop) -> None:
    """Says in the error of a test what went wrong behind its back; it is often the cause."""
    try:
        loop.check_background()
    except ExceptionGroup as group:
        for hidden in group.exceptions:
            if hidden is error:
                continue  # what was refused is remembered in case it is swallowed
            error.add_note(f"meanwhile in the background: {type(hidden).__name__}: {hidden}")


@overload
def simulate(test: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, T]: ...


@overload
def simulate(
    *, seed: int | None = None, explore: int | None = None, order: int | None = None
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]: ...


def simulate(
    test: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    /,
    *,
    seed: int | None = None,
    explore: int | None = None,
    order: int | None = None,
) -> Any:
    """Decorator: makes a plain function of an async test, which runs in a simulation of its own.

    The result is not a coroutine function, so no plugin for async tests touches it; fixtures and parameters work as for
    any function, and `@given` goes above it.

    Args:
        seed: Decides everything random; `--rws-seed` or 0 when None.
        explore: Runs the test again in so many other orders of ready tasks (their order is not part of asyncio's
            promises), and names the one that failed; `--rws-explore` or 0 when None.
        order: Runs the test in this order only: what a failed exploration tells you to write.
    """
    if test is None:
        return functools.partial(_decorate, seed=seed, explore=explore, order=order)
    return _decorate(test, seed=None, explore=None, order=None)


def _decorate(
    test: Callable[..., Coroutine[Any, Any, Any]],
    *,
    seed: int | None,
    explore: int | None,
    order: int | None,
) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(test):
        raise TypeError(f"@simulate runs async tests; {test.__qualname__} is not one")

    def run(*args: Any, **kwargs: Any) -> Any:
        chosen = _setting("REACTIVE_WS_SEED") if seed is None else seed
        orders: list[int | None] = [order]
        if order is None:
            more = _setting("REACTIVE_WS_EXPLORE") if explore is None else explore
            orders.extend(range(1, more + 1))
        result: Any = None
        for number in orders:
            try:
                with Simulation(chosen, order=number) as simulation:
                    result = simulation.run(test(*args, **kwargs))
            except Exception as error:
                how = f"seed={chosen}" if number is None else f"seed={chosen}, order={number}"
                error.add_note(f"run it again with @simulate({how})")
                raise
        return result

    # Not functools.wraps: `__wrapped__` would show pytest and its plugins the coroutine function again.
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(run, name, getattr(test, name))
    run.__dict__.update(test.__dict__)
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run


def _setting(name: str) -> int:
    # The pytest plugin hands its options over in the environment, which also reaches worker processes.
    return int(os.environ.get(name, "0"))
