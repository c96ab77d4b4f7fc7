from __future__ import annotations

from typing import Any

import pytest

from reactive_ws.engine.batch import active_batch, batch
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import UnknownType
from reactive_ws.inbound.dispatcher import Dispatcher, matches
from reactive_ws.state.store import Store
from reactive_ws.stores.wire.chat import SessionClosed, agent_chat
from reactive_ws.wire.envelope import Envelope

CLOSED = Envelope("session.closed", SessionClosed("s"), "session.closed")


class Rig:
    def __init__(self) -> None:
        self.now = 0.0
        self.failed: list[tuple[str, str]] = []
        self.slow: list[tuple[str, float]] = []
        self.dispatcher = Dispatcher(
            agent_chat(),
            clock=lambda: self.now,
            on_failed=lambda name, error, _: self.failed.append((name, str(error))),
            on_slow=lambda name, seconds: self.slow.append((name, seconds)),
        )


@pytest.mark.parametrize(
    ("pattern", "channel", "is_match"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", True),
        ("a.*", "a", False),
        ("a.*", "ab.c", False),
        ("*", "", True),
        ("*", "x.y", True),
        ("*.b", "a.b", False),
    ],
)
def test_patterns_match_as_documented(pattern: str, channel: str, is_match: bool) -> None:
    assert matches(pattern, channel) is is_match


def test_built_in_handlers_come_first_then_registration_order() -> None:
    rig = Rig()
    got: list[str] = []
    rig.dispatcher.on_channel("session.*", lambda payload, envelope: got.append("pattern"))
    rig.dispatcher.on(SessionClosed, lambda payload: got.append(payload.session_id))
    rig.dispatcher.on("session.closed", lambda envelope: got.append(envelope.type))
    rig.dispatcher.on(SessionClosed, lambda payload: got.append("built in"), is_builtin=True)
    assert rig.dispatcher.dispatch(CLOSED)
    assert got == ["built in", "pattern", "s", "session.closed"]


def test_a_handler_that_raises_starves_nobody_and_loses_only_its_own_writes() -> None:
    rig = Rig()
    domain = Domain("test")
    good, bad = Store(0, domain=domain), Store(0, domain=domain)

    def broken(payload: SessionClosed) -> None:
        bad.set(1)
        raise ValueError("no")

    rig.dispatcher.on(SessionClosed, lambda _: good.set(1))
    rig.dispatcher.on(SessionClosed, broken)
    rig.dispatcher.on(SessionClosed, lambda _: good.update(lambda n: n + 1))
    with batch(domain):
        rig.dispatcher.dispatch(CLOSED, active_batch())
    assert (good.get(), bad.get()) == (2, 0)
    assert [(name.rpartition(".")[2], text) for name, text in rig.failed] == [("broken", "no")]


def test_a_base_exception_passes() -> None:
    rig = Rig()

    def leave(payload: SessionClosed) -> None:
        raise KeyboardInterrupt

    rig.dispatcher.on(SessionClosed, leave)
    with pytest.raises(KeyboardInterrupt):
        rig.dispatcher.dispatch(CLOSED)
    assert rig.failed == []


def test_slow_handlers_are_named() -> None:
    rig = Rig()

    def slow(payload: SessionClosed) -> None:
        rig.now += 0.06

    rig.dispatcher.on(SessionClosed, slow)
    rig.dispatcher.on(SessionClosed, lambda payload: None)
    rig.dispatcher.dispatch(CLOSED)
    assert [(name.rpartition(".")[2], seconds) for name, seconds in rig.slow] == [("slow", 0.06)]


def test_off_removes_the_newest_registration_of_a_handler() -> None:
    class App:
        def __init__(self) -> None:
            self.got: list[Any] = []

        def handle(self, payload: Any) -> None:
            self.got.append(payload)

    rig, app = Rig(), App()
    rig.dispatcher.on(SessionClosed, app.handle)
    rig.dispatcher.on(SessionClosed, app.handle)
    assert rig.dispatcher.off(SessionClosed, app.handle)
    rig.dispatcher.dispatch(CLOSED)
    assert len(app.got) == 1
    assert rig.dispatcher.off(SessionClosed, app.handle)
    assert not rig.dispatcher.off(SessionClosed, app.handle)


def test_a_message_of_no_known_type_is_known_only_to_a_handler_of_its_name() -> None:
    rig = Rig()
    unknown = Envelope("mine", 1, "x")
    rig.dispatcher.on_channel("*", lambda payload, envelope: None)
    assert not rig.dispatcher.dispatch(unknown)
    with rig.dispatcher.on("mine", lambda envelope: None):
        assert rig.dispatcher.dispatch(unknown)
    assert not rig.dispatcher.dispatch(unknown)


def test_a_class_that_was_never_registered_is_refused() -> None:
    with pytest.raises(UnknownType):
        Rig().dispatcher.on(int, lambda _: None)


def test_ten_thousand_channels_do_not_fill_the_memory() -> None:
    rig = Rig()
    for n in range(10_000):
        rig.dispatcher.dispatch(Envelope("session.closed", SessionClosed("s"), f"c{n}"))
    assert len(rig.dispatcher._routes) <= 4096


def closed(number: int) -> Envelope[SessionClosed]:
    return Envelope("session.closed", SessionClosed(f"s{number}"), "session.closed")


def test_a_route_takes_runs_while_every_handler_of_it_does() -> None:
    dispatcher = Rig().dispatcher
    assert not dispatcher.route(CLOSED).takes_runs
    dispatcher.on("session.closed", print, run=print)
    assert dispatcher.route(CLOSED).takes_runs
    single = dispatcher.on_channel("session.*", print)
    assert not dispatcher.route(CLOSED).takes_runs
    single.dispose()
    assert dispatcher.route(CLOSED).takes_runs


def test_a_run_goes_to_each_handler_once() -> None:
    rig = Rig()
    got: list[list[str]] = []
    for name in ("first", "second"):
        rig.dispatcher.on(
            SessionClosed,
            lambda payload: got.append(["single"]),
            run=lambda them, name=name: got.append([name, *[it.payload.session_id for it in them]]),
        )
    rig.dispatcher.dispatch_run([closed(1), closed(2)], None, rig.dispatcher.route(CLOSED))
    assert got == [["first", "s1", "s2"], ["second", "s1", "s2"]]
    assert rig.failed == []


def test_a_run_that_raises_is_given_one_by_one_and_loses_what_it_wrote() -> None:
    rig = Rig()
    store: Store[tuple[str, ...]] = Store((), domain=Domain())

    def single(payload: SessionClosed) -> None:
        store.update(lambda now: (*now, payload.session_id))
        if payload.session_id == "s2":
            raise ValueError("no")

    def run(envelopes: Any) -> None:
        for envelope in envelopes:
            single(envelope.payload)

    rig.dispatcher.on(SessionClosed, single, run=run)
    with batch(store.domain):
        envelopes = [closed(1), closed(2), closed(3)]
        rig.dispatcher.dispatch_run(envelopes, active_batch(), rig.dispatcher.route(CLOSED))
    assert store.get() == ("s1", "s3")
    assert [error for _, error in rig.failed] == ["no"]
