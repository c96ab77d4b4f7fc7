"""The list of sessions: its order, its active session, and what a state of the server leaves of the user's part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from store_world import Wire, give, sessions_over

from reactive_ws.outbox.delivery import DeliveryStatus
from reactive_ws.stores.sessions import Sessions
from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    PanelDeleted,
    Session,
    SessionClosed,
    SessionCreated,
)
from reactive_ws.wire.control import Position

NAMES = "pqrstuvw"


def ids(sessions: Sessions) -> str:
    return "".join(one.id for one in sessions.all.get())


def with_sessions(names: str) -> tuple[Wire, Sessions]:
    wire = Wire()
    sessions = sessions_over(wire)
    for name in names:
        give(sessions, "session.created", SessionCreated(name))
    return wire, sessions


def load(sessions: Sessions, names: str, seq: int) -> None:
    state = ChatSnapshot("app", "e", seq, tuple(Session(name) for name in names))
    give(sessions, "snapshot", state)


def test_a_session_that_is_on_its_way_keeps_its_place_among_those_that_come_meanwhile() -> None:
    wire, sessions = with_sessions("p")
    sessions.create("mine")
    give(sessions, "session.created", SessionCreated("q"))
    assert ids(sessions) == "paq"
    load(sessions, "rqp", 1)
    assert ids(sessions) == "paqr"
    assert sessions.state.get().pending == {"a"}
    give(sessions, "session.created", SessionCreated("a", "mine", 5.0))
    load(sessions, "aqr", 2)
    assert ids(sessions) == "aqr"
    assert sessions.state.get().get("a") == Session("a")
    wire.deliveries[0].advance(DeliveryStatus.ACKNOWLEDGED)
    assert sessions.state.get().pending == frozenset()
    assert not sessions.own.get().made


def test_the_active_session_moves_to_its_neighbour_when_a_loaded_state_does_not_have_it() -> None:
    for active, left, expected in (
        ("r", "pqst", "s"),
        ("t", "pq", "q"),
        ("q", "pqrst", "q"),
        ("p", "xy", "x"),
        ("p", "", None),
    ):
        _, sessions = with_sessions("pqrst")
        sessions.activate(active)
        load(sessions, left, 1)
        assert sessions.state.get().active_id == expected


def test_the_session_before_is_active_again_through_several_that_cannot_be_created() -> None:
    wire, sessions = with_sessions("pq")
    sessions.activate("q")
    active: list[str | None] = []
    sessions.active.subscribe(lambda it: active.append(it and it.id))
    sessions.create("a")
    sessions.create("b")
    wire.deliveries[0].advance(DeliveryStatus.FAILED, "no")
    wire.deliveries[1].advance(DeliveryStatus.UNCERTAIN, "late")
    assert active == ["q", "a", "b", "q"]
    assert ids(sessions) == "pq"
    assert set(sessions.own.get().order.ids()) == {"p", "q"}


def test_a_server_that_acknowledges_and_creates_nothing_leaves_the_session_before_active() -> None:
    _, sessions = with_sessions("p")
    sessions.create("a")
    sessions.replica.state(_position(1), {"sessions": [{"id": "p"}]})
    (command,) = sessions.replica.pending.get()
    sessions.replica.acknowledged(command.id, {})
    assert (ids(sessions), sessions.state.get().active_id) == ("p", "p")
    load(sessions, "p", 2)
    assert ids(sessions) == "p"


def _position(seq: int) -> Position:
    return Position("e", seq)


def test_what_says_nothing_about_sessions_changes_none_and_publishes_nothing() -> None:
    _, sessions = with_sessions("pq")
    seen: list[object] = []
    sessions.state.select().subscribe(seen.append)
    sessions.all.subscribe(seen.append)
    give(sessions, "snapshot", ChatSnapshot("app", "e", 1, panels=()))
    give(sessions, "session.closed", SessionClosed("nobody"))
    give(sessions, "panel.deleted", PanelDeleted("nothing"))
    give(sessions, "session.created", SessionCreated("p"))
    sessions.activate("p")
    assert len(seen) == 2


ACTS = st.lists(
    st.tuples(
        st.sampled_from(
            ("created", "closed", "loaded", "create", "fails", "activate", "rename", "close")
        ),
        st.sampled_from(NAMES),
        st.sets(st.sampled_from(NAMES)),
    ),
    max_size=30,
)


@given(ACTS)
def test_the_list_is_the_servers_with_those_on_their_way_and_its_order_is_kept(
    acts: list[tuple[str, str, set[str]]],
) -> None:
    wire = Wire()
    sessions = sessions_over(wire, "abcdefghijklmnoABCDEFGHIJKLMNO")
    servers: set[str] = set()
    waiting: list[tuple[str, int]] = []
    before: list[str] = []
    for step, (act, name, state) in enumerate(acts, 1):
        there = set(before)
        match act:
            case "created":
                give(sessions, "session.created", SessionCreated(name))
                servers.add(name)
            case "closed":
                give(sessions, "session.closed", SessionClosed(name))
                servers.discard(name)
            case "loaded":
                load(sessions, "".join(sorted(state)), step)
                servers = set(state)
            case "create":
                waiting.append((sessions.create(name).id, len(wire.deliveries) - 1))
            case "fails" if waiting:
                _, number = waiting.pop(0)
                wire.deliveries[number].advance(DeliveryStatus.FAILED, "no")
            case "activate" if name in there:
                sessions.activate(name)
            case "rename" if name in there:
                sessions.rename(name, "mine")
            case "close" if name in there:
                sessions.close(name)
            case _:
                pass
        now = list(ids(sessions))
        ours = {identity for identity, _ in waiting}
        assert set(now) == servers | ours
        assert sessions.state.get().pending == ours
        # Those that stay keep their order, and those that are new come after them.
        stay = [one for one in before if one in now]
        assert [one for one in now if one in there] == stay
        assert now[: len(stay)] == stay
        active = sessions.state.get().active_id
        assert active in now if now else active is None
        assert set(sessions.own.get().renamed) <= set(now)
        assert set(sessions.state.get().last_activity) <= set(now)
        assert set(sessions.own.get().made) == ours
        assert sessions.own.get().order.ids() == tuple(now)
        before = now
