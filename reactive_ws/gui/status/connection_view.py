"""`ConnectionView`: everything that a status line, an indicator and a banner show about a connection.

`view_at`, `connection_text` and `next_change` are pure functions of the connection and the time; `stream` makes a stream of them. The
widgets of the toolkits copy a view and decide nothing. Stores use `connection_text` for the same words.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from ...connection import Connection, ConnectionState, Metrics, Phase
from ..plain import plain
from .theme import Ink, Palette, Theme, Tone
from .words import Words, age, reason_of

__all__ = [
    "LOST",
    "ConnectionView",
    "Number",
    "connection_text",
    "next_change",
    "next_text_change",
    "view_at",
]

_TONES = {
    ConnectionState.CONNECTED: Tone.GOOD,
    ConnectionState.CONNECTING: Tone.BUSY,
    ConnectionState.RECONNECTING: Tone.BUSY,
    ConnectionState.DISCONNECTED: Tone.BAD,
    ConnectionState.ERROR: Tone.BAD,
    ConnectionState.CLOSED: Tone.IDLE,
}
_BUSY = (ConnectionState.CONNECTING, ConnectionState.RECONNECTING)
LOST = (ConnectionState.DISCONNECTED, ConnectionState.RECONNECTING, ConnectionState.ERROR)
"""The states of an outage."""
_STEPS = ((10.0, 1.0), (60.0, 5.0), (3_600.0, 10.0), (86_400.0, 60.0))
"""Ages of a connection in seconds, and every how many seconds the words of a younger one change."""
_HAIR = 0.001
"""Seconds that a timer waits beyond the moment of a change, so that rounding does not wake it too early."""


@attrs.frozen
class Number:
    """One line of the metrics panel: a name and a value, in words."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}: {self.value}"


@attrs.frozen
class ConnectionView:
    """Everything that widgets show, at one moment. All texts are plain text: show them in sinks that read no markup.

    Attributes:
        state: The state of the connection.
        tone: How good the state is; it chooses the colours.
        symbol: The symbol of the state, one character.
        text: The state in words, with age, countdown and attempt.
        is_busy: Whether the service is working on a connection; widgets show a spinner.
        queued: How many messages wait.
        queue_text: The same in words; empty for none.
        can_send: Whether the outbox takes another message; disable the input while it does not.
        is_filling: Whether the outbox has room for few more messages; also True while it has none.
        banner_title: What has happened; None when there is no banner.
        banner_text: What this means for the messages of the user.
        is_calm: Connected, or lost for less than the grace period.
        live: The name of the state, for screen readers; it changes with the state only.
        numbers: The lines of the metrics panel.
        hint: Advice about a bad connection; empty without one.
        details: The technical cause as one short line, for tooltips and support; empty without one.
        theme: Colours, symbols and words.
        retry: Dials at once. Any thread; None while there is nothing to retry.
    """

    state: ConnectionState
    tone: Tone
    symbol: str
    text: str
    is_busy: bool
    queued: int
    queue_text: str
    can_send: bool
    is_filling: bool
    banner_title: str | None
    banner_text: str
    is_calm: bool
    live: str
    numbers: tuple[Number, ...]
    hint: str
    details: str
    theme: Theme = attrs.field(eq=False, repr=False)
    retry: Callable[[], object] | None = attrs.field(default=None, repr=False)

    @property
    def banner(self) -> str | None:
        """Title, text and queue of the banner in one paragraph; None when there is no banner."""
        if self.banner_title is None:
            return None
        return " ".join(part for part in (self.banner_title, self.banner_text) if part)

    @property
    def line(self) -> str:
        """Symbol, text and queue, for a status line that is text only."""
        queue = f" · {self.queue_text}" if self.queued else ""
        return f"{self.symbol} {self.text}{queue}"

    @property
    def short(self) -> str:
        """Symbol and number of messages, for a place with little room."""
        return f"{self.symbol} {self.badge}" if self.queued else self.symbol

    @property
    def badge(self) -> str:
        """The number of messages that wait, at most three characters; empty for none."""
        return "" if not self.queued else "99+" if self.queued > 99 else str(self.queued)

    @property
    def full(self) -> str:
        """All words, a line for each, for a tooltip or a description."""
        lines = (self.text, self.queue_text, self.hint, self.details)
        return "\n".join(line for line in lines if line)

    def ink(self, *, is_dark: bool) -> Ink:
        """Returns the colours of the view on a dark or a light window."""
        palette: Palette = self.theme.dark if is_dark else self.theme.light
        return palette.of(self.tone)


def view_at(
    connection: Connection,
    queued: int,
    metrics: Metrics,
    *,
    now: float,
    lost_since: float | None,
    grace: float,
    theme: Theme,
    can_send: bool = True,
    filling_since: float | None = None,
    retry: Callable[[], object] | None = None,
) -> ConnectionView:
    """Returns what widgets show.

    Args:
        connection, queued, metrics: The facts.
        now: Seconds of the service's clock.
        lost_since: When this outage began, on the same clock; None outside an outage.
        grace: Seconds of an outage during which there is no banner.
        theme: Colours, symbols and words.
        can_send: Whether the outbox takes another message.
        filling_since: Since when the outbox has room for few more, on the same clock; None while it has more.
        retry: Dials at once.
    """
    words = theme.words
    is_calm = lost_since is None or now - lost_since < grace
    # A burst that a fast server takes at once needs no warning.
    is_news = filling_since is not None and now - filling_since >= grace
    title, text = _banner(connection, words, can_send=can_send, is_calm=is_calm, is_filling=is_news)
    return ConnectionView(
        state=connection.state,
        tone=_tone(connection, is_short=is_news or not can_send),
        symbol=theme.symbols[connection.state],
        text=connection_text(connection, now=now, words=words),
        is_busy=connection.state in _BUSY,
        queued=queued,
        queue_text=words.queue_text(queued),
        can_send=can_send,
        is_filling=filling_since is not None,
        banner_title=title,
        banner_text=text,
        is_calm=is_calm,
        live=words.names[connection.state],
        numbers=_numbers(metrics, queued, words),
        hint=plain(metrics.hint or ""),
        details=words.details.format(cause=plain(connection.cause)) if connection.cause else "",
        theme=theme,
        retry=retry if _can_retry(connection, now) else None,
    )


def connection_text(connection: Connection, *, now: float, words: Words | None = None) -> str:
    """Returns the connection in words, such as "Connected (45s)".

    Args:
        connection: The connection.
        now: Seconds of the service's clock.
        words: The texts; the English ones when None.
    """
    texts = words or _ENGLISH
    if connection.phase is Phase.CLOSING:
        return texts.closing
    match connection.state:
        case ConnectionState.CONNECTED:
            return texts.connected.format(age=age(now - connection.since + _HAIR / 2, texts))
        case ConnectionState.CONNECTING:
            return texts.connecting
        case ConnectionState.DISCONNECTED:
            return texts.disconnected
        case ConnectionState.CLOSED:
            return texts.closed
        case ConnectionState.ERROR:
            return _why(texts.failed, connection, texts)
        case ConnectionState.RECONNECTING:
            form = texts.attempt if connection.max_attempts is None else texts.attempt_of
            attempt = form.format(number=connection.attempt, total=connection.max_attempts)
            left = _seconds_left(connection, now)
            if left:
                return texts.waiting.format(seconds=left, attempt=attempt)
            return texts.dialing.format(attempt=attempt)


def next_text_change(connection: Connection, *, now: float) -> float | None:
    """Returns in how many seconds `connection_text` changes by time alone; None when it does not."""
    if connection.state is ConnectionState.CONNECTED:
        # Each tick repaints a window, so words of an older connection change less often.
        spent = max(0.0, now - connection.since)
        step = next((step for limit, step in _STEPS if spent < limit - step), 3_600.0)
        return step - spent % step + _HAIR
    if connection.next_retry_at is not None and connection.next_retry_at > now:
        return ((connection.next_retry_at - now) % 1.0 or 1.0) + _HAIR
    return None


def next_change(
    connection: Connection,
    *,
    now: float,
    lost_since: float | None = None,
    filling_since: float | None = None,
    grace: float = 0.0,
    is_seen: bool = True,
) -> float | None:
    """Returns in how many seconds the view changes by time alone; None when it does not.

    While no window can be seen, words do not change by time. A banner still appears when its grace period is over.
    """
    text = next_text_change(connection, now=now) if is_seen else None
    moments = [] if text is None else [text]
    moments += [
        since + grace - now + _HAIR
        for since in (lost_since, filling_since)
        if since is not None and now - since < grace
    ]
    return min(moments, default=None)


_ENGLISH = Words()


def _tone(connection: Connection, *, is_short: bool) -> Tone:
    tone = _TONES[connection.state]
    # An outbox without room is nothing to be calm about, also while connected.
    return Tone.BUSY if tone is Tone.GOOD and is_short else tone


def _why(form: str, connection: Connection, words: Words) -> str:
    """Fills in why the connection is lost: `{reason}` in words for users, `{cause}` in words for programmers."""
    reason = words.reasons[reason_of(connection)]
    return form.format(reason=reason, cause=plain(connection.cause or words.gave_up)).rstrip()


def _seconds_left(connection: Connection, now: float) -> int:
    if connection.next_retry_at is None:
        return 0
    return max(0, math.ceil(connection.next_retry_at - now - _HAIR))


def _can_retry(connection: Connection, now: float) -> bool:
    if connection.state is ConnectionState.RECONNECTING:
        return _seconds_left(connection, now) > 0
    return connection.state in (ConnectionState.DISCONNECTED, ConnectionState.ERROR)


def _banner(
    connection: Connection, words: Words, *, can_send: bool, is_calm: bool, is_filling: bool
) -> tuple[str | None, str]:
    if connection.phase is Phase.CLOSING:
        return words.banner_closing, words.is_closing
    if is_calm or connection.state not in LOST:
        if connection.state is ConnectionState.CLOSED:
            # A program that has left sends nothing, and its user knows.
            return None, ""
        if not can_send:
            return words.banner_full, words.is_full
        return (words.banner_filling, words.is_filling) if is_filling else (None, "")
    then = words.will_be_sent
    if connection.state is ConnectionState.RECONNECTING:
        title = words.banner_reconnecting
    elif connection.state is ConnectionState.DISCONNECTED:
        title = words.banner_disconnected
    else:
        title = _why(words.banner_failed, connection, words)
        then = words.waits
    if not can_send:
        return title, words.is_full
    return title, f"{then} {words.is_filling}" if is_filling else then


def _numbers(metrics: Metrics, queued: int, words: Words) -> tuple[Number, ...]:
    def count(number: int) -> str:
        return words.count.format(count=number)

    return (
        Number(words.received, count(metrics.messages_received)),
        Number(words.sent, count(metrics.messages_sent)),
        Number(words.waiting_messages, count(queued)),
        Number(words.reconnects, count(metrics.reconnects)),
        Number(
            words.round_trip,
            words.not_measured
            if metrics.round_trip is None
            else words.milliseconds.format(milliseconds=metrics.round_trip * 1_000.0),
        ),
    )
