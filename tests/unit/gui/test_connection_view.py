"""The texts, symbols and buttons of the connection widgets, in time that the test moves."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from fake_service import FakeService

from reactive_ws.connection import ConnectionState, Metrics, Phase
from reactive_ws.engine.domain import Domain
from reactive_ws.errors import BadCertificate, DialFailed, GaveUp, Unauthorized
from reactive_ws.gui import ConnectionView, ManualLoop, Theme, Words
from reactive_ws.gui.status import (
    ASCII_SYMBOLS,
    DARK,
    LIGHT,
    Palette,
    Spinner,
    Tone,
    connection_view,
    contrast,
    is_dark,
    mark,
)

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


@pytest.mark.parametrize(("age", "ticks"), [(0.0, 21), (60.0, 7), (3_600.0, 2), (90_000.0, 1)])
def test_an_old_connection_repaints_rarely(
    ui: ManualLoop, service: FakeService, age: float, ticks: int
) -> None:
    ui.run(age)
    service.become(CONNECTED, since=0.0)
    shown = Shown(ui, service)
    ui.run(60.5)
    assert len(shown.views) == ticks


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (59.0, "Connected (59s)"),
        (61.0, "Connected (1m 01s)"),
        (3_599.0, "Connected (59m 59s)"),
        (3_600.0, "Connected (1h 00m)"),
        (86_399.0, "Connected (23h 59m)"),
        (90_061.0, "Connected (1d 01h)"),
    ],
)
def test_ages_are_short(ui: ManualLoop, service: FakeService, age: float, text: str) -> None:
    ui.run(age)
    service.become(CONNECTED, since=0.0)
    assert Shown(ui, service).last.text == text


class CountingLoop(ManualLoop):
    """A loop that counts what wakes its program."""

    def __init__(self) -> None:
        super().__init__()
        self.timers = 0

    def start_timer(self, delay: float, function: Callable[[], None]) -> Callable[[], None]:
        self.timers += 1
        return super().start_timer(delay, function)


@pytest.mark.parametrize("widgets", [1, 8])
def test_a_window_with_many_widgets_wakes_as_often_as_a_window_with_one(
    service: FakeService, widgets: int
) -> None:
    ui = CountingLoop()
    service.become(CONNECTED, since=0.0)
    views = connection_view(ui, service)
    shown = [list[ConnectionView]() for _ in range(widgets)]
    subscriptions = [views.subscribe(them.append) for them in shown]
    ui.run(60.5)
    # Ten in the first ten seconds, ten in the other fifty, the one that waits, and the first frame.
    assert (ui.timers, ui.timer_count) == (22, 1)
    assert [len(them) for them in shown] == [21] * widgets
    for subscription in subscriptions:
        subscription.dispose()
    assert ui.timer_count == 0
    assert service.connection.select().observer_count == 0
    service.become(DISCONNECTED, since=ui.now())
    views.subscribe(shown[0].append)
    assert shown[0][-1].state is DISCONNECTED


def test_a_widget_that_fails_spoils_no_other_widget(service: FakeService) -> None:
    errors = list[Exception]()
    ui = ManualLoop(on_error=errors.append)
    views = connection_view(ui, service)
    shown = list[ConnectionView]()
    views.subscribe(lambda view: 1 / view.queued)
    views.subscribe(shown.append)
    service.queue(3)
    ui.run(0.1)
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert shown[-1].queued == 3


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


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unauthorized("the token has expired"), "Sign in again."),
        (BadCertificate("self-signed"), "The certificate of the server is not valid."),
        (
            DialFailed("Connect call failed ('127.0.0.1', 8112)"),
            "The server cannot be reached.",
        ),
        (GaveUp(10, "refused"), "The server cannot be reached."),
        (None, ""),
    ],
)
def test_giving_up_says_why_in_words_for_users(
    ui: ManualLoop, service: FakeService, error: Exception | None, reason: str
) -> None:
    cause = "ws://h refused the upgrade: HTTP 401; sign in again and call connect()"
    service.become(ConnectionState.ERROR, cause=cause, error=error)
    shown = Shown(ui, service)
    ui.run(1.0)
    assert shown.last.text == f"Not connected. {reason}".rstrip()
    assert shown.last.banner == f"{shown.last.text} What you write waits."
    # The cause is for programmers: only a tooltip has it.
    assert shown.last.details == f"Details: {cause}"
    assert [cause in text for text in (shown.last.text, shown.last.banner, shown.last.full)] == [
        False,
        False,
        True,
    ]
    assert ui.timer_count == 0


def test_a_cause_from_a_server_is_one_short_line_without_control_characters(
    ui: ManualLoop, service: FakeService
) -> None:
    service.become(
        ConnectionState.ERROR, cause="closed: \x1b[31mred\x07\n\u202eabc" + "x" * 100_000
    )
    details = Shown(ui, service).last.details
    assert details.startswith("Details: closed: [31mred abcxx")
    assert len(details) == len("Details: ") + 200


def test_a_full_outbox_is_in_the_view(ui: ManualLoop, service: FakeService) -> None:
    service.become(CONNECTED, since=0.0)
    shown = Shown(ui, service)
    assert (shown.last.can_send, shown.last.banner) == (True, None)
    service.room.set(False)
    ui.run(0.1)
    full = "There is no room for more. Write again when some of them are sent."
    assert (shown.last.can_send, shown.last.tone) == (False, Tone.BUSY)
    assert shown.last.banner == f"Too many messages wait. {full}"
    service.become(RECONNECTING, since=ui.now(), attempt=1)
    ui.run(1.0)
    assert shown.last.banner == f"Connection lost, reconnecting. {full}"
    service.room.set(True)
    ui.run(0.1)
    assert shown.last.can_send
    assert "What you write is sent" in str(shown.last.banner)


def test_a_filling_outbox_is_said_before_it_is_full_and_bursts_are_not(
    ui: ManualLoop, service: FakeService
) -> None:
    service.become(CONNECTED, since=0.0)
    shown = Shown(ui, service)
    for is_filling in (True, False):
        service.filling.set(is_filling)
        ui.run(0.3)
    assert [it.banner for _, it in shown.views if it.banner is not None] == []
    service.filling.set(True)
    ui.run(0.3)
    assert (shown.last.is_filling, shown.last.banner) == (True, None)
    ui.run(0.3)
    few = "There is room for a few more."
    assert shown.last.banner == f"Many messages wait. {few}"
    assert (shown.last.tone, shown.last.can_send) == (Tone.BUSY, True)
    # A window that opens now finds no passing burst.
    assert Shown(ui, service).views[0][1].banner == f"Many messages wait. {few}"
    service.become(RECONNECTING, since=ui.now(), attempt=1)
    ui.run(1.0)
    waits = "Connection lost, reconnecting. What you write is sent when it is back."
    assert shown.last.banner == f"{waits} {few}"
    service.filling.set(False)
    ui.run(0.1)
    assert (shown.last.is_filling, shown.last.banner) == (False, waits)


def test_retry_dials_at_once_where_there_is_something_to_retry(
    ui: ManualLoop, service: FakeService
) -> None:
    shown = Shown(ui, service)

    def can_retry(state: ConnectionState, **changes: float | None) -> bool:
        service.become(state, since=ui.now(), **{"next_retry_at": None, **changes})
        ui.run(0.1)
        return shown.last.retry is not None

    assert not can_retry(CONNECTING)
    assert not can_retry(CONNECTED)
    assert can_retry(DISCONNECTED)
    assert can_retry(RECONNECTING, next_retry_at=ui.now() + 5.0)
    # It is dialing already.
    assert not can_retry(RECONNECTING)
    assert not can_retry(ConnectionState.CLOSED)
    assert can_retry(ConnectionState.ERROR)
    assert shown.last.retry is not None
    shown.last.retry()
    assert service.dials == 1


def test_a_window_that_opens_in_an_outage_shows_its_banner_at_once(
    ui: ManualLoop, service: FakeService
) -> None:
    ui.run(100.0)
    service.become(RECONNECTING, since=40.0, attempt=7, next_retry_at=105.0)
    first = Shown(ui, service).views[0][1]
    assert (first.is_calm, first.banner is not None) == (False, True)


def test_signing_out_is_shown_and_takes_no_messages(ui: ManualLoop, service: FakeService) -> None:
    service.become(CONNECTED, since=0.0, phase=Phase.CLOSING)
    shown = Shown(ui, service)
    assert (shown.last.text, shown.last.banner) == (
        "Signing out",
        "Signing out. Nothing more can be sent.",
    )


@pytest.mark.parametrize(
    ("count", "text", "line"),
    [
        (0, "", "○ Offline"),
        (1, "1 message waits to be sent", "○ Offline · 1 message waits to be sent"),
        (7, "7 messages wait to be sent", "○ Offline · 7 messages wait to be sent"),
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


def test_the_symbol_turns_only_while_something_is_under_way_and_it_can_be_seen(
    ui: ManualLoop, service: FakeService
) -> None:
    class Widget:
        is_visible = True

    widget, steps = Widget(), list[int]()
    spinner = Spinner(ui, widget, can_move=lambda: widget.is_visible, paint=steps.append)
    views = connection_view(ui, service)
    subscription = views.subscribe(spinner.show)
    service.become(CONNECTING, since=0.0)
    ui.run(1.02)
    assert steps == [*range(1, 12), 0]
    widget.is_visible = False
    ui.run(5.0)
    assert (spinner.is_turning, len(steps), ui.timer_count) == (False, 13, 0)
    widget.is_visible = True
    spinner.check()
    ui.run(0.2)
    assert len(steps) > 13
    service.become(ConnectionState.CLOSED)
    ui.run(5.0)
    assert ui.timer_count == 0
    service.become(CONNECTING, since=ui.now())
    ui.run(0.1)
    assert spinner.is_turning
    subscription.dispose()


def test_nothing_wakes_a_window_that_no_user_sees(ui: ManualLoop, service: FakeService) -> None:
    spinner = Spinner(ui, service, can_move=lambda: True, paint=lambda _: None)
    shown = Shown(ui, service, grace=0.5)
    connection_view(ui, service).subscribe(spinner.show)
    service.become(CONNECTED, since=0.0)
    ui.run(2.5)
    assert shown.last.text == "Connected (2s)"
    ui.set_seen(False)
    assert ui.timer_count == 0
    ui.run(60.0)
    assert shown.last.text == "Connected (2s)"
    # What changes for other reasons than time is shown all the same, and so is a banner after its grace period.
    service.become(RECONNECTING, since=ui.now(), next_retry_at=ui.now() + 100.0, attempt=1)
    ui.run(0.1)
    assert (shown.last.text, shown.last.banner) == ("Reconnecting in 100 s (attempt 1)", None)
    ui.run(1.0)
    assert shown.last.banner is not None
    assert (spinner.is_turning, ui.timer_count) == (False, 0)
    ui.run(9.0)
    assert shown.last.text == "Reconnecting in 100 s (attempt 1)"
    ui.set_seen(True)
    assert (shown.last.text, spinner.is_turning) == ("Reconnecting in 90 s (attempt 1)", True)
    ui.run(1.1)
    assert shown.last.text == "Reconnecting in 89 s (attempt 1)"
    ui.set_seen(False)
    ui.close()
    assert ui.timer_count == 0


def test_a_theme_without_motion_turns_nothing(ui: ManualLoop, service: FakeService) -> None:
    service.become(CONNECTING, since=0.0)
    owner = Shown(ui, service)
    spinner = Spinner(ui, owner, can_move=lambda: True, paint=lambda _: None)
    connection_view(ui, service, theme=Theme(has_motion=False)).subscribe(spinner.show)
    assert not spinner.is_turning


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


def test_metrics_are_names_and_values(ui: ManualLoop, service: FakeService) -> None:
    shown = Shown(ui, service)
    assert [str(it) for it in shown.last.numbers] == [
        "Received: 0",
        "Sent: 0",
        "Waiting: 0",
        "Reconnects: 0",
        "Round trip: not measured yet",
    ]
    service.counts.set(
        Metrics(
            messages_received=12_345,
            messages_sent=6,
            reconnects=2,
            round_trip=0.0421,
            hint="The connection is slow.",
        )
    )
    ui.run(0.1)
    assert [str(it) for it in shown.last.numbers] == [
        "Received: 12,345",
        "Sent: 6",
        "Waiting: 0",
        "Reconnects: 2",
        "Round trip: 42 ms",
    ]
    assert shown.last.full.splitlines() == ["Offline", "The connection is slow."]


def test_every_state_has_a_symbol_of_its_own_shape() -> None:
    for symbols in (Theme().symbols, ASCII_SYMBOLS):
        assert set(symbols) == set(ConnectionState)
        assert len(set(symbols.values())) == len(ConnectionState)
    assert all(symbol.isascii() for symbol in ASCII_SYMBOLS.values())
    pictures = {mark(state, 24, "#000000", 1) for state in ConnectionState}
    # The two busy states share a ring that turns; their words differ.
    assert len(pictures) == len(ConnectionState) - 1


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("tone", list(Tone))
def test_colours_keep_wcag_aa(palette: Palette, tone: Tone) -> None:
    ink = palette.of(tone)
    assert contrast(ink.text, ink.tint) >= 4.5
    assert contrast(ink.symbol, ink.tint) >= 3.0
    # A badge has the colours the other way round.
    assert contrast(ink.tint, ink.text) >= 4.5
    assert is_dark(ink.tint) == (palette is DARK)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#ffffff", "#10b981") == pytest.approx(2.54, abs=0.005)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


def test_words_of_another_language_have_their_own_plurals(
    ui: ManualLoop, service: FakeService
) -> None:
    def polish(count: int) -> str:
        if count == 1:
            return "one"
        is_few = count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14)
        return "few" if is_few else "many"

    words = Words(
        names={**Words().names, ConnectionState.CLOSED: "Nieaktywny"},
        plural=polish,
        queued={
            "one": "{count} wiadomość czeka",
            "few": "{count} wiadomości czekają",
            "other": "{count} wiadomości czeka",
        },
    )
    views: list[ConnectionView] = []
    connection_view(ui, service, theme=Theme(words=words)).subscribe(views.append)
    texts = []
    for count in (1, 3, 5, 12, 22):
        service.queue(count)
        ui.run(0.1)
        texts.append(views[-1].queue_text)
    assert texts == [
        "1 wiadomość czeka",
        "3 wiadomości czekają",
        "5 wiadomości czeka",
        "12 wiadomości czeka",
        "22 wiadomości czekają",
    ]
    assert views[-1].live == "Nieaktywny"


def test_a_theme_changes_symbols_and_words(ui: ManualLoop, service: FakeService) -> None:
    names = {**Words().names, CONNECTED: "Verbunden"}
    theme = Theme(
        symbols={**Theme().symbols, CONNECTED: "V"},
        words=attrs.evolve(Words(), names=names, connected="Verbunden seit {age}"),
    )
    service.become(CONNECTED, since=0.0)
    views: list[ConnectionView] = []
    connection_view(ui, service, theme=theme).subscribe(views.append)
    assert (views[0].line, views[0].live) == ("V Verbunden seit 0s", "Verbunden")
    service.become(CONNECTING, since=0.0)
    ui.run(3.0)
    assert [view.line for view in views[1:]] == ["◌ Connecting"]
