"""Plain JSON: servers that send objects with the name of their type in a field, and nothing else in common.

The arguments of `PlainJson` say how such a server names types, logs in, subscribes, and answers. What it does not have stays
None, and the capabilities follow from that.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..connection import Meaning, Phase
from ..errors import MessageRejected
from ..wire import Codec, Envelope, JsonCodec, Registry, id_text
from .session import (
    NO_CLOSES,
    NO_MEMORY,
    Acknowledged,
    Alive,
    Capabilities,
    Event,
    Fault,
    Following,
    Frame,
    Handshaking,
    Opening,
    Ready,
    Refused,
    Step,
)
from .values import decoded, dumped, list_of, message_of, object_of, rejected

__all__ = ["PlainJson", "PlainJsonSession"]

Json: TypeAlias = dict[str, Any]

_MAX_ASKED = 64
"""Questions for life without an answer that are remembered."""


class PlainJson:
    """Objects with a type, one or several in a frame.

    Args:
        registry: Message types.
        tag: The field that names the type of an object, or a function that returns the name; None for noise.
        payload: The field with the payload; None: the whole object is the payload.
        channel: Returns the channel of an object; its type when None.
        login: Returns the object that logs in with a token; messages wait until `is_ready`.
        is_ready: Whether an object of the server says that the login is done.
        subscribe, unsubscribe: Return the object that asks for a channel, or ends it.
        ping: Returns the object that asks the server for life; None: WebSocket pings.
        is_pong: Whether an object answers a `ping`.
        id: The field in which messages carry their id, and in which the server's answer repeats it.
        error: The field of an answer that makes it a refusal.
    """

    name = "plain JSON"
    subprotocols: Sequence[str] = ()
    closes: Mapping[int, Meaning] = NO_CLOSES

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        tag: str | Callable[[Json], str | None] = "type",
        payload: str | None = "payload",
        channel: Callable[[Json], str] | None = None,
        login: Callable[[str], Json] | None = None,
        is_ready: Callable[[Json], bool] | None = None,
        subscribe: Callable[[str], Json] | None = None,
        unsubscribe: Callable[[str], Json] | None = None,
        ping: Callable[[], Json] | None = None,
        is_pong: Callable[[Json], bool] | None = None,
        id: str | None = None,  # noqa: A002 - the field's name on the wire
        error: str = "error",
    ) -> None:
        self.registry = Registry() if registry is None else registry
        self._codec = JsonCodec(self.registry, subprotocol=None)
        self.tag = tag
        self.payload = payload
        self.channel = channel
        self.login = login
        self.is_ready = is_ready
        self.subscribe = subscribe
        self.unsubscribe = unsubscribe
        self.ping = ping
        self.is_pong = is_pong
        self.id = id
        self.error = error

    def __repr__(self) -> str:
        return f"PlainJson({self.registry!r})"

    @property
    def capabilities(self) -> Capabilities:
        """Acknowledgements exist when answers repeat the id of a message."""
        return Capabilities(acknowledges=self.id is not None, subscribes=self.subscribe is not None)

    @property
    def codec(self) -> Codec:
        """Keeps messages in the outbox and its file as protocol v1 writes them."""
        return self._codec

    def address(self, url: str) -> str:
        """Returns the URL as it is."""
        return url

    def session(self) -> PlainJsonSession:
        """Returns a session for a new connection."""
        return PlainJsonSession(self)


class PlainJsonSession:
    """One connection in plain JSON; `PlainJson` makes it."""

    deadline: float | None = None
    memory: Mapping[str, str] = NO_MEMORY

    def __init__(self, dialect: PlainJson) -> None:
        self._dialect = dialect
        self.capabilities = dialect.capabilities
        self.takes_tokens = dialect.login is not None
        self._is_ready = False
        self._sent: dict[str, None] = {}
        # Tokens of the questions for life that are out.
        self._asked: collections.deque[str] = collections.deque(maxlen=_MAX_ASKED)

    def opened(self, opening: Opening, now: float) -> Step:
        """Logs in, or is ready at once."""
        del now
        login, token = self._dialect.login, opening.token
        frames = () if login is None or token is None else (Frame(dumped(login(token))),)
        if self._dialect.is_ready is None:
            return Step(frames, (self._ready(),))
        return Step(frames, (Handshaking(Phase.AUTHENTICATING, "answer to the login"),))

    def _ready(self) -> Ready:
        self._is_ready = True
        return Ready()

    def received(self, frame: str | bytes, now: float) -> Step:
        """Returns what one frame of the server means; a list is several messages in one frame."""
        del now
        if not isinstance(frame, str):
            return Step(events=(rejected(f"a binary frame of {len(frame)} bytes"),))
        try:
            found = decoded(frame)
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        several = list_of(found)
        elements = [found] if several is None else several
        return Step(events=tuple(event for one in elements for event in self._events_of(one)))

    def _events_of(self, element: Any) -> list[Event]:
        try:
            return list(self._read(element))
        except Exception as error:  # noqa: BLE001 - functions of the user meet what the server sends
            return [rejected(f"a function of the dialect raised {type(error).__name__}: {error}")]

    def _read(self, value: Any) -> Iterable[Event]:
        element = object_of(value)
        if element is None:
            yield rejected("it is not an object")
            return
        dialect = self._dialect
        if not self._is_ready and dialect.is_ready is not None and dialect.is_ready(element):
            yield self._ready()
        if dialect.is_pong is not None and dialect.is_pong(element):
            yield Alive(self._asked.popleft() if self._asked else None, is_answer=True)
            return
        yield from self._answers(element)
        name = dialect.tag(element) if callable(dialect.tag) else element.get(dialect.tag)
        if name is None and callable(dialect.tag):
            return
        if not isinstance(name, str):
            yield rejected(f"the type {name!r} is not text")
            return
        channel = name if dialect.channel is None else dialect.channel(element)
        payload = element if dialect.payload is None else element.get(dialect.payload)
        identity = None if dialect.id is None else id_text(element.get(dialect.id))
        yield message_of(dialect.registry, name, payload, channel, id=identity)

    def _answers(self, element: Json) -> Iterable[Event]:
        field = self._dialect.id
        if field is None or field not in element:
            return
        # A server may write the id back as the number that it reads in it.
        identity = id_text(element[field])
        if identity is None or identity not in self._sent:
            return
        del self._sent[identity]
        error = element.get(self._dialect.error)
        if error:
            yield Refused(identity, "refused", error if isinstance(error, str) else dumped(error))
        else:
            yield Acknowledged(identity, element)

    def ponged(self, now: float) -> Step:
        """This session sends no probe."""
        del now
        return Step()

    def send(self, message: Envelope[Any], now: float, kept: str | bytes | None = None) -> Step:
        """Writes an object with the type, the payload and the id."""
        del now, kept
        dialect = self._dialect
        written: Json = {}
        try:
            plain = msgspec.to_builtins(message.payload)
        except (TypeError, ValueError, RecursionError) as error:
            raise MessageRejected(
                f"it cannot be written as JSON: {error}", type=message.type
            ) from error
        if not callable(dialect.tag):
            written[dialect.tag] = message.type
        if dialect.payload is not None:
            if plain is not None:
                written[dialect.payload] = plain
        elif (fields := object_of(plain)) is not None:
            written |= fields
        elif plain is not None:
            raise MessageRejected(
                "the payload must be an object, because it is the whole message", type=message.type
            )
        if dialect.id is not None and message.id is not None:
            written[dialect.id] = message.id
            self._sent[message.id] = None
        return Step((Frame(dumped(written, message.type), message.id),))

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Plain JSON has no requests of the server."""
        del now, payload
        raise MessageRejected(f"no message of the server has the reference {reference!r}")

    def subscribe(self, channel: str, now: float) -> Step:
        """Asks for a channel, when the server has subscriptions."""
        del now
        make = self._dialect.subscribe
        frames = () if make is None else (Frame(dumped(make(channel))),)
        return Step(frames, (Following(channel),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Ends a subscription, when the server has a message for it."""
        del now
        make = self._dialect.unsubscribe
        return Step() if make is None else Step((Frame(dumped(make(channel))),))

    def sync(self, streams: Sequence[str], now: float, pending: Sequence[str] = ()) -> Step:
        """Subscribes again, because such servers send the state at the beginning of a subscription."""
        del pending
        frames = [
            frame
            for name in streams
            for step in (self.unsubscribe(name, now), self.subscribe(name, now))
            for frame in step.frames
        ]
        return Step(tuple(frames))

    def authenticate(self, token: str, now: float) -> Step:
        """Logs in again."""
        del now
        login = self._dialect.login
        return Step() if login is None else Step((Frame(dumped(login(token))),))

    def prove(self, token: str, now: float) -> Step | None:
        """Sends the server's own ping, when it has one."""
        del now
        make = self._dialect.ping
        if make is None:
            return None
        self._asked.append(token)
        return Step((Frame(dumped(make())),))

    def tick(self, now: float) -> Step:
        """Nothing is due: this session has no deadline."""
        del now
        return Step()
