"""Sessions, errors, notifications and typing: what messages and actions make of them, with ports that are lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from store_world import NOON, Wire, give, sessions_over

from reactive_ws.connection.record import ErrorEvent, ErrorKind
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import OutboxFull, RequestFailed
from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.errors import Errors
from reactive_ws.stores.notifications import Notifications
from reactive_ws.stores.typing import TypingUsers
from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    Message,
    MessageResponse,
    Notification,
    NotificationNew,
    NotificationRead,
    Session,
    SessionClose,
    SessionClosed,
    SessionCreate,
    SessionCreated,
    Typing,
)


def test_a_session_is_pending_until_the_server_confirms_it() -> None:
    wire = Wire()
    sessions = sessions_over(wire)
    session = sessions.create("first")
    assert wire.sent == [SessionCreate("a", "first")]
    assert sessions.state.get().pending == {"a"}
    assert sessions.state.get().active == session
    give(sessions, "session.created", SessionCreated("a", "first", 5.0))
    assert sessions.state.get().pending == frozenset()
    assert sessions.state.get().sessions == (Session("a", "first", 5.0),)


def test_a_session_that_cannot_be_created_goes_and_the_one_before_is_active_again() -> None:
    wire = Wire(room=1)
    sessions = sessions_over(wire)
    active: list[str | None] = []
    sessions.active.subscribe(lambda it: active.append(it and it.id))
    give(sessions, "session.created", SessionCreated("w"))
    give(sessions, "session.created", SessionCreated("x"))
    sessions.activate("x")
    sessions.create("refused by the server")
    wire.deliveries[0].advance(DeliveryStatus.FAILED, "no")
    assert [one.id for one in sessions.state.get().sessions] == ["w", "x"]
    assert active == [None, "w", "x", "a", "x"]
    with pytest.raises(OutboxFull):
        sessions.create("never sent")
    assert [one.id for one in sessions.state.get().sessions] == ["w", "x"]
    assert sessions.state.get().active_id == "x"
    assert not sessions.own.get().made
    assert set(sessions.state.get().last_activity) == set()


def test_a_closed_session_goes_when_the_server_says_so_and_its_neighbour_is_active() -> None:
    wire = Wire()
    sessions = sessions_over(wire)
    for identity in "xyz":
        give(sessions, "session.created", SessionCreated(identity))
    sessions.activate("y")
    sessions.close("y")
    assert wire.sent == [SessionClose("y")]
    assert [one.id for one in sessions.state.get().sessions] == ["x", "y", "z"]
    give(sessions, "session.closed", SessionClosed("y"))
    give(sessions, "session.closed", SessionClosed("nobody"))
    assert [one.id for one in sessions.state.get().sessions] == ["x", "z"]
    assert sessions.state.get().active_id == "z"
    for action in (sessions.activate, sessions.close):
        with pytest.raises(KeyError):
            action("y")


def test_a_snapshot_replaces_the_sessions_and_keeps_those_on_their_way() -> None:
    sessions = sessions_over(Wire())
    give(sessions, "session.created", SessionCreated("gone"))
    give(sessions, "session.created", SessionCreated("kept", "old"))
    sessions.create("on its way")
    give(
        sessions, "snapshot", ChatSnapshot("app", "e", 1, (Session("new"), Session("kept", "new")))
    )
    give(sessions, "snapshot", ChatSnapshot("app", "e", 2, panels=()))
    found = [(one.id, one.title) for one in sessions.state.get().sessions]
    assert found == [("kept", "new"), ("a", "on its way"), ("new", "")]


def test_an_answer_touches_its_session_and_its_panel() -> None:
    sessions = sessions_over(Wire())
    message = Message("m", "s", "assistant", "hi", 0.0, "panel")
    give(sessions, "message.response", MessageResponse("s", message))
    assert dict(sessions.state.get().last_activity) == {"s": NOON}
    assert dict(sessions.state.get().panel_activity) == {"panel": NOON}


def test_errors_are_counted_bounded_and_dismissed() -> None:
    times = iter(NOON + timedelta(seconds=second) for second in range(100))
    errors = Errors(Domain(), clock=lambda: next(times), limit=2)
    errors.report(ErrorKind.PROTOCOL, "a")
    errors.report(ErrorKind.PROTOCOL, "b", is_retryable=True)
    errors.report(ErrorKind.PROTOCOL, "a")
    found = [(e.number, e.text, e.count, e.time.second) for e in errors.state.get().errors]
    assert found == [(2, "b", 1, 1), (1, "a", 2, 2)]
    errors.report(ErrorKind.NETWORK, "a")
    kinds = [(e.number, e.kind) for e in errors.state.get().errors]
    assert kinds == [(1, ErrorKind.PROTOCOL), (3, ErrorKind.NETWORK)]
    errors.dismiss(1)
    assert [e.number for e in errors.state.get().errors] == [3]
    errors.clear()
    assert (errors.state.get().errors, errors.state.get().total) == ((), 4)
    assert errors.latest.get() is None


def test_error_events_are_shown_with_the_text_of_our_errors_and_the_class_of_foreign_ones() -> None:
    errors = Errors(Domain(), clock=lambda: NOON)
    refused = RequestFailed("refused", "no such panel")
    errors.observe(ErrorEvent(ErrorKind.APPLICATION, refused, 0.0, is_retryable=False))
    errors.observe(ErrorEvent(ErrorKind.APPLICATION, KeyError("token=1"), 0.0, True, "app.handler"))
    first, second = errors.state.get().errors
    assert first.text == (str(refused) or "RequestFailed")
    assert (second.text, second.source, second.is_retryable) == ("KeyError", "app.handler", True)


def test_notifications_are_read_here_and_elsewhere() -> None:
    wire = Wire()
    notices = Notifications(follow=wire.follow, limit=2)
    unread: list[int] = []
    notices.unread.subscribe(unread.append)
    for identity in "abc":
        give(notices, "notification.new", NotificationNew(Notification(identity)))
    notices.mark_read("b")
    give(notices, "notification.read", NotificationRead("c"))
    give(notices, "notification.new", NotificationNew(Notification("b", "again")))
    assert wire.sent == [NotificationRead("b")]
    assert unread == [0, 1, 2, 1, 0]
    found = [(one.id, one.title, one.is_read) for one in notices.state.get().notifications]
    assert found == [("c", "", True), ("b", "again", True)]
    wire.deliveries[0].advance(DeliveryStatus.FAILED, "refused")
    assert unread == [0, 1, 2, 1, 0, 1]
    give(notices, "snapshot", ChatSnapshot("app", "e", 1, notifications=(Notification("d"),)))
    assert [one.id for one in notices.state.get().notifications] == ["d"]
    give(notices, "snapshot", ChatSnapshot("app", "e", 2, panels=()))
    assert [one.id for one in notices.state.get().notifications] == ["d"]


class Clock:
    """A clock that is set, and its timers."""

    def __init__(self) -> None:
        self.time = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self.time

    def later(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        timer = (self.time + delay, function)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer)

    def go_to(self, time: float) -> None:
        while self.timers and min(at for at, _ in self.timers) <= time:
            timer = min(self.timers, key=lambda one: one[0])
            self.timers.remove(timer)
            self.time = timer[0]
            timer[1]()
        self.time = time


def test_who_was_not_heard_of_for_a_while_does_not_type_any_more() -> None:
    clock = Clock()
    typing = TypingUsers(Domain(), send=Wire().service.send, now=clock.now, later=clock.later)
    seen: list[tuple[str, ...]] = []
    typing.users("room").subscribe(seen.append)
    give(typing, "typing", Typing("room", "ann"))
    clock.go_to(3.0)
    give(typing, "typing", Typing("room", "bob"))
    give(typing, "typing", Typing("elsewhere", "eve"))
    clock.go_to(7.0)
    clock.go_to(20.0)
    assert seen == [(), ("ann",), ("ann", "bob"), ("bob",), ()]
    assert clock.timers == []
    give(typing, "typing", Typing("room", "ann"))
    typing.clear()
    assert (seen[-1], clock.timers) == ((), [])


def test_that_we_type_is_told_now_and_then() -> None:
    wire, clock = Wire(), Clock()
    typing = TypingUsers(Domain(), send=wire.service.send, now=clock.now, later=clock.later)
    for time in (0.0, 0.5, 1.9, 2.0, 2.1, 5.0):
        clock.time = time
        typing.tell("room", "me")
    typing.tell("other", "me")
    assert wire.sent == [Typing("room", "me")] * 3 + [Typing("other", "me")]
