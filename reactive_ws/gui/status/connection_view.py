"""What a status line, an indicator and a banner show about the connection: one view model, without a toolkit.

`view_at` is a pure function of the connection and the time; `connection_view` is the stream of it. Painters for toolkits
(`tk_widgets`, `qt_widgets`, `textual_widgets`) only copy it into widgets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sized
from typing import Protocol

import attrs
from reactivex import Observable, abc

from ...connection import Connection, ConnectionState, Metrics
from ...state import ReadOnly, derived
from ..loop import UiLoop
from .theme import Theme, Words

__all__ = [
    "ConnectionView",
    "Service",
    "connection_text",
    "connection_view",
    "next_change",
    "next_text_change",
    "view_at",
]

_BUSY = (ConnectionState.CONNECTING, ConnectionState.RECONNECTING)
_LOST = (ConnectionState.DISCONNECTED, ConnectionState.RECONNECTING, ConnectionState.ERROR)
_HAIR = 0.001
"""Seconds beyond a moment at which a text changes, so that rounding does not wake us just before it."""


class Service(Protocol):
    """What is needed of a `WebSocketService`."""

    @property
    def connection(self) -> ReadOnly[Connection]: ...
    @property
    def metrics(self) -> ReadOnly[Metrics]: ...
    @property
    def outbox(self) -> ReadOnly[Sized]: ...


@attrs.frozen
class ConnectionView:
    """Everything that can be shown, at one moment.

    Attributes:
        state: Of the connection.
        symbol, colour: Of the state, by the theme.
        text: The state in words, with age, countdown and attempt.
        busy: A picture of the busy animation; empty while nothing is under way.
        queued: How many messages wait.
        queue_text: The same in words; empty when none.
        banner: The banner's text, or None when there is no banner.
        is_calm: Connected, or lost so short a time ago that nobody should be bothered.
        live: For screen readers; changes with the state only.
        metrics: Lines of numbers.
    """

    state: ConnectionState
    symbol: str
    colour: str
    text: str
    busy: str
    queued: int
    queue_text: str
    banner: str | None
    is_calm: bool
    live: str
    metrics: tuple[str, ...]

    @property
    def line(self) -> str:
        """Symbol, text, animation and queue, for a status line."""
        queue = f"  [{self.queued}]" if self.queued else ""
        return f"{self.symbol} {self.text}{self.busy}{queue}"

    @property
    def short(self) -> str:
        """Symbol and queue, where there is little room."""
        return f"{self.symbol} {self.queued}" if self.queued else self.symbol

    @property
    def full(self) -> str:
        """All words, for a tooltip; without the animation."""
        return f"{self.text}\n{self.queue_text}" if self.queue_text else self.text


def view_at(
    connection: Connection,
    queued: int,
    metrics: Metrics,
    *,
    now: float,
    lost_since: float | None,
    grace: float,
    theme: Theme,
) -> ConnectionView:
    """Returns what to show.

    Args:
        connection, queued, metrics: The facts.
        now: Seconds of the service's clock.
        lost_since: When this outage began, same clock; None outside one.
        grace: Seconds of an outage that are not worth a banner.
        theme: Looks and words.
    """
    look = theme.looks[connection.state]
    words = theme.words
    is_calm = lost_since is None or now - lost_since < grace
    frames = theme.busy_frames
    is_busy = connection.state in _BUSY and bool(frames)
    frame = int(max(0.0, now - connection.since) / theme.busy_interval + 1e-6)
    return ConnectionView(
        state=connection.state,
        symbol=look.symbol,
        colour=look.colour,
        text=connection_text(connection, now=now, words=words),
        busy=frames[frame % len(frames)] if is_busy else "",
        queued=queued,
        queue_text=""
        if not queued
        else words.queued_one
        if queued == 1
        else words.queued_many.format(count=queued),
        banner=None if is_calm or connection.state not in _LOST else _banner(connection, theme),
        is_calm=is_calm,
        live=look.name,
        metrics=_metrics(metrics, theme),
    )


def connection_text(connection: Connection, *, now: float, words: Words) -> str:
    """Returns the connection in words, such as "Connected (45s)".

    Args:
        connection: The connection.
        now: Seconds of the service's clock.
        words: The texts.
    """
    match connection.state:
        case ConnectionState.CONNECTED:
            return words.connected.format(age=_age(now - connection.since, words))
        case ConnectionState.CONNECTING:
            return words.connecting
        case ConnectionState.DISCONNECTED:
            return words.disconnected
        case ConnectionState.CLOSED:
            return words.closed
        case ConnectionState.ERROR:
            return words.failed.format(cause=connection.cause or words.gave_up)
        case ConnectionState.RECONNECTING:
            form = words.attempt if connection.max_attempts is None else words.attempt_of
            attempt = form.format(number=connection.attempt, total=connection.max_attempts)
            left = _seconds_left(connection, now)
            if left:
                return words.waiting.format(seconds=left, attempt=attempt)
            return words.dialing.format(attempt=attempt)


def _seconds_left(connection: Connection, now: float) -> int:
    if connection.next_retry_at is None:
        return 0
    return max(0, math.ceil(connection.next_retry_at - now - _HAIR))


def _age(seconds: float, words: Words) -> str:
    whole = max(0, int(seconds + _HAIR / 2))
    minutes, hours = whole // 60, whole // 3600
    if hours:
        return words.hours.format(hours=hours, minutes=minutes % 60)
    if minutes:
        return words.minutes.format(minutes=minutes, seconds=whole % 60)
    return words.seconds.format(seconds=whole)


def _banner(connection: Connection, theme: Theme) -> str:
    words = theme.words
    if connection.state is ConnectionState.RECONNECTING:
        return words.banner_reconnecting
    if connection.state is ConnectionState.DISCONNECTED:
        return words.banner_disconnected
    return words.banner_failed.format(cause=connection.cause or words.gave_up)


def _metrics(metrics: Metrics, theme: Theme) -> tuple[str, ...]:
    words = theme.words
    return (
        words.received.format(count=metrics.messages_received),
        words.sent.format(count=metrics.messages_sent),
        words.reconnects.format(count=metrics.reconnects),
        words.unknown_round_trip
        if metrics.round_trip is None
        else words.round_trip.format(milliseconds=metrics.round_trip * 1000.0),
    )


def next_text_change(connection: Connection, *, now: float) -> float | None:
    """Returns in how many seconds `connection_text` changes by time alone; None when it does not."""
    if connection.state is ConnectionState.CONNECTED:
        return 1.0 - max(0.0, now - connection.since) % 1.0 + _HAIR
    if connection.next_retry_at is not None and connection.next_retry_at > now:
        return ((connection.next_retry_at - now) % 1.0 or 1.0) + _HAIR
    return None


def next_change(
    connection: Connection, *, now: float, lost_since: float | None, grace: float, theme: Theme
) -> float | None:
    """Returns in how many seconds the view changes by time alone; None when it does not."""
    text = next_text_change(connection, now=now)
    moments = [] if text is None else [text]
    if connection.state in _BUSY and len(theme.busy_frames) > 1:
        age = max(0.0, now - connection.since)
        moments.append(theme.busy_interval - age % theme.busy_interval + _HAIR)
    if lost_since is not None and now - lost_since < grace:
        moments.append(lost_since + grace - now + _HAIR)
    return min(moments, default=None)


def connection_view(
    ui: UiLoop, service: Service, *, grace: float = 0.5, theme: Theme | None = None
) -> Observable[ConnectionView]:
    """Returns what to show about a service's connection, as it changes.

    Emits: a view at once, then each one that differs, at most one per frame. Clocks tick and animations run only while
        somebody is subscribed, and only in states that have them.
    Replays: the current view.
    Thread: the UI thread, where it must be subscribed.
    Ends: with the loop.

    Args:
        ui: The loop of the user interface.
        service: Whose connection; a `WebSocketService`.
        grace: Seconds of an outage during which no banner is shown, counted from its first moment.
        theme: Looks and words; the usual ones when None.
    """
    look = theme or Theme()

    def subscribe(
        observer: abc.ObserverBase[ConnectionView], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        del scheduler
        return _Watching(ui, service, grace, look, observer.on_next)

    return Observable(subscribe)


class _Watching(abc.DisposableBase):
    """One subscription: three mirrors, and a timer while the view depends on the time."""

    def __init__(
        self,
        ui: UiLoop,
        service: Service,
        grace: float,
        theme: Theme,
        show: Callable[[ConnectionView], None],
    ) -> None:
        self._ui = ui
        self._grace = grace
        self._theme = theme
        self._show = show
        self._shown: ConnectionView | None = None
        self._lost_since: float | None = None
        self._cancel: Callable[[], None] | None = None
        connection = ui.mirror(service.connection)
        outbox = ui.mirror(service.outbox)
        metrics = ui.mirror(service.metrics)
        self._mirrors = (connection, outbox, metrics)
        self._facts = derived(
            connection, outbox, metrics, lambda now, waiting, counts: (now, len(waiting), counts)
        )
        self._subscription = self._facts.select().subscribe(lambda _: self._look())

    def _look(self) -> None:
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        connection, queued, metrics = self._facts.get()
        now = self._ui.now()
        if connection.state in _LOST:
            if self._lost_since is None:
                self._lost_since = now
        elif connection.state is not ConnectionState.CONNECTING:
            self._lost_since = None
        view = view_at(
            connection,
            queued,
            metrics,
            now=now,
            lost_since=self._lost_since,
            grace=self._grace,
            theme=self._theme,
        )
        wait = next_change(
            connection,
            now=now,
            lost_since=self._lost_since,
            grace=self._grace,
            theme=self._theme,
        )
        if wait is not None:
            self._cancel = self._ui.later(wait, self._look)
        if view != self._shown:
            self._shown = view
            self._show(view)

    def dispose(self) -> None:
        self._subscription.dispose()
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        for mirror in self._mirrors:
            mirror.dispose()
