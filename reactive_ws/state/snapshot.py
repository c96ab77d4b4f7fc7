"""Several reads under one commit number."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from ..engine import active_batch, open_batches
from ..errors import UsageError
from .store import ReadOnly

__all__ = ["snapshot"]

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
F = TypeVar("F")


@overload
def snapshot(a: ReadOnly[A], b: ReadOnly[B], /) -> tuple[A, B]: ...
@overload
def snapshot(a: ReadOnly[A], b: ReadOnly[B], c: ReadOnly[C], /) -> tuple[A, B, C]: ...
@overload
def snapshot(
    a: ReadOnly[A], b: ReadOnly[B], c: ReadOnly[C], d: ReadOnly[D], /
) -> tuple[A, B, C, D]: ...
@overload
def snapshot(
    a: ReadOnly[A], b: ReadOnly[B], c: ReadOnly[C], d: ReadOnly[D], e: ReadOnly[E], /
) -> tuple[A, B, C, D, E]: ...
@overload
def snapshot(
    a: ReadOnly[A],
    b: ReadOnly[B],
    c: ReadOnly[C],
    d: ReadOnly[D],
    e: ReadOnly[E],
    f: ReadOnly[F],
    /,
) -> tuple[A, B, C, D, E, F]: ...
@overload
def snapshot(*stores: ReadOnly[A]) -> tuple[A, ...]: ...


def snapshot(*stores: ReadOnly[Any]) -> tuple[Any, ...]:
    """Returns the values of several stores and derived values as they were at one commit. Any thread.

    Raises:
        DomainMismatch: they are not all of one domain.
        UsageError: one of them is a keyed store, a selection or no store at all.
    """
    for store in stores:
        if not isinstance(store, ReadOnly):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(
                f"snapshot() takes stores and derived values, not {type(store).__name__}; of a keyed store or a selection"
                " take derived(...) of it"
            )
    sources = [store._origin for store in stores]
    if not sources:
        return ()
    domain = sources[0]._domain
    for source in sources:
        domain._check(source)
    open_batch = active_batch() if open_batches else None
    if open_batch is None:
        captured = domain._read_at_once(lambda: [source._capture() for source in sources])
        return tuple(source._project(part) for source, part in zip(sources, captured, strict=True))
    known = open_batch.read_all(domain, [root for source in sources for root in source._roots()])
    return tuple(source._value_from(known) for source in sources)
