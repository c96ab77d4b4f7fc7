"""Entities that are None: they are there, and to the observers of their key they are as if they were not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain
from reactive_ws.state.derived import derived
from reactive_ws.state.keyed.key_changes import KeyChanges
from reactive_ws.state.keyed.keyed_store import KeyedStore

Keyed = KeyedStore[str, int | None]


@pytest.fixture
def keyed(domain: Domain) -> Keyed:
    return KeyedStore({"none": None, "one": 1}, name="tasks", domain=domain)


def in_a_batch(keyed: Keyed) -> None:
    """Lets a None come and another one go in one commit."""
    with batch():
        keyed.remove("none")
        keyed.upsert("new", None)


@pytest.mark.parametrize("is_seen_whole", [False, True])
@pytest.mark.parametrize(
    ("write", "changes"),
    [
        (lambda keyed: keyed.remove("none"), KeyChanges(removed=("none",))),
        (lambda keyed: keyed.upsert("new", None), KeyChanges(added=("new",))),
        (lambda keyed: keyed.insert("new", None), KeyChanges(added=("new",))),
        (lambda keyed: keyed.set_many({"new": None}), KeyChanges(added=("new",))),
        (
            lambda keyed: keyed.rename("none", "new"),
            KeyChanges(added=("new",), removed=("none",)),
        ),
        (lambda keyed: keyed.replace_all({"one": 1}), KeyChanges(removed=("none",))),
        (in_a_batch, KeyChanges(added=("new",), removed=("none",))),
    ],
)
def test_a_none_that_comes_or_goes_is_an_event_and_tells_its_key_nothing(
    keyed: Keyed,
    write: Callable[[Keyed], None],
    changes: KeyChanges[str],
    is_seen_whole: bool,
) -> None:
    log: list[object] = []
    calls: list[int | None] = []
    events: list[KeyChanges[str]] = []
    for key in ("none", "new", "one"):
        keyed.select(key).subscribe(lambda value, key=key: log.append((key, value)))
    derived(keyed.select("none"), calls.append).select().subscribe()
    if is_seen_whole:
        keyed.events.subscribe(events.append)
    log.clear()
    write(keyed)
    assert log == []
    assert calls == [None]
    assert events == ([changes] if is_seen_whole else [])


def test_a_none_that_becomes_something_and_the_other_way_round_is_told(keyed: Keyed) -> None:
    log: list[int | None] = []
    keyed.select("none").subscribe(log.append)
    keyed.upsert("none", 2)
    keyed.upsert("none", None)
    keyed.remove("none")
    keyed.upsert("none", 3)
    keyed.remove("none", "one")
    with batch():
        keyed.upsert("none", 4)
        keyed.upsert("other", None)
    assert log == [None, 2, None, 3, None, 4]
