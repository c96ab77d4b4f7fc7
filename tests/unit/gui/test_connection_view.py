"""What the connection widgets show, in time that the test moves."""

from __future__ import annotations

import attrs
import pytest
from fake_service import FakeService

from reactive_ws.connection.record import ConnectionState, Metrics
from reactive_ws.engine.domain import Domain
from reactive_ws.gui import ConnectionView, Look, ManualLoop, Theme, Words
from reactive_ws.gui.status import connection_view

CONNECTED = ConnectionState.CONNECTED
CONNECTING = ConnectionState.CONNECTING
DISCONNECTED = ConnectionState.DISCONNECTED
RECONNECTING = ConnectionState.RECONNECTING


@pytest.fixture
def ui() -> ManualLoop:
    return ManualLoop()


@pytest.fixture
def service(domain: Domain) -> FakeService:
    return FakeService(domain)


class Shown:
    """Everything that a subscriber was shown, with the time."""

    def __init__(self, ui: ManualLoop, service: FakeService, **options: float) -> None:
        self.ui = ui
        self.views: list[tuple[float, ConnectionView]] = []
        self.subscription = connection_view(ui, service, **options).subscribe(
            lambda view: self.views.append((round(ui.now(), 2), view))
        )

    @property
    def last(self) -> ConnectionView:
        return self.views[-1][1]

    def lines(self) -> list[tuple[float, str]]:
        return [(when, view.line) for when, view in self.views]


def test_the_age_of_the_connection_is_counted_in_seconds_and_nothing_else_wakes_the_loop(
    ui: ManualLoop, service: FakeService
) -> None:
    service.become(CONNECTED, since=0.0)
    shown = Shown(ui, service)
    ui.run(3.5)
    assert shown.lines() == [
        (0.0, "● Connected (0s)"),
        (1.0, "● Connected (1s)"),
        (2.0, "● Connected (2s)"),
        (3.0, "● Connected (3s)"),
    ]
    assert ui.timer_count == 1
    shown.subscription.dispose()
    assert ui.timer_count == 0
    assert service.connections.select().observer_count == 0


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (59.0, "Connected (59s)"),
        (61.0, "Connected (1m 01s)"),
        (3_599.0, "Connected (59m 59s)"),
        (3_600.0, "Connected (1h 00m)"),
        (90_061.0, "Connected (25h 01m)"),
    ],
)
def test_ages_are_short(ui: ManualLoop, service: FakeService, age: float, text: str) -> None:
    ui.run(age)
    service.become(CONNECTED, since=0.0)
    assert Shown(ui, service).last.text == text


def test_a_countdown_counts_down_and_then_dials(ui: ManualLoop, service: FakeService) -> None:
    service.become(RECONNECTING, since=0.0, next_retry_at=2.0, attempt=3, max_attempts=10)
    shown = Shown(ui, service)
    ui.run(2.5)
    texts = list(dict.fromkeys(view.text for _, view in shown.views))
    assert texts == [
        "Reconnecting in 2 s (attempt 3 of 10)",
        "Reconnecting in 1 s (attempt 3 of 10)",
        "Reconnecting (attempt 3 of 10)",
    ]
    assert next(when for when, view in shown.views if view.text == texts[1]) == 1.0


def test_an_endless_service_has_no_total(ui: ManualLoop, service: FakeService) -> None:
    service.become(RECONNECTING, attempt=1)
    assert Shown(ui, service).last.text == "Reconnecting (attempt 1)"


def test_a_blip_shows_no_banner_and_bothers_nobody(ui: ManualLoop, service: FakeService) -> None:
    service.become(CONNECTED, since=0.0)
    shown = Shown(ui, service)
    ui.run(1.0)
    service.become(DISCONNECTED)
    ui.run(0.2)
    service.become(RECONNECTING, attempt=1)
    ui.run(0.2)
    service.become(CONNECTED, since=ui.now())
    ui.run(2.0)
    assert {view.banner for _, view in shown.views} == {None}
    assert {view.is_calm for _, view in shown.views} == {True}


def test_the_grace_period_counts_from_the_first_moment_of_the_outage(
    ui: ManualLoop, service: FakeService
) -> None:
    service.become(CONNECTED, since=0.0)
    shown = Shown(ui, service)
    ui.run(1.0)
    service.become(DISCONNECTED, since=1.0)
    ui.run(0.3)
    service.become(RECONNECTING, since=1.3)
    ui.run(1.0)
    first = next(when for when, view in shown.views if view.banner)
    assert first == pytest.approx(1.5, abs=0.02)
    service.become(CONNECTED, since=ui.now())
    ui.run(0.02)
    assert shown.last.banner is None


def test_a_first_connection_shows_no_banner_until_it_has_failed(
    ui: ManualLoop, service: FakeService
) -> None:
    service.become(CONNECTING, since=0.0)
    shown = Shown(ui, service)
    ui.run(5.0)
    assert {view.banner for _, view in shown.views} == {None}
    service.become(RECONNECTING, since=5.0, attempt=1)
    ui.run(1.0)
    assert shown.last.banner == (
        "Connection lost, reconnecting. What you write is sent when it is back."
    )


def test_giving_up_says_why(ui: ManualLoop, service: FakeService) -> None:
    service.become(ConnectionState.ERROR, cause="the token was refused")
    shown = Shown(ui, service)
    ui.run(1.0)
    assert shown.last.text == "Not connected: the token was refused"
    assert shown.last.banner == "Not connected: the token was refused. What you write waits."
    assert ui.timer_count == 0


@pytest.mark.parametrize(
    ("count", "text", "line"),
    [
        (0, "", "○ Offline"),
        (1, "1 message waits to be sent", "○ Offline  [1]"),
        (7, "7 messages wait to be sent", "○ Offline  [7]"),
    ],
)
def test_the_queue_is_counted(
    ui: ManualLoop, service: FakeService, count: int, text: str, line: str
) -> None:
    shown = Shown(ui, service)
    service.queue(count)
    ui.run(0.1)
    assert (shown.last.queued, shown.last.queue_text, shown.last.line) == (count, text, line)
    assert shown.last.short == (f"○ {count}" if count else "○")
    assert shown.last.full == (f"Offline\n{text}" if count else "Offline")


def test_the_animation_runs_only_while_something_is_under_way(
    ui: ManualLoop, service: FakeService
) -> None:
    service.become(CONNECTING, since=0.0)
    shown = Shown(ui, service)
    ui.run(1.7)
    assert [(when, view.busy) for when, view in shown.views] == [
        (0.0, "   "),
        (0.4, ".  "),
        (0.8, ".. "),
        (1.2, "..."),
        (1.6, "   "),
    ]
    service.become(ConnectionState.CLOSED)
    ui.run(5.0)
    assert shown.last.busy == ""
    assert ui.timer_count == 0


def test_screen_readers_hear_of_states_and_not_of_seconds(
    ui: ManualLoop, service: FakeService
) -> None:
    shown = Shown(ui, service)
    for state in (CONNECTING, CONNECTED, DISCONNECTED, RECONNECTING, CONNECTED):
        service.become(state, since=ui.now(), next_retry_at=None)
        ui.run(2.0)
    heard = [shown.views[0][1].live]
    heard += [
        now.live
        for (_, before), (_, now) in zip(shown.views, shown.views[1:], strict=False)
        if now.live != before.live
    ]
    assert heard == [
        "Offline",
        "Connecting",
        "Connected",
        "Disconnected",
        "Reconnecting",
        "Connected",
    ]


def test_metrics_are_lines(ui: ManualLoop, service: FakeService) -> None:
    shown = Shown(ui, service)
    assert shown.last.metrics == (
        "Received: 0",
        "Sent: 0",
        "Reconnects: 0",
        "Round trip: not measured yet",
    )
    service.counts.set(
        Metrics(messages_received=12_345, messages_sent=6, reconnects=2, round_trip=0.0421)
    )
    ui.run(0.1)
    assert shown.last.metrics == (
        "Received: 12,345",
        "Sent: 6",
        "Reconnects: 2",
        "Round trip: 42 ms",
    )


def test_every_state_has_a_look_of_its_own_shape() -> None:
    looks = Theme().looks
    assert set(looks) == set(ConnectionState)
    assert len({look.symbol for look in looks.values()}) == len(ConnectionState)


def test_a_theme_changes_symbols_and_words(ui: ManualLoop, service: FakeService) -> None:
    looks = {**Theme().looks, CONNECTED: Look("V", "#000000", "Verbunden")}
    theme = Theme(
        looks=looks, words=attrs.evolve(Words(), connected="Verbunden seit {age}"), busy_frames=()
    )
    service.become(CONNECTED, since=0.0)
    views: list[ConnectionView] = []
    connection_view(ui, service, theme=theme).subscribe(views.append)
    assert (views[0].line, views[0].live) == ("V Verbunden seit 0s", "Verbunden")
    service.become(CONNECTING, since=0.0)
    ui.run(3.0)
    assert [view.line for view in views[1:]] == ["◌ Connecting"]
