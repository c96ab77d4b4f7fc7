"""Reactions of the hub: the handlers of its messages, and `advance`, which says the next piece of an answer.

Each is one atomic step of the log: a message that is refused changes nothing. The server half may run a handler again, so a
handler only reads states and publishes.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final

import attrs
import msgspec

from reactive_ws.errors import UsageError
from reactive_ws.server import Context, Refused, Server, Stated
from reactive_ws.wire import Registry, protocol_v1

from ..wire import (
    Message,
    MessageDelta,
    MessageResponse,
    MessageSend,
    Notification,
    NotificationNew,
    NotificationRead,
    Panel,
    PanelChange,
    PanelCreated,
    PanelDeleted,
    PanelUpdated,
    SessionClose,
    SessionClosed,
    SessionCreate,
    SessionCreated,
    Typing,
    agent_chat,
)
from .assistant import Reply, assistant
from .chat import (
    APP,
    CHAT,
    CONVERSATION,
    OWED,
    Answered,
    Chat,
    Conversation,
    Owed,
    Owing,
    chat_view,
    conversation_view,
    conversations,
    owed_stream,
)
from .grammar import ClosePanel, CreatePanel, Notify, Order, RefuseMessage, UpdatePanel, orders

__all__ = ["Reactions", "Rules", "Said", "hub_types"]

_log = logging.getLogger("reactive_ws.hub")
_PIECE: Final = re.compile(r"\s*\S+")
_OWN_TYPES: Final = frozenset(row.name for row in agent_chat())

_MAX_ORDERS: Final = 100
"""Orders in one message."""
_MAX_PANELS: Final = 1_000
_MAX_SESSIONS: Final = 10_000
_MAX_TEXT: Final = 10_000
"""Characters of a panel's text, and of a notification."""
_MAX_TITLE: Final = 200
"""Characters of a session's title."""
_MAX_SESSION_ID: Final = 150
"""Bytes; the names of a session's streams are made of it."""


@attrs.frozen
class Rules:
    """How this hub behaves.

    Attributes:
        reply: Writes the answers.
        max_history: Messages of a session in a snapshot.
        max_snapshot_size: Bytes of messages after which a snapshot goes back no further.
        clock: Epoch milliseconds.
    """

    reply: Reply = assistant
    max_history: int = attrs.field(default=1_000, validator=attrs.validators.ge(0))
    max_snapshot_size: int = 2**19
    clock: Callable[[], float] = lambda: time.time() * 1000.0


class Said(msgspec.Struct, frozen=True):
    """The reply to a message that was accepted: its place in the session."""

    sequence: int


def hub_types(registry: Registry | None) -> Registry:
    """Returns the types of an application with those of the agent chat, and those of the hub's private streams.

    Raises:
        UsageError: the application has another class for a type of the agent chat.
    """
    types = agent_chat(registry)
    for row in agent_chat():
        own = types.get(row.name)
        if row.name != "snapshot" and own is not None and own.payload is not row.payload:
            raise UsageError(
                f"the hub has a type {row.name!r} itself; give the type of {own.payload.__name__} another name"
            )
    types.message("_hub.owed")(Owed)
    types.message("_hub.answered")(Answered)
    return types


class Reactions:
    """The handlers of a hub.

    Args:
        server: The server that gets them; its registry is that of `hub_types`.
        rules: How this hub behaves.
        on_owed: Called with a session's id, once an answer is owed to it.
    """

    def __init__(self, server: Server, rules: Rules, on_owed: Callable[[str], None]) -> None:
        self._rules = rules
        self._on_owed = on_owed
        self.chat: Stated[Chat] = server.state(APP, Chat(), CHAT, view=chat_view)
        reducers = conversations(rules.max_history, rules.max_snapshot_size)
        self.conversation: Stated[Conversation] = server.state(
            "*", CONVERSATION, reducers, view=conversation_view
        )
        self.owing: Stated[Owing] = server.state("_owed/*", Owing(), OWED)
        server.command(MessageSend)(self._send)
        server.command(SessionCreate)(self._create)
        server.command(SessionClose)(self._close)
        server.command(NotificationRead)(self._read)
        server.command(Typing)(self._type)
        control = {row.name for row in protocol_v1()}
        for row in server.registry:
            if row.name not in _OWN_TYPES | control and not row.name.startswith("_hub."):
                server.command(row.payload)(self._relay)

    def advance(self, session_id: str, context: Context) -> bool:
        """Says the next piece of what is owed to a session; returns whether something was owed."""
        answers = context.state(self.owing, owed_stream(session_id)).answers
        if not answers:
            return False
        owed = answers[0]
        said = context.state(self.conversation, session_id)
        growing = said.growing
        sent = len(growing.content) if growing is not None and growing.id == owed.reply_id else 0
        match = _PIECE.match(owed.text, sent)
        if match is not None:
            is_last = match.end() == len(owed.text)
            piece = MessageDelta(session_id, owed.reply_id, sent, match.group(), done=is_last)
            context.publish(session_id, piece)
            return True
        message = Message(
            owed.reply_id,
            session_id,
            "assistant",
            owed.text,
            owed.timestamp,
            sequence=said.length + 1,
        )
        context.publish(session_id, MessageResponse(session_id, message))
        context.publish(owed_stream(session_id), Answered(owed.reply_id))
        return True

    # --- one function a type --------------------------------------------------------------------------------------------

    def _send(self, command: MessageSend, context: Context) -> Said:
        message, session_id = command.message, command.session_id
        if context.key is not None and context.key.id != message.id:
            raise Refused("bad_id", "the id of a message.send must be the id of its message")
        if message.session_id != session_id:
            raise Refused("bad_session", "sessionId and message.sessionId differ")
        _check_session_id(session_id)
        chat = context.state(self.chat)
        if session_id in chat.closed:
            raise Refused("session_closed", f"session {session_id!r} is closed; create it again")
        wanted = orders(message.content)
        if len(wanted) > _MAX_ORDERS:
            raise Refused("too_many", f"a message gives at most {_MAX_ORDERS} orders")
        if reason := next(
            (order.reason for order in wanted if isinstance(order, RefuseMessage)), None
        ):
            raise Refused("refused", reason)
        now = self._rules.clock()
        if session_id not in chat.sessions:
            # A hub without a file forgets the sessions when it restarts, and the client's outbox resends only messages.
            _open(context, chat, session_id, "", now)
        sequence = context.state(self.conversation, session_id).length + 1
        numbered = msgspec.structs.replace(message, sequence=sequence)
        context.publish(session_id, MessageResponse(session_id, numbered))
        panels = _Panels(chat, context)
        outcomes = tuple(
            panels.obey(order, f"{message.id}.{number}", now)
            for number, order in enumerate(wanted, 1)
        )
        text = self._reply(message, outcomes)
        context.publish(owed_stream(session_id), Owed(f"{message.id}.reply", text, now))
        context.after_commit(lambda: self._on_owed(session_id))
        return Said(sequence)

    def _reply(self, message: Message, outcomes: tuple[str, ...]) -> str:
        try:
            return self._rules.reply(message, outcomes).strip()
        except (
            Exception
        ) as error:  # of the injected function: one message fails, the connection lives on
            _log.exception("a message could not be answered")
            text = "the hub failed on this message; its log says why"
            raise Refused("hub_failed", text) from error

    def _create(self, command: SessionCreate, context: Context) -> None:
        _check_session_id(command.session_id)
        if len(command.title) > _MAX_TITLE:
            raise Refused("too_long", f"a title has at most {_MAX_TITLE} characters")
        chat = context.state(self.chat)
        if command.session_id not in chat.sessions:
            _open(context, chat, command.session_id, command.title, self._rules.clock())

    def _close(self, command: SessionClose, context: Context) -> None:
        if command.session_id in context.state(self.chat).sessions:
            context.publish(APP, SessionClosed(command.session_id))

    def _read(self, command: NotificationRead, context: Context) -> None:
        context.publish(APP, command)

    def _type(self, command: Typing, context: Context) -> None:
        context.tell("typing", command)

    def _relay(self, command: object, context: Context) -> None:
        context.publish(APP, command, channel=context.channel)


def _check_session_id(session_id: str) -> None:
    is_fit = session_id.isprintable() and "*" not in session_id and not session_id.startswith("_")
    size = len(session_id.encode("utf-8", "replace"))
    if not is_fit or session_id == APP or not 1 <= size <= _MAX_SESSION_ID:
        raise Refused("bad_session", f"{session_id[:60]!r} cannot be the id of a session")


def _open(context: Context, chat: Chat, session_id: str, title: str, now: float) -> None:
    if len(chat.sessions) >= _MAX_SESSIONS:
        raise Refused("too_many", f"there are {_MAX_SESSIONS} sessions already; close one first")
    context.publish(APP, SessionCreated(session_id, title, now))


class _Panels:
    """The panels while the orders of one message are carried out."""

    def __init__(self, chat: Chat, context: Context) -> None:
        self._context = context
        self._by_title = {panel.title.casefold(): panel for panel in chat.panels.values()}

    def obey(self, order: Order, new_id: str, now: float) -> str:
        """Carries out one order; returns a sentence about it."""
        if isinstance(order, RefuseMessage):
            return ""
        if isinstance(order, Notify):
            notice = Notification(new_id, order.title, order.text[:_MAX_TEXT], now)
            self._context.publish(APP, NotificationNew(notice))
            return f"Notified: {order.title}."
        wanted = order.title.casefold()
        panel = self._by_title.get(wanted)
        match order:
            case CreatePanel() if panel is not None:
                return f"There is a panel {order.title} already."
            case CreatePanel() if len(self._by_title) >= _MAX_PANELS:
                return f"There are {_MAX_PANELS} panels already."
            case CreatePanel():
                panel = Panel(new_id, "text", order.title, {"text": ""})
                self._context.publish(APP, PanelCreated(panel))
                self._by_title[wanted] = panel
                return f"Created panel {order.title}."
            case _ if panel is None:
                return f"There is no panel {order.title}."
            case UpdatePanel():
                data = {**panel.data, "text": order.text[:_MAX_TEXT]}
                self._context.publish(APP, PanelUpdated(PanelChange(panel.id, data=data)))
                self._by_title[wanted] = msgspec.structs.replace(panel, data=data)
                return f"Updated panel {panel.title}."
            case ClosePanel():
                self._context.publish(APP, PanelDeleted(panel.id))
                del self._by_title[wanted]
                return f"Closed panel {order.title}."
