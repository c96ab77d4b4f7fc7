"""Who listens to one stream, in registration order, and how an observer joins and leaves while values flow.

An audience is a list of callables, so that delivery is the plainest loop there is. Disposing replaces an observer's
place in the list by a function that does nothing; a loop that is under way then calls that. Places are packed when
nobody delivers. An observer that joins is given the current value on its own thread; commits that meet it there wait in
its private queue, and its place in the list becomes its own callable once that queue is empty.

CPython switches threads on entering a Python function, not between reading the place and the call; this is why no
delivery starts after `dispose()` returned, without a lock around each call. Free-threaded builds are not supported.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from operator import itemgetter
from threading import get_ident
from typing import Any, Final

from reactivex.abc import DisposableBase

from .checks import refuse_copy
from .commit_queue import CommitQueue

__all__ = ["UNSET", "Audience", "Link", "SomeObservers", "ignore", "tell_in_order"]


class _Unset:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()
"""No value yet. Never given to an observer."""
_END: Final = _Unset()

_serials = count()


def ignore(_value: object = None) -> None:
    """Stands where an observer was."""


class Link(DisposableBase):
    """One subscription. Disposing it twice, or from inside its own callback, or from any thread, is fine."""

    __slots__ = (
        "__weakref__",
        "_audience",
        "_held",
        "_index",
        "_on_completed",
        "_on_next",
        "_seen",
        "_serial",
    )

    def __init__(
        self,
        audience: Audience,
        on_next: Callable[[Any], object],
        on_completed: Callable[[], object] | None,
    ) -> None:
        self._audience: Audience | None = audience
        self._on_next: Callable[[Any], object] = on_next
        self._on_completed = on_completed
        # Depth and value of each commit that came during the replay.
        self._held: deque[tuple[int, Any]] | None = None
        self._index = -1
        self._serial = 0
        self._seen: Any = UNSET

    __reduce_ex__ = refuse_copy

    def dispose(self) -> None:
        """Ends the subscription: no delivery starts after this returned."""
        audience = self._audience
        if audience is None:
            return
        domain = audience._domain
        is_inside = domain._is_inside()
        with domain._lock:
            audience = self._audience
            if audience is None:
                return
            self._audience = None
            audience._leave(self)
            if domain._dirty:
                domain._tidy(is_inside=is_inside)
        if domain._chores:
            domain._run_chores()

    def _admit(self) -> None:
        """Takes its place in the list. Called under the lock."""
        audience = self._audience
        if audience is not None:
            audience._place(self)

    def _hold(self, value: Any) -> None:
        """Stands in its place while the observer is still being shown the current value."""
        audience = self._audience
        if audience is None:
            return
        with audience._domain._lock:
            if self._held is not None:
                self._held.append((audience._domain._depth_here(), value))
                return
        self._on_next(value)

    def _catch_up(self, captured: Any) -> None:
        """Shows the current value, then what was held, then opens the place. On the subscriber's thread."""
        audience = self._audience
        if audience is None:
            return
        domain = audience._domain
        value: Any = UNSET
        try:
            value = audience._project(captured)
        except Exception as error:  # noqa: BLE001 - reported; the stream lives and the next good value arrives
            domain._report(audience._kind, error, audience._label(), audience._culprit())
        else:
            if audience._has_memory:
                with domain._lock:
                    if self._audience is not None:
                        self._seen = value
                        audience._seed(self, value)
            self._call(value)
        while True:
            with domain._lock:
                held = self._held
                if not held:
                    if value is UNSET and audience._has_memory and self._audience is not None:
                        audience._wait_for_value(self)
                    self._held = None
                    if self._index >= 0 and self._audience is not None:
                        audience._slots[self._index] = self._on_next
                    return
                depth, newer = held.popleft()
            if newer is _END:
                self._complete()
                return
            if value is UNSET or not audience._is_same(value, newer):
                value = newer
                self._call(newer, depth)

    def _call(self, value: Any, depth: int = 0) -> None:
        """Shows one value; what the observer writes meanwhile is `depth` writes deep."""
        audience = self._audience
        if audience is None:
            return
        depths = audience._domain._replay_depths
        if depth:
            # A direct write does not look at depths; this makes the next one a queued one.
            with audience._domain._lock:
                audience._domain._is_busy = True
        me = get_ident()
        before = depths.get(me)
        depths[me] = depth if before is None else max(depth, before)
        try:
            self._on_next(value)
        except Exception as error:  # noqa: BLE001 - one observer's error is its own
            audience._domain._report("observer", error, audience._label(), self._on_next)
        finally:
            if before is None:
                del depths[me]
            else:
                depths[me] = before

    def _end(self) -> None:
        """Completes the observer, after what it still has to see."""
        audience = self._audience
        if audience is None:
            return
        with audience._domain._lock:
            if self._held is not None:
                self._held.append((0, _END))
                return
        self._complete()

    def _complete(self) -> None:
        audience = self._audience
        if audience is None:
            return
        on_completed = self._on_completed
        self.dispose()
        if on_completed is not None:
            try:
                on_completed()
            except BaseException as error:  # noqa: BLE001 - kept, and raised after everybody was served
                audience._domain._failed("observer", error, audience._label(), on_completed)


class Audience:
    """The observers of one stream. What the stream is, subclasses say.

    The underscored methods are called by the rooms of the store engine only; which hold the domain's lock is said at
    each.
    """

    __slots__ = ("_dead", "_domain", "_is_closed", "_links", "_live", "_slots", "_waiting")

    _kind = "selector"
    """What a failing `_project` is called in a report."""
    _has_memory = False
    """Whether a value is compared with the one before it at delivery time."""

    def __init__(self, domain: CommitQueue) -> None:
        self._domain = domain
        self._slots: list[Callable[[Any], object]] = []
        self._links: list[Link | None] = []
        self._dead = 0
        self._live = 0
        self._is_closed = False
        # Observers that came while there was no value to show, and wait for a good one that may be no change to others.
        self._waiting: tuple[Link, ...] = ()

    # --- what subclasses say ------------------------------------------------------------------------------------------

    def _capture(self) -> Any:
        """Returns what the current value is made of. Under the lock."""
        raise NotImplementedError  # pragma: no cover - abstract

    def _project(self, captured: Any) -> Any:
        """Returns the current value; runs user code, without the lock."""
        return captured

    def _seed(self, link: Link, value: Any) -> None:
        """Remembers the value that `link` was shown, if nothing was delivered since. Under the lock."""

    def _is_same(self, old: Any, new: Any) -> bool:  # noqa: ARG002 - subclasses compare
        """Whether an observer that was shown `old` need not see `new`. Without the lock."""
        return False

    def _has_ended(self) -> bool:
        """Whether the newest commits ended the stream, delivered or not. Under the lock."""
        return self._is_closed

    def _first(self) -> None:
        """The first observer came. Under the lock."""

    def _last(self) -> None:
        """The last observer went. Under the lock."""

    def _label(self) -> str:
        """Returns the store's name for reports."""
        return ""

    def _culprit(self) -> object:
        """Returns the function that `_project` runs."""
        return None

    # --- joining and leaving ------------------------------------------------------------------------------------------

    def _join(
        self, on_next: Callable[[Any], object], on_completed: Callable[[], object] | None
    ) -> Link:
        """Registers an observer and shows it the current value. Any thread, also inside a callback."""
        link = Link(self, on_next, on_completed)
        captured = self._register(link)
        try:
            if self._domain._chores:
                self._domain._run_chores()
            link._catch_up(captured)
            self._domain._raise_strict()
        except BaseException:
            # Whoever subscribed gets no subscription to dispose.
            link.dispose()
            raise
        return link

    def _register(self, link: Link) -> Any:
        """Adds an observer at the newest commit; returns what its current value is made of."""
        domain = self._domain
        link._held = deque()
        with domain._lock:
            captured = self._capture()
            self._live += 1
            if self._live == 1:
                self._first()
            if domain._deliverer or domain._queue:
                # What is queued is older than what this observer is shown.
                joins = domain._joins
                while joins and joins[-1][1]._audience is None:
                    # Left already; without this, who comes and goes during one delivery would pile up.
                    joins.pop()
                joins.append((domain._number, link))
                domain._keep_busy()
            else:
                self._place(link)
            if self._has_ended():
                link._held.append((0, _END))
        return captured

    def _place(self, link: Link) -> None:
        """Appends an observer to the list. Under the lock, while nobody is walking the list."""
        link._serial = next(_serials)
        link._index = len(self._slots)
        self._slots.append(link._on_next if link._held is None else link._hold)
        self._links.append(link)

    def _leave(self, link: Link) -> None:
        """Takes an observer out. Under the lock."""
        if link._index >= 0:
            self._slots[link._index] = ignore
            self._links[link._index] = None
            self._dead += 1
        link._on_next = ignore
        link._on_completed = None
        link._seen = UNSET
        if self._waiting:
            self._waiting = tuple(other for other in self._waiting if other is not link)
        self._live -= 1
        if self._live == 0:
            self._last()
        if self._dead * 2 > len(self._slots):
            self._domain._dirty.append(self)

    def _wait_for_value(self, link: Link) -> None:
        """Notes an observer to which nothing could be shown. Under the lock."""
        self._waiting = (*self._waiting, link)

    def _take_waiting(self) -> list[Link]:
        """Returns the observers that waited for a value, which they get now. On the delivering thread."""
        with self._domain._lock:
            waiting, self._waiting = self._waiting, ()
            # One that is not admitted yet came after the commit under delivery.
            self._waiting = tuple(link for link in waiting if link._index < 0)
        return [link for link in waiting if link._index >= 0]

    def _pack(self) -> None:
        """Removes the empty places. Under the lock, while nobody is walking the lists."""
        if not self._dead:
            return
        links = [link for link in self._links if link is not None]
        slots = [self._slots[link._index] for link in links]
        for index, link in enumerate(links):
            link._index = index
        self._links, self._slots, self._dead = links, slots, 0  # type: ignore[assignment]
        for index, link in enumerate(links):
            if link._audience is None and self._links[index] is not None:
                # A finalizer disposed it on this thread since the look at the old list.
                self._links[index], slots[index] = None, ignore
                self._dead += 1

    # --- delivering ---------------------------------------------------------------------------------------------------

    def _tell(self, value: Any) -> None:
        """Calls every observer. On the delivering thread; one that raises does not keep the others from it."""
        calls = iter(self._slots)
        call: Callable[[Any], object] = ignore
        try:
            for call in calls:
                call(value)
        except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
            self._tell_rest(calls, value, call, error)

    def _tell_rest(
        self,
        calls: Iterator[Callable[[Any], object]],
        value: Any,
        failed: Callable[[Any], object],
        error: BaseException,
    ) -> None:
        """Goes on after an observer raised."""
        self._domain._failed("observer", error, self._label(), failed)
        for call in calls:
            try:
                call(value)
            except BaseException as next_error:  # noqa: BLE001 - kept or reported, and the others are served
                self._domain._failed("observer", next_error, self._label(), call)

    def _comparer_failed(self, equals: object, error: BaseException) -> None:
        """Takes what a comparer raised. Any thread, without the lock."""
        if not isinstance(error, Exception) and self._domain._deliverer != get_ident():
            raise error
        self._domain._failed("comparer", error, self._label(), equals)

    def _complete(self) -> None:
        """Ends the stream for every observer. On the delivering thread."""
        self._is_closed = True
        for link in list(self._links):
            if link is not None:
                link._end()


_by_serial = itemgetter(0)


def tell_in_order(told: list[tuple[Audience, Any]]) -> None:
    """Calls the observers of several audiences in the order in which they registered."""
    calls = [
        (link._serial, link, audience, value)
        for audience, value in told
        for link in audience._links
        if link is not None
    ]
    calls.sort(key=_by_serial)
    for _, link, audience, value in calls:
        if link._audience is None:
            continue
        call = audience._slots[link._index]
        try:
            call(value)
        except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
            audience._domain._failed("observer", error, audience._label(), call)


class SomeObservers(Audience):
    """Some observers of an audience, for one delivery."""

    __slots__ = ("_audience",)

    def __init__(self, audience: Audience, links: list[Link]) -> None:
        super().__init__(audience._domain)
        self._audience = audience
        self._links = [*links]
        self._slots = audience._slots

    def _tell(self, value: Any) -> None:
        tell_in_order([(self, value)])

    def _label(self) -> str:
        return self._audience._label()
