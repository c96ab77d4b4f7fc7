"""`ChatView`: the contents and actions of a chat window, without a toolkit.

The demo's screen and the chats of the examples paint it. No action raises into an event handler: `send` returns why a message
was not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs
import reactivex as rx
from reactivex import operators as ops

from reactive_ws import DeliveryStatus
from reactive_ws.errors import MessageError, ServiceClosed
from reactive_ws.state import Selection, Store

from ..app import Application
from ..history import Entry
from ..sessions import SessionsState
from ..wire import Panel, Session

__all__ = ["MARKS", "ChatLine", "ChatMessage", "ChatView", "message_of"]

# In the order of DeliveryStatus.
_WORDS = ("◷ queued", "◷ queued", "✓ sent", "✓✓ delivered", "✕ failed", "? uncertain")
MARKS = dict(zip(DeliveryStatus, _WORDS, strict=True))
_FULL = "Not sent: too many messages wait. Send it again when some of them are sent."
_SHOWN = 200
"""Messages of a chat that a window shows."""


@attrs.frozen
class ChatLine:
    """One chat of the list.

    Attributes:
        id: Of the chat.
        name: Its title, for users.
        unread: How many messages the user has not read.
        is_active: Whether the window shows it.
    """

    id: str
    name: str
    unread: int
    is_active: bool

    @property
    def title(self) -> str:
        """The name with a mark before the active chat and the number of unread messages, for lists that show one text."""
        number = f"  ({self.unread})" if self.unread else ""
        return f"{'▸' if self.is_active else ' '} {self.name}{number}"


@attrs.frozen
class ChatMessage:
    """One message as a bubble shows it.

    Attributes:
        id: Of the message.
        name: Of the author, for users.
        time: Hours and minutes in local time.
        text: The text so far.
        mark: What became of an own message; empty for those of others.
        is_own: Whether the user wrote it, here or on another device.
        is_waiting: Whether an own message has not been sent yet.
        is_growing: Whether more text is expected.
    """

    id: str
    name: str
    time: str
    text: str
    mark: str
    is_own: bool
    is_waiting: bool
    is_growing: bool

    @property
    def head(self) -> str:
        """Name, time and mark in one line, as far as there are any."""
        return " · ".join(part for part in (self.name, self.time, self.mark) if part)

    @property
    def blocks(self) -> tuple[tuple[str, bool], ...]:
        """The text in pieces, each with whether it is code: text between lines of ``` is, and is shown in a fixed width."""
        pieces: list[tuple[str, bool]] = []
        lines: list[str] = []
        is_code = False
        for line in (*self.text.split("\n"), None):
            is_fence = line is not None and line.lstrip().startswith("```")
            if line is None or is_fence:
                if any(lines):
                    pieces.append(("\n".join(lines), is_code))
                lines, is_code = [], is_code != is_fence
            else:
                lines.append(line)
        return tuple(pieces)


class ChatView:
    """The streams and actions of a chat window.

    Args:
        app: The stores.
        is_kept: Whether a file keeps what was not sent, so that a window may close at any time.

    Attributes:
        chats: The chats, in the order in which they became known, each with the number of unread messages.
        messages: The newest messages of the active chat as bubbles show them; while the user searches, those that contain the words.
        panel: The active panel in words; empty without one.
    """

    def __init__(self, app: Application, *, is_kept: bool = False) -> None:
        self._app = app
        self.is_kept = is_kept
        self._search = Store("", name="search")
        unread = app.history.store.select_part(
            lambda all_of_them: {key: it.unread for key, it in all_of_them.items() if it.unread}
        )
        self.chats: rx.Observable[tuple[ChatLine, ...]] = rx.combine_latest(
            app.sessions.state.select(), unread
        ).pipe(ops.starmap(_chats), ops.distinct_until_changed())
        active_id = app.sessions.state.select(lambda state: state.active_id)
        entries = active_id.pipe(ops.map(self._entries_of), ops.switch_latest())
        self.messages: rx.Observable[tuple[ChatMessage, ...]] = rx.combine_latest(
            entries, self._search.select()
        ).pipe(ops.starmap(_found))
        self.panel: Selection[str] = app.carousel.state.select(
            lambda now: _panel_text(now.panels, now.active)
        )

    def _entries_of(self, session_id: str | None) -> rx.Observable[tuple[Entry, ...]]:
        if session_id is None:
            return rx.of(())
        return self._app.history.select_last(session_id, _SHOWN)

    def send(self, text: str) -> str:
        """Sends a text in the active chat, and creates a chat where there is none.

        Returns:
            Why the message was not sent, in words for users; empty when it was.
        """
        sessions = self._app.sessions
        try:
            if not self._app.service.can_send.get():
                return _FULL
            active = sessions.state.get().active or sessions.create("First chat")
            delivery = self._app.history.send(active.id, text)
            if delivery.status is DeliveryStatus.FAILED:
                return _FULL
        except ServiceClosed:
            return "Not sent: you are signed out."
        except MessageError:
            return "Not sent: the message is too long, or has characters that cannot be sent."
        return ""

    def open(self, chat_id: str) -> None:
        """Makes a chat the active one. The user has read what it and the chat before have shown."""
        active_id = self._app.sessions.state.get().active_id
        for each in {active_id, chat_id} - {None}:
            self._app.history.mark_read(str(each))
        self._app.sessions.activate(chat_id)

    def find(self, words: str) -> None:
        """Shows only the messages that contain these words, in any case; all messages without words."""
        self._search.set(words.strip())

    def new_chat(self) -> None:
        """Creates a chat and makes it the active one."""
        # Without room the banner says that nothing more can be sent.
        if self._app.service.can_send.get():
            self._app.sessions.create("New chat")

    def turn(self, by: int) -> None:
        """Shows the next panel (1) or the one before (-1)."""
        carousel = self._app.carousel
        (carousel.next if by > 0 else carousel.previous)()

    @property
    def question_before_closing(self) -> str:
        """The question to ask before the window closes; empty when no message would be lost."""
        count = 0 if self.is_kept else len(self._app.service.outbox.get())
        if not count:
            return ""
        message = "1 message waits" if count == 1 else f"{count} messages wait"
        return f"{message} to be sent. Close the window and lose what was not sent?"


def message_of(entry: Entry) -> ChatMessage:
    """Returns an entry as a bubble shows it."""
    is_own = entry.is_own or entry.head.role == "user"
    return ChatMessage(
        id=entry.id,
        name="You" if is_own else "Assistant",
        time=_time_of(entry.head.timestamp),
        text=entry.content,
        mark="" if entry.status is None else MARKS[entry.status],
        is_own=is_own,
        is_waiting=entry.status in (DeliveryStatus.QUEUED, DeliveryStatus.STORED),
        is_growing=entry.is_growing,
    )


def _time_of(sent_at: datetime | float) -> str:
    """Returns hours and minutes in local time; empty for a time that no calendar has, which a stranger may send."""
    try:
        # The wire counts milliseconds.
        moment = (
            sent_at
            if isinstance(sent_at, datetime)
            else datetime.fromtimestamp(sent_at / 1_000.0, UTC)
        )
        return f"{moment.astimezone():%H:%M}"
    except (ValueError, OverflowError, OSError):
        return ""


def _found(entries: Sequence[Entry], words: str) -> tuple[ChatMessage, ...]:
    wanted = words.casefold()
    return tuple(message_of(it) for it in entries if wanted in it.content.casefold())


def _chats(sessions: SessionsState, unread: Mapping[str, int]) -> tuple[ChatLine, ...]:
    return tuple(
        _chat(it, unread.get(it.id, 0), is_active=it.id == sessions.active_id)
        for it in sessions.sessions
    )


def _chat(session: Session, unread: int, *, is_active: bool) -> ChatLine:
    # What the active chat gets is being read.
    return ChatLine(session.id, session.title or "Chat", 0 if is_active else unread, is_active)


def _panel_text(panels: tuple[Panel, ...], active: Panel | None) -> str:
    if active is None:
        return ""
    place = next((at for at, it in enumerate(panels, 1) if it.id == active.id), 1)
    number = f"  ({place} of {len(panels)})" if len(panels) > 1 else ""
    return f"▣ {active.title}{number}\n{active.data.get('text') or '…'}"
