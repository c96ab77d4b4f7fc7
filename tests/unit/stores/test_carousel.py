from __future__ import annotations

import pytest
from store_world import Wire, give

from reactive_ws.connection.record import ErrorKind
from reactive_ws.stores.carousel import (
    Carousel,
    CarouselState,
    OwnPanels,
    added,
    changed,
    closed,
    created,
    moved,
    settled,
    shown,
    stepped,
    went_to,
)
from reactive_ws.stores.wire.chat import (
    ChatSnapshot,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
)


def panel(identity: str, title: str = "") -> Panel:
    return Panel(identity, "text", title or identity, {})


def panels(ids: str) -> tuple[Panel, ...]:
    return tuple(map(panel, ids))


def ignore(kind: ErrorKind, text: str, *, is_retryable: bool = False) -> None:
    """Takes a report that the test does not look at."""


def order(it: CarouselState) -> tuple[str, str | None]:
    return "".join(one.id for one in it.panels), it.active_id


def looking_at(ids: str, active: str) -> OwnPanels:
    return went_to(OwnPanels(), panels(ids), active)


def test_the_first_panel_is_active_and_later_ones_follow() -> None:
    assert order(shown(panels("a"), OwnPanels())) == ("a", "a")
    assert order(shown(created(panels("a"), PanelCreated(panel("b"))), OwnPanels())) == ("ab", "a")


def test_a_panel_that_is_there_is_replaced_in_its_place() -> None:
    after = created(panels("ab"), PanelCreated(panel("a", "new")))
    assert [(one.id, one.title) for one in after] == [("a", "new"), ("b", "b")]
    own = added(OwnPanels(), panels("ab"), panel("a", "mine"))
    found = [(one.id, one.title) for one in shown(panels("ab"), own).panels]
    assert found == [("a", "mine"), ("b", "b")]


def test_an_update_changes_only_the_fields_it_names() -> None:
    after = changed(panel("a"), PanelChange("a", data={"text": "x"}))
    assert after == Panel("a", "text", "a", {"text": "x"})


def test_a_change_of_the_users_own_holds_until_the_server_says_something_else() -> None:
    own = added(OwnPanels(), panels("a"), panel("a", "mine"))
    assert shown(panels("a"), own).panels[0].title == "mine"
    theirs = (panel("a", "theirs"),)
    assert shown(theirs, own).panels == theirs
    assert not settled(own, frozenset(), theirs, shown(theirs, own)).edits


@pytest.mark.parametrize(
    ("active", "gone", "expected"),
    [
        ("b", "b", ("ac", "c")),
        ("c", "c", ("ab", "b")),
        ("a", "b", ("ac", "a")),
        ("a", "x", ("abc", "a")),
    ],
)
def test_after_closing_the_active_panel_the_one_in_its_place_is_active(
    active: str, gone: str, expected: tuple[str, str]
) -> None:
    own = looking_at("abc", active)
    assert order(shown(panels("abc"), closed(own, panels("abc"), gone))) == expected
    left = tuple(one for one in panels("abc") if one.id != gone)
    assert order(shown(left, own)) == expected


def test_the_last_panel_leaves_nothing_active() -> None:
    assert order(shown((), looking_at("a", "a"))) == ("", None)


def test_stepping_stops_at_the_ends_or_goes_round() -> None:
    three = panels("abc")

    def after(by: int, *, wraps: bool) -> str | None:
        return shown(three, stepped(looking_at("abc", "a"), three, by, wraps=wraps)).active_id

    assert after(-1, wraps=False) == "a"
    assert after(5, wraps=False) == "c"
    assert after(-1, wraps=True) == "c"
    assert after(4, wraps=True) == "b"
    assert stepped(OwnPanels(), (), 1, wraps=True) == OwnPanels()


def test_moving_keeps_the_others_in_order() -> None:
    def after(ids: str, which: str, place: int) -> tuple[str, str | None]:
        return order(shown(panels(ids), moved(OwnPanels(), panels(ids), which, place)))

    assert after("abc", "a", 1) == ("bac", "a")
    assert after("abc", "c", -5) == ("cab", "a")
    assert after("ab", "x", 0) == ("ab", "a")


def test_a_snapshot_replaces_the_panels_and_keeps_the_users_order() -> None:
    own = went_to(moved(OwnPanels(), panels("abg"), "b", 0), panels("abg"), "g")
    assert order(shown(panels("abg"), own)) == ("bag", "g")
    after = shown((panel("a", "new"), panel("b"), panel("c")), own)
    assert order(after) == ("bac", "a")
    assert after.panels[1].title == "new"
    assert shown((), own) == CarouselState()
    assert order(shown(panels("xy"), own)) == ("xy", "x")


def test_messages_change_the_carousel_and_an_unknown_panel_is_reported_and_fetched() -> None:
    reported: list[tuple[ErrorKind, bool]] = []

    def report(kind: ErrorKind, text: str, *, is_retryable: bool = False) -> None:
        assert "ghost" in text
        reported.append((kind, is_retryable))

    wire = Wire()
    carousel = Carousel(wire.domain, follow=wire.follow, sync=wire.synced.append, report=report)
    seen: list[list[str]] = []
    carousel.panels.subscribe(lambda panels: seen.append([one.title for one in panels]))
    give(carousel, "panel.created", PanelCreated(panel("a")))
    give(carousel, "panel.updated", PanelUpdated(PanelChange("a", title="new")))
    give(carousel, "panel.updated", PanelUpdated(PanelChange("ghost", title="new")))
    give(carousel, "snapshot", ChatSnapshot("app", "e", 1, panels=panels("ab")))
    give(carousel, "snapshot", ChatSnapshot("app", "e", 2, sessions=()))
    give(carousel, "panel.deleted", PanelDeleted("a"))
    assert seen == [[], ["a"], ["new"], ["a", "b"], ["b"]]
    assert (wire.synced, reported) == (["app"], [(ErrorKind.PROTOCOL, True)])


def test_a_panel_that_the_user_closed_stays_away_until_the_server_creates_it_again() -> None:
    wire = Wire()
    carousel = Carousel(wire.domain, follow=wire.follow, sync=wire.synced.append, report=ignore)
    for name in "abc":
        give(carousel, "panel.created", PanelCreated(panel(name)))
    carousel.go_to("b")
    carousel.close("b")
    assert order(carousel.state.get()) == ("ac", "c")
    give(carousel, "panel.updated", PanelUpdated(PanelChange("b", title="new")))
    give(carousel, "snapshot", ChatSnapshot("app", "e", 1, panels=panels("abcd")))
    assert order(carousel.state.get()) == ("acd", "c")
    give(carousel, "panel.created", PanelCreated(panel("b")))
    assert order(carousel.state.get()) == ("acdb", "c")
    carousel.close("b")
    give(carousel, "panel.deleted", PanelDeleted("b"))
    assert carousel.own.get().hidden == frozenset()
    assert wire.synced == []


def test_actions_move_through_the_panels() -> None:
    wire = Wire()
    carousel = Carousel(
        wire.domain, follow=wire.follow, sync=wire.synced.append, report=ignore, wraps=True
    )
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
