"""Delivers the commits of one domain: in order, on one thread at a time, at the home.

`Domain` inherits it: the queue, the mark of the delivering thread, the wake of the home and the hand-over to another
thread. It also reports what user functions raise. This module knows neither how a value is written nor its observers.

Three rules keep it exact while threads, signal handlers and finalizers come between any two steps:

- CPython lets another thread or a handler run when a Python function begins, when a C function returned and at the end
  of a round of a loop; 3.11 also collects garbage where it makes an object. A block without these is one step for every
  thread. Comments mark such blocks with "without a call".
- A direct write (in `cell`, `store`, `keyed` and `Domain.commit`) takes no lock. Where there is a home, only its thread makes one.
  In one such block it looks at `_deliverer` and `_is_busy`, takes the mark, and sets value and number. A section under the
  lock sets `_is_busy` first, so that no direct write begins until `_rest` clears it. What a section does must also be
  right when a write was under way before.
- A direct write gives the mark back without the lock: it clears `_deliverer` and then looks at `_is_busy`. A section
  that leaves work to the delivering thread sets `_is_busy` and then looks whether a thread delivers. So wherever the
  threads switch, one of the two sees the other, and perhaps both: the second one finds nothing left to do.

The module is long because these rules bind its methods together: a reader has to see all of them at once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from functools import partial
from itertools import starmap
from operator import attrgetter
from threading import get_ident
from typing import Any, Protocol, TypeVar

from ..errors import UsageError
from .checks import check_function
from .commit import Changed, Commit, CommitHook, ErrorReport, log_report, name_of
from .home import Home, home_of, is_lost

__all__ = [
    "CommitQueue",
    "checked_home",
    "current_batch",
    "fork_safe_lock",
    "open_batches",
    "outside_batches",
    "reset_batch",
    "set_batch",
    "switching",
]

_log = logging.getLogger("reactive_ws.stores")

T = TypeVar("T")

_MORE_COMMITS = 64
"""How many commits of other threads one call delivers before it hands the rest over."""
_BACKLOG = 10_000
"""Undelivered commits that are worth a report; none is dropped."""
_STRICT_WAIT = 5.0
"""Seconds that a writer in strict mode waits for another thread that delivers its commit.

The limit ends a deadlock: the writer may hold a lock that an observer needs. The delivering thread raises then.
"""
_TRIES = 4
"""How often a reader of several values begins again before it keeps the writers out."""
_HANDED_OVER = -1
"""Stands for the delivering thread between the hand-over and the start of the next one."""


_depths: dict[int, int] = {}
"""Of each thread that delivers a queued commit: the depth of that commit, in whichever domain it is.

So a chain of writes that goes to and fro between domains on several threads has an end, too.
"""


current_batch: ContextVar[Any] = ContextVar("reactive_ws.batch", default=None)
"""The batch of this context, possibly a closed one or that of the task which started this one; ask `active_batch`."""


open_batches: dict[Any, None] = {}
"""The batches that are open anywhere: while there is none, reads and writes need not ask whose they are.

Its changes are single steps of the interpreter, so a finalizer may open a batch in the middle of another one's opening.
"""


switching: dict[int, Any] = {}
"""Of each thread that is inside `set_batch` or `reset_batch`: None, or the batch that a finalizer has opened there.

CPython 3.11 may collect garbage in the middle of `ContextVar.set` and `reset`. A finalizer that uses the variable then frees what they
look at, and the interpreter crashes. So such a finalizer finds its batch here.
"""


def set_batch(batch: Any) -> Token[Any] | tuple[Any]:
    """Makes a batch, or None, that of this context; returns what `reset_batch` takes."""
    me = get_ident()
    if me in switching:
        token = (switching[me],)
        switching[me] = batch
        return token
    switching[me] = None
    try:
        return current_batch.set(batch)
    finally:
        del switching[me]


def reset_batch(token: Token[Any] | tuple[Any]) -> None:
    """Undoes a `set_batch`.

    Raises:
        ValueError: it was called in another context.
    """
    me = get_ident()
    if isinstance(token, tuple):
        if me in switching:
            (switching[me],) = token
    elif me not in switching:
        switching[me] = None
        try:
            current_batch.reset(token)
        finally:
            del switching[me]


@contextmanager
def outside_batches() -> Generator[None, None, None]:
    """Hides the open batch while observers and start and stop callbacks run: what they write does not belong to it."""
    token = set_batch(None)
    try:
        yield
    finally:
        reset_batch(token)


def checked_home(
    place: asyncio.AbstractEventLoop | concurrent.futures.Executor | Home,
) -> Home:
    """Returns `place` as a Home whose methods do their work when they are called.

    Raises:
        UsageError: it is not a home, or one of its methods is an `async def` or a generator function.
    """
    home = home_of(place)
    check_function(home.post, "post() of a home", "hand the function over at once")
    check_function(home.is_current, "is_current() of a home", "return a bool at once")
    return home


class Joining(Protocol):
    """An observer that waits for its place until older commits are delivered."""

    _audience: Any
    """None once it has left."""
    _held: Any
    """The values that wait for the end of its first call; None without one."""

    def _admit(self) -> None:
        """Takes its place. Under the lock."""
        ...


class Packable(Protocol):
    """Lists with empty places."""

    def _pack(self) -> None:
        """Removes them. Under the lock, while no thread walks the lists."""
        ...


class Chore(Protocol):
    """Work that runs user code and was noted under the lock: start and stop callbacks, the rest of an ending."""

    _height: int
    """The highest runs first, so that a derived value starts before its sources."""

    def _run_chore(self) -> None:
        """Does the work. Without locks."""
        ...


class _Ending:
    """The rest of an end of streams that an exception cut short.

    Args:
        closed: The stores that end.
    """

    _height = 0

    def __init__(self, closed: tuple[Changed, ...]) -> None:
        self._closed = closed

    def _run_chore(self) -> None:
        for source in self._closed:
            source._complete()


_height_of = attrgetter("_height")


class Wakeable(Protocol):
    """A value that is kept up to date while it has listeners."""

    _is_awake: bool

    def _is_observed(self) -> bool:
        """Whether there is a listener. Under the lock."""
        ...

    def _awake(self) -> None:
        """Starts. Under the lock."""
        ...

    def _asleep(self) -> None:
        """Stops. Under the lock."""
        ...


def fork_safe_lock() -> threading.RLock:
    """Returns a re-entrant lock that is free in a forked child, unless the thread that forked holds it.

    A lock that another thread held at that moment would stay locked, because that thread does not exist in the child.
    """
    lock = threading.RLock()
    _locks[weakref.ref(lock, _forget_lock)] = None
    return lock


_locks: dict[weakref.ref[Any], None] = {}
_queues: dict[weakref.ref[CommitQueue], None] = {}
_forget_lock: Any = _locks.pop
_forget_queue: Any = _queues.pop


def _begin_as_child() -> None:
    """Repairs locks and domains in a forked child, where only the thread that forked goes on."""
    me = get_ident()
    for references in list(_locks):
        lock = references()
        if lock is not None and not lock._is_owned():
            lock._at_fork_reinit()
    for thread in list(_depths):
        if thread != me:
            del _depths[thread]
    for reference in list(_queues):
        queue = reference()
        if queue is not None:
            queue._begin_as_child(me)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_as_child)


class Outcome:
    """Errors of the delivery of one write, and of all that its observers wrote. In strict mode, for the writer."""

    __slots__ = ("errors", "fatal", "is_waited_for", "left", "over", "thread")

    def __init__(self, thread: int) -> None:
        self.thread = thread
        self.errors: list[Exception] = []
        self.fatal: BaseException | None = None
        # How many commits are not delivered yet: the write itself, and those that its observers made.
        self.left = 0
        self.over = threading.Event()
        # Whether the writer raises it. Otherwise the delivering thread does.
        self.is_waited_for = True


class CommitQueue:
    """The delivering half of a `Domain`, which documents the arguments.

    Args:
        name, home, on_error, strict, max_depth: As for `Domain`.
    """

    __slots__ = (
        "__weakref__",
        "_chores",
        "_current",
        "_deliverer",
        "_depth",
        "_dirty",
        "_fatal",
        "_home",
        "_hooks",
        "_interest",
        "_is_backlog_reported",
        "_is_busy",
        "_is_inside",
        "_is_moved",
        "_joins",
        "_leftover",
        "_lock",
        "_max_depth",
        "_number",
        "_on_error",
        "_outcome",
        "_posted",
        "_queue",
        "_replay_depths",
        "_rewritten",
        "_settling",
        "_strict",
        "_strict_errors",
        "_trash",
        "_waking",
        "name",
    )

    def __init__(
        self,
        name: str,
        home: asyncio.AbstractEventLoop | concurrent.futures.Executor | Home | None,
        on_error: Callable[[ErrorReport], None] | None,
        *,
        strict: bool,
        max_depth: int,
    ) -> None:
        self.name = name
        self._max_depth = max_depth
        self._on_error = on_error or log_report
        self._strict = strict
        # Re-entrant because the garbage collector may run a dispose() while this thread holds it.
        self._lock = fork_safe_lock()
        self._is_inside: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        self._number = 0
        self._queue: deque[Commit] = deque()
        self._joins: deque[tuple[int, Joining]] = deque()
        self._dirty: list[Packable] = []
        # What may have to wake or to sleep, because a listener came or went.
        self._interest: deque[Wakeable] = deque()
        # What was dropped under the lock; its finalizers run after it.
        self._trash: list[object] = []
        # Whether a handler or a finalizer, inside the lock, left work to the act that it interrupted.
        self._leftover = False
        # No deque, which takes 760 bytes when it is empty: here is one at a time.
        self._chores: list[Chore] = []
        self._home: Home | None = None if home is None else checked_home(home)
        # What was posted to the home and has not begun. A weak reference, because a home may lose it: an interrupt may come
        # where it begins.
        self._waking: weakref.ref[Callable[[], None]] | None = None
        # Whether the home changed under the delivery that is under way.
        self._is_moved = False
        self._posted: object = None
        self._deliverer = 0
        self._depth = 0
        self._current = 0
        # How deep the values are that observers are shown while they subscribe, by thread.
        self._replay_depths: dict[int, int] = {}
        self._hooks: tuple[CommitHook, ...] = ()
        # Replaced before a commit that writes the object which is there already: what was computed before is too old then,
        # although no source has another value.
        self._rewritten = object()
        # Of each thread: what it has to raise.
        self._strict_errors: dict[int, list[Exception]] = {}
        # Of the commit under delivery.
        self._outcome: Outcome | None = None
        self._fatal: BaseException | None = None
        self._is_backlog_reported = False
        # One entry for each call of `settled`: the number of the last commit to wait for, and the event.
        self._settling: list[list[Any]] = []
        # False when a write concerns only the writer and its observers, so that it may be delivered without being queued:
        # no hooks, nothing queued, no observer joining, nothing to pack. One look instead of five.
        self._is_busy = strict
        queue: Any = self
        _queues[weakref.ref(queue, _forget_queue)] = None

    def _begin_as_child(self, me: int) -> None:
        """Makes the domain ready in a forked child.

        A delivery of another thread goes on in the parent only, and so do the commits that waited for it: their values are
        there, and observers in the child get the next one. The delivery of the thread that forked goes on in both.
        """
        for of_threads in (self._replay_depths, self._strict_errors):
            for thread in [it for it in of_threads if it != me]:
                del of_threads[thread]
        self._settling = []
        home = self._home
        if home is not None and not home.is_current():
            # Its thread does not exist here.
            self._home = None
        self._waking = None
        if self._deliverer not in (0, me) or (self._queue and not self._deliverer):
            self._deliverer = self._current = self._depth = 0
            self._outcome = self._fatal = None
            self._queue.clear()
            self._catch_up_with_parent()
        self._take_over_from_parent()
        # What another thread had begun under the lock is done by the next act.
        self._is_busy = self._leftover = True

    def _take_over_from_parent(self) -> None:
        """Ends what other threads did with observers, and has the next act start what they were starting. In a forked child."""

    def _catch_up_with_parent(self) -> None:
        """Makes the newest values those that count as delivered. In a forked child."""

    def _forget_computed(self, changes: Sequence[tuple[Changed, Any, Any]]) -> None:
        """Drops what may have missed a commit, so that it is computed again when it is needed. Under the lock.

        Args:
            changes: Those of the commit.
        """

    def _enqueue(self, commit: Commit, since: int, *, is_direct: bool = False) -> bool:
        """Sets the values of a commit, and queues it or takes the mark of the delivering thread for it.

        A caller that queues holds the lock, and calls `_see_to_delivery` then. A signal handler or a finalizer may write on
        this very thread, which the lock does not keep out.

        Args:
            commit: What is to be.
            since: The number when the caller began to look whether it may be.
            is_direct: Whether this thread takes the mark, without the lock; the caller then delivers the commit.

        Returns:
            False, and nothing is done, when there is a newer commit than `since`, or a direct one has to wait for something.
        """
        me = get_ident()
        changes: Any = commit.changes
        is_one = len(changes) == 1
        steps: Any = () if is_one else [(it, "_value", new) for it, _, new in changes]
        if commit.closed:
            steps = [*steps, *[(it, "_is_shut", True) for it in commit.closed]]
        steps = starmap(setattr, steps)
        done: list[None] = []
        if self._number != since or (is_direct and (self._deliverer or self._is_busy)):
            return False
        # From here to the end without a call of Python's, so that no handler comes between.
        if is_one:
            changes[0][0]._value = changes[0][2]
        done += steps
        if is_direct:
            self._deliverer = me
            self._current = commit.number = self._number = since + 1
            return True
        if self._deliverer and not self._current:
            # A direct delivery is under way; nothing was numbered since it began.
            self._current = since
        commit.number = self._number = since + 1
        self._is_busy = True
        self._queue.append(commit)
        if self._settling and commit.depth and commit.thread == self._deliverer:
            # An observer of the commit under delivery wrote it. A thread that waits for that one waits for this one, too.
            for waiter in self._settling:
                if waiter[0] >= self._current:
                    waiter[0] = commit.number
        return True

    def _read_at_once(self, capture: Callable[[], T]) -> T:
        """Returns what `capture` returns when no commit comes while it runs. Any thread."""
        for _ in range(_TRIES):
            number = self._number
            captured = capture()
            if number == self._number:
                return captured
        # Other threads write all the time.
        is_inside = self._is_inside()
        with self._lock:
            self._is_busy = True
            while True:
                number = self._number
                captured = capture()
                if number == self._number:
                    break
                # A handler or a finalizer wrote on this thread.
            self._leave_section(is_inside=is_inside)
        self._after_section()
        return captured

    def _see_to_delivery(self) -> None:
        """Delivers what is queued, or wakes the home. Called after a commit, without the lock."""
        if self._is_inside():
            self._is_busy = self._leftover = True
            return
        if self._deliverer == get_ident():
            # An observer writes; the loop that called it goes on with the queue.
            self._mind_backlog()
            return
        home = self._home
        if home is not None and not home.is_current() and self._wake(home):
            return
        if not self._take(_MORE_COMMITS):
            self._mind_backlog()

    def _take(self, budget: int | None, stand_in: int = 0, *, counts_own: bool = False) -> bool:
        """Delivers up to `budget` commits, unless another thread does or nothing is queued: then False.

        An interrupt (Ctrl-C) may arrive between any two lines; the mark of this thread never outlives it.

        Args:
            budget: None for all.
            stand_in: A mark that may be taken over, besides none.
            counts_own: Whether the budget counts the commits of this thread, too.
        """
        is_mine = False
        me = get_ident()
        try:
            with self._lock:
                if self._queue and self._deliverer in (0, stand_in):
                    is_mine = True
                    self._deliverer = me
            if is_mine:
                self._drain(budget, counts_own=counts_own)
            elif self._leftover:
                self._after_section()
        except BaseException:
            if is_mine:
                self._hand_over()
            raise
        return is_mine

    def _wake(self, home: Home) -> bool:
        """Has the home deliver; False when it is gone (a closed loop, a shut executor)."""
        deliver: Callable[[], None] | None = None
        try:
            with self._lock:
                waking = self._waking
                is_woken = waking is not None and waking() is not None
                if self._queue and not (self._deliverer or is_woken):
                    deliver = partial(self._deliver_at_home, home)
                    self._waking = weakref.ref(deliver)
                    self._posted = None
            if deliver is not None:
                self._posted = home.post(deliver)
                return True
        except RuntimeError:
            self._leave_home(home)
            return False
        except BaseException:
            # Interrupted, or the home failed: the next commit wakes it.
            self._waking = None
            raise
        if is_woken and is_lost(home, self._posted):
            self._leave_home(home)
            return False
        self._mind_backlog()
        return True

    def _leave_home(self, home: Home) -> None:
        """Lets writers deliver from now on, because the home is gone."""
        with self._lock:
            if self._home is home:
                self._waking = None
                self._home = None

    def _deliver_at_home(self, home: Home) -> None:
        with self._lock:
            if self._home is not home:
                # The domain moved out; its new home has been woken.
                return
            self._waking = None
        # All count, so that the home has its turn for other things.
        self._take(_MORE_COMMITS, counts_own=True)

    def _mind_backlog(self) -> None:
        """Reports once that delivery falls behind."""
        if len(self._queue) < _BACKLOG:
            return
        with self._lock:
            backlog = len(self._queue)
            if self._is_backlog_reported or backlog < _BACKLOG:
                return
            self._is_backlog_reported = True
        text = f"{backlog} commits wait for delivery; an observer is slower than the writers"
        self._report("backlog", UsageError(text), self.name, self._on_error)

    # --- delivering ---------------------------------------------------------------------------------------------------

    def _drain(self, budget: int | None, *, counts_own: bool = False) -> None:
        """Delivers what is queued. The caller has set the mark of this thread.

        Args:
            budget: How many commits of other threads are delivered before the rest is handed over; None for all.
            counts_own: Whether the commits of this thread count, too.
        """
        me = get_ident()
        commit: Commit | None = None
        try:
            while True:
                # The last reference to an old value may run a finalizer, so it is not dropped under the lock.
                commit = None
                with self._lock:
                    if not self._queue:
                        if self._rest():
                            break
                        continue
                    is_handed_over = False
                    if self._is_moved:
                        self._is_moved = False
                        # The domain has a home since, so the rest is delivered there.
                        is_handed_over = self._home is not None
                    if budget is not None and (counts_own or self._queue[0].thread != me):
                        if budget == 0:
                            is_handed_over = True
                        budget -= 1
                    if not is_handed_over:
                        commit = self._queue[0]
                        self._queue.popleft()
                        if self._settling or self._joins or self._dirty:
                            self._admit(commit.number)
                if commit is None:
                    self._hand_over()
                    break
                fatal = self._deliver(commit)
                if fatal is not None:
                    self._hand_over()
                    raise fatal
                if self._leftover or self._trash:
                    self._after_section()
        except BaseException:
            if commit is not None and commit.closed:
                # What an interrupt left of the end of the streams is done by the next act; the rest changes nothing.
                self._chores.append(_Ending(commit.closed))
                self._is_busy = self._leftover = True
            self._cut_off(() if commit is None else commit.changes)
            raise
        if self._leftover or self._trash:
            self._after_section()
        self._raise_strict()

    def _keep_busy(self) -> None:
        """Has the delivering thread do what was noted before it rests. Called under the lock."""
        self._is_busy = True
        if not self._deliverer and not self._queue:
            # A direct write ended since the caller looked.
            self._rest()

    def _rest(self) -> bool:
        """Ends delivery. Called under the lock with nothing queued; False when there is something now."""
        if self._settling or self._joins or self._dirty:
            self._admit(self._number + 1)
        if self._queue:
            # Written on this thread meanwhile, by a signal handler or a finalizer, which left it to this delivery.
            return False
        # From the look at the queue to the end without a call, so that neither of them comes between.
        self._is_moved = self._is_backlog_reported = False
        self._is_busy = self._hooks != () or self._strict or self._leftover
        self._deliverer = self._current = self._depth = 0
        return True

    def _cut_off(self, changes: Sequence[tuple[Changed, Any, Any]]) -> None:
        """Leaves a delivery that an interrupt ended. Without effect when another thread delivers.

        Some parts and derived values missed the commit, and which ones is not known. All that the commit may have reached are
        computed again when they are needed.

        Args:
            changes: Those of the commit under delivery.
        """
        if self._deliverer == get_ident():
            with self._lock:
                self._forget_computed(changes)
                for source, _, new in changes:
                    source._delivered = new
            self._is_busy = self._leftover = True
        self._hand_over()

    def _hand_over(self) -> None:
        """Lets another thread deliver what remains; without effect when another one delivers."""
        me = get_ident()
        with self._lock:
            if self._deliverer not in (0, me):
                return
            if not self._queue and (not self._deliverer or self._rest()):
                return
            home = self._home
            self._deliverer = _HANDED_OVER if home is None else 0
        if home is not None:
            if self._wake(home):
                return
            with self._lock:
                if self._deliverer or not self._queue:
                    return
                self._deliverer = _HANDED_OVER
        thread = threading.Thread(
            target=self._deliver_on_thread, name=f"reactive_ws-{self.name}-delivery", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            # No new threads at interpreter exit: better late on this one than never.
            self._deliver_rest()
        except BaseException:
            # Interrupted: if the thread did not begin, the next commit finds that no thread delivers.
            with self._lock:
                if self._deliverer == _HANDED_OVER:
                    self._deliverer = 0
            raise

    def _deliver_on_thread(self) -> None:
        try:
            self._deliver_rest()
        except SystemExit:
            # Python ends a thread by it without a word.
            _log.exception(
                "an observer of domain %r raised SystemExit on the thread that delivers what writers left;"
                " that does not end the program",
                self.name,
            )

    def _deliver_rest(self) -> None:
        self._take(None, _HANDED_OVER)

    def _admit(self, number: int) -> None:
        """Lets observers in that joined before commit `number`. Called under the lock, between two commits."""
        if self._settling:
            for last, done in self._settling:
                if last < number:
                    done.set()
            self._settling = [waiter for waiter in self._settling if waiter[0] >= number]
        joins = self._joins
        while joins and joins[0][0] < number:
            joins.popleft()[1]._admit()
        if self._dirty:
            self._tidy_now()

    def _note_join(self, number: int, link: Joining) -> None:
        """Notes an observer that has seen the commits up to `number`. Under the lock."""
        joins = self._joins
        while joins and joins[-1][1]._audience is None:
            # Left already; without this, observers that come and go during one delivery would pile up.
            last = joins.pop()
            if last[1]._audience is not None:
                # A handler noted this one meanwhile.
                joins.append(last)
                break
        joins.append((number, link))

    def _leave_section(self, *, is_inside: bool) -> None:
        """Does what was noted under the lock, or leaves it to the act that was interrupted. Under the lock, at its end.

        Args:
            is_inside: Whether this thread was in the lock before: then a handler or a finalizer calls, perhaps in the
                middle of what the interrupted act does with one of the lists.
        """
        if is_inside:
            self._leftover = True
            return
        if self._interest:
            self._settle_interest()
        self._is_busy = True
        if not self._deliverer and not self._queue:
            # `_keep_busy`, written out.
            self._rest()

    def _settle_interest(self) -> None:
        """Wakes what has a listener now, and lets sleep what has none. Under the lock."""
        interest = self._interest
        while interest:
            # Removed after the work, so that an interrupted one is done again.
            first = interest[0]
            is_observed = first._is_observed()
            if is_observed != first._is_awake:
                if is_observed:
                    first._awake()
                else:
                    first._asleep()
            interest.popleft()

    def _after_section(self) -> None:
        """Does what must not run under the lock: deliveries, callbacks, finalizers. Without the lock."""
        if self._leftover and not self._is_inside():
            self._leftover = False
            with self._lock:
                self._is_busy = True
                self._settle_interest()
                self._keep_busy()
            self._see_to_delivery()
        if self._chores and not self._is_inside():
            self._run_chores()
        if self._trash and not self._is_inside():
            # Swapped first: a finalizer may dispose.
            dropped, self._trash = self._trash, []
            dropped.clear()

    def _tidy_now(self) -> None:
        while self._dirty:
            self._dirty.pop()._pack()

    def _deliver(self, commit: Commit) -> BaseException | None:
        """Calls hooks and observers of a commit; returns what one of them raised that is not an `Exception`."""
        me = get_ident()
        around = _depths.get(me)
        token: Token[Any] | tuple[Any] | None = None
        _depths[me] = commit.depth
        try:
            if open_batches:
                # What observers write does not belong to the batch of the thread that delivers.
                token = set_batch(None)
            self._depth = commit.depth
            self._outcome = outcome = commit.outcome
            self._current = number = commit.number
            for hook in self._hooks:
                if hook.is_live and hook.since < number:
                    try:
                        hook.function(commit)
                    except BaseException as error:  # noqa: BLE001 - kept, and raised after the others were served
                        self._failed("hook", error, self.name, hook.function)
            changes = commit.changes
            if len(changes) == 1:
                source, _, new = changes[0]
                source._delivered = new
                source._serve(number, new)
            elif changes:
                for source, _, new in changes:
                    source._delivered = new
                changes[0][0]._serve_many(number, changes)
            for source in commit.closed:
                source._complete()
            fatal, self._fatal = self._fatal, None
            if outcome is not None:
                self._outcome = None
                fatal = self._conclude(outcome, fatal)
            return fatal
        finally:
            if token is not None:
                reset_batch(token)
            if around is None:
                del _depths[me]
            else:
                _depths[me] = around

    def _conclude(self, outcome: Outcome, fatal: BaseException | None) -> BaseException | None:
        """Counts a commit as delivered; returns what this thread has to raise at once."""
        me = get_ident()
        with self._lock:
            outcome.left -= 1
            # Ctrl-C is meant for the thread that it reached, everything else for the writer.
            is_here = outcome.thread == me or isinstance(fatal, KeyboardInterrupt)
            if outcome.is_waited_for and not is_here:
                outcome.fatal, fatal = outcome.fatal or fatal, None
            if not outcome.left:
                outcome.over.set()
                if not outcome.is_waited_for:
                    self._strict_errors.setdefault(me, []).extend(outcome.errors)
        return fatal

    def _outcome_of_write(self) -> Outcome | None:
        """Returns where the errors of a write made now are kept: with those of its cause; None outside strict mode."""
        if not self._strict:
            return None
        me = get_ident()
        if self._outcome is not None and self._deliverer == me:
            return self._outcome
        return Outcome(me)

    def _raise_outcome(self, outcome: Outcome) -> None:
        """Waits for the delivery of a write of this thread, and raises what it raised. In strict mode.

        Raises:
            BaseException: an observer on the delivering thread raised it.
            ExceptionGroup: observers raised.
        """
        me = get_ident()
        if not outcome.over.is_set():
            # A thread that delivers, or that is in the lock, must not wait; and a home may need this thread.
            may_wait = self._home is None and me not in _depths and not self._is_inside()
            if not may_wait or not outcome.over.wait(_STRICT_WAIT):
                with self._lock:
                    if not outcome.over.is_set():
                        outcome.is_waited_for = False
                        return
        if outcome.fatal is not None:
            raise outcome.fatal
        # What a comparer raised before there was a commit belongs to this write, too.
        errors = [*self._strict_errors.pop(me, ()), *outcome.errors]
        if errors:
            raise ExceptionGroup(f"observers of domain {self.name!r} failed", errors)

    def _deliver_directly(self, commit: Commit) -> None:
        """Delivers a commit that was not queued, and gives the mark of this thread back."""
        fatal = self._deliver(commit)
        if fatal is not None:
            self._hand_over()
            raise fatal
        if self._is_busy:
            self._end_direct()
            return
        self._current = self._depth = 0
        self._deliverer = 0
        if self._is_busy:
            self._look_again()  # type: ignore[unreachable]

    def _end_direct(self) -> None:
        """Ends a direct delivery that met an error or finds more to do."""
        # Taken first: the thread that delivers the rest must not raise it.
        fatal, self._fatal = self._fatal, None
        if fatal is not None:
            self._hand_over()
            raise fatal
        self._drain(_MORE_COMMITS)

    def _look_again(self) -> None:
        """Does what another thread noted while a direct delivery ended, because it took that for being under way."""
        with self._lock:
            # Set again, because another thread may have come to rest since.
            self._keep_busy()
        self._see_to_delivery()

    # --- errors and chores --------------------------------------------------------------------------------------------

    def _failed(self, kind: str, error: BaseException, store: str, function: object) -> None:
        """Takes what a user's function raised: an Exception is reported, anything else is raised at the end."""
        if isinstance(error, Exception):
            self._report(kind, error, store, function)
        elif self._fatal is None:
            self._fatal = error
            self._is_busy = True

    def _report(
        self, kind: str, error: Exception, store: str, function: object, *, has_caller: bool = True
    ) -> None:
        """Gives an exception to the error hook; in strict mode the act that caused it raises it, too.

        Args:
            kind, error, store, function: As for `ErrorReport`.
            has_caller: Whether an act of the program is under way on this thread. A timer and a task are none.
        """
        if self._strict:
            me, outcome = get_ident(), self._outcome
            if outcome is not None and self._deliverer == me:
                outcome.errors.append(error)
            elif has_caller:
                self._strict_errors.setdefault(me, []).append(error)
        report = ErrorReport(kind, error, store, self._current or self._number, name_of(function))
        try:
            if open_batches:
                with outside_batches():
                    self._on_error(report)
            else:
                self._on_error(report)
        except Exception:  # noqa: BLE001 - the last resort must not fail too
            _log.exception("the error hook of domain %r failed", self.name)
            log_report(report)
        except BaseException as fatal:
            if self._deliverer != get_ident():
                raise
            if self._fatal is None:
                self._fatal = fatal
            self._is_busy = True

    def _raise_strict(self) -> None:
        if self._strict_errors and self._deliverer != get_ident():
            errors = self._strict_errors.pop(get_ident(), None)
            if errors:
                raise ExceptionGroup(f"observers of domain {self.name!r} failed", errors)

    def _depth_here(self) -> int:
        """Returns the depth of a write made now, one more than its cause's when an observer makes it."""
        me = get_ident()
        depth = self._depth + 1 if self._deliverer == me else 0
        if _depths:
            depth = max(depth, _depths.get(me, -1) + 1)
        if self._replay_depths:
            depth = max(depth, self._replay_depths.get(me, -1) + 1)
        return depth

    def _run_chores(self) -> None:
        """Runs what was noted under the lock, the highest first."""
        while self._chores:
            # A handler may run some of them meanwhile.
            first = max(tuple(self._chores), key=_height_of, default=None)
            if first is None:
                return
            try:
                self._chores.remove(first)
            except ValueError:
                continue
            try:
                with outside_batches():
                    first._run_chore()
            except BaseException:
                # The rest is done by the next act.
                self._is_busy = self._leftover = True
                raise
