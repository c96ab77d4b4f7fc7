"""JSON-RPC 2.0 over WebSocket, both ways, with batches, as npm `rpc-websockets` speaks it.

A message of the program is a call: its type is the method, its payload the params. The result acknowledges it. A
notification of the server is a message whose type and channel are its method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..connection import Meaning, Phase
from ..errors import MessageRejected
from ..wire import Codec, Envelope, JsonCodec, Position, Registry
from .session import (
    NO_CLOSES,
    NO_MEMORY,
    Acknowledged,
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
    Request,
    Step,
    TokenWanted,
)
from .values import decoded, dumped, list_of, message_of, object_of, rejected

__all__ = ["JsonRpc", "JsonRpcSession"]

_CAPABILITIES = Capabilities(acknowledges=True, subscribes=True)
_MAX_BATCH = 10_000
"""Elements of a batch; a larger one is noise."""


class JsonRpc:
    """JSON-RPC 2.0.

    Args:
        registry: Message types; the type of a message is its method.
        subscribe, unsubscribe: Methods that take a list with the channel; None when the server has none.
        login: Method that takes a list with the token, before anything else; None when the token goes another way.
    """

    name = "json-rpc"
    subprotocols: Sequence[str] = ()
    capabilities = _CAPABILITIES
    closes: Mapping[int, Meaning] = NO_CLOSES

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        subscribe: str | None = "rpc.on",
        unsubscribe: str | None = "rpc.off",
        login: str | None = None,
    ) -> None:
        self._registry = Registry() if registry is None else registry
        self._codec = JsonCodec(self._registry, subprotocol=None)
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._login = login

    def __repr__(self) -> str:
        return f"JsonRpc({self._registry!r})"

    @property
    def codec(self) -> Codec:
        """Keeps messages in the outbox and its file as protocol v1 writes them."""
        return self._codec

    def address(self, url: str) -> str:
        """Returns the URL as it is."""
        return url

    def session(self) -> JsonRpcSession:
        """Returns a session for a new connection."""
        return JsonRpcSession(self._registry, self._subscribe, self._unsubscribe, login=self._login)


class JsonRpcSession:
    """One connection in JSON-RPC 2.0; `JsonRpc` makes it."""

    deadline: float | None = None
    memory: Mapping[str, str] = NO_MEMORY
    capabilities = _CAPABILITIES

    def __init__(
        self,
        registry: Registry,
        subscribe: str | None,
        unsubscribe: str | None,
        *,
        login: str | None,
    ) -> None:
        self._registry = registry
        self._subscribe = subscribe
        self._unsubscribe = unsubscribe
        self._login = login
        self.takes_tokens = login is not None
        self._count = 0
        # What a call of this session is about, by its id on the wire; a message of the program has its own id there.
        self._calls: dict[str, tuple[str, str]] = {}

    def opened(self, opening: Opening, now: float) -> Step:
        """Logs in, or is ready at once."""
        del now
        if self._login is None or opening.token is None:
            return Step(events=(Ready(),))
        waits = Handshaking(Phase.AUTHENTICATING, "answer to the login")
        return Step((self._call("login", self._login, [opening.token]),), (waits,))

    def _call(self, purpose: str, method: str, params: list[Any], about: str = "") -> Frame:
        self._count += 1
        identity = f"{purpose}-{self._count}"
        self._calls[identity] = purpose, about
        return Frame(dumped({"jsonrpc": "2.0", "id": identity, "method": method, "params": params}))

    def received(self, frame: str | bytes, now: float) -> Step:
        """Returns what one frame of the server means; a batch is several messages in one frame."""
        del now
        if not isinstance(frame, str):
            return Step(events=(rejected(f"a binary frame of {len(frame)} bytes"),))
        try:
            found = decoded(frame)
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        batch = list_of(found)
        elements = [found] if batch is None else batch
        if len(elements) > _MAX_BATCH:
            return Step(events=(rejected(f"a batch of more than {_MAX_BATCH} elements"),))
        return Step(events=tuple(event for one in elements for event in self._read(one)))

    def _read(self, element: Any) -> tuple[Event, ...]:
        match object_of(element):
            case {"method": str(method), "id": str() | int() as reference, **rest}:
                message = message_of(self._registry, method, rest.get("params"), method)
                return (message,) if isinstance(message, Fault) else (Request(message, reference),)
            case {"method": str(method), **rest}:
                return (message_of(self._registry, method, rest.get("params"), method),)
            case {"notification": str(method), **rest}:
                # `rpc-websockets` sends its events so.
                return (message_of(self._registry, method, rest.get("params"), method),)
            case {"id": str(identity), "error": error} if error is not None:
                return self._failed(identity, error)
            case {"id": str(identity), "result": result}:
                return self._answered(identity, result)
            case {"error": error} if error is not None:
                return (rejected(f"the server found a fault: {_text_of(error)}"),)
            case _:
                return (rejected("it is not JSON-RPC 2.0"),)

    def _answered(self, identity: str, result: Any) -> tuple[Event, ...]:
        purpose, about = self._calls.pop(identity, ("late", ""))
        match purpose:
            case "message":
                return (Acknowledged(identity, result),)
            case "login":
                return (Ready(),)
            case "subscribe" if (object_of(result) or {}).get(about, "ok") != "ok":
                # `rpc-websockets` answers with the outcome of each channel.
                return (Ended(about, "rpc", str(result[about])),)
            case "subscribe":
                return (Following(about),)
            case _:
                return ()

    def _failed(self, identity: str, error: Any) -> tuple[Event, ...]:
        purpose, about = self._calls.pop(identity, ("late", ""))
        code = str((object_of(error) or {}).get("code", "rpc"))
        match purpose:
            case "message":
                return (Refused(identity, code, _text_of(error)),)
            case "login":
                return (TokenWanted(_text_of(error)),)
            case "subscribe":
                return (Ended(about, code, _text_of(error)),)
            case _:
                return ()

    def ponged(self, now: float) -> Step:
        """This session sends no probe."""
        del now
        return Step()

    def send(self, message: Envelope[Any], now: float, kept: str | bytes | None = None) -> Step:
        """Calls the method that is the message's type."""
        del now, kept
        identity = message.id or ""
        call: dict[str, Any] = {"jsonrpc": "2.0", "id": identity, "method": message.type}
        if message.payload is not None:
            call["params"] = message.payload
        frame = Frame(dumped(call, message.type), identity)
        self._calls[identity] = "message", identity
        return Step((frame,))

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Sends the result of a call of the server."""
        del now
        return Step((Frame(dumped({"jsonrpc": "2.0", "id": reference, "result": payload})),))

    def subscribe(self, channel: str, now: float, position: Position | None = None) -> Step:
        """Calls the method for subscriptions; without one, the server sends what it likes."""
        del now, position
        if self._subscribe is None:
            return Step(events=(Following(channel),))
        return Step((self._call("subscribe", self._subscribe, [channel], channel),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Calls the method that ends subscriptions."""
        del now
        if self._unsubscribe is None:
            return Step()
        return Step((self._call("unsubscribe", self._unsubscribe, [channel], channel),))

    def sync(self, streams: Sequence[str], now: float, pending: Sequence[str] = ()) -> Step:
        """JSON-RPC has no such request."""
        del streams, now, pending
        return Step()

    def authenticate(self, token: str, now: float) -> Step:
        """Logs in again."""
        del now
        return Step() if self._login is None else Step((self._call("again", self._login, [token]),))

    def prove(self, token: str, now: float) -> Step | None:
        """JSON-RPC has no question for life."""
        del token, now
        return None

    def tick(self, now: float) -> Step:
        """Nothing is due: this session has no deadline."""
        del now
        return Step()


def _text_of(error: Any) -> str:
    fields = object_of(error)
    text = error if fields is None else fields.get("message")
    return str(text) if text else "the server gave no reason"
