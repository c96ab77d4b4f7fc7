"""Optimistic stores: pending changes over a confirmed value, confirmed and discarded in any order."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from reactive_ws import Domain, ErrorReport, Store, batch, derived
from reactive_ws.editing import OptimisticStore, Patch
from reactive_ws.errors import StoreClosed, UsageError

Items = tuple[str, ...]


def store_of(*items: str, domain: Domain | None = None) -> OptimisticStore[Items]:
    return OptimisticStore(items, domain=domain or Domain(strict=True), name="items")


def test_a_change_shows_at_once_and_the_confirmed_value_does_not_have_it() -> None:
    items = store_of("a")
    seen: list[Items] = []
    items.select().subscribe(seen.append)
    items.apply(lambda now: (*now, "b"))
    assert (items.get(), items.confirmed.get(), seen) == (("a", "b"), ("a",), [("a",), ("a", "b")])
    assert len(items.pending.get()) == 1


def test_each_change_is_confirmed_or_discarded_alone_in_any_order() -> None:
    items = store_of()
    one, two, three = (items.apply(lambda now, name=name: (*now, name)) for name in "123")
    assert two.discard() is True
    assert (items.get(), items.confirmed.get()) == (("1", "3"), ())
    assert three.confirm() is True
    # Confirmed changes come first, whatever was pending before them.
    assert (items.get(), items.confirmed.get()) == (("3", "1"), ("3",))
    assert (one.confirm(), one.confirm(), one.discard(), two.confirm()) == (
        True,
        False,
        False,
        False,
    )
    assert (items.get(), items.confirmed.get(), items.pending.get()) == (("3", "1"), ("3", "1"), ())


def test_a_confirmation_that_changes_nothing_on_the_screen_tells_no_observer() -> None:
    items = store_of()
    seen: list[Items] = []
    items.select().subscribe(seen.append)
    patch = items.apply(lambda now: (*now, "a"))
    patch.confirm()
    assert seen == [(), ("a",)]


def test_a_write_of_the_confirmed_value_keeps_the_changes_on_top() -> None:
    items = store_of("a")
    items.apply(lambda now: (*now, "mine"))
    items.set(("a", "theirs"))
    assert items.get() == ("a", "theirs", "mine")
    items.update(lambda now: now[1:])
    assert (items.get(), items.confirmed.get()) == (("theirs", "mine"), ("theirs",))


def test_an_equal_confirmed_value_makes_no_commit() -> None:
    domain = Domain(strict=True)
    items = store_of("a", domain=domain)
    items.set(("a",))
    items.update(lambda now: (*now,))
    assert domain.number == 0


def test_a_value_from_outside_and_the_end_of_its_change_are_one_commit_in_a_batch() -> None:
    domain = Domain(strict=True)
    items = store_of(domain=domain)
    seen: list[Items] = []
    patch = items.apply(lambda now: (*now, "a"))
    items.select().subscribe(seen.append)
    number = domain.number
    with batch(domain):
        items.update(lambda now: (*now, "a from the server"))
        patch.discard()
        assert (items.get(), patch.is_pending) == (("a from the server",), False)
    assert (seen, domain.number - number) == ([("a",), ("a from the server",)], 1)


def test_a_change_that_raises_at_once_is_not_taken() -> None:
    items = store_of()
    with pytest.raises(IndexError):
        items.apply(lambda now: (now[5],))
    with pytest.raises(UsageError, match="the change of apply"):
        items.apply("b")  # type: ignore[arg-type]
    assert items.pending.get() == ()


def test_a_change_that_raises_later_is_left_out_and_reported_once_and_comes_back() -> None:
    reports: list[ErrorReport] = []
    items = store_of("a", domain=Domain(on_error=reports.append))
    items.select().subscribe(lambda _: None)

    def shout(now: Items) -> Items:
        return (now[0].upper(), *now[1:])

    patch = items.apply(shout)
    items.apply(lambda now: (*now, "b"))
    assert items.get() == ("A", "b")
    items.set(())
    items.set(("c", "d", "e")[3:])
    assert (items.get(), [(it.kind, it.store) for it in reports]) == (("b",), [("patch", "items")])
    with pytest.raises(IndexError):
        patch.confirm()
    assert patch.is_pending
    items.set(("c",))
    assert items.get() == ("C", "b")


def test_derived_values_see_the_visible_value() -> None:
    domain = Domain(strict=True)
    items, factor = store_of(domain=domain), Store(2, domain=domain)
    size = derived(items, factor, lambda now, times: len(now) * times)
    patch = items.apply(lambda now: (*now, "a"))
    assert size.get() == 2
    patch.discard()
    assert size.get() == 0


def test_all_changes_can_go_at_once_and_a_closed_store_refuses() -> None:
    items = store_of()
    patches = [items.apply(lambda now: (*now, "a")) for _ in range(3)]
    assert (items.discard_all(), items.discard_all(), items.get()) == (3, 0, ())
    assert not any(patch.is_pending for patch in patches)
    ended: list[bool] = []
    items.select().subscribe(on_completed=lambda: ended.append(True))
    items.close()
    assert ended == [True]
    with pytest.raises(StoreClosed):
        items.apply(lambda now: now)


def test_two_threads_that_confirm_one_change_confirm_it_once() -> None:
    for _ in range(50):
        numbers = OptimisticStore(0, domain=Domain(strict=True))
        patch = numbers.apply(lambda now: now + 1)
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(Patch[int].confirm, [patch, patch]))
        assert (sorted(found), numbers.get(), numbers.confirmed.get()) == ([False, True], 1, 1)


def test_what_is_done_is_not_kept() -> None:
    items = store_of()
    patch = items.apply(lambda now: (*now, "a"))
    patch.discard()
    gone = weakref.ref(patch._change)
    del patch
    gc.collect()
    assert gone() is None
    held = weakref.ref(items)
    del items
    gc.collect()
    assert held() is None


async def _later(number: int) -> int:
    return number


def test_a_change_that_returns_a_coroutine_or_a_generator_is_refused_and_changes_nothing() -> None:
    store: OptimisticStore[Any] = OptimisticStore(0, domain=Domain(strict=True))
    for write in (store.apply, store.update):
        with pytest.raises(UsageError, match="await first"):
            write(lambda number: _later(number))
        with pytest.raises(UsageError, match="returned a generator"):
            write(lambda number: (it for it in [number]))
    assert (store.get(), store.confirmed.get(), store.domain.number) == (0, 0, 0)
