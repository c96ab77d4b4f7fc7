"""`ChatView`: the contents and actions of a chat window, without a toolkit.

The demo's screen and the examples for Qt and Tk paint it. No action raises into an event handler: `send` returns why a message
was not sent.
"""

from __future__ import annotations

import attrs
import reactivex as rx
from reactivex import operators as ops

from reactive_ws import DeliveryStatus
from reactive_ws.errors import MessageError, ServiceClosed
from reactive_ws.state import Selection

from ..app import Application
from ..history import Entry
from ..wire import Panel, Session

__all__ = ["MARKS", "ChatLine", "ChatView", "is_waiting", "text_of"]

# In the order of DeliveryStatus.
_WORDS = ("◷ queued", "◷ queued", "✓ sent", "✓✓ delivered", "✕ failed", "? uncertain")
MARKS = dict(zip(DeliveryStatus, _WORDS, strict=True))
_FULL = "Not sent: too many messages wait. Send it again when some of them are sent."
_SHOWN = 200
"""Messages of a chat that a window shows."""


@attrs.frozen
class ChatLine:
    """One chat of the list: its id, and its title with a mark before the active one."""

    id: str
    title: str


class ChatView:
    """The streams and actions of a chat window.

    Args:
        app: The stores.

    Attributes:
        chats: The chats, in the order in which they became known.
        entries: The newest messages of the active chat.
        panel: The active panel in words; empty without one.
    """

    def __init__(self, app: Application) -> None:
        self._app = app
        self.chats: Selection[tuple[ChatLine, ...]] = app.sessions.state.select(
            lambda now: tuple(_chat(it, is_active=it.id == now.active_id) for it in now.sessions)
        )
        active_id = app.sessions.state.select(lambda state: state.active_id)
        self.entries: rx.Observable[tuple[Entry, ...]] = active_id.pipe(
            ops.map(self._entries_of), ops.switch_latest()
        )
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
        """Makes a chat the active one."""
        self._app.sessions.activate(chat_id)

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
        count = len(self._app.service.outbox.get())
        if not count:
            return ""
        message = "1 message waits" if count == 1 else f"{count} messages wait"
        return f"{message} to be sent. Close the window and lose what was not sent?"


def text_of(entry: Entry) -> str:
    """Returns a message as it is shown, with what became of it."""
    if entry.status is not None:
        return f"{entry.content}\n{MARKS[entry.status]}"
    return f"{entry.content}{' ▌' if entry.is_growing else ''}"


def is_waiting(entry: Entry) -> bool:
    """Whether an own message has not been sent yet."""
    return entry.status in (DeliveryStatus.QUEUED, DeliveryStatus.STORED)


def _chat(session: Session, *, is_active: bool) -> ChatLine:
    return ChatLine(session.id, f"{'▸' if is_active else ' '} {session.title or 'Chat'}")


def _panel_text(panels: tuple[Panel, ...], active: Panel | None) -> str:
    if active is None:
        return ""
    place = next((at for at, it in enumerate(panels, 1) if it.id == active.id), 1)
    number = f"  ({place} of {len(panels)})" if len(panels) > 1 else ""
    return f"▣ {active.title}{number}\n{active.data.get('text') or '…'}"
