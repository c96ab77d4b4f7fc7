"""Phoenix v2: the channels of Phoenix and Supabase, with replies, binary payloads and its own heartbeat.

A channel of the program is a topic. A message is an event of its channel's topic: its type is the name of the event. The reply to an
event acknowledges the message. A handler of the server that sends no reply leaves the message unacknowledged, so register
such a type as at-most-once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ..connection import Meaning
from ..errors import MessageRejected
from ..wire import Codec, Envelope, JsonCodec, Position, Registry
from .session import (
    NO_CLOSES,
    NO_MEMORY,
    Acknowledged,
    Alive,
    Capabilities,
    Ended,
    Event,
    Fault,
    Following,
    Frame,
    Opening,
    Ready,
    Refused,
    Step,
)
from .values import decoded, dumped, list_of, message_of, object_of, rejected, unasked

__all__ = ["Phoenix", "PhoenixSession"]

_CAPABILITIES = Capabilities(acknowledges=True, subscribes=True)
_BEAT = 30.0
_AGAIN = 1.0
"""Seconds after which a topic is joined again whose process on the server crashed."""
_MAX_CALLS = 10_000
"""Pushes of one connection whose reply may still come."""
_MAX_FIELD = 255
_PUSH, _REPLY, _BROADCAST = 0, 1, 2
_SIZES = {_PUSH: 3, _REPLY: 4, _BROADCAST: 2}
"""How many sizes of texts a binary frame of the server has behind its kind."""


class Phoenix:
    """Phoenix v2 over one WebSocket; the URL ends in `/websocket`.

    Args:
        registry: Message types; the type of a message is the name of its event.
        topic: The topic of messages that are sent without a channel.
        join: Returns the payload that joins a topic, from the topic and the token; `{"token": ...}` by default.
        refresh: The event that sends a new token to each topic, such as Supabase's "access_token"; None: a new token needs a
            new connection.
    """

    name = "phoenix"
    subprotocols: Sequence[str] = ()
    capabilities = _CAPABILITIES
    closes: Mapping[int, Meaning] = NO_CLOSES

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        topic: str | None = None,
        join: Callable[[str, str | None], dict[str, Any]] | None = None,
        refresh: str | None = None,
    ) -> None:
        self.registry = Registry() if registry is None else registry
        self._codec = JsonCodec(self.registry, subprotocol=None)
        self.topic = topic
        self.join = _join if join is None else join
        self.refresh = refresh

    def __repr__(self) -> str:
        return f"Phoenix({self.registry!r})"

    @property
    def codec(self) -> Codec:
        """Keeps messages in the outbox and its file as protocol v1 writes them."""
        return self._codec

    def address(self, url: str) -> str:
        """Returns the URL with the version of the protocol."""
        parts = urlsplit(url)
        query = parts.query if "vsn=" in parts.query else f"{parts.query}&vsn=2.0.0".lstrip("&")
        return urlunsplit(parts._replace(query=query))

    def session(self) -> PhoenixSession:
        """Returns a session for a new connection."""
        return PhoenixSession(self)


class PhoenixSession:
    """One connection in Phoenix v2; `Phoenix` makes it."""

    deadline: float | None = None
    memory: Mapping[str, str] = NO_MEMORY
    capabilities = _CAPABILITIES

    def __init__(self, dialect: Phoenix) -> None:
        self._dialect = dialect
        self.takes_tokens = dialect.refresh is not None
        self._token: str | None = None
        self._last_ref = 0
        # What a push is about, by its reference, oldest first: its purpose with a message's id, a topic, or a question for life.
        self._calls: dict[str, tuple[str, str]] = {}
        # The reference of the join of each topic.
        self._joins: dict[str, str] = {}

    def opened(self, opening: Opening, now: float) -> Step:
        """Is ready at once: tokens go with the joins."""
        del now
        self._token = opening.token
        return Step(events=(Ready(beat=_BEAT),))

    def _push(
        self,
        purpose: str,
        about: str,
        topic: str | None,
        event: str,
        payload: Any,
        of: str | None = None,
    ) -> Frame:
        """Returns the frame of a push, and remembers what its reply is about."""
        self._last_ref += 1
        ref = str(self._last_ref)
        self._calls[ref] = purpose, about
        if len(self._calls) > _MAX_CALLS:
            del self._calls[next(iter(self._calls))]
        if purpose == "join":
            self._joins[about] = ref
        join_ref = None if topic is None else self._joins.get(topic)
        topic = "phoenix" if topic is None else topic
        name = event if of is None else "message"
        if isinstance(payload, bytes):
            fields = [(join_ref or "").encode(), ref.encode(), topic.encode(), event.encode()]
            if any(len(field) > _MAX_FIELD for field in fields):
                raise MessageRejected(
                    "topic and event have at most 255 bytes beside a binary payload", type=event
                )
            head = bytes([_PUSH, *map(len, fields)])
            return Frame(head + b"".join(fields) + payload, of, name)
        return Frame(dumped([join_ref, ref, topic, event, payload], event), of, name)

    def received(self, frame: str | bytes, now: float) -> Step:
        """Returns what one frame of the server means."""
        del now
        try:
            fields = _binary(frame) if isinstance(frame, bytes) else list_of(decoded(frame))
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        match fields:
            case [_, str(ref), str(topic), "phx_reply", payload]:
                return Step(events=self._replied(ref, topic, payload))
            case [join_ref, _, str(topic), str(event), payload]:
                if join_ref is not None and join_ref != self._joins.get(topic):
                    # Of a join that is over.
                    return Step()
                return Step(events=self._heard(topic, event, payload))
            case _:
                return Step(events=(rejected("it is not a message of Phoenix v2"),))

    def _heard(self, topic: str, event: str, payload: Any) -> tuple[Event, ...]:
        if event == "phx_error":
            self._joins.pop(topic, None)
            return (Ended(topic, event, "its process on the server ended", _AGAIN),)
        if event == "phx_close":
            return (Ended(topic),) if self._joins.pop(topic, None) is not None else ()
        return (message_of(self._dialect.registry, event, payload, topic),)

    def _replied(self, ref: str, topic: str, payload: Any) -> tuple[Event, ...]:
        purpose, about = self._calls.pop(ref, ("late", ""))
        fields = object_of(payload) or {}
        response, is_good = fields.get("response"), fields.get("status") == "ok"
        match purpose:
            case "beat":
                return (Alive(about, is_answer=True),)
            case "message" if is_good:
                return (Acknowledged(about, response),)
            case "message":
                return (Refused(about, *_reason(response)),)
            case "join" if self._joins.get(topic) != ref:
                return ()
            case "join" if is_good:
                return (Following(about),)
            case "join":
                del self._joins[topic]
                return (Ended(about, *_reason(response)),)
            case _:
                return ()

    def ponged(self, now: float) -> Step:
        """This session sends no probe."""
        del now
        return Step()

    def send(self, message: Envelope[Any], now: float, kept: str | bytes | None = None) -> Step:
        """Pushes an event to the topic of its channel, and joins that topic first if it is not joined."""
        del now, kept
        topic = self._dialect.topic if message.channel in ("", message.type) else message.channel
        if topic is None:
            raise MessageRejected(
                "an event belongs to a topic; pass channel= with its name, or topic= to Phoenix",
                type=message.type,
            )
        payload: Any = message.payload
        if not isinstance(payload, bytes):
            try:
                payload = msgspec.to_builtins(payload)
            except (TypeError, ValueError, RecursionError) as error:
                raise MessageRejected(
                    f"it cannot be written as JSON: {error}", type=message.type
                ) from error
            if payload is None:
                payload = {}
        frames = [] if topic in self._joins else [self._join(topic)]
        identity = message.id or ""
        frames.append(self._push("message", identity, topic, message.type, payload, message.id))
        return Step(tuple(frames))

    def _join(self, topic: str) -> Frame:
        payload = self._dialect.join(topic, self._token)
        return self._push("join", topic, topic, "phx_join", payload)

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Phoenix has no requests of the server."""
        del now, payload
        raise unasked(reference)

    def subscribe(self, channel: str, now: float, position: Position | None = None) -> Step:
        """Joins a topic, unless a message joined it already."""
        del now, position
        if channel in self._joins:
            return Step(events=(Following(channel),))
        return Step((self._join(channel),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Leaves a topic."""
        del now
        if channel not in self._joins:
            return Step()
        frame = self._push("leave", channel, channel, "phx_leave", {})
        del self._joins[channel]
        return Step((frame,))

    def sync(self, streams: Sequence[str], now: float, pending: Sequence[str] = ()) -> Step:
        """Phoenix has no such request."""
        del streams, now, pending
        return Step()

    def authenticate(self, token: str, now: float) -> Step:
        """Sends a new token to each topic, when the server has an event for it."""
        del now
        self._token = token
        event = self._dialect.refresh
        if event is None:
            return Step()
        frames = [self._push("token", topic, topic, event, {event: token}) for topic in self._joins]
        return Step(tuple(frames))

    def prove(self, token: str, now: float) -> Step | None:
        """Sends the heartbeat of Phoenix."""
        del now
        return Step((self._push("beat", token, None, "heartbeat", {}),))

    def tick(self, now: float) -> Step:
        """Nothing is due: this session has no deadline."""
        del now
        return Step()


def _join(_: str, token: str | None) -> dict[str, Any]:
    return {} if token is None else {"token": token}


def _binary(frame: bytes) -> list[Any]:
    """Returns join reference, reference, topic, event and payload of a binary frame.

    Raises:
        MessageRejected: it is not one of the three kinds, or it is cut off.
    """
    count = _SIZES.get(frame[0]) if frame else None
    if count is None or len(frame) < 1 + count:
        raise MessageRejected("a binary frame that is not one of Phoenix v2")
    texts: list[str] = []
    start = 1 + count
    for size in frame[1 : 1 + count]:
        try:
            texts.append(frame[start : start + size].decode())
        except UnicodeDecodeError as error:
            raise MessageRejected("a binary frame with a name that is not UTF-8") from error
        start += size
    if start > len(frame):
        raise MessageRejected("a binary frame that is cut off")
    data = frame[start:]
    match frame[0], texts:
        case 0, [join_ref, topic, event]:
            return [join_ref, None, topic, event, data]
        case 1, [join_ref, ref, topic, status]:
            return [join_ref, ref, topic, "phx_reply", {"status": status, "response": data}]
        case _:
            return [None, None, *texts, data]


def _reason(response: Any) -> tuple[str, str]:
    """Returns code and text of a refusal."""
    reason = (object_of(response) or {}).get("reason")
    if isinstance(reason, str):
        return reason, reason
    return "refused", "binary" if isinstance(response, bytes) else dumped(response)
