"""A value that can be observed whole or in parts: what stores, keyed stores and derived values share.

A source has three kinds of listeners: its own audience, which sees every value; selection nodes, each with an audience
that sees a part when the part changes; and dependents, the derived values computed from it. Delivery serves the first
two in the order in which the observers registered, and then the derived values, lowest first.

The module is long because a source and its selection nodes share the order of registration.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any, Final, Protocol

from .audience import (
    UNSET,
    Audience,
    SomeObservers,
    Subscription,
    ignore,
    next_serial,
    tell_in_order,
)
from .checks import refuse_copy
from .commit import Changed
from .commit_queue import CommitQueue
from .domain import Domain
from .equality import COMPARED, Equals, same, shallow, unchanged
from .graph import Dependent, HasDependents, propagate

__all__ = ["Root", "SelectionNode", "SharedSelector", "Source", "Writable", "plain_function"]


def _nothing(_value: object) -> Any:
    """Stands where the selector of a node was: never a change."""
    return UNSET


_NO_PAIR: Final = [_nothing, UNSET]
_TRUE_FOR_ONE: Final = (same, shallow, is_)
"""Comparers that need not be asked about one object, because they always find it equal to itself."""


class Source(Audience):
    """A value with observers, selection nodes and dependents."""

    __slots__ = (
        "__weakref__",
        "_dead_nodes",
        "_delivered",
        "_dependents",
        "_height",
        "_node_count",
        "_nodes",
        "_others",
        "_pairs",
        "_readers",
        "name",
    )

    _domain: Domain  # pyright: ignore[reportIncompatibleVariableOverride] - set once, in `Audience`

    def __init__(self, domain: Domain, name: str) -> None:
        super().__init__(domain)
        self.name = name
        self._delivered: Any = UNSET
        self._dependents: dict[Dependent, None] = {}
        self._height = 0
        # How many listeners and readers there are that are not in the own audience.
        self._others: int = 0
        # How many of them are readers. A reader stands for a derived value that nothing observes, and drops what that
        # value keeps of this one.
        self._readers = 0
        self._nodes: list[SelectionNode | None] = []
        # Of each node its `_pair`, because walking selectors and parts in two lists costs a tenth more.
        self._pairs: list[list[Any]] = []
        self._node_count = 0
        self._dead_nodes = 0

    __reduce_ex__ = refuse_copy

    @property
    def domain(self) -> Domain:
        """The domain whose order its commits have."""
        return self._domain

    @property
    def observer_count(self) -> int:
        """How many observers there are now: of the whole, of parts, and derived values. Any thread."""
        nodes = [node for node in list(self._nodes) if node is not None]
        dependents = [it for it in list(self._dependents) if not it._is_reader]
        return self._live + sum(node._live for node in nodes) + len(dependents)

    def _label(self) -> str:
        return self.name

    # --- listeners of all kinds: observers, nodes and dependents ------------------------------------------------------

    def _is_observed(self) -> bool:
        return self._live > 0 or self._others > self._readers

    def _add_reader(self, reader: Dependent) -> None:
        """Lets a reader see the next commit; nothing wakes. Under the lock; a second time changes nothing."""
        if reader not in self._dependents:
            self._dependents[reader] = None
            self._others += 1
            self._readers += 1

    def _remove_reader(self, reader: Dependent) -> None:
        """Removes a reader. Under the lock; a second time changes nothing."""
        if reader in self._dependents:
            del self._dependents[reader]
            self._others -= 1
            self._readers -= 1

    def _add_dependent(self, dependent: Dependent) -> None:
        """Lets a derived value see the commits from now on. Under the lock; a second time changes nothing."""
        self._domain._interest.append(self)
        if dependent not in self._dependents:
            self._dependents[dependent] = None
            self._others += 1

    def _remove_dependent(self, dependent: Dependent) -> None:
        """Removes a derived value. Under the lock; a second time changes nothing."""
        self._domain._interest.append(self)
        if dependent in self._dependents:
            del self._dependents[dependent]
            self._others -= 1

    def _start_again(self) -> None:
        """Drops what it remembers of earlier commits, in a forked child and after an interrupt."""
        self._delivered = UNSET
        self._forget_parts()

    def _forget_parts(self) -> None:
        """Has each observed part computed again. Its observers get it with the next value, because they may lack it."""
        for node in tuple(self._nodes):
            if node is not None:
                self._domain._trash.append((node._memory[1], node._before))
                node._is_unsure = True
                node._memory[1] = node._before = UNSET

    def _begin_as_child(self) -> None:
        super()._begin_as_child()
        for node in tuple(self._nodes):
            if node is not None:
                node._begin_as_child()

    def _bases(self, value: Any) -> list[Source]:  # noqa: ARG002 - keyed stores look at what was touched
        """Returns the sources that derived values above this commit start from. On the delivering thread."""
        return [self] if self._dependents else []

    def _roots(self) -> tuple[Root, ...]:
        """Returns the written sources that this value is made of."""
        raise NotImplementedError  # pragma: no cover - abstract

    def _value_from(self, known: dict[Source, Any]) -> Any:
        """Returns the value for these values of the roots; runs user code, keeps nothing."""
        raise NotImplementedError  # pragma: no cover - abstract

    def _below_with_callbacks(self) -> list[Any]:
        """Returns the nearest stores and derived values below this one that have start or stop callbacks."""
        return []

    # --- selection nodes ----------------------------------------------------------------------------------------------

    def _insert_node(self, node: SelectionNode, last: Any) -> None:
        """Lets a node see the commits from now on. Under the lock, while no delivery walks the lists."""
        noded: list[SelectionNode | None] = [node]
        paired, nodes, pairs = [node._pair], self._nodes, self._pairs
        # From here to the end without a call.
        if node._index >= 0:
            return
        node._index = self._node_count
        node._memory[1] = last
        nodes += noded
        pairs += paired
        self._node_count += 1

    def _remove_node(self, node: SelectionNode) -> None:
        """Takes a node out. Under the lock."""
        domain = self._domain
        domain._trash.append((node._memory[1], node._before))
        if (self._dead_nodes + 1) * 2 > self._node_count:
            domain._dirty.append(self)
        # From here to the end without a call.
        index = node._index
        if index >= 0:
            node._index = -1
            self._nodes[index] = None
            self._pairs[index] = _NO_PAIR
            node._memory[1] = UNSET
            self._dead_nodes += 1

    def _pack(self) -> None:
        super()._pack()
        nodes, pairs = self._nodes, self._pairs
        to = at = 0
        while at < self._node_count:
            # From here to the end of the round without a call: each round leaves whole lists.
            node = nodes[at]
            if node is not None:
                if to != at:
                    nodes[to], pairs[to], node._index = node, pairs[at], to
                    nodes[at], pairs[at] = None, _NO_PAIR
                to += 1
            at += 1
        while self._node_count > to:
            del nodes[-1], pairs[-1]
            self._node_count -= 1
            self._dead_nodes -= 1

    # --- delivering ---------------------------------------------------------------------------------------------------

    def _notify(self, value: Any) -> None:
        """Delivers one value to the own audience and to the parts that changed. On the delivering thread."""
        parts = self._changed_parts(value)
        if not parts:
            self._tell(value)
        elif self._slots:
            tell_in_order([(self, value), *parts])
        elif len(parts) == 1:
            audience, part = parts[0]
            audience._tell(part)
        else:
            tell_in_order(parts)

    def _serve(self, number: int, value: Any) -> None:
        """Delivers one value to its observers, and then to the derived values above it. On the delivering thread."""
        if not self._others:
            self._tell(value)
            return
        self._notify(value)
        bases = self._bases(value)
        if bases:
            propagate(number, bases)

    def _serve_many(self, number: int, changes: tuple[tuple[Source, Any, Any], ...]) -> None:
        """Delivers a commit of several sources: all observers in registration order, and then derived values."""
        told: list[tuple[Audience, Any]] = []
        has_others = False
        for source, _, new in changes:
            told.append((source, new))
            if source._others:
                has_others = True
                told.extend(source._changed_parts(new))
        tell_in_order(told)
        bases = (
            [base for source, _, new in changes for base in source._bases(new)]
            if has_others
            else None
        )
        if bases:
            propagate(number, bases)

    def _changed_parts(self, value: Any) -> list[tuple[Audience, Any]]:
        """Runs every selector once; returns the nodes whose part differs from the one last notified."""
        found: list[tuple[Audience, Any]] = []
        if not self._nodes:
            return found
        nodes: list[SelectionNode | None] = self._nodes
        differing: list[tuple[int, Any]] = []
        # As little as can be for those that did not change: most of a thousand did not. So nothing counts them: how
        # much is left says where the walk is.
        left: Any = iter(self._pairs)
        is_through = False
        while not is_through:
            try:
                for selector, last in left:
                    if (part := selector(value)) is not last:
                        differing.append((~left.__length_hint__(), part))
                is_through = True
            except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
                failed = nodes[int(~left.__length_hint__())]
                if failed is not None:
                    failed._is_unsure = True
                    self._domain._failed("selector", error, self.name, failed._pair[0])
        for index, part in differing:
            node = nodes[index]
            if node is None:
                continue
            memory = node._memory
            last = memory[1]
            if last is not UNSET:
                equals = node._equals
                kind: type[Any] = part.__class__
                # `same`, without its call where that is most of the work.
                if equals is not same or kind not in COMPARED or type(last) is not kind:
                    if unchanged(equals, last, part, node):
                        continue
                elif last == part:
                    continue
            memory[1] = part
            node._is_unsure = False
            is_plain = node._before is UNSET and not node._waiting
            found.append((node if is_plain else node._receivers(part), part))
        return found

    def _doubt_parts(self) -> None:
        """Has reads of the parts run their selectors, because there is no value that the parts could be of."""
        for node in tuple(self._nodes):
            if node is not None:
                node._is_unsure = True

    def _tell_waiting_parts(self, value: Any) -> None:
        """Serves observers that came while there was no value; others have the parts of this one. On the delivering thread."""
        for node in tuple(self._nodes):
            if node is not None and node._waiting:
                try:
                    part = node._pair[0](value)
                except BaseException as error:  # noqa: BLE001 - kept or reported, and the others are served
                    self._domain._failed("selector", error, self.name, node._pair[0])
                    continue
                node._tell_waiting(part)

    def _complete(self) -> None:
        ended = self._ending()
        # The list grows while it is walked: every derived value that has no open source left.
        for source in ended:
            source._end_streams()
            ended += [above for above in tuple(source._dependents) if above._is_left_alone()]

    def _ending(self) -> list[HasDependents]:
        """Returns what ends with this source."""
        return [self]

    def _end_streams(self) -> None:
        """Ends the streams of the whole and of the parts. On the delivering thread."""
        super()._complete()
        for node in list(self._nodes):
            if node is not None:
                node._complete()


class Writable(Changed, Protocol):
    """A store as batches and readers need it."""

    def _unchanged(self, old: Any, new: Any) -> bool:
        """Whether `new` counts as no change."""
        ...

    def _publish(self, old: Any, value: Any) -> bool:
        """Commits `value` if the value is still `old`; False when another write came between."""
        ...

    def _merged(self, older: Any, newer: Any) -> Any:
        """Returns `newer`, made from `older` in the same batch."""
        ...

    def _settled(self, old: Any, new: Any) -> Any:
        """Returns `new`, about to be committed by a batch over `old`; UNSET when it counts as no change.

        Raises:
            Exception: what the program's `validate=` raises for a change.
        """
        ...

    def _check(self, value: Any) -> None:
        """Raises what the program's `validate=` raises for a value about to be committed."""
        ...

    def _triggered(self, old: Any, new: Any, keys: tuple[Any, ...]) -> Any:
        """Returns `new`, about to be committed over `old`, so that the observers of these keys are called, too."""
        ...


class Root(Source):
    """A source that is written and not computed: a store, or one key of a keyed store."""

    __slots__ = ()

    @property
    def _cell(self) -> Writable:
        """The store whose captured value `_project` takes."""
        raise NotImplementedError  # pragma: no cover - abstract

    def _roots(self) -> tuple[Root, ...]:
        return (self,)

    def _value_from(self, known: dict[Source, Any]) -> Any:
        return known[self]


class _Part:
    """A part that is known already, in place of the value that it is a part of."""

    __slots__ = ("part",)

    def __init__(self, part: Any) -> None:
        self.part = part


class SharedSelector:
    """The selector of a selection that derived values are computed from. It runs once for each value of the source.

    It remembers the newest value and part while the selection or the derived value has observers, and nothing after that.

    Args:
        selector: The function of the program.
        domain: The domain of the source.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, selector: Callable[[Any], Any], domain: CommitQueue) -> None:
        self._selector = selector
        self._domain = domain
        self._known: tuple[object, Any, Any] = (UNSET, UNSET, UNSET)
        self.is_node_awake = False
        self.is_value_awake = False
        # Reports name the function of the program.
        self.__module__ = getattr(selector, "__module__", SharedSelector.__module__)
        self.__qualname__ = getattr(selector, "__qualname__", type(selector).__qualname__)

    def __call__(self, whole: Any) -> Any:
        rewritten = self._domain._rewritten
        written, seen, part = self._known
        if seen is not whole or written is not rewritten:
            part = self._selector(whole)
            if self.is_node_awake or self.is_value_awake:
                self._known = (rewritten, whole, part)
        return part

    def forget(self) -> None:
        """Drops what is remembered, unless the selection or the derived value has observers. Under the lock."""
        if not (self.is_node_awake or self.is_value_awake):
            self._domain._trash.append(self._known)
            self._known = (UNSET, UNSET, UNSET)


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function of the program behind a shared selector, or the function itself.

    For values of an open batch: a shared selector would keep one alive that the batch then drops.
    """
    return function._selector if isinstance(function, SharedSelector) else function


class SelectionNode(Audience):
    """A part of a source with the observers of that part."""

    __slots__ = (
        "_as_source",
        "_before",
        "_equals",
        "_index",
        "_is_unsure",
        "_memory",
        "_pair",
        "_shared",
        "_source",
    )

    _has_memory = True

    def __init__(
        self, source: Source, selector: Callable[[Any], Any], equals: Equals[Any] | None
    ) -> None:
        super().__init__(source._domain)
        self._source = source
        self._equals: Equals[Any] = same if equals is None else equals
        self._index = -1
        # What the source walks: the selector and the part last notified. Changed in place, because making a new pair
        # may collect garbage, whose finalizers may write.
        self._pair: list[Any] = [selector, UNSET]
        # Its second item is the part last notified. The walk passes over a part that is the identical object. A comparer of
        # the program is asked about it, too; so the walk does not see the part of such a node.
        is_asked = not (self._equals is same or self._equals is shallow or self._equals is is_)
        self._memory: list[Any] = [selector, UNSET] if is_asked else self._pair
        # Whether the selector raised, or an interrupt came, for a value after the part last notified.
        self._is_unsure = False
        self._shared: SharedSelector | None = None
        self._as_source: Source | None = None
        # The part notified last, while an observer that came later waits for a value.
        self._before: Any = UNSET

    def _capture(self) -> Any:
        # At rest an observer that comes gets what the others got last, and the selector does not run for it.
        part = self._last_part()
        return self._source._capture() if part is UNSET else _Part(part)

    def _capture_exactly(self) -> Any:
        """Returns what the part is made of, when a value that merely counts as equal will not do. Under the lock."""
        part = UNSET if self._equals is not same else self._last_part()
        return self._source._capture() if part is UNSET else _Part(part)

    def _last_part(self) -> Any:
        """Returns the part last notified if no newer commit may have changed it, else UNSET. Under the lock."""
        domain = self._domain
        if self._index < 0 or self._is_unsure or domain._deliverer or domain._queue:
            return UNSET
        return self._memory[1]

    def _has_ended(self) -> bool:
        return self._source._has_ended()

    def _project(self, captured: Any) -> Any:
        if captured.__class__ is _Part:
            return captured.part
        return self._pair[0](self._source._project(captured))

    def _part_of(self, whole: Any) -> Any:
        """Returns the part of this value, perhaps that of an open batch, and remembers nothing of it. Any thread."""
        return plain_function(self._pair[0])(whole)

    def _seed(self, link: Subscription, value: Any) -> None:
        self._source._seed(link, value)
        # Other observers may have got a newer part, which an interrupt made unsure.
        is_known = not self._is_unsure or self._live == 1
        if is_known and self._index >= 0 and self._memory[1] is UNSET:
            self._memory[1] = value

    def _wait_for_value(self, link: Subscription) -> None:
        super()._wait_for_value(link)
        memory = self._memory
        if self._index >= 0 and memory[1] is not UNSET:
            # The next value counts as a change; `_receivers` finds the observers that need it.
            self._before, memory[1] = memory[1], UNSET

    def _receivers(self, part: Any) -> Audience:
        """Returns the observers that get a part: all, or only those that wait. On the delivering thread."""
        before, self._before = self._before, UNSET
        sated = self._take_waiting()
        if self._waiting and self._index >= 0:
            self._before, self._memory[1] = part, UNSET
        if before is UNSET or not unchanged(self._equals, before, part, self):
            return self
        return SomeObservers(self, sated)

    def _tell_waiting(self, part: Any) -> None:
        """Gives an unchanged part to the observers that wait. On the delivering thread."""
        before, self._before = self._before, UNSET
        sated = self._take_waiting()
        if self._waiting and self._index >= 0:
            self._before = part
        else:
            self._memory[1] = part if before is UNSET else before
            self._is_unsure = False
        SomeObservers(self, sated)._tell(part)

    def _is_same(self, old: Any, new: Any) -> bool:
        return unchanged(self._equals, old, new, self)

    def _share(self) -> SharedSelector:
        """Returns the selector for derived values to call, after which it still runs once for each commit."""
        domain = self._domain
        shared = SharedSelector(self._pair[0], domain)
        is_inside = domain._is_inside()
        with domain._lock:
            domain._is_busy = True
            shared.is_node_awake = self._is_awake
            part = self._last_part() if self._equals is same else UNSET
            if part is not UNSET:
                shared._known = (domain._rewritten, self._source._delivered, part)
            self._shared = self._pair[0] = shared
            domain._leave_section(is_inside=is_inside)
        domain._after_section()
        return shared

    def _register(self, link: Subscription) -> Any:
        # The first observer of a part of a store without callbacks takes no lock: such parts come and go with screens.
        source, domain = self._source, self._domain
        if self._live or domain._deliverer or not source._is_light or source._has_ended():
            return super()._register(link)
        held: list[tuple[int, int, Any]] = []
        noded: list[SelectionNode | None] = [self]
        slot, linked, paired = [link._hold], [link], [self._pair]
        serial, number = next_serial(), domain._number
        captured = source._capture()
        # From here to `return` without a call, so that no other thread and no handler comes between.
        if (
            number != domain._number
            or domain._deliverer
            or domain._is_busy
            or self._live
            or self._size
            or self._is_awake
            or self._index >= 0
            or self._shared is not None
        ):
            return super()._register(link)
        self._is_awake = True
        self._index = source._node_count
        source._nodes += noded
        source._pairs += paired
        source._node_count += 1
        source._others += 1
        link._audience = self
        link._held = held
        link._serial = serial
        link._index = 0
        self._slots += slot
        self._links += linked
        self._size = self._live = 1
        return captured

    def _leave_last(self, link: Subscription) -> bool:
        source, domain = self._source, self._domain
        # What is dropped lives until this call returns, because a finalizer may do anything.
        _dropped = self._memory[1], self._before
        # From here to `return` without a call and without a new object, so that no thread, handler or finalizer comes between.
        index = self._index
        if (
            domain._deliverer
            or domain._is_busy
            or self._live != 1
            or self._size != 1
            or self._links[0] is not link
            or self._waiting
            or self._shared is not None
            or index < 0
            or not source._is_light
        ):
            return False
        if index + 1 == source._node_count and source._dead_nodes * 2 <= index:
            del source._nodes[index], source._pairs[index]
            source._node_count = index
        elif (source._dead_nodes + 1) * 2 <= source._node_count:
            source._nodes[index] = None
            source._pairs[index] = _NO_PAIR
            source._dead_nodes += 1
        else:
            return False
        self._index = -1
        self._memory[1] = self._before = UNSET
        self._is_awake = False
        source._others -= 1
        del self._slots[0], self._links[0]
        self._size = self._live = 0
        link._audience = link._on_completed = None
        link._on_next = ignore
        link._seen = UNSET
        return True

    def _awake(self) -> None:
        source = self._source
        if not source._is_light:
            source._domain._interest.append(source)
        if self._shared is not None:
            self._shared.is_node_awake = True
        if not self._is_awake:
            self._is_awake = True
            source._others += 1

    def _asleep(self) -> None:
        source = self._source
        source._remove_node(self)
        if not source._is_light:
            source._domain._interest.append(source)
        self._before = UNSET
        if self._shared is not None:
            self._shared.is_node_awake = False
            self._shared.forget()
        if self._is_awake:
            self._is_awake = False
            source._others -= 1

    def _place(self, link: Subscription) -> None:
        if self._index < 0:
            self._source._insert_node(self, link._seen)
        super()._place(link)

    def _label(self) -> str:
        return self._source.name

    def _culprit(self) -> object:
        return self._pair[0]
