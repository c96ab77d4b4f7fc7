"""Values that are fetched: by what, when, and again when.

All decisions of a resource are made on one event loop, one after the other, so the rules are those of one thread: the newest
fetch wins, older ones are cancelled, and a fetch that ended after it was cancelled changes nothing. The state is an ordinary
store, so observers, `derived` and threads see what they see of any store.

The module is long because `resource` and `derived_async` have eight typed forms.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
import weakref
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar, cast, overload

from reactivex import Observable
from reactivex.abc import DisposableBase

from ..connection import Backoff, DelaySource
from ..engine import (
    Domain,
    Source,
    check_count,
    check_iterable,
    check_kind,
    check_seconds,
    default_domain,
    name_of,
)
from ..errors import UsageError
from ..state import ReadOnly, Selection, Store, derived_all
from .runner import Runner, check_stream
from .states import Failed, Loading, Ready, ResourceState

__all__ = ["Resource", "derived_async", "invalidate", "resource"]

T = TypeVar("T")
P = TypeVar("P")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

_Stream = Observable[Any] | ReadOnly[Any]

_RETRY: DelaySource = Backoff()

_active: set[Resource[Any]] = set()
_all: weakref.WeakSet[Resource[Any]] = weakref.WeakSet()
_all_lock = threading.Lock()


class Resource(ReadOnly[ResourceState[T]], Generic[T]):
    """A value that is fetched while something observes it. Made by `resource`. All methods: any thread.

    Its state is `Loading`, `Ready` or `Failed`; each has `latest`, the last good value.
    """

    __slots__ = (
        "__weakref__", "_attempt", "_delays", "_fetch", "_is_active", "_keys", "_latest", "_linger", "_params",
        "_params_stream", "_refetch_on", "_retries", "_retry", "_rng", "_runner", "_stale_after", "_store",
        "_subscriptions", "_task", "_timers", "_turn",
    )  # fmt: skip

    def __init__(
        self,
        params: _Stream | None,
        fetch: Callable[..., Any],
        *,
        retry: DelaySource | None,
        max_retries: int,
        stale_after: float | None,
        refetch_on: _Stream | None,
        keys: tuple[Hashable, ...],
        linger: float,
        loop: asyncio.AbstractEventLoop | None,
        name: str | None,
        domain: Domain,
        rng: random.Random,
    ) -> None:
        self._params_stream = params
        self._fetch = fetch
        self._retry = retry
        self._retries = max_retries
        self._stale_after = stale_after
        self._refetch_on = refetch_on
        self._keys = frozenset(keys)
        self._linger = linger
        self._rng = rng
        self._runner = Runner(loop)
        # All below is read and written on the loop only.
        self._params: tuple[Any, ...] | None = None
        self._latest: T | None = None
        # The fetch under way: an object of its own for each, and its task.
        self._turn: object | None = None
        self._task: asyncio.Task[None] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._subscriptions: list[DisposableBase] = []
        self._attempt = 0
        self._delays: Iterator[float] | None = None
        self._is_active = False
        me: weakref.ref[Resource[Any]] = weakref.ref(cast("Resource[Any]", self))
        initial: ResourceState[T] = Loading()
        self._store: Store[ResourceState[T]] = Store(
            initial,
            name=name or name_of(fetch).rpartition(".")[2],
            domain=domain,
            equals=_is_same_state,
            on_start=lambda: _observed(me, is_on=True),
            on_stop=lambda: _observed(me, is_on=False),
            is_dumped=False,
        )
        with _all_lock:
            _all.add(self)

    def __repr__(self) -> str:
        return f"<Resource {self.name!r}: {type(self._store.get()).__name__}>"

    @property
    def _origin(self) -> Source:
        return self._store

    @property
    def name(self) -> str:
        """The name of the resource."""
        return self._store.name

    @property
    def domain(self) -> Domain:
        """The domain whose order its commits have."""
        return self._store.domain

    @property
    def keys(self) -> frozenset[Hashable]:
        """The names of what the value shows, for `invalidate`."""
        return self._keys

    def get(self) -> ResourceState[T]:
        """Returns the state now; `Loading` while nothing observes the resource. Never blocks."""
        return self._store.get()

    def refetch(self) -> None:
        """Fetches again, if something observes the resource. A fetch that is under way is joined."""
        self._runner.call(self._refetch)

    def invalidate(self) -> None:
        """Fetches again, if something observes the resource. A fetch that is under way is cancelled: it may be too old."""
        self._runner.call(self._begin)

    def observed(self, *, is_on: bool) -> None:
        """Starts the resource with its first observer, and stops it after its last one. The engine calls this."""
        if is_on:
            if self._runner.start() and self._is_active:
                # The loop before was closed in the middle of it.
                self._stop()
            self._runner.call(lambda: self._switch(is_on=is_on))
        elif not self._runner.call(lambda: self._switch(is_on=False)):
            # The loop is closed, so no decision comes between.
            self._stop()

    # --- on the loop --------------------------------------------------------------------------------------------------

    def _refetch(self) -> None:
        if self._turn is None:
            self._begin()

    def _switch(self, *, is_on: bool) -> None:
        self._cancel_timer("linger")
        if is_on and not self._is_active:
            self._start()
        elif not is_on and self._is_active:
            if self._linger > 0:
                self._timer("linger", self._linger, self._stop)
            else:
                self._stop()

    def _start(self) -> None:
        self._is_active = True
        # Observers hold the store, which holds no resource; so an active one holds itself.
        _active.add(self)
        if self._params_stream is None:
            self._new_params(())
        else:
            self._subscriptions.append(
                _stream(self._params_stream).subscribe(self._see_params, self._see_params_end)
            )
        if self._refetch_on is not None:
            skipped = [True]

            def trigger(value: object) -> None:
                # The value at the start does not count.
                if skipped:
                    skipped.clear()
                elif value:
                    self.refetch()

            self._subscriptions.append(
                _stream(self._refetch_on).subscribe(trigger, self._report_refetch_on)
            )

    def _see_params(self, params: Any) -> None:
        self._runner.call(lambda: self._new_params((params,)))

    def _see_params_end(self, error: Exception) -> None:
        self._runner.call(lambda: self._params_failed(error))

    def _params_failed(self, error: Exception) -> None:
        """Shows an error of the stream of params. There are no params to fetch for, until the resource begins again."""
        if self._is_active:
            self._params = None
            self._cancel_fetch()
            self._store.set(Failed(error, self._latest))

    def _report_refetch_on(self, error: Exception) -> None:
        self.domain.report("resource", error, self.name, self._fetch)

    def _new_params(self, params: tuple[Any, ...]) -> None:
        if self._is_active:
            self._params = params
            self._attempt, self._delays = 0, None
            self._begin()

    def _begin(self) -> None:
        """Begins a fetch; the one before is cancelled."""
        params = self._params
        if not self._is_active or params is None:
            return
        self._cancel_fetch()
        turn = self._turn = object()
        try:
            self._store.set(Loading(self._latest, self._attempt))
        finally:
            # Not when an observer wrote the params, or was the last one and left.
            if self._turn is turn:
                loop = asyncio.get_running_loop()
                task = loop.create_task(self._run(params, turn), name=f"fetch of {self.name}")
                # A loop with eager tasks may be at the end of it already.
                self._task = task if self._turn is turn else None

    def _cancel_fetch(self) -> None:
        self._cancel_timer("retry")
        self._cancel_timer("stale")
        self._turn, task, self._task = None, self._task, None
        if task is not None:
            # Of a task that the end of its loop left behind nothing more can be cancelled.
            with suppress(RuntimeError):
                task.cancel()

    async def _run(self, params: tuple[Any, ...], turn: object) -> None:
        me = asyncio.current_task()
        try:
            if inspect.iscoroutinefunction(self._fetch):
                value = await self._fetch(*params)
            else:
                value = await asyncio.to_thread(_in_thread, self._fetch, params)
                if inspect.isawaitable(value):
                    value = await value
        except asyncio.CancelledError as error:
            if self._turn is not turn or (me is not None and me.cancelling()):
                # A newer fetch, the last observer or the end of the loop cancelled it.
                raise
            self._failed(
                RuntimeError(f"the fetch of {self.name!r} was cancelled from inside: {error}")
            )
            return
        except Exception as error:  # noqa: BLE001 - the program's function; its error is the state
            if self._turn is turn:
                self._failed(error)
            return
        if self._turn is turn:
            self._succeeded(value)

    def _succeeded(self, value: T) -> None:
        self._turn = self._task = None
        self._latest = value
        self._attempt, self._delays = 0, None
        if self._stale_after is not None:
            self._timer("stale", self._stale_after, self._begin)
        # Last, because an observer may do anything to this resource.
        self._store.set(Ready(value))

    def _failed(self, error: Exception) -> None:
        self._turn = self._task = None
        delay = self._next_delay()
        if delay is None:
            self._attempt, self._delays = 0, None
            self._store.set(Failed(error, self._latest))
            return
        self._attempt += 1
        self._timer("retry", delay, self._begin)
        self._store.set(Loading(self._latest, self._attempt))

    def _next_delay(self) -> float | None:
        """Returns the seconds before the next retry; None when there is none."""
        if self._retry is None or self._attempt >= self._retries:
            return None
        try:
            if self._delays is None:
                self._delays = self._retry.delays(self._rng)
            return next(self._delays, None)
        except Exception as error:  # noqa: BLE001 - the program's function; the failure of the fetch is shown without it
            self.domain.report("resource", error, self.name, self._retry)
            return None

    def _stop(self) -> None:
        """Forgets everything; the next observer begins from nothing."""
        self._is_active = False
        for subscription in self._subscriptions:
            subscription.dispose()
        self._subscriptions.clear()
        self._cancel_fetch()
        self._cancel_timer("linger")
        self._attempt, self._delays = 0, None
        self._params = self._latest = None
        self._store.reset()
        _active.discard(self)

    def _timer(self, name: str, seconds: float, function: Callable[[], None]) -> None:
        self._cancel_timer(name)

        def fire() -> None:
            self._timers.pop(name, None)
            function()

        self._timers[name] = asyncio.get_running_loop().call_later(seconds, fire)

    def _cancel_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _in_thread(fetch: Callable[..., Any], params: tuple[Any, ...]) -> Any:
    """Calls a plain function, in a thread."""
    try:
        return fetch(*params)
    except StopIteration as error:
        # No future can have it, so the fetch would never end.
        raise RuntimeError("the fetch raised StopIteration") from error


def _is_same_state(old: ResourceState[Any], new: ResourceState[Any]) -> bool:
    """Whether both wait for the same thing. A new result is always news."""
    return (
        isinstance(old, Loading)
        and isinstance(new, Loading)
        and old.latest is new.latest
        and old.attempt == new.attempt
    )


def _observed(me: weakref.ref[Resource[Any]], *, is_on: bool) -> None:
    it = me()
    if it is not None:
        it.observed(is_on=is_on)


def _stream(source: _Stream) -> Observable[Any]:
    return source.select() if isinstance(source, ReadOnly) else source


def invalidate(*keys: Hashable) -> int:
    """Fetches all observed resources again that have one of these keys. Any thread.

    Returns:
        How many resources have one of the keys, observed or not.
    """
    with _all_lock:
        found = [it for it in _all if not it.keys.isdisjoint(keys)]
    for it in found:
        it.invalidate()
    return len(found)


@overload
def resource(
    params: None,
    fetch: Callable[[], Awaitable[T]],
    *,
    retry: DelaySource | None = _RETRY,
    max_retries: int = 3,
    stale_after: float | None = None,
    refetch_on: Observable[Any] | ReadOnly[Any] | None = None,
    keys: tuple[Hashable, ...] = (),
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
    domain: Domain | None = None,
    rng: random.Random | None = None,
) -> Resource[T]: ...
@overload
def resource(
    params: Observable[P] | ReadOnly[P],
    fetch: Callable[[P], Awaitable[T]],
    *,
    retry: DelaySource | None = _RETRY,
    max_retries: int = 3,
    stale_after: float | None = None,
    refetch_on: Observable[Any] | ReadOnly[Any] | None = None,
    keys: tuple[Hashable, ...] = (),
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
    domain: Domain | None = None,
    rng: random.Random | None = None,
) -> Resource[T]: ...
@overload
def resource(
    params: None,
    fetch: Callable[[], T],
    *,
    retry: DelaySource | None = _RETRY,
    max_retries: int = 3,
    stale_after: float | None = None,
    refetch_on: Observable[Any] | ReadOnly[Any] | None = None,
    keys: tuple[Hashable, ...] = (),
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
    domain: Domain | None = None,
    rng: random.Random | None = None,
) -> Resource[T]: ...
@overload
def resource(
    params: Observable[P] | ReadOnly[P],
    fetch: Callable[[P], T],
    *,
    retry: DelaySource | None = _RETRY,
    max_retries: int = 3,
    stale_after: float | None = None,
    refetch_on: Observable[Any] | ReadOnly[Any] | None = None,
    keys: tuple[Hashable, ...] = (),
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
    domain: Domain | None = None,
    rng: random.Random | None = None,
) -> Resource[T]: ...


def resource(
    params: Observable[Any] | ReadOnly[Any] | None,
    fetch: Callable[..., Any],
    *,
    retry: DelaySource | None = _RETRY,
    max_retries: int = 3,
    stale_after: float | None = None,
    refetch_on: Observable[Any] | ReadOnly[Any] | None = None,
    keys: tuple[Hashable, ...] = (),
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
    domain: Domain | None = None,
    rng: random.Random | None = None,
) -> Resource[Any]:
    """Returns a value that is fetched while something observes it.

    The first observer begins the fetch. A new value of `params` cancels the fetch that is under way and begins another one;
    only the newest counts. An exception of `fetch` becomes the state `Failed`, after the retries.

    Args:
        params: The argument of `fetch`, as a stream or a store; None: `fetch` has no argument.
        fetch: An async function, or a plain one, which runs in a thread.
        retry: The delays before the retries of a failed fetch; None: no retries. The state is `Loading` meanwhile.
        max_retries: How many retries there are before `Failed`.
        stale_after: Seconds after which a good value is fetched again, while observed; None: never.
        refetch_on: A stream; each true value after its first one fetches again. For a service that is connected again:
            `service.connection.select(lambda it: it.is_connected)`.
        keys: Names of what the value shows, for `invalidate`.
        linger: Seconds that the value is kept after its last observer went. Then it is forgotten.
        loop: Where `fetch` runs; None: on the loop that runs where the first observer subscribes, or in a daemon thread.
        name: For reports; the name of `fetch` when None.
        domain: Whose order its commits have; the process's default domain when None.
        rng: For the jitter of the retries.

    Raises:
        UsageError: a `fetch` that is not a function, or an option with a wrong value.
    """
    if not callable(fetch):
        raise UsageError(f"fetch takes a function of the params; got {type(fetch).__name__}")
    if params is not None:
        check_stream(params, "params")
    if refetch_on is not None:
        check_stream(refetch_on, "refetch_on=")
    check_count(max_retries, "max_retries=")
    check_seconds(linger, "linger=")
    if stale_after is not None:
        check_seconds(stale_after, "stale_after=")
        if stale_after == 0:
            raise UsageError("stale_after= is more than 0 seconds, or None; got 0")
    check_iterable(keys, "keys=", '("todos",)')
    for given, kind, option, example in (
        (loop, asyncio.AbstractEventLoop, "loop=", "asyncio.get_running_loop()"),
        (name, str, "name=", '"todos"'),
        (domain, Domain, "domain=", 'Domain("mine")'),
        (rng, random.Random, "rng=", "random.Random(1)"),
    ):
        check_kind(given, kind, option, example)
    if retry is not None and not callable(getattr(retry, "delays", None)):
        raise UsageError(f"retry= takes a Backoff, such as Backoff(initial=0.5); got {retry!r:.80}")
    return Resource(
        params,
        fetch,
        retry=retry,
        max_retries=max_retries,
        stale_after=stale_after,
        refetch_on=refetch_on,
        keys=keys,
        linger=linger,
        loop=loop,
        name=name,
        domain=default_domain() if domain is None else domain,
        rng=random.Random() if rng is None else rng,
    )


@overload
def derived_async(
    a: ReadOnly[A] | Selection[A],
    function: Callable[[A], Awaitable[T]],
    /,
    *,
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
) -> Resource[T]: ...
@overload
def derived_async(
    a: ReadOnly[A] | Selection[A],
    b: ReadOnly[B] | Selection[B],
    function: Callable[[A, B], Awaitable[T]],
    /,
    *,
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
) -> Resource[T]: ...
@overload
def derived_async(
    a: ReadOnly[A] | Selection[A],
    b: ReadOnly[B] | Selection[B],
    c: ReadOnly[C] | Selection[C],
    function: Callable[[A, B, C], Awaitable[T]],
    /,
    *,
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
) -> Resource[T]: ...


def derived_async(
    *arguments: Any,
    linger: float = 0.0,
    loop: asyncio.AbstractEventLoop | None = None,
    name: str | None = None,
) -> Resource[Any]:
    """Returns the value that an async function computes from others, as a resource without retries.

    A new value of a source cancels the computation that is under way.

    Args:
        arguments: One to three stores, selections or derived values of one domain, and then the function of their values.
        linger, loop, name: As for `resource`.

    Raises:
        DomainMismatch: the sources are of different domains.
        UsageError: no source, or the last argument is not a function.
    """
    sources = arguments[:-1]
    function: Any = arguments[-1] if arguments else None
    if not sources or not callable(function):
        raise UsageError(
            "derived_async() takes one or more sources and then an async function of their values"
        )
    values = derived_all(sources, lambda them: them)

    compute_one = cast("Callable[..., Awaitable[Any]]", function)

    async def compute(them: tuple[Any, ...]) -> Any:
        return await compute_one(*them)

    return resource(
        values,
        compute,
        retry=None,
        linger=linger,
        loop=loop,
        name=name or name_of(function).rpartition(".")[2],
        domain=values.domain,
    )
