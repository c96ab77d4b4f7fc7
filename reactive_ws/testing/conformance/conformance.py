"""Checks that a part from another author keeps the rules of the framework. Plain functions without pytest.

    check_store(make)        a store: get, set, and a stream of its values
    check_codec(codec)       a wire format
    check_connect(connect)   a socket library, as `WebSocketService(connect=...)` takes it; see `connecting`

Each tries every rule of its kind and raises `Unfit` with all that are broken, by name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import attrs
from reactivex import Observable

from ...errors import MessageRejected
from ...wire import Codec, Envelope, Registry, protocol_v1
from .connecting import check_connect
from .unfit import Unfit

__all__ = ["AnyStore", "Unfit", "check_codec", "check_connect", "check_store"]


@attrs.define
class _Findings:
    broken: dict[str, str] = attrs.Factory(dict[str, str])

    def want(self, rule: str, wanted: object, got: object) -> None:
        if wanted != got:
            self.broken.setdefault(rule, f"wanted {wanted!r}, got {got!r}")

    def raised(self, rule: str, error: BaseException) -> None:
        self.broken.setdefault(rule, f"it raised {type(error).__name__}: {error}")

    def finish(self, what: str) -> None:
        if self.broken:
            raise Unfit(what, self.broken)


# --- stores -----------------------------------------------------------------------------------------------------------


class AnyStore(Protocol):
    """The methods of a store that `check_store` calls."""

    def get(self) -> Any: ...
    def set(self, value: Any) -> None: ...
    def select(self) -> Observable[Any]: ...


def check_store(make: Callable[[int], AnyStore]) -> None:
    """Checks stores that deliver on the writing thread.

    Args:
        make: Returns a new store with this value. What its observers raise may be logged, but not raised by `set`.

    Raises:
        Unfit: rules are broken.
    """
    found = _Findings()
    for check in (_replay, _dispose, _equal, _isolation, _reentrancy, _two_threads):
        rule = check.__name__.strip("_").replace("_", " ")
        try:
            check(make, found)
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything, which is a finding
            found.raised(rule, error)
    found.finish("the store")


def _replay(make: Callable[[int], AnyStore], found: _Findings) -> None:
    store, seen = make(1), list[int]()
    store.select().subscribe(seen.append)
    found.want("current value first", [1], list(seen))
    for value in (2, 3):
        store.set(value)
        found.want("a write is read at once", value, store.get())
    found.want("every later value, once and in order", [2, 3], seen[-2:])


def _dispose(make: Callable[[int], AnyStore], found: _Findings) -> None:
    store, seen, others = make(1), list[int](), list[int]()
    subscription = store.select().subscribe(seen.append)
    store.select().subscribe(others.append)
    subscription.dispose()
    store.set(2)
    found.want("nothing after dispose", False, 2 in seen)
    found.want("the other observers stay", True, 2 in others)


def _equal(make: Callable[[int], AnyStore], found: _Findings) -> None:
    store, seen = make(1), list[int]()
    store.select().subscribe(seen.append)
    store.set(1)
    store.set(2)
    store.set(2)
    found.want("an equal value is not a change", [1, 2], seen)


def _isolation(make: Callable[[int], AnyStore], found: _Findings) -> None:
    store, seen = make(1), list[int]()

    def broken(value: int) -> None:
        if value == 2:
            raise ValueError("from an observer")

    store.select().subscribe(broken)
    store.select().subscribe(seen.append)
    try:
        store.set(2)
    except ValueError as error:
        found.raised("the writer does not see an observer's error", error)
    store.set(3)
    found.want("an observer that raises starves no other", [1, 2, 3], seen)


def _reentrancy(make: Callable[[int], AnyStore], found: _Findings) -> None:
    store, seen = make(1), list[int]()
    store.select().subscribe(lambda value: store.set(99) if value == 2 else None)
    store.select().subscribe(seen.append)
    store.set(2)
    found.want("an observer that writes does not change the order", [1, 2, 99], seen)


def _two_threads(make: Callable[[int], AnyStore], found: _Findings) -> None:
    store, seen = make(0), list[int]()
    store.select().subscribe(seen.append)

    def write(start: int) -> None:
        for value in range(start, start + 200):
            store.set(value)

    threads = [threading.Thread(target=write, args=(start,)) for start in (1_000, 2_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = threading.Event()
    for _ in range(200):  # a store may leave the last values to another thread
        if len(seen) == 401:
            break
        deadline.wait(0.01)
    found.want("threads lose no value", 401, len(seen))
    found.want("threads end on the last value", store.get(), seen[-1] if seen else None)


# --- codecs -----------------------------------------------------------------------------------------------------------


def check_codec(codec: Codec, registry: Registry | None = None, *, max_examples: int = 200) -> None:
    """Checks a wire format with drawn messages and with the garbage catalogue.

    Args:
        codec: The codec.
        registry: The message types that it must carry; protocol v1 when None.
        max_examples: How many messages, and how many frames of garbage.

    Raises:
        Unfit: rules are broken.
    """
    # Here, so that the other checks run where Hypothesis is not installed.
    from hypothesis import given, settings

    from ..generating import Garbage, envelopes, wire_garbage

    found = _Findings()
    known = registry or protocol_v1()
    foreign: Any = codec  # what its annotations promise is what is to be found out
    calm = settings(max_examples=max_examples, derandomize=True, database=None, deadline=None)

    @calm
    @given(envelopes(registry=known))
    def round_trip(message: Envelope[Any]) -> None:
        try:
            frame = foreign.encode(message)
            found.want("a frame is text or bytes", True, isinstance(frame, str | bytes))
            found.want("what was encoded is decoded", message, foreign.decode(frame))
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything, which is a finding
            found.raised("what was encoded is decoded", error)

    @calm
    @given(wire_garbage(known))
    def garbage(wrong: Garbage) -> None:
        try:
            decoded: Any = foreign.decode(wrong.frame)
        except MessageRejected:
            return
        except BaseException as error:  # noqa: BLE001 - RecursionError and worse are what this is about
            found.raised("garbage is rejected with MessageRejected", error)
        else:
            is_message = isinstance(decoded, Envelope)
            found.want("decode returns an envelope", True, is_message)

    round_trip()
    garbage()
    subprotocol: Any = foreign.subprotocol
    is_offer = subprotocol is None or isinstance(subprotocol, str)
    found.want("subprotocol is text or None", True, is_offer)
    found.finish(f"the codec {codec!r}")
