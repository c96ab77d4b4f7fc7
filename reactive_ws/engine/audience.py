"""The observers of one stream: how they join, leave, and get values in registration order.

An audience keeps its observers in a list, so that delivery is the plainest loop there is. `dispose()` replaces the
observer in its place by a function that does nothing; a loop that is under way then calls that. Places are packed while
no thread delivers. An observer that joins gets the current value on its own thread. Commits that meet it there wait in
its private queue; its place opens when that queue is empty.

CPython does not switch threads between reading a place and calling what is in it. So no delivery starts after
`dispose()` returned, without a lock around each call. Free-threaded builds are not supported.

The module is long because a subscription and its audience share the rules of joining and leaving.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from itertools import count
from operator import itemgetter
from threading import get_ident
from typing import Any, Final, cast

from reactivex.abc import DisposableBase

from .checks import refuse_copy
from .commit_queue import CommitQueue, open_batches, outside_batches

__all__ = [
    "UNSET",
    "Audience",
    "SomeObservers",
    "Subscription",
    "ignore",
    "next_serial",
    "tell_in_order",
]


class _Unset:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = _Unset()
"""No value yet. Never given to an observer."""
_END: Final = _Unset()

next_serial = count().__next__
"""Returns the number of the next observer that takes a place."""


def ignore(_value: object = None) -> None:
    """Stands where an observer was."""


class Subscription(DisposableBase):
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
        self, on_next: Callable[[Any], object], on_completed: Callable[[], object] | None
    ) -> None:
        # None before the observer is counted, and after it left.
        self._audience: Audience | None = None
        self._on_next: Callable[[Any], object] = on_next
        self._on_completed = on_completed
        # Depth, delivering thread and value of each commit that came during the replay.
        self._held: list[tuple[int, int, Any]] | None = None
        self._index = -1
        self._serial: int
        self._seen: Any = UNSET

    __reduce_ex__ = refuse_copy

    def dispose(self) -> None:
        """Ends the subscription: no delivery starts after this returned."""
        audience = self._audience
        if audience is None:
            return
        domain = audience._domain
        # What is dropped lives until this call returns, because a finalizer may do anything.
        on_next, on_completed, seen = self._on_next, self._on_completed, self._seen
        index, size = self._index, audience._size
        # The usual case takes no lock. From the first line to its end there is no call, so that no other thread and no
        # handler comes between (see `commit_queue`).
        if index >= 0 and not audience._waiting and (audience._live > 1 or audience._is_light):
            is_out = False
            if index + 1 == size and not (domain._deliverer or domain._is_busy):
                if audience._dead * 2 <= index:
                    del audience._slots[index], audience._links[index]
                    audience._size = index
                    is_out = True
            elif (audience._dead + 1) * 2 <= size:
                audience._slots[index] = ignore
                audience._links[index] = None
                audience._dead += 1
                is_out = True
            if is_out:
                audience._live -= 1
                self._audience = self._on_completed = None
                self._on_next = ignore
                self._seen = UNSET
                return
        elif audience._live == 1 and audience._leave_last(self):
            return
        del on_next, on_completed, seen
        is_inside = domain._is_inside()
        with domain._lock:
            domain._is_busy = True
            audience._leave(self)
            domain._leave_section(is_inside=is_inside)
        if not is_inside and (domain._trash or domain._chores or domain._leftover):
            domain._after_section()
        if domain._strict_errors:
            # `on_stop` raised.
            domain._raise_strict()

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
        noted = (audience._domain._depth, get_ident(), value)
        with audience._domain._lock:
            # Without a call between the look and the note, because `_catch_up` looks without the lock.
            held = self._held
            if held is not None:
                held.append(noted)
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
            if audience._has_memory and self._audience is not None:
                # Without a call between the look and the note: with a place it has no use for the value.
                if self._index < 0:
                    self._seen = value
                audience._seed(self, value)
            self._show(value)
        while True:
            if value is UNSET and audience._has_memory:
                is_inside, is_open = domain._is_inside(), False
                with domain._lock:
                    domain._is_busy = True
                    if not self._held:
                        if self._audience is not None:
                            audience._wait_for_value(self)
                        self._open(audience)
                        is_open = True
                    domain._leave_section(is_inside=is_inside)
                if is_open:
                    break
            later: list[tuple[int, int, Any]] = []
            # From here to `break` without a call.
            held = self._held
            if not held:
                # `_open`, written out.
                self._held = None
                if self._index >= 0 and self._audience is not None:
                    audience._slots[self._index] = self._on_next
                break
            self._held = later
            for depth, thread, newer in held:
                if newer is _END:
                    self._complete()
                    return
                if value is UNSET or not audience._is_same(value, newer):
                    value = newer
                    # The observer wrote it when it was shown the current value, so that value is the first of the chain.
                    is_second = depth == 0 and thread == get_ident()
                    self._show_at(1 if is_second else depth, newer)
        if domain._leftover or domain._trash:
            domain._after_section()

    def _open(self, audience: Audience) -> None:
        """Puts the observer itself into its place in the list."""
        self._held = None
        if self._index >= 0 and self._audience is not None:
            audience._slots[self._index] = self._on_next

    def _show(self, value: Any) -> None:
        """Calls the observer on the subscriber's thread. After `dispose` it calls `ignore`."""
        try:
            self._on_next(value)
        except Exception as error:  # noqa: BLE001 - one observer's error is its own
            audience = self._audience
            if audience is not None:
                audience._domain._report("observer", error, audience._label(), self._on_next)

    def _show_at(self, depth: int, value: Any) -> None:
        """Calls the observer on the subscriber's thread with the value of a commit of this depth."""
        audience = self._audience
        if audience is None:
            return
        domain, me = audience._domain, get_ident()
        depths = domain._replay_depths
        before = depths.get(me)
        # A direct write does not look at depths; this makes the next one a queued one.
        domain._is_busy = True
        depths[me] = depth if before is None else max(depth, before)
        try:
            self._show(value)
        finally:
            if before is not None:
                depths[me] = before
            else:
                del depths[me]

    def _end(self) -> None:
        """Completes the observer, after what it still has to see."""
        audience = self._audience
        if audience is None:
            return
        with audience._domain._lock:
            if self._held is not None:
                self._held.append((0, 0, _END))
                return
        self._complete()

    def _complete(self) -> None:
        audience = self._audience
        if audience is None:
            return
        # Taken first, because an interrupt may make a second call of this.
        on_completed, self._on_completed = self._on_completed, None
        try:
            # Of the last observer this calls `on_stop`, which may raise.
            self.dispose()
        finally:
            if on_completed is not None:
                try:
                    on_completed()
                except BaseException as error:  # noqa: BLE001 - kept, and raised after the others were served
                    audience._domain._failed("observer", error, audience._label(), on_completed)


class Audience:
    """The observers of one stream. What the stream is, subclasses say.

    The underscored methods are called by the rooms of the store engine only; which hold the domain's lock is said at
    each.
    """

    __slots__ = (
        "_dead",
        "_domain",
        "_is_awake",
        "_is_closed",
        "_is_light",
        "_links",
        "_live",
        "_size",
        "_slots",
        "_waiting",
    )

    __reduce_ex__ = refuse_copy

    _kind = "selector"
    """The kind of report of a failing `_project`."""
    _has_memory = False
    """Whether a value is compared with the one before it at delivery time."""

    def __init__(self, domain: CommitQueue) -> None:
        self._domain = domain
        self._slots: list[Callable[[Any], object]] = []
        self._links: list[Subscription | None] = []
        # Length of both lists, and how many places in them are empty.
        self._size = 0
        self._dead = 0
        self._live = 0
        # Whether `_awake` ran after the last `_asleep`.
        self._is_awake = False
        self._is_closed = False
        # Whether the first observer wakes nothing, and the last one lets nothing sleep.
        self._is_light = False
        # Observers that came while there was no value to show, and wait for a good one that may be no change to others.
        self._waiting: tuple[Subscription, ...] = ()

    # --- what subclasses say ------------------------------------------------------------------------------------------

    def _capture(self) -> Any:
        """Returns what the current value is made of. Under the lock."""
        raise NotImplementedError  # pragma: no cover - abstract

    def _project(self, captured: Any) -> Any:
        """Returns the current value; runs user code, without the lock."""
        return captured

    def _seed(self, link: Subscription, value: Any) -> None:
        """Remembers the value that `link` was shown, if nothing was delivered since. Any thread."""

    def _is_same(self, old: Any, new: Any) -> bool:  # noqa: ARG002 - subclasses compare
        """Whether an observer that was shown `old` need not see `new`. Without the lock."""
        return False

    def _has_ended(self) -> bool:
        """Whether the newest commits ended the stream, delivered or not. Under the lock."""
        return self._is_closed

    def _is_observed(self) -> bool:
        """Whether there is a listener of any kind. Under the lock."""
        return self._live > 0

    def _awake(self) -> None:
        """Prepares for the first listener and sets `_is_awake`. Under the lock; an interrupted one runs again."""
        self._is_awake = True

    def _asleep(self) -> None:
        """Ends what `_awake` began and clears `_is_awake`. Under the lock; an interrupted one runs again."""
        self._is_awake = False

    def _label(self) -> str:
        """Returns the store's name for reports."""
        return ""

    def _culprit(self) -> object:
        """Returns the function that `_project` runs."""
        return None

    # --- joining and leaving ------------------------------------------------------------------------------------------

    # A signal handler or a finalizer may run between two calls, on the thread that holds the lock, and read, write,
    # subscribe or dispose. So what belongs together is assigned without a call in between, and what such an intruder
    # changes is only noted; the act that it interrupted does the work, when it leaves the lock.

    def _join(
        self, on_next: Callable[[Any], object], on_completed: Callable[[], object] | None
    ) -> Subscription:
        """Registers an observer and shows it the current value. Any thread, also inside a callback."""
        link = Subscription(on_next, on_completed)
        try:
            if open_batches:
                with outside_batches():
                    link._catch_up(self._register(link))
            else:
                link._catch_up(self._register(link))
            if self._domain._strict_errors:
                self._domain._raise_strict()
        except BaseException:
            # The caller gets no handle, so dispose here.
            link.dispose()
            raise
        return link

    def _register(self, link: Subscription) -> Any:
        """Lets an observer see the commits after the newest one; returns what the current value is made of."""
        domain = self._domain
        held: list[tuple[int, int, Any]] = []
        if (self._live or self._is_light) and not domain._deliverer and not self._has_ended():
            # The usual case takes no lock: nothing has to wake, and no thread delivers.
            slot, linked, serial, number = [link._hold], [link], next_serial(), domain._number
            captured = self._capture()
            # From here to `return` without a call, so that no other thread and no handler comes between.
            if (
                number == domain._number
                and not (domain._deliverer or domain._is_busy)
                and (self._live or self._is_light)
            ):
                link._audience = self
                link._held = held
                link._serial = serial
                link._index = self._size
                self._slots += slot
                self._links += linked
                self._size += 1
                self._live += 1
                return captured
        captured = UNSET
        is_inside = domain._is_inside()
        with domain._lock:
            domain._is_busy = True
            if not self._is_light:
                domain._interest.append(self)
            link._audience = self
            self._live += 1
            if not is_inside:
                domain._settle_interest()
            if is_inside or not domain._chores:
                captured = self._note(link, held)
            domain._leave_section(is_inside=is_inside)
        if captured is UNSET:
            # A start callback comes first, because the observer is to see what it writes.
            domain._after_section()
            with domain._lock:
                domain._is_busy = True
                captured = self._note(link, held)
                domain._leave_section(is_inside=False)
        if not is_inside and (domain._trash or domain._chores or domain._leftover):
            domain._after_section()
        return captured

    def _note(self, link: Subscription, held: list[tuple[int, int, Any]]) -> Any:
        """Notes an observer for its place; returns what the current value is made of. Under the lock."""
        domain = self._domain
        number = -1
        captured: Any = None
        while number != domain._number:
            # Also once more when a handler wrote meanwhile: value and number belong together.
            number = domain._number
            captured = self._capture()
        if self._has_ended():
            held.append((0, 0, _END))
        link._held = held
        domain._note_join(number, link)
        return captured

    def _place(self, link: Subscription) -> None:
        """Appends an observer to the list. Under the lock, while no delivery walks the list."""
        slot, linked = [link._on_next if link._held is None else link._hold], [link]
        serial = next_serial()
        slots, links = self._slots, self._links
        if link._seen is not UNSET:
            # Used up. A place would keep the first value for as long as its observer.
            self._domain._trash.append(link._seen)
        # From here to the end without a call.
        if link._audience is None:
            return
        link._serial = serial
        link._index = self._size
        link._seen = UNSET
        slots += slot
        links += linked
        self._size += 1

    def _leave(self, link: Subscription) -> None:
        """Takes an observer out. Under the lock."""
        domain = self._domain
        domain._trash.append((link._on_next, link._on_completed, link._seen))
        if self._live == 1 and not self._is_light:
            domain._interest.append(self)
        if (self._dead + 1) * 2 > self._size:
            domain._dirty.append(self)
        # From here without a call.
        if link._audience is not None:
            link._audience = None
            index = link._index
            if index >= 0:
                self._slots[index] = ignore
                self._links[index] = None
                self._dead += 1
            link._on_next = ignore
            link._on_completed = None
            link._seen = UNSET
            self._live -= 1
        if self._waiting:
            self._keep_waiting(lambda other: other is not link)

    def _leave_last(self, link: Subscription) -> bool:  # noqa: ARG002 - selection nodes do it
        """Takes the only observer out without the lock; False, and nothing is done, where that needs the lock."""
        return False

    def _wait_for_value(self, link: Subscription) -> None:
        """Notes an observer to which nothing could be shown. Under the lock."""
        before: tuple[Subscription, ...] | None = None
        while self._waiting is not before:
            before = self._waiting
            after = (*before, link)
            if self._waiting is before:
                self._waiting = before = after

    def _keep_waiting(self, is_kept: Callable[[Subscription], bool]) -> tuple[Subscription, ...]:
        """Keeps some of the observers that wait for a value; returns those that waited. Under the lock."""
        while True:
            before = self._waiting
            after = tuple(filter(is_kept, before))
            if self._waiting is before:
                self._waiting = after
                return before

    def _take_waiting(self) -> list[Subscription]:
        """Returns the observers that waited for a value, which they get now. On the delivering thread."""
        with self._domain._lock:
            # One that has no place yet came after the commit under delivery.
            waiting = self._keep_waiting(lambda link: link._index < 0)
        return [link for link in waiting if link._index >= 0]

    def _pack(self) -> None:
        """Removes the empty places. Under the lock, while no delivery walks the lists."""
        slots, links = self._slots, self._links
        to = at = 0
        while at < self._size:
            # From here to the end of the round without a call: each round leaves whole lists.
            link = links[at]
            if link is not None:
                if to != at:
                    links[to], slots[to], link._index = link, slots[at], to
                    links[at], slots[at] = None, ignore
                to += 1
            at += 1
        while self._size > to:
            del links[-1], slots[-1]
            self._size -= 1
            self._dead -= 1

    def _begin_as_child(self) -> None:
        """Opens the places of observers whose first call runs on another thread, which goes on in the parent only."""
        domain = self._domain
        there = {link for link in self._links if link is not None}
        joining = [cast("Subscription", link) for _, link in domain._joins]
        there |= {link for link in joining if link._audience is self}
        held = [link for link in there if link._held is not None]
        if not held and len(there) == self._live:
            return
        mine = _joining_here()
        for link in held:
            if link not in mine:
                domain._trash.append(link._held)
                link._open(self)
        # An observer that another thread had only counted never comes.
        self._live = len(there | {link for link in mine if link._audience is self})
        domain._interest.append(self)

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
                try:
                    link._end()
                except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
                    self._domain._failed("lifecycle", error, self._label(), link)


def _joining_here() -> set[Subscription]:
    """Returns the observers that this thread is subscribing. Found on the stack, so that subscribing need not note it."""
    found: set[Subscription] = set()
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is Audience._join.__code__:
            link = frame.f_locals.get("link")
            if link is not None:
                found.add(link)
        frame = frame.f_back
    return found


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

    def __init__(self, audience: Audience, links: list[Subscription]) -> None:
        super().__init__(audience._domain)
        self._audience = audience
        self._links = [*links]
        self._slots = audience._slots

    def _tell(self, value: Any) -> None:
        tell_in_order([(self, value)])

    def _label(self) -> str:
        return self._audience._label()
