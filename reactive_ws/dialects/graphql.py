"""`graphql-transport-ws`: GraphQL over WebSocket, as npm `graphql-ws` and most servers speak it.

A channel is the text of a subscription. A message of the program is an operation: its payload is
`{"query": ..., "variables": ...}`, and the server's result acknowledges it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..connection import Meaning, Phase, Verdict
from ..errors import MessageRejected
from ..wire import Codec, Envelope, JsonCodec, Position, Registry
from .session import (
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
)
from .values import decoded, dumped, list_of, message_of, object_of, rejected, unasked

__all__ = ["GraphqlSession", "GraphqlTransportWs"]

_FATAL = Meaning(Verdict.FATAL)
_CAPABILITIES = Capabilities(acknowledges=True, subscribes=True)


class GraphqlTransportWs:
    """GraphQL subscriptions, queries and mutations over one socket.

    Args:
        registry: Message types; events of a subscription have the type `graphql.next`.
        parameters: What `connection_init` carries beside the token, as JSON values.
        token_key: Under which name the token is sent in `connection_init`.
    """

    name = "graphql-transport-ws"
    subprotocols: Sequence[str] = ("graphql-transport-ws",)
    capabilities = _CAPABILITIES
    closes: Mapping[int, Meaning] = {
        4400: _FATAL,
        4401: _FATAL,
        4403: Meaning(Verdict.REFRESH_TOKEN),
        4406: _FATAL,
        4408: Meaning(Verdict.RETRY),
        4409: _FATAL,
        4429: Meaning(Verdict.RETRY_SLOWLY),
    }

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        token_key: str = "token",
    ) -> None:
        self._registry = Registry() if registry is None else registry
        self._codec = JsonCodec(self._registry, subprotocol=None)
        self._parameters = dict(parameters or {})
        self._token_key = token_key

    def __repr__(self) -> str:
        return f"GraphqlTransportWs({self._registry!r})"

    @property
    def codec(self) -> Codec:
        """Keeps messages in the outbox and its file as protocol v1 writes them."""
        return self._codec

    def address(self, url: str) -> str:
        """Returns the URL as it is."""
        return url

    def session(self) -> GraphqlSession:
        """Returns a session for a new connection."""
        return GraphqlSession(self._registry, self._parameters, self._token_key)


@attrs.define
class _Operation:
    """An operation under way: a subscription of a channel, or a message of the program.

    Attributes:
        channel: Text of the subscription; None for a message.
        result: The newest result of a message.
    """

    channel: str | None
    result: Any = None


class GraphqlSession:
    """One connection in `graphql-transport-ws`; `GraphqlTransportWs` makes it."""

    deadline: float | None = None
    memory: Mapping[str, str] = NO_MEMORY
    capabilities = _CAPABILITIES
    takes_tokens = False

    def __init__(self, registry: Registry, parameters: Mapping[str, Any], token_key: str) -> None:
        self._registry = registry
        self._parameters = parameters
        self._token_key = token_key
        self._operations: dict[str, _Operation] = {}
        self._count = 0
        self._is_ready = False

    def opened(self, opening: Opening, now: float) -> Step:
        """Sends `connection_init`."""
        del now
        payload = dict(self._parameters)
        if opening.token is not None:
            payload[self._token_key] = opening.token
        waits = Handshaking(Phase.AUTHENTICATING, "connection_ack")
        return Step((Frame(dumped({"type": "connection_init", "payload": payload})),), (waits,))

    def received(self, frame: str | bytes, now: float) -> Step:
        """Returns what one frame of the server means."""
        del now
        if not isinstance(frame, str):
            return Step(events=(rejected(f"a binary frame of {len(frame)} bytes"),))
        try:
            message = object_of(decoded(frame))
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        if message is None or not isinstance(message.get("type"), str):
            return Step(events=(rejected("it is not an object with a type"),))
        match message:
            case {"type": "connection_ack"}:
                events = () if self._is_ready else (Ready(),)
                self._is_ready = True
                return Step(events=events)
            case {"type": "ping"}:
                return Step((Frame('{"type":"pong"}'),), (Alive(),))
            case {"type": "pong", **rest}:
                return Step(events=(Alive(_token_of(rest), is_answer=True),))
            case {"type": "next" | "error" | "complete" as kind, "id": str(identity), **rest}:
                return Step(events=self._operated(kind, identity, rest.get("payload")))
            case {"type": kind}:
                return Step(events=(rejected("graphql-transport-ws has no such message", kind),))
            case _:
                return Step()

    def _operated(self, kind: str, identity: str, payload: Any) -> tuple[Event, ...]:
        operation = self._operations.get(identity)
        if operation is None:
            # Late: the operation was ended here, while the server still answered.
            return ()
        channel = operation.channel
        if kind == "next":
            if channel is not None:
                return (message_of(self._registry, "graphql.next", payload, channel),)
            operation.result = payload
            return ()
        del self._operations[identity]
        if kind == "error":
            text = _text_of(payload)
            if channel is not None:
                return (Ended(channel, "graphql", text),)
            return (Refused(identity, "graphql", text),)
        if channel is not None:
            return (Ended(channel),)
        errors = (object_of(operation.result) or {}).get("errors")
        if errors:
            return (Refused(identity, "graphql", _text_of(errors)),)
        return (Acknowledged(identity, operation.result),)

    def ponged(self, now: float) -> Step:
        """This session sends no probe."""
        del now
        return Step()

    def send(self, message: Envelope[Any], now: float, kept: str | bytes | None = None) -> Step:
        """Starts an operation with the message's payload."""
        del now, kept
        identity = message.id or ""
        operation = {"id": identity, "type": "subscribe", "payload": message.payload}
        frame = Frame(dumped(operation, message.type), identity)
        self._operations[identity] = _Operation(None)
        return Step((frame,))

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """GraphQL has no requests of the server."""
        del now, payload
        raise unasked(reference)

    def subscribe(self, channel: str, now: float, position: Position | None = None) -> Step:
        """Starts the subscription whose text is the channel."""
        del now, position
        self._count += 1
        identity = f"subscription-{self._count}"
        self._operations[identity] = _Operation(channel)
        request = {"id": identity, "type": "subscribe", "payload": {"query": channel}}
        # The server confirms nothing: a subscription holds until it says otherwise.
        return Step((Frame(dumped(request)),), (Following(channel),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Completes the subscription."""
        del now
        ended = [name for name, one in self._operations.items() if one.channel == channel]
        for name in ended:
            del self._operations[name]
        return Step(tuple(Frame(dumped({"id": name, "type": "complete"})) for name in ended))

    def sync(self, streams: Sequence[str], now: float, pending: Sequence[str] = ()) -> Step:
        """GraphQL has no such request."""
        del streams, now, pending
        return Step()

    def authenticate(self, token: str, now: float) -> Step:
        """The token is sent with `connection_init` only: connect again."""
        del token, now
        return Step()

    def prove(self, token: str, now: float) -> Step:
        """Sends a ping."""
        del now
        return Step((Frame(dumped({"type": "ping", "payload": {"token": token}})),))

    def tick(self, now: float) -> Step:
        """Nothing is due: this session has no deadline."""
        del now
        return Step()


def _token_of(pong: dict[str, Any]) -> str | None:
    token = (object_of(pong.get("payload")) or {}).get("token")
    # A server may answer a ping without its payload, as the specification allows.
    return token if isinstance(token, str) else None


def _text_of(errors: Any) -> str:
    listed = list_of(errors) or [errors]
    found = [(object_of(each) or {}).get("message") for each in listed]
    texts = [text for text in found if isinstance(text, str)]
    return "; ".join(texts) or "the server gave no reason"
