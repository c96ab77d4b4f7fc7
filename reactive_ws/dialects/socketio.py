"""Socket.IO v4 (Engine.IO 4): acknowledgements, binary attachments, and recovery of the connection's state.

A message of the program is an event: its type is the name, its payload the one argument, or a list of arguments. The server's
acknowledgement function acknowledges it. An event of the server is a message whose type and channel are its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from ..connection import CloseCode, Meaning, Phase
from ..errors import MessageRejected
from ..wire import Codec, Envelope, JsonCodec, Position, Registry
from .session import (
    NO_CLOSES,
    Acknowledged,
    Alive,
    Capabilities,
    Fault,
    Following,
    Frame,
    Handshaking,
    Hangup,
    Opening,
    Ready,
    Request,
    Step,
    TokenWanted,
)
from .values import decoded, dumped, list_of, message_of, object_of, rejected

__all__ = ["SocketIo", "SocketIoSession"]

_CAPABILITIES = Capabilities(acknowledges=True, subscribes=True)
_MAX_ATTACHMENTS = 1_000
"""Binary parts of one packet; a server that announces more is broken."""

Parts: TypeAlias = list[bytes]


class SocketIo:
    """Socket.IO v4 over one WebSocket, in the main namespace.

    Args:
        registry: Message types; the type of a message is the name of its event.
        token_key: Under which name the token is sent in the handshake of the namespace.
    """

    name = "socket.io"
    subprotocols: Sequence[str] = ()
    capabilities = _CAPABILITIES
    closes: Mapping[int, Meaning] = NO_CLOSES

    def __init__(self, registry: Registry | None = None, *, token_key: str = "token") -> None:
        self._registry = Registry() if registry is None else registry
        self._codec = JsonCodec(self._registry, subprotocol=None)
        self._token_key = token_key

    def __repr__(self) -> str:
        return f"SocketIo({self._registry!r})"

    @property
    def codec(self) -> Codec:
        """Keeps messages in the outbox and its file as protocol v1 writes them."""
        return self._codec

    def address(self, url: str) -> str:
        """Returns the URL with the version of Engine.IO and the transport."""
        separator = "&" if "?" in url else "?"
        return f"{url}{separator}EIO=4&transport=websocket"

    def session(self) -> SocketIoSession:
        """Returns a session for a new connection."""
        return SocketIoSession(self._registry, self._token_key)


class SocketIoSession:
    """One connection in Socket.IO; `SocketIo` makes it.

    Attributes:
        deadline: When the server was silent for longer than its ping interval and timeout.
        memory: Private id and offset, from which the server recovers what was missed.
    """

    capabilities = _CAPABILITIES
    takes_tokens = False

    def __init__(self, registry: Registry, token_key: str) -> None:
        self.deadline: float | None = None
        self.memory: Mapping[str, str] = {}
        self._registry = registry
        self._token_key = token_key
        self._token: str | None = None
        self._silence: float | None = None
        self._max_size: int | None = None
        self._is_joined = False
        self._count = 0
        self._waiting: dict[str, str] = {}
        # The packet whose attachments are still to come, how many, and those that came.
        self._open: tuple[str, str, int] | None = None
        self._parts: Parts = []

    def opened(self, opening: Opening, now: float) -> Step:
        """Waits for the server's first packet."""
        del now
        self._token = opening.token
        self.memory = dict(opening.memory)
        return Step(events=(Handshaking(Phase.DIALING, "packet of Engine.IO"),))

    def received(self, frame: str | bytes, now: float) -> Step:
        """Returns what one frame of the server means."""
        if self._silence is not None:
            self.deadline = now + self._silence
        if isinstance(frame, bytes):
            return self._attached(frame)
        if self._open is not None:
            self._open, self._parts = None, []
            return Step(events=(rejected("a text frame where a binary attachment was expected"),))
        try:
            return self._packet(frame, now)
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        except RecursionError:
            return Step(events=(rejected("it is nested too deeply"),))

    def _packet(self, frame: str, now: float) -> Step:
        kind, rest = frame[:1], frame[1:]
        match kind:
            case "0":
                return self._handshake(rest, now)
            case "1":
                return Step(events=(Hangup(CloseCode.NORMAL, "the server closes the session"),))
            case "2":
                return Step((Frame("3"),), (Alive(),))
            case "4":
                return self._message(rest[:1], rest[1:])
            case _:
                # 3 answers a probe, 5 ends an upgrade, 6 is a no-operation: none is used on a bare WebSocket.
                return (
                    Step()
                    if kind in ("3", "5", "6")
                    else Step(events=(rejected("it is not a packet"),))
                )

    def _handshake(self, rest: str, now: float) -> Step:
        options = decoded(rest)
        try:
            interval, timeout = float(options["pingInterval"]), float(options["pingTimeout"])
            largest = options.get("maxPayload")
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise MessageRejected("the server's handshake has no ping interval") from error
        self._silence = (interval + timeout) / 1000.0
        self._max_size = largest if isinstance(largest, int) else None
        self.deadline = now + self._silence
        auth: dict[str, Any] = dict(self.memory)
        if self._token is not None:
            auth[self._token_key] = self._token
        waits = Handshaking(Phase.AUTHENTICATING, "answer of the namespace")
        return Step((Frame(f"40{dumped(auth) if auth else ''}"),), (waits,))

    def _message(self, kind: str, rest: str) -> Step:
        match kind:
            case "0":
                return self._joined(object_of(decoded(rest)) if rest else None)
            case "1":
                return Step(events=(Hangup(CloseCode.NORMAL, "the server ends the connection"),))
            case "4":
                fields = (object_of(decoded(rest)) if rest else None) or {}
                return Step(events=(TokenWanted(str(fields.get("message", "refused"))),))
            case "2" | "3":
                return self._read(kind, rest, [])
            case "5" | "6":
                return self._begin(kind, rest)
            case _:
                raise MessageRejected("Socket.IO has no such packet")

    def _joined(self, fields: dict[str, Any] | None) -> Step:
        private = (fields or {}).get("pid")
        self.memory = {"pid": private} if isinstance(private, str) else {}
        if self._is_joined:
            return Step()
        self._is_joined = True
        return Step(events=(Ready(silence=self._silence, max_size=self._max_size),))

    def _begin(self, kind: str, rest: str) -> Step:
        number, dash, inside = rest.partition("-")
        if not dash or not number.isascii() or not number.isdigit():
            raise MessageRejected("a binary packet without a number of attachments")
        count = int(number[:9])
        if count > _MAX_ATTACHMENTS:
            text = f"a packet with {count} attachments; {_MAX_ATTACHMENTS} are the limit"
            return Step(events=(Hangup(CloseCode.VIOLATION, text),))
        plain = {"5": "2", "6": "3"}[kind]
        if count == 0:
            return self._read(plain, inside, [])
        self._open, self._parts = (plain, inside, count), []
        return Step()

    def _attached(self, part: bytes) -> Step:
        if self._open is None:
            return Step(events=(rejected("a binary frame without a packet"),))
        kind, inside, count = self._open
        self._parts.append(part)
        if len(self._parts) < count:
            return Step()
        parts, self._parts, self._open = self._parts, [], None
        try:
            return self._read(kind, inside, parts)
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        except RecursionError:
            return Step(events=(rejected("it is nested too deeply"),))

    def _read(self, kind: str, rest: str, parts: Parts) -> Step:
        start = rest.find("[")
        number = rest[: max(start, 0)]
        if start < 0 or (number and not number.isdigit()):
            raise MessageRejected("a packet without a list of arguments")
        arguments = _filled(decoded(rest[start:]), parts)
        if kind == "3":
            identity = self._waiting.pop(number, None)
            return Step() if identity is None else Step(events=(Acknowledged(identity, arguments),))
        if not arguments or not isinstance(arguments[0], str):
            raise MessageRejected("an event without a name")
        name, values = arguments[0], arguments[1:]
        if "pid" in self.memory and values and isinstance(values[-1], str) and not number:
            # With recovery of the state, the last argument is the offset of the event.
            self.memory = {**self.memory, "offset": values.pop()}
        payload = values[0] if len(values) == 1 else values
        message = message_of(self._registry, name, payload, name)
        if number and not isinstance(message, Fault):
            return Step(events=(Request(message, number),))
        return Step(events=(message,))

    def ponged(self, now: float) -> Step:
        """This session sends no probe."""
        del now
        return Step()

    def send(self, message: Envelope[Any], now: float, kept: str | bytes | None = None) -> Step:
        """Emits an event that asks for an acknowledgement."""
        del now, kept
        parts: Parts = []
        arguments = [message.type, *_arguments(message.payload, message.type, parts)]
        number = str(self._count + 1)
        frames = _frames("2", number, dumped(arguments, message.type), parts, message.id)
        self._count += 1
        self._waiting[number] = message.id or ""
        return Step(frames)

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Calls the acknowledgement function of an event of the server."""
        del now
        parts: Parts = []
        arguments = _arguments(payload, None, parts)
        return Step(_frames("3", str(reference), dumped(arguments), parts, None))

    def subscribe(self, channel: str, now: float, position: Position | None = None) -> Step:
        """Socket.IO has no subscriptions: the server sends every event of the namespace."""
        del now, position
        return Step(events=(Following(channel),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Socket.IO has no subscriptions."""
        del channel, now
        return Step()

    def sync(self, streams: Sequence[str], now: float, pending: Sequence[str] = ()) -> Step:
        """Socket.IO has no such request."""
        del streams, now, pending
        return Step()

    def authenticate(self, token: str, now: float) -> Step:
        """The token is sent when the namespace is joined: connect again."""
        del now
        self._token = token
        return Step()

    def prove(self, token: str, now: float) -> Step | None:
        """Only the server asks for life in Engine.IO 4."""
        del token, now
        return None

    def tick(self, now: float) -> Step:
        """The server was silent for too long."""
        del now
        self.deadline = None
        return Step(events=(Hangup(CloseCode.NORMAL, "the server sent no ping in time"),))


def _frames(kind: str, number: str, text: str, parts: Parts, of: str | None) -> tuple[Frame, ...]:
    if not parts:
        return (Frame(f"4{kind}{number}{text}", of),)
    binary = {"2": "5", "3": "6"}[kind]
    head = Frame(f"4{binary}{len(parts)}-{number}{text}")
    return (head, *(Frame(part) for part in parts[:-1]), Frame(parts[-1], of))


def _arguments(payload: Any, name: str | None, parts: Parts) -> list[Any]:
    """Returns the arguments of an event; bytes go to `parts`, with a placeholder in their place."""
    try:
        plain = msgspec.to_builtins(payload, builtin_types=(bytes, bytearray))
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageRejected(f"it cannot be written as JSON: {error}", type=name) from error
    listed = list_of(plain)
    values = listed if listed is not None else [] if plain is None else [plain]
    return [_emptied(value, parts) for value in values]


def _emptied(value: Any, parts: Parts) -> Any:
    if isinstance(value, bytes | bytearray):
        parts.append(bytes(value))
        return {"_placeholder": True, "num": len(parts) - 1}
    return _mapped(value, lambda inner: _emptied(inner, parts))


def _filled(value: Any, parts: Parts) -> Any:
    match object_of(value):
        case {"_placeholder": True, "num": int(number)}:
            if not 0 <= number < len(parts):
                raise MessageRejected(f"there is no attachment {number}")
            return parts[number]
        case _:
            return _mapped(value, lambda inner: _filled(inner, parts))


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """Returns a JSON value whose direct parts are changed."""
    fields = object_of(value)
    if fields is not None:
        return {key: change(inner) for key, inner in fields.items()}
    items = list_of(value)
    return value if items is None else [change(inner) for inner in items]
