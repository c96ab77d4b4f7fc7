"""`derived`: the way to make a value that is computed from other values. What it then does is `computed`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from reactivex.abc import SchedulerBase

from ..engine import (
    Equals,
    SelectionNode,
    Source,
    check_comparer,
    check_function,
    check_iterable,
    check_kind,
    lifecycle_of,
)
from ..errors import UsageError
from .computed import Derived
from .selection import Selection
from .store import ReadOnly

__all__ = ["Derived", "derived", "derived_all"]

_AT_ONCE = "compute at once; do what takes time in a task that writes a store"

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


def _source_of(value: ReadOnly[Any] | Selection[Any]) -> Source:
    if isinstance(value, ReadOnly):
        return value._origin
    audience = getattr(value, "_audience", None)
    if isinstance(audience, Source):
        return audience
    if isinstance(audience, SelectionNode):
        if audience._as_source is None:
            source, part = audience._source, audience._share()
            audience._as_source = Derived((source,), part, audience._equals, None)
        return audience._as_source
    kind = type(value).__name__
    if kind == "KeyedStore":
        raise UsageError(
            "derived() takes streams of a KeyedStore and not the store; write store.select_all(), or store.select(key) for one entity"
        )
    raise UsageError(
        f"a source is a store, a selection or a derived value; got {kind} {value!r:.80}"
    )


@overload
def derived(
    a: ReadOnly[A] | Selection[A],
    function: Callable[[A], T],
    /,
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[T]: ...
@overload
def derived(
    a: ReadOnly[A] | Selection[A],
    b: ReadOnly[B] | Selection[B],
    function: Callable[[A, B], T],
    /,
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[T]: ...
@overload
def derived(
    a: ReadOnly[A] | Selection[A],
    b: ReadOnly[B] | Selection[B],
    c: ReadOnly[C] | Selection[C],
    function: Callable[[A, B, C], T],
    /,
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[T]: ...
@overload
def derived(
    a: ReadOnly[A] | Selection[A],
    b: ReadOnly[B] | Selection[B],
    c: ReadOnly[C] | Selection[C],
    d: ReadOnly[D] | Selection[D],
    function: Callable[[A, B, C, D], T],
    /,
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[T]: ...
@overload
def derived(
    a: ReadOnly[A] | Selection[A],
    b: ReadOnly[B] | Selection[B],
    c: ReadOnly[C] | Selection[C],
    d: ReadOnly[D] | Selection[D],
    e: ReadOnly[E] | Selection[E],
    function: Callable[[A, B, C, D, E], T],
    /,
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[T]: ...
@overload
def derived(
    a: ReadOnly[A] | Selection[A],
    b: ReadOnly[B] | Selection[B],
    c: ReadOnly[C] | Selection[C],
    d: ReadOnly[D] | Selection[D],
    e: ReadOnly[E] | Selection[E],
    f: ReadOnly[F] | Selection[F],
    function: Callable[[A, B, C, D, E, F], T],
    /,
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[T]: ...


def derived(
    *arguments: Any,
    equals: Equals[Any] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[Any]:
    """Returns the value `function(a, b, ...)` of 1 to 6 sources, kept up to date.

    Args:
        arguments: Stores, selections or derived values of one domain, and last the function: pure, with one argument
            for each source.
        equals: When a new value counts as no change; see `equality.same` for the default.
        name: For reports; the function's name when None.
        on_start: Called with the first observer, on the subscribing thread, before it sees a value. What the function
            writes to a source is in the first value seen. The sources start after it.
        on_stop: Called after the last observer left.
        linger: Seconds to wait for a new observer before `on_stop`. The sources do not stop before that.
        scheduler: Keeps the time of `linger`; a timer thread when None.

    Raises:
        DomainMismatch: the sources are of different domains.
        UsageError: no source, the last argument is not a plain function, or an option has a wrong value.
    """
    if len(arguments) < 2 or not callable(arguments[-1]):
        raise UsageError("derived() takes one or more sources and then a function of their values")
    *sources, function = arguments
    check_function(function, "the function of derived()", _AT_ONCE)
    check_comparer(equals)
    check_kind(name, str, "name=", '"total"')
    lifecycle = lifecycle_of(on_start, on_stop, linger, scheduler, holds_sources=True)
    return Derived(tuple(map(_source_of, sources)), function, equals, name, lifecycle)


def derived_all(
    sources: Iterable[ReadOnly[A] | Selection[A]],
    function: Callable[[tuple[A, ...]], T],
    *,
    equals: Equals[T] | None = None,
    name: str | None = None,
    on_start: Callable[[], object] | None = None,
    on_stop: Callable[[], object] | None = None,
    linger: float = 0.0,
    scheduler: SchedulerBase | None = None,
) -> Derived[T]:
    """Returns the value `function((a, b, ...))` of any number of sources, kept up to date.

    Args:
        sources: Stores, selections or derived values of one domain.
        function: A pure function of the tuple of their values.
        equals, name, on_start, on_stop, linger, scheduler: As for `derived`.

    Raises:
        DomainMismatch, UsageError: as `derived`.
    """
    check_iterable(sources, "derived_all()", "derived_all([a, b], function)")
    found = tuple(map(_source_of, sources))
    if not found:
        raise UsageError("derived_all() takes at least one source")
    check_function(function, "the function of derived_all()", _AT_ONCE)
    check_comparer(equals)
    check_kind(name, str, "name=", '"total"')
    label = getattr(function, "__qualname__", None) if name is None else name
    lifecycle = lifecycle_of(on_start, on_stop, linger, scheduler, holds_sources=True)
    return Derived(found, lambda *values: function(values), equals, label, lifecycle)
