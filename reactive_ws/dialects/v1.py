"""Protocol v1 as a dialect: hello, token, resume, then messages; see `docs/protocol.md`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ..connection import Meaning
from ..errors import MessageRejected
from ..wire import (
    Auth,
    AuthOk,
    Codec,
    Envelope,
    GoAway,
    Hello,
    JsonCodec,
    MessageReceived,
    Ping,
    Pong,
    Position,
    Recovery,
    Registry,
    Resume,
    Resumed,
    ServerError,
    Snapshot,
    Subscribe,
    Subscribed,
    Sync,
    Unsubscribe,
    Unsubscribed,
    protocol_v1,
)
from .session import (
    Acknowledged,
    Alive,
    Capabilities,
    Ended,
    Event,
    Fault,
    Following,
    Frame,
    Leaving,
    Past,
    Ready,
    Refused,
    State,
    Step,
)

__all__ = ["V1", "V1Session"]


class _Phase(enum.Enum):
    """The steps of a handshake."""

    GREETING = "waits for hello"
    AUTHENTICATING = "waits for auth.ok"
    RESUMING = "waits for resumed"
    LIVE = "carries messages"


class V1:
    """Protocol v1.

    Args:
        registry: The message types; `protocol_v1()` when None.
        codec: Replaces the JSON text frames.
        sends_token: Whether the token goes in the first message instead of the handshake.
    """

    name = "reactive-ws.v1"
    capabilities = Capabilities(
        acknowledges=True,
        deduplicates=True,
        has_positions=True,
        has_snapshots=True,
        ids_are_unique=True,
    )
    closes: ClassVar[Mapping[int, Meaning]] = {}

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        codec: Codec | None = None,
        sends_token: bool = False,
    ) -> None:
        self._registry = protocol_v1() if registry is None else registry
        self._codec: Codec = JsonCodec(self._registry) if codec is None else codec
        self._sends_token = sends_token

    def __repr__(self) -> str:
        return f"V1({self._registry!r})"

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols to offer in the handshake."""
        offered = self._codec.subprotocol
        return () if offered is None else (offered,)

    def address(self, url: str) -> str:
        """Returns the URL as it is."""
        return url

    def session(self) -> V1Session:
        """Returns a session for a new connection."""
        return V1Session(self._registry, self._codec, sends_token=self._sends_token)


class V1Session:
    """One connection in protocol v1; `V1` makes it."""

    deadline: float | None = None
    memory: ClassVar[Mapping[str, str]] = {}

    def __init__(self, registry: Registry, codec: Codec, *, sends_token: bool) -> None:
        self._registry = registry
        self._codec = codec
        self._sends_token = sends_token
        self._phase = _Phase.GREETING
        self._token: str | None = None
        self._positions: Mapping[str, Position] = {}
        self._hello: Hello | None = None

    def opened(self, token: str | None, past: Past, now: float) -> Step:
        """Waits for the server's hello."""
        del now
        self._token = token
        self._positions = past.positions
        return Step()

    def received(self, frame: str | bytes, now: float) -> Step:
        """Returns what one frame of the server means."""
        del now
        try:
            message = self._codec.decode(frame)
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        repaired: tuple[Event, ...] = tuple(
            Fault(MessageRejected(f"a bad field was dropped: {problem}", type=message.type))
            for problem in message.problems
        )
        kind: type[Any] = message.payload.__class__
        read = self._readers.get(kind)
        if read is None and isinstance(message.payload, Snapshot):
            read = V1Session._state
        step = Step(events=(message,)) if read is None else read(self, message)
        return Step(step.frames, (*repaired, *step.events)) if repaired else step

    def send(self, message: Envelope[Any], now: float) -> Step:
        """Writes a message."""
        del now
        return Step((Frame(self._codec.encode(message), message.id),))

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Protocol v1 has no requests of the server."""
        del now, payload
        raise MessageRejected(f"no message of the server has the reference {reference!r}")

    def subscribe(self, channel: str, now: float) -> Step:
        """Asks for the messages of a channel."""
        del now
        return Step((self._frame(Subscribe(channel)),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Ends a subscription."""
        del now
        return Step((self._frame(Unsubscribe(channel)),))

    def sync(self, streams: Sequence[str], now: float) -> Step:
        """Asks for snapshots."""
        del now
        return Step((self._frame(Sync(tuple(streams))),))

    def authenticate(self, token: str, now: float) -> Step:
        """Sends a new token, when the first one went this way too."""
        del now
        self._token = token
        return Step((self._frame(Auth(token)),)) if self._sends_token else Step()

    def prove(self, token: str, now: float) -> Step:
        """Sends a ping."""
        del now
        return Step((self._frame(Ping(), token),))

    def tick(self, now: float) -> Step:
        """Nothing is due: a session of protocol v1 has no deadline."""
        del now
        return Step()

    # --- messages of the server -----------------------------------------------------------------------------------------

    def _frame(self, payload: Any, identity: str | None = None) -> Frame:
        kind: type[Any] = payload.__class__
        name = self._registry.of(kind).name
        return Frame(self._codec.encode(Envelope(name, payload, name, identity)))

    def _greeted(self, message: Envelope[Hello]) -> Step:
        if self._phase is not _Phase.GREETING:
            return Step(events=(message,))
        self._hello = message.payload
        if self._sends_token and self._token is not None:
            self._phase = _Phase.AUTHENTICATING
            return Step((self._frame(Auth(self._token)),), (message,))
        return self._resume(message)

    def _authenticated(self, message: Envelope[AuthOk]) -> Step:
        if self._phase is not _Phase.AUTHENTICATING:
            return Step(events=(message,))
        return self._resume(message)

    def _resume(self, message: Envelope[Any]) -> Step:
        hello = self._hello
        positions = dict(self._positions)
        if positions and hello is not None and hello.resume:
            self._phase = _Phase.RESUMING
            return Step((self._frame(Resume(positions)),), (message,))
        # A server that cannot replay: only its snapshots have what was missed.
        frames = (self._frame(Sync(tuple(positions))),) if positions else ()
        return Step(frames, (message, self._ready()))

    def _ready(self) -> Ready:
        self._phase = _Phase.LIVE
        hello = self._hello
        return Ready() if hello is None else Ready(beat=hello.heartbeat, max_size=hello.max_size)

    def _resumed(self, message: Envelope[Resumed]) -> Step:
        if self._phase is not _Phase.RESUMING:
            return Step(events=(message,))
        it = message.payload
        refused = (Ended(name, refusal.code) for name, refusal in it.refused.items())
        last = () if it.more else (self._ready(),)
        return Step(events=(message, *_followed(it.streams), *refused, *last))

    def _subscribed(self, message: Envelope[Subscribed]) -> Step:
        it = message.payload
        position = None if it.epoch is None or it.seq is None else Position(it.epoch, it.seq)
        followed = Following(it.channel, it.stream, position)
        return Step(events=(followed, *_followed(it.streams), message))

    def _unsubscribed(self, message: Envelope[Unsubscribed]) -> Step:
        return Step(events=(Ended(message.payload.channel, message.payload.code), message))

    def _acknowledged(self, message: Envelope[MessageReceived]) -> Step:
        it = message.payload
        return Step(events=(Acknowledged(it.message_id, it.reply, it.positions, message),))

    def _complained(self, message: Envelope[ServerError]) -> Step:
        error = message.payload
        if error.reply_to is None:
            return Step(events=(message,))
        is_retryable = error.retryable is True
        refused = Refused(
            error.reply_to, error.code, error.message, is_retryable, error.after, message
        )
        return Step(events=(refused,))

    def _state(self, message: Envelope[Snapshot]) -> Step:
        it = message.payload
        return Step(events=(State(message, it.stream, Position(it.epoch, it.seq)),))

    def _pinged(self, message: Envelope[Ping]) -> Step:
        return Step((self._frame(Pong(), message.id),), (Alive(), message))

    def _ponged(self, message: Envelope[Pong]) -> Step:
        return Step(events=(Alive(message.id), message))

    def _leaves(self, message: Envelope[GoAway]) -> Step:
        return Step(events=(Leaving(max(0.0, message.payload.after)), message))

    _readers: ClassVar[dict[type[Any], Callable[[V1Session, Envelope[Any]], Step]]] = {
        Hello: _greeted,
        AuthOk: _authenticated,
        Resumed: _resumed,
        Subscribed: _subscribed,
        Unsubscribed: _unsubscribed,
        MessageReceived: _acknowledged,
        ServerError: _complained,
        Ping: _pinged,
        Pong: _ponged,
        GoAway: _leaves,
    }


def _followed(streams: Mapping[str, Recovery]) -> list[Event]:
    return [
        Following(name, name, Position(it.epoch, it.seq), it.recovered)
        for name, it in streams.items()
    ]
