"""Recorders: events with their causes, time travel there and back, and that a program without one does as before."""

from __future__ import annotations

import gc
import random
import threading
from typing import Any

import pytest

from reactive_ws import Domain, KeyedStore, Store, batch
from reactive_ws.devtools import (
    CommitMade,
    ConnectionChanged,
    DeliveryChanged,
    ErrorHappened,
    MessageHandled,
    MessageSent,
    ProgramRecorder,
)
from reactive_ws.errors import DomainMismatch, UsageError
from reactive_ws.stores.wire.chat import Message, MessageResponse, MessageSend, agent_chat
from reactive_ws.testing import World, simulate
from reactive_ws.views import view


def commits(recorder: ProgramRecorder) -> list[CommitMade]:
    return [event.what for event in recorder.events() if isinstance(event.what, CommitMade)]


def test_a_commit_has_its_changes_and_the_function_the_thread_and_the_line_that_caused_it() -> None:
    domain = Domain()
    count = Store(0, name="count", domain=domain)
    rows = KeyedStore[str, int](name="rows", domain=domain)

    def act() -> None:
        with batch(domain):
            count.set(1)
            rows.upsert("a", 1)

    with ProgramRecorder(domain=domain, call_sites=True, clock=lambda: 5.0) as recorder:
        act()
        thread = threading.Thread(target=lambda: count.update(lambda now: now + 1), name="worker")
        thread.start()
        thread.join()
    first, second = commits(recorder)
    assert next((it.name, it.old, it.new) for it in first.changes) == ("count", 0, 1)
    assert [it.name for it in first.changes] == ["count", "rows"]
    assert first.cause is not None
    assert first.cause.action.endswith(
        "test_recorder.test_a_commit_has_its_changes_and_the_function"
        "_the_thread_and_the_line_that_caused_it.<locals>.act"
    )
    line = act.__code__.co_firstlineno
    assert first.cause.call_site in [f"test_recorder.py:{line + n}" for n in range(1, 4)]
    assert first.cause.thread == threading.current_thread().name
    assert second.cause is not None
    assert second.cause.thread == "worker"
    assert recorder.events()[0].at == 5.0


def test_without_a_recorder_commits_have_no_cause_and_afterwards_neither() -> None:
    domain = Domain()
    count = Store(0, domain=domain)
    seen: list[Any] = []
    with domain.on_commit(lambda commit: seen.append(commit.cause)):
        count.set(1)
        with ProgramRecorder(domain=domain):
            count.set(2)
        count.set(3)
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[2] is None
    assert domain.tracer is None
    # And writes go straight again after one more: nothing is queued, no object is made.
    count.set(4)
    assert not domain._is_busy


def test_a_write_of_an_observer_names_the_commit_that_it_observes() -> None:
    domain = Domain()
    count, double = Store(0, domain=domain), Store(0, domain=domain)
    count.select().subscribe(lambda now: double.set(2 * now))
    with ProgramRecorder(domain=domain) as recorder:
        count.set(1)
    first, second = commits(recorder)
    assert second.depth == 1
    assert second.cause is not None
    assert second.cause.parent == first.number
    assert second.cause.call_site is None


@simulate
async def test_messages_deliveries_the_connection_and_errors_are_recorded_with_the_messages_as_causes() -> (
    None
):
    async with World() as world:
        server = await world.server(registry=agent_chat())
        service = world.service(registry=agent_chat())
        texts = Store[tuple[str, ...]]((), name="texts", domain=world.domain)
        service.on(MessageResponse, lambda it: texts.update(lambda now: (*now, it.message.content)))
        service.on("note", lambda _: 1 / 0)
        with ProgramRecorder(service, size=10_000) as recorder:
            await service.connect()
            await service.wait_connected()
            await service.send(MessageSend("s", Message("c1", "s", "user", "hi", 0)))
            server.send(MessageResponse("s", Message("r1", "s", "a", "hello", 0)), id="r1")
            server.send_frame('{"type": "note", "payload": {}}')
            await world.settle()
            world.errors.clear()
        events = [event.what for event in recorder.events()]
        states = [it.connection.state.value for it in events if isinstance(it, ConnectionChanged)]
        assert [it for it in states if it in ("closed", "connected")] == ["closed", "connected"]
        assert [it.sending.envelope.type for it in events if isinstance(it, MessageSent)] == [
            "message.send"
        ]
        assert [it.status.value for it in events if isinstance(it, DeliveryChanged)] == [
            "sent",
            "acknowledged",
        ]
        assert "message.response" in [
            it.envelope.type for it in events if isinstance(it, MessageHandled)
        ]
        assert [type(it.error.exception) for it in events if isinstance(it, ErrorHappened)] == [
            ZeroDivisionError
        ]
        (mine,) = [it for it in commits(recorder) if any(c.name == "texts" for c in it.changes)]
        assert mine.cause is not None
        assert "message.response" in mine.cause.messages
        assert mine.cause.action.startswith("messages ")
        others = [it for it in commits(recorder) if it.cause and not it.cause.messages]
        assert others
        count = recorder.count
        service.send("later", {})
        await world.settle()
        assert recorder.count == count


def test_stores_jump_to_an_earlier_commit_and_back() -> None:
    domain = Domain()
    count = Store(0, name="count", domain=domain)
    rows = KeyedStore[str, int](name="rows", domain=domain)
    own = Store(0, name="service.metrics", domain=domain)
    seen: list[int] = []
    keys: list[frozenset[str]] = []
    with ProgramRecorder(domain=domain) as recorder:
        count.select().subscribe(seen.append)
        rows.select_keys().subscribe(lambda now: keys.append(frozenset(now)))
        count.set(1)
        rows.upsert("a", 1)
        rows.upsert("b", 2)
        count.set(2)
        own.set(9)
        recorder.jump(2)
        assert (count.get(), dict(rows.get_all()), own.get()) == (1, {"a": 1}, 9)
        recorder.jump(0)
        assert (count.get(), dict(rows.get_all())) == (0, {})
        assert recorder.left_at == 5
        recorder.jump(4)
        assert (count.get(), dict(rows.get_all())) == (2, {"a": 1, "b": 2})
        recorder.jump(1)
        recorder.present()
        assert (count.get(), dict(rows.get_all())) == (2, {"a": 1, "b": 2})
        assert recorder.left_at is None
        recorder.present()
        assert seen == [0, 1, 2, 1, 0, 2, 1, 2]
        assert keys[-1] == {"a", "b"}
        actions = [it.cause.action for it in commits(recorder) if it.cause][5:]
        assert actions == [
            "time travel to commit 2",
            "time travel to commit 0",
            "time travel to commit 4",
            "time travel to commit 1",
            "return from time travel",
        ]
        with pytest.raises(UsageError, match="commit 99 is not in the record, which has 0 to 10"):
            recorder.jump(99)


def test_observers_of_keys_and_views_follow_a_jump() -> None:
    domain = Domain(strict=True)
    store = KeyedStore({1: "a", 2: "b", 3: "c"}, name="letters", domain=domain)
    by_letter = view(store).sorted_by(lambda letter: letter)
    shown: dict[int, str | None] = {}
    for key in range(1, 6):
        store.select(key).subscribe(lambda now, key=key: shown.__setitem__(key, now))
    rows: list[tuple[str, ...]] = []
    by_letter.select().subscribe(lambda now: rows.append(tuple(now)))
    total = view(store).count()
    total.select().subscribe()
    moments = [(domain.number, store.get_all())]
    with ProgramRecorder(domain=domain) as recorder:

        def note() -> None:
            moments.append((domain.number, store.get_all()))

        store.upsert(1, "z")
        note()
        store.move(3, before=1)
        note()
        store.set_many({2: "y", 4: "w"})
        note()
        store.remove(1, 2)
        note()
        store.rename(3, 5)
        note()
        rng = random.Random(3)
        for number, then in [*rng.choices(moments, k=60), moments[-1]]:
            recorder.jump(number)
            assert list(store.get_all().items()) == list(then.items())
            assert shown == {key: then.get(key) for key in range(1, 6)}
            assert rows[-1] == tuple(by_letter.get()) == tuple(sorted(then.values()))
            assert total.get() == len(then)
            calls = len(rows)
            recorder.jump(number)
            assert len(rows) == calls
        recorder.present()
        assert rows[-1] == tuple(sorted(moments[-1][1].values()))


def test_a_commit_that_has_left_the_ring_cannot_be_reached_and_its_values_are_free() -> None:
    class Value:
        pass

    domain = Domain()
    store = Store[Any](None, domain=domain)
    with ProgramRecorder(domain=domain, size=3) as recorder:
        for _ in range(10):
            store.set(Value())
        gc.collect()
        assert sum(isinstance(it, Value) for it in gc.get_objects()) == 4
        assert [event.number for event in recorder.events()] == [8, 9, 10]
        assert recorder.count == 10
        recorder.jump(7)
        with pytest.raises(UsageError, match="commit 7 is not in the record, which has 8 to 11"):
            recorder.jump(7)


def test_a_jump_counts_commits_that_wait_for_delivery() -> None:
    domain = Domain()
    count, other = Store(0, domain=domain), Store(0, domain=domain)
    with ProgramRecorder(domain=domain) as recorder:
        count.set(1)

        def observe(now: int) -> None:
            if now == 2:
                other.set(7)  # queued behind the delivery that is under way
                recorder.jump(1)

        with count.select().subscribe(observe):
            count.set(2)
        assert (count.get(), other.get()) == (1, 0)


def test_a_jump_in_a_flood_of_another_thread_leaves_whole_states_only() -> None:
    domain = Domain()
    left, right = Store(0, domain=domain), Store(0, domain=domain)
    is_over = threading.Event()

    def flood() -> None:
        while not is_over.is_set():
            with batch(domain):
                left.update(lambda now: now + 1)
                right.update(lambda now: now + 1)

    pairs: list[bool] = []
    with ProgramRecorder(domain=domain, size=500) as recorder:
        domain.on_commit(lambda _: pairs.append(left.committed == right.committed))
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            for _ in range(20):
                # In a flood the commit may have left the ring, or the jump may give up; a jump that is made is whole.
                try:
                    recorder.jump(max(0, domain.number - 5))
                except UsageError:
                    continue
        finally:
            is_over.set()
            thread.join()
        assert left.get() == right.get()


@pytest.mark.parametrize("number", ["1", 1.5, True, None, -1])
def test_a_jump_takes_the_number_of_a_commit(number: Any) -> None:
    domain = Domain()
    count = Store(0, domain=domain)
    with ProgramRecorder(domain=domain) as recorder:
        count.set(1)
        count.set(2)
        with pytest.raises(UsageError, match=r"jump\(\) takes a whole number, 0 or more"):
            recorder.jump(number)
    assert (count.get(), recorder.left_at) == (2, None)


def test_a_disposed_recorder_does_not_travel() -> None:
    domain = Domain()
    count = Store(0, domain=domain)
    with ProgramRecorder(domain=domain) as recorder:
        count.set(1)
        recorder.jump(0)
    for travel in (lambda: recorder.jump(0), recorder.present):
        with pytest.raises(UsageError, match="the recorder is disposed"):
            travel()


def test_a_recorder_is_of_one_domain_and_has_a_size() -> None:
    with pytest.raises(UsageError, match="size=0"):
        ProgramRecorder(domain=Domain(), size=0)


@simulate
async def test_a_service_of_another_domain_is_refused() -> None:
    async with World() as world:
        service = world.service()
        with pytest.raises(DomainMismatch):
            ProgramRecorder(service, domain=Domain("other"))


def test_a_finalizer_that_writes_when_its_value_leaves_the_ring_blocks_nothing() -> None:
    domain = Domain()
    store, log = Store[Any](None, domain=domain), Store(0, domain=domain)

    class Value:
        def __del__(self) -> None:
            log.update(lambda now: now + 1)

    with ProgramRecorder(domain=domain, size=2):
        for _ in range(10):
            store.set(Value())
    assert log.get() > 0


def test_a_watcher_hears_of_each_event_until_it_stops() -> None:
    domain = Domain()
    store = Store(0, domain=domain)
    heard: list[int] = []
    with ProgramRecorder(domain=domain) as recorder:
        stop = recorder.watch(lambda: heard.append(recorder.count))
        store.set(1)
        store.set(2)
        stop()
        store.set(3)
        assert heard == [1, 2]
        assert [event.number for event in recorder.events(after=2)] == [3]
        assert recorder.events(after=3) == ()
