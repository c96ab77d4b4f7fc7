"""Plain JSON: servers that send JSON with the name of a type somewhere in it, and nothing else in common.

The arguments of `PlainJson` say how such a server names types, logs in, subscribes, and answers. What it does not have stays
None, and the capabilities follow from that. The module is long because each argument has a line of documentation and its own few lines.
"""

from __future__ import annotations

import collections
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..connection import Meaning, Phase
from ..errors import MessageRejected, UsageError
from ..wire import Codec, Envelope, JsonCodec, Position, Registry, id_text
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
    Handshaking,
    Opening,
    Ready,
    Refused,
    Step,
    TokenWanted,
)
from .values import decoded, dumped, list_of, message_of, object_of, rejected, unasked

__all__ = ["PlainJson", "PlainJsonSession"]

Json: TypeAlias = dict[str, Any]
Id: TypeAlias = str | int
"""An id on the wire."""

_MAX_ASKED = 64
"""Questions for life without an answer that are remembered."""
_MAX_ANSWERS = 10_000
"""Messages and subscriptions of one connection whose answer may still come, and items that `read=` remembers."""


class _Kind(enum.Enum):
    """The things that an id on the wire may belong to."""

    MESSAGE = "message"
    SUBSCRIPTION = "subscribe"
    OTHER = "other"


class PlainJson:
    """JSON elements with a type, one or several in a frame.

    The functions get an element: an object, or a list where the server sends lists.

    Args:
        registry: Message types.
        tag: The field that names the type of an object, or a function that returns the name of an element's type; None for noise.
        payload: The field with the payload, or a function that returns it; None: the whole element is the payload.
        channel: Returns the channel of an element; its type when None.
        batches: Whether a list is several elements in one frame. False: it is one element.
        separator: The text between the messages of one frame, such as a newline or "\\x1e"; every frame of this side ends with it. None: a
            frame is one JSON text.
        unpack: Returns the text of a binary frame, such as `unzipped` of a compressed one; None: binary frames are rejected.
        read: Returns the elements to read in place of an element, from it and a dict that lives as long as the connection, such as for
            servers that name a channel once and then by a number. The dict keeps its newest 10 000 items.
        write: Returns the object to send for a message, from the name of its type and its plain payload, or a list of objects, each
            in a frame; the last one has the id. None: they stand where `tag` and `payload` say, as far as these are fields.
        login: Returns the object that logs in with a token; messages wait until `is_ready`.
        wants_login: Whether an element asks for the login. None: the login goes first.
        is_ready: Whether an element says that the login is done.
        is_denied: Whether an element says that the token is not good.
        subscribe: Returns the object that asks for a channel.
        unsubscribe: Returns the object that ends a subscription, from the channel and the id with which it was asked for.
        subscription_id: The field of the answer to `subscribe` with the id that the server gives the subscription; `unsubscribe` gets
            this id then, and not before the answer is there. None: the server gives no such id. It needs `id` and `numbers`.
        ping: Returns the object, or the text of a frame, that asks the server for life; None: WebSocket pings.
        is_pong: Whether an element answers a `ping`. A frame that is not JSON is given to it as a text.
        answer: Returns the object, or the text, to write at once for an element, such as a pong for the server's own ping; None for
            nothing. A frame that is not JSON is given to it as a text.
        id: The field in which messages carry their id, and in which the server's answer repeats it.
        numbers: Whether the ids are whole numbers that grow from 1 on each connection. Subscriptions and pings have one then, too.
        error: The field of an answer that makes it a refusal.
        result: The field of an answer with the result; None: the whole answer is the result.

    Raises:
        UsageError: `numbers` without `id`, or `subscription_id` without `numbers`.
    """

    name = "plain JSON"
    subprotocols: Sequence[str] = ()
    closes: Mapping[int, Meaning] = NO_CLOSES

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        # messages
        tag: str | Callable[[Any], str | None] = "type",
        payload: str | Callable[[Any], Any] | None = "payload",
        channel: Callable[[Any], str] | None = None,
        batches: bool = True,
        separator: str | None = None,
        unpack: Callable[[bytes], str] | None = None,
        read: Callable[[Any, dict[Any, Any]], Sequence[Any]] | None = None,
        write: Callable[[str, Any], Json | list[Json]] | None = None,
        # login
        login: Callable[[str], Json] | None = None,
        wants_login: Callable[[Any], bool] | None = None,
        is_ready: Callable[[Any], bool] | None = None,
        is_denied: Callable[[Any], bool] | None = None,
        # subscriptions
        subscribe: Callable[[str], Json] | None = None,
        unsubscribe: Callable[[str, Id | None], Json] | None = None,
        subscription_id: str | None = None,
        # life
        ping: Callable[[], Json | str] | None = None,
        is_pong: Callable[[Any], bool] | None = None,
        answer: Callable[[Any], Json | str | None] | None = None,
        # answers
        id: str | None = None,  # noqa: A002 - the field's name on the wire
        numbers: bool = False,
        error: str = "error",
        result: str | None = None,
    ) -> None:
        if numbers and id is None:
            raise UsageError("numbers=True needs id=, the field in which the numbers stand")
        if subscription_id is not None and not numbers:
            raise UsageError(
                "subscription_id= needs id= and numbers=True: the number says which subscription an answer is for"
            )
        self.registry = Registry() if registry is None else registry
        self._codec = JsonCodec(self.registry, subprotocol=None)
        self.tag = tag
        self.payload = payload
        self.channel = channel
        self.batches = batches
        self.separator = separator
        self.unpack = unpack
        self.read = read
        self.write = write
        self.login = login
        self.wants_login = wants_login
        self.is_ready = is_ready
        self.is_denied = is_denied
        self.subscribe = subscribe
        self.unsubscribe = unsubscribe
        self.subscription_id = subscription_id
        self.ping = ping
        self.is_pong = is_pong
        self.answer = answer
        self.id = id
        self.numbers = numbers
        self.error = error
        self.result = result
        asks = (wants_login, is_ready, is_denied, is_pong, answer, channel, id, read)
        # The type is looked at first, and the frame is then read in one pass, straight into the class.
        self.head: Callable[[str], Any] | None = None
        if isinstance(tag, str) and payload is None and all(one is None for one in asks):
            head = msgspec.defstruct("Head", [("tag", str)], rename={"tag": tag})
            self.head = msgspec.json.Decoder(head).decode
        self.whole: dict[str, Callable[[str], Any]] = {}

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
        self._head = dialect.head
        self._is_ready = False
        self._token: str | None = None
        self._last_number = 0
        # What was asked, by the text of its id on the wire, oldest first: a message's id, a channel.
        self._questions: dict[str, tuple[_Kind, str]] = {}
        # The id on the wire of each subscription.
        self._ids: dict[str, Id] = {}
        # The server's id of each subscription; None before its answer. Those to end as soon as the answer is there.
        self._given: dict[str, Id | None] = {}
        self._leaving: set[str] = set()
        self._known: dict[Any, Any] = {}
        # Tokens of the questions for life that are out.
        self._asked: collections.deque[str] = collections.deque(maxlen=_MAX_ASKED)

    def opened(self, opening: Opening, now: float) -> Step:
        """Logs in, or is ready at once."""
        del now
        dialect = self._dialect
        self._token = opening.token
        frames = () if dialect.wants_login is not None else self._login()
        if dialect.is_ready is None:
            return Step(frames, (self._ready(),))
        return Step(frames, (Handshaking(Phase.AUTHENTICATING, "answer to the login"),))

    def _login(self) -> tuple[Frame, ...]:
        login = self._dialect.login
        if login is None or self._token is None:
            return ()
        return (self._frame(login(self._token), "login"),)

    def _ready(self) -> Ready:
        self._is_ready = True
        return Ready()

    def received(self, frame: str | bytes, now: float) -> Step | Event:
        """Returns what one frame of the server means."""
        del now
        dialect = self._dialect
        if not isinstance(frame, str):
            if dialect.unpack is None:
                return rejected(f"a binary frame of {len(frame)} bytes")
            try:
                frame = dialect.unpack(frame)
            except Exception as error:  # noqa: BLE001 - a function of the user meets what the server sends
                return rejected(f"unpack= of the dialect raised {type(error).__name__}: {error}")
        if dialect.separator is None:
            if self._head is not None:
                message = self._read_directly(frame)
                if message is not None:
                    return message
            return self._read_text(frame)
        steps = [self._read_text(it) for it in frame.split(dialect.separator) if it.strip()]
        frames = [one for step in steps for one in step.frames]
        return Step(tuple(frames), tuple(event for step in steps for event in step.events))

    def _read_text(self, text: str) -> Step:
        """Returns what one JSON text, or another text, means."""
        frames: list[Frame] = []
        events: list[Event] = []
        try:
            found = decoded(text)
        except MessageRejected as error:
            frame, event = self._read_other(text, error)
            return Step(() if frame is None else (frame,), () if event is None else (event,))
        several = list_of(found) if self._dialect.batches else None
        for element in [found] if several is None else several:
            try:
                for part in self._read_all(element):
                    if isinstance(part, Frame):
                        frames.append(part)
                    else:
                        events.append(part)
            except Exception as error:  # noqa: BLE001 - functions of the user meet what the server sends
                reason = f"a function of the dialect raised {type(error).__name__}: {error}"
                events.append(rejected(reason))
        return Step(tuple(frames), tuple(events))

    def _read_other(self, text: str, error: MessageRejected) -> tuple[Frame | None, Event | None]:
        """Returns what a text means that is not JSON, such as `pong`."""
        dialect = self._dialect
        try:
            if dialect.is_pong is not None and dialect.is_pong(text):
                return None, self._ponged()
            if dialect.answer is not None and (answer := dialect.answer(text)) is not None:
                return self._frame(answer, "answer"), None
        except Exception:  # noqa: BLE001 - a function that expects an object; the text is rejected all the same
            return None, Fault(error)
        return None, Fault(error)

    def _read_all(self, element: Any) -> Iterable[Frame | Event]:
        read = self._dialect.read
        if read is None:
            yield from self._read(element)
        else:
            known = self._known
            for one in read(element, known):
                yield from self._read(one)
            while len(known) > _MAX_ANSWERS:
                del known[next(iter(known))]

    def _frame(self, written: Json | str, name: str, of: str | None = None) -> Frame:
        text = written if isinstance(written, str) else dumped(written)
        return Frame(text + (self._dialect.separator or ""), of, name)

    def _ponged(self) -> Event:
        return Alive(self._asked.popleft() if self._asked else None, is_answer=True)

    def _read_directly(self, frame: str) -> Envelope[Any] | None:
        """Returns the message of a frame that is an object of a known type, read in one pass; None for any other frame."""
        assert self._head is not None
        try:
            name = self._head(frame).tag
            decode = self._dialect.whole.get(name)
            if decode is None:
                row = self._dialect.registry.get(name)
                if row is None:
                    return None
                decode = self._dialect.whole[name] = msgspec.json.Decoder(row.payload).decode
            return Envelope(name, decode(frame), name)
        except (ValueError, RecursionError):
            # The long way says what is wrong with it.
            return None

    def _read(self, element: Any) -> Iterable[Frame | Event]:
        dialect = self._dialect
        if dialect.batches and object_of(element) is None:
            yield rejected("it is not an object")
            return
        if dialect.wants_login is not None and dialect.wants_login(element):
            yield from self._login()
            return
        if dialect.is_denied is not None and dialect.is_denied(element):
            yield TokenWanted(dumped(element))
            return
        if not self._is_ready and dialect.is_ready is not None and dialect.is_ready(element):
            yield self._ready()
        if dialect.answer is not None and (answer := dialect.answer(element)) is not None:
            yield self._frame(answer, "answer")
            return
        if dialect.is_pong is not None and dialect.is_pong(element):
            yield self._ponged()
            return
        fields = object_of(element) or {}
        answers = self._answers(fields)
        yield from answers or ()
        name = dialect.tag(element) if callable(dialect.tag) else fields.get(dialect.tag)
        if name is None and (callable(dialect.tag) or answers is not None):
            return
        if not isinstance(name, str):
            yield rejected(f"the type {name!r} is not text")
            return
        if answers is not None and name not in dialect.registry:
            # Its answer is all that it says.
            return
        channel = name if dialect.channel is None else dialect.channel(element)
        if callable(dialect.payload):
            payload = dialect.payload(element)
        else:
            payload = element if dialect.payload is None else fields.get(dialect.payload)
        identity = None if dialect.id is None else id_text(fields.get(dialect.id))
        yield message_of(dialect.registry, name, payload, channel, id=identity)

    def _answers(self, element: Json) -> list[Frame | Event] | None:
        """Returns the meaning of an element for the message or subscription that it answers; None when it answers none."""
        dialect = self._dialect
        if dialect.id is None or dialect.id not in element:
            return None
        # A server may write an id of digits back as a number.
        asked = id_text(element[dialect.id]) or ""
        question = self._questions.pop(asked, None)
        if question is None:
            return None
        kind, name = question
        error = element.get(dialect.error)
        if kind is _Kind.MESSAGE:
            if error:
                return [Refused(name, *_reason(error))]
            return [
                Acknowledged(
                    name, element if dialect.result is None else element.get(dialect.result)
                )
            ]
        return self._subscribed(name, asked, element, error) if kind is _Kind.SUBSCRIPTION else []

    def _subscribed(
        self, channel: str, asked: str, answer: Json, error: Any
    ) -> list[Frame | Event]:
        """Takes the answer to a subscription, which the program may have ended before."""
        dialect = self._dialect
        if dialect.subscription_id is None:
            is_wanted = str(self._ids.get(channel)) == asked
            return [Ended(channel, *_reason(error))] if error and is_wanted else []
        is_leaving = channel in self._leaving
        self._leaving.discard(channel)
        given = answer.get(dialect.subscription_id)
        if error or isinstance(given, bool) or not isinstance(given, str | int):
            self._given.pop(channel, None)
            if is_leaving:
                return []
            if error:
                return [Ended(channel, *_reason(error))]
            return [rejected(f"the answer to a subscription has no {dialect.subscription_id!r}")]
        self._given[channel] = given
        return [*self._unsubscribed(channel, given)] if is_leaving else []

    def ponged(self, now: float) -> Step:
        """This session sends no probe."""
        del now
        return Step()

    def send(self, message: Envelope[Any], now: float, kept: str | bytes | None = None) -> Step:
        """Writes an object with the type, the payload and the id."""
        del now, kept
        dialect = self._dialect
        try:
            plain = msgspec.to_builtins(message.payload)
        except (TypeError, ValueError, RecursionError) as error:
            raise MessageRejected(
                f"it cannot be written as JSON: {error}", type=message.type
            ) from error
        made: Json | list[Json] = (
            self._fields(message.type, plain)
            if dialect.write is None
            else dialect.write(message.type, plain)
        )
        written = [{**one} for one in ([made] if isinstance(made, dict) else made)]
        if not written:
            return Step()
        if message.id is not None:
            self._stamp(written[-1], _Kind.MESSAGE, message.id, message.id)
        end = dialect.separator or ""
        texts = [dumped(one, message.type) + end for one in written]
        before = [Frame(text, name=message.type) for text in texts[:-1]]
        return Step((*before, Frame(texts[-1], message.id)))

    def _fields(self, name: str, plain: Any) -> Json:
        dialect = self._dialect
        if callable(dialect.payload):
            raise MessageRejected(
                "payload= of PlainJson is a function, so nothing says where to write it; pass write=",
                type=name,
            )
        written: Json = {} if callable(dialect.tag) else {dialect.tag: name}
        if dialect.payload is not None:
            if plain is not None:
                written[dialect.payload] = plain
        elif (fields := object_of(plain)) is not None:
            written |= fields
        elif plain is not None:
            raise MessageRejected(
                "the payload must be an object, because it is the whole message", type=name
            )
        return written

    def _stamp(
        self, written: Json, kind: _Kind, name: str = "", wire_id: Id | None = None
    ) -> Id | None:
        """Puts an id into an object that carries one, and returns it as it is on the wire."""
        dialect = self._dialect
        if dialect.numbers:
            self._last_number += 1
            wire_id = self._last_number
        if dialect.id is None or wire_id is None:
            return None
        written[dialect.id] = wire_id
        self._questions[str(wire_id)] = kind, name
        if len(self._questions) > _MAX_ANSWERS:
            _, forgotten = self._questions.pop(next(iter(self._questions)))
            self._leaving.discard(forgotten)
            if self._given.get(forgotten, "") is None:
                del self._given[forgotten]
        return wire_id

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Plain JSON has no requests of the server."""
        del now, payload
        raise unasked(reference)

    def subscribe(self, channel: str, now: float, position: Position | None = None) -> Step:
        """Asks for a channel, when the server has subscriptions."""
        del now, position
        make = self._dialect.subscribe
        if make is None:
            return Step(events=(Following(channel),))
        if channel in self._leaving:
            # Its answer is on the way, and the server may refuse to be asked twice.
            self._leaving.discard(channel)
            return Step(events=(Following(channel),))
        written = {**make(channel)}
        wire_id = self._stamp(written, _Kind.SUBSCRIPTION, channel)
        if wire_id is not None:
            self._ids[channel] = wire_id
        if self._dialect.subscription_id is not None:
            self._given[channel] = None
        return Step((self._frame(written, "subscribe"),), (Following(channel),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Ends a subscription, when the server has a message for it."""
        del now
        asked = self._ids.pop(channel, None)
        if self._dialect.subscription_id is None:
            return Step(self._unsubscribed(channel, asked))
        if channel not in self._given:
            return Step()
        given = self._given[channel]
        if given is None:
            self._leaving.add(channel)
            return Step()
        return Step(self._unsubscribed(channel, given))

    def _unsubscribed(self, channel: str, identity: Id | None) -> tuple[Frame, ...]:
        make = self._dialect.unsubscribe
        self._given.pop(channel, None)
        if make is None:
            return ()
        written = {**make(channel, identity)}
        self._stamp(written, _Kind.OTHER)
        return (self._frame(written, "unsubscribe"),)

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
        self._token = token
        return Step(self._login())

    def prove(self, token: str, now: float) -> Step | None:
        """Sends the server's own ping, when it has one."""
        del now
        make = self._dialect.ping
        if make is None:
            return None
        self._asked.append(token)
        asked = make()
        if not isinstance(asked, str):
            asked = {**asked}
            self._stamp(asked, _Kind.OTHER)
        return Step((self._frame(asked, "ping"),))

    def tick(self, now: float) -> Step:
        """Nothing is due: this session has no deadline."""
        del now
        return Step()


def _reason(error: Any) -> tuple[str, str]:
    """Returns code and text of a refusal: of an object with both, of a text, or of anything else."""
    fields = object_of(error)
    if fields is not None and isinstance(fields.get("code"), str | int):
        text = fields.get("message")
        return str(fields["code"]), text if isinstance(text, str) else dumped(error)
    return "refused", error if isinstance(error, str) else dumped(error)
