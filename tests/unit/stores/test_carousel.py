from __future__ import annotations

import pytest

from reactive_ws.connection.record import ErrorKind
from reactive_ws.engine.domain import Domain
from reactive_ws.stores.carousel import (
    Carousel,
    CarouselState,
    closed,
    loaded,
    moved,
    replaced,
    stepped,
    updated,
)
from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
)
from reactive_ws.wire.envelope import Envelope


def panel(identity: str, title: str = "") -> Panel:
    return Panel(identity, "text", title or identity, {})


def state(*ids: str, active: str | None = None) -> CarouselState:
    return CarouselState(tuple(map(panel, ids)), active or (ids[0] if ids else None))


def order(it: CarouselState) -> tuple[list[str], str | None]:
    return [one.id for one in it.panels], it.active_id


def test_the_first_panel_is_active_and_later_ones_follow() -> None:
    assert order(loaded(loaded(CarouselState(), panel("a")), panel("b"))) == (["a", "b"], "a")


def test_a_panel_that_is_there_is_replaced_in_its_place() -> None:
    after = loaded(state("a", "b"), panel("a", "new"))
    assert [(one.id, one.title) for one in after.panels] == [("a", "new"), ("b", "b")]


def test_an_update_changes_only_the_fields_it_names() -> None:
    after = updated(state("a"), PanelChange("a", data={"text": "x"}))
    assert after.panels == (Panel("a", "text", "a", {"text": "x"}),)
    assert updated(after, PanelChange("nobody", title="x")) is after


@pytest.mark.parametrize(
    ("active", "gone", "expected"),
    [
        ("b", "b", (["a", "c"], "c")),
        ("c", "c", (["a", "b"], "b")),
        ("a", "b", (["a", "c"], "a")),
        ("a", "nobody", (["a", "b", "c"], "a")),
    ],
)
def test_after_closing_the_active_panel_the_one_in_its_place_is_active(
    active: str, gone: str, expected: tuple[list[str], str]
) -> None:
    assert order(closed(state("a", "b", "c", active=active), gone)) == expected


def test_the_last_panel_leaves_nothing_active() -> None:
    assert order(closed(state("a"), "a")) == ([], None)


def test_stepping_stops_at_the_ends_or_goes_round() -> None:
    three = state("a", "b", "c")
    assert stepped(three, -1, wraps=False).active_id == "a"
    assert stepped(three, 5, wraps=False).active_id == "c"
    assert stepped(three, -1, wraps=True).active_id == "c"
    assert stepped(three, 4, wraps=True).active_id == "b"
    assert stepped(CarouselState(), 1, wraps=True) == CarouselState()


def test_moving_keeps_the_others_in_order() -> None:
    assert order(moved(state("a", "b", "c"), "a", 1)) == (["b", "a", "c"], "a")
    assert order(moved(state("a", "b", "c"), "c", -5)) == (["c", "a", "b"], "a")
    assert order(moved(state("a", "b"), "nobody", 0)) == (["a", "b"], "a")


def test_a_snapshot_replaces_the_panels_and_keeps_the_users_order() -> None:
    before = state("b", "a", "gone", active="gone")
    after = replaced(before, (panel("a", "new"), panel("b"), panel("c")))
    assert order(after) == (["b", "a", "c"], "a")
    assert after.panels[1].title == "new"
    assert replaced(before, ()) == CarouselState()
    assert order(replaced(CarouselState(), (panel("x"), panel("y")))) == (["x", "y"], "x")


def test_messages_change_the_carousel_and_an_unknown_panel_is_reported_and_fetched() -> None:
    asked: list[str] = []
    reported: list[tuple[ErrorKind, bool]] = []

    def report(kind: ErrorKind, text: str, *, is_retryable: bool = False) -> None:
        assert "ghost" in text
        reported.append((kind, is_retryable))

    carousel = Carousel(Domain(), sync=asked.append, report=report)
    seen: list[list[str]] = []
    carousel.panels.subscribe(lambda panels: seen.append([one.title for one in panels]))

    def give(name: str, payload: object) -> None:
        carousel.handlers[name](Envelope(name, payload, name, stream="app"))

    give("panel.created", PanelCreated(panel("a")))
    give("panel.updated", PanelUpdated(PanelChange("a", title="new")))
    give("panel.updated", PanelUpdated(PanelChange("ghost", title="new")))
    give("snapshot", ChatSnapshot("app", "e", 1, panels=(panel("a"), panel("b"))))
    give("snapshot", ChatSnapshot("s", "e", 1, messages=()))
    give("panel.deleted", PanelDeleted("a"))
    assert seen == [[], ["a"], ["new"], ["a", "b"], ["b"]]
    assert (asked, reported) == (["app"], [(ErrorKind.PROTOCOL, True)])


def test_actions_move_through_the_panels() -> None:
    carousel = Carousel(Domain(), sync=lambda _: None, report=lambda *_, **__: None, wraps=True)
    seen: list[str | None] = []
    carousel.active.subscribe(lambda it: seen.append(it.id if it else None))
    for identity in "abc":
        carousel.load(panel(identity))
    carousel.next()
    carousel.go_to("c")
    carousel.next()
    carousel.previous()
    carousel.close("c")
    carousel.move("b", 0)
    carousel.update(PanelChange("b", title="B"))
    assert seen == [None, "a", "b", "c", "a", "c", "b", "b"]
    assert [one.title for one in carousel.state.get().panels] == ["B", "a"]
    for action in (
        lambda: carousel.go_to("x"),
        lambda: carousel.move("x", 0),
        lambda: carousel.update(PanelChange("x")),
    ):
        with pytest.raises(KeyError, match="there is no panel 'x' here"):
            action()
