"""Protocol v1 as a dialect: hello, token, resume, then messages; see `docs/protocol.md`.

A server that did not select the subprotocol is spoken to in plain mode: no hello, no acknowledgements, no subscriptions. Some
servers select what a client offers first, whatever it is. The first frame of such a server shows it, or a pong that comes
without a hello.

The module is long because a session answers some twenty control messages.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import starmap
from typing import Any, ClassVar

import attrs
import msgspec

from ..connection import CloseCode, ErrorKind, Meaning, Phase
from ..errors import MessageRejected, RequestFailed, UsageError
from ..wire import (
    MAX_EPOCH_LENGTH,
    Auth,
    AuthOk,
    Codec,
    Envelope,
    GoAway,
    Guarantee,
    Hello,
    JsonCodec,
    MessageReceived,
    MessageType,
    Ping,
    Pong,
    Position,
    Recovery,
    Registry,
    Resume,
    Resumed,
    ServerError,
    Snapshot,
    SnapshotPart,
    Subscribe,
    Subscribed,
    Sync,
    Unsubscribe,
    Unsubscribed,
    protocol_v1,
)
from .parts import LARGEST_FRAME, StateParts, in_chunks, in_frames, size_of
from .session import (
    NO_CLOSES,
    Acknowledged,
    Alive,
    Capabilities,
    Control,
    Ended,
    Event,
    Fault,
    Following,
    Frame,
    Handshaking,
    Hangup,
    Leaving,
    Limit,
    Marked,
    Notice,
    Opening,
    Probe,
    Ready,
    Refused,
    State,
    Step,
)
from .values import object_of, unasked

__all__ = ["V1", "V1Session"]

_SMALL = 4096
"""Bytes of positions that need no time of their own."""
_FEW = 8
_ROOM = 24 * 1024
"""Names that fit into one resume of so many bytes: name, epoch and mark have at most 200 characters, which JSON may write six
times as long."""
_SMALLEST_FRAME = 16 * 1024
"""Bytes. Frames of a resume that led to no answer are halved for the next connection, as far as this."""
_FEATURES = ("cause", "more", "snapshot-parts")

_TYPES = protocol_v1()
_FULL = Capabilities(
    acknowledges=True,
    deduplicates=True,
    has_positions=True,
    has_snapshots=True,
    ids_are_unique=True,
    subscribes=True,
)
_WHOLE = attrs.evolve(_FULL, names_effects=True)
_PLAIN = Capabilities()


class _Phase(enum.Enum):
    """The steps of a handshake."""

    GREETING = "waits for hello"
    AUTHENTICATING = "waits for auth.ok"
    RESUMING = "waits for resumed"
    LIVE = "carries messages"
    PLAIN = "carries messages of a server of another kind"


class _WithSubclasses(dict[type[Any], Any]):
    """A table by class in which a subclass has the entry of its base, and any other class None.

    The application's snapshot is such a subclass. An answer is kept, so that each class is looked up once.
    """

    def __missing__(self, payload: type[Any]) -> Any:
        found = next((self[base] for base in payload.__mro__[1:] if base in self), None)
        self[payload] = found
        return found


class V1:
    """Protocol v1, or plain mode where the server does not speak it.

    Args:
        registry: The message types; the codec's, or `protocol_v1()`, when None.
        codec: Replaces the JSON text frames.
        pings_plain: Whether pings are messages also in plain mode, instead of WebSocket pings.
    """

    name = "reactive-ws.v1"
    capabilities = _FULL
    closes: Mapping[int, Meaning] = NO_CLOSES

    def __init__(
        self,
        registry: Registry | None = None,
        *,
        codec: Codec | None = None,
        pings_plain: bool = False,
    ) -> None:
        self._codec: Codec = JsonCodec(registry) if codec is None else codec
        self._pings_plain = pings_plain

    def __repr__(self) -> str:
        return f"V1(codec={self._codec!r})"

    @property
    def codec(self) -> Codec:
        """Writes and reads the frames."""
        return self._codec

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
        return V1Session(self._codec, pings_plain=self._pings_plain)


class V1Session:
    """One connection in protocol v1; `V1` makes it.

    Attributes:
        deadline: When to ask whether a server without a hello lives at all.
        memory: Whether a server greeted once (`greeted`), or only repeats what a client offers (`echo`); its newest `mark`; the
            largest `frame` of a resume to try, in bytes.
        capabilities: None in plain mode.
    """

    def __init__(self, codec: Codec, *, pings_plain: bool = False) -> None:
        self.deadline: float | None = None
        self.memory: Mapping[str, str] = {}
        self.capabilities = _FULL
        self._codec = codec
        self._decode = codec.decode
        self._decode_run = codec.decode_run if isinstance(codec, JsonCodec) else None
        self._pings_plain = pings_plain
        self._phase = _Phase.GREETING
        self._is_greeting = False
        self._opening = Opening()
        self._hello: Hello | None = None
        # Streams of the resume that have no answer yet, and how many of its frames have none.
        self._unanswered: dict[str, None] = {}
        self._frames_out = 0
        self._is_recovered = True
        # Channels of the subscriptions under way, by the id of the request.
        self._asked: dict[str, str] = {}
        # Requests that an unsubscribe took back before they were answered.
        self._outdated: dict[str, str] = {}
        # Whether the server names features, so that it knows this client's hello and the whole resume.
        self._is_whole = False
        # What `memory` had as `frame` before this session tried its resume.
        self._tried: str | None = None
        # Whether a mark that is too long was reported.
        self._has_long_mark = False
        self._parts = StateParts()

    @property
    def takes_tokens(self) -> bool:
        """Whether this server takes a new token in place: only where the first one went this way."""
        return self._opening.token is not None and self._phase is not _Phase.PLAIN

    def opened(self, opening: Opening, now: float) -> Step:
        """Waits for the server's hello, if the server selected the subprotocol."""
        self._opening = opening
        self.memory = dict(opening.memory)
        self._tried = self.memory.get("frame")
        own = self._codec.subprotocol
        if own is None or opening.subprotocol != own:
            return self._go_plain()
        self._is_greeting = True
        if "greeted" not in self.memory:
            self.deadline = now if "echo" in self.memory else now + opening.timeout / 2
        return Step(events=(Handshaking(Phase.DIALING, "hello"),))

    def received(self, frame: str | bytes, now: float) -> Step | Event:
        """Returns what one frame of the server means."""
        if self._is_greeting:
            return self._first(frame, now)
        try:
            message = self._decode(frame)
        except MessageRejected as error:
            return Step(events=(Fault(error),))
        read: Callable[[V1Session, Envelope[Any]], Step | Event] | None
        read = self._readers[message.payload.__class__]
        if read is None:
            return message
        found = read(self, message)
        return _with_repairs(message, found) if message.problems else found

    def received_run(self, frames: Iterable[str | bytes]) -> Sequence[Envelope[Any]]:
        """Returns the messages of the program in the first frames, if all have the type of the newest one."""
        if self._decode_run is None or self._is_greeting:
            return ()
        found = self._decode_run(frames)
        return () if found and self._readers[found[0].payload.__class__] is not None else found

    def ponged(self, now: float) -> Step:
        """The server lives, and its hello would be here."""
        del now
        return self._unmask() if self._is_greeting and "greeted" not in self.memory else Step()

    def send(
        self, message: Envelope[Any], now: float, kept: str | bytes | None = None
    ) -> str | bytes:
        """Returns the frame of a message."""
        del now
        return self._codec.encode(message) if kept is None else kept

    def answer(self, reference: str | int, payload: Any, now: float) -> Step:
        """Protocol v1 has no requests of the server."""
        del now, payload
        raise unasked(reference)

    def subscribe(self, channel: str, now: float, position: Position | None = None) -> Step:
        """Asks for the messages of a channel, after a position when the client has one."""
        del now
        if self._phase is _Phase.PLAIN:
            return Step()
        identity = self._opening.new_id()
        self._asked[identity] = channel
        return Step((self._frame(Subscribe(channel, position), identity),))

    def unsubscribe(self, channel: str, now: float) -> Step:
        """Ends a subscription."""
        del now
        if self._phase is _Phase.PLAIN:
            return Step()
        self._outdated |= dict.fromkeys(self._take_requests(self._asked, channel), channel)
        return Step((self._frame(Unsubscribe(channel)),))

    def sync(self, streams: Sequence[str], now: float, pending: Sequence[str] = ()) -> Step:
        """Asks for snapshots."""
        del now
        return Step() if self._phase is _Phase.PLAIN else Step(self._syncs(streams, pending))

    def authenticate(self, token: str, now: float) -> Step:
        """Sends a new token, when the first one went this way too."""
        del now
        return Step((self._frame(Auth(token)),)) if self.takes_tokens else Step()

    def prove(self, token: str, now: float) -> Step | None:
        """Sends a ping; None in plain mode."""
        del now
        if self._phase is _Phase.PLAIN and not self._pings_plain:
            return None
        return Step((self._frame(Ping(), token),))

    def tick(self, now: float) -> Step:
        """No hello came: asks whether the server lives."""
        del now
        self.deadline = None
        return Step(events=(Probe(),)) if self._is_greeting else Step()

    # --- the handshake --------------------------------------------------------------------------------------------------

    def _first(self, frame: str | bytes, now: float) -> Step | Event:
        """Takes a frame before the hello: the server may turn out to be one of another kind."""
        self._is_greeting = False
        unmasked = Step()
        try:
            if "greeted" not in self.memory and self._is_foreign(frame):
                unmasked = self._unmask()
            rest = self.received(frame, now)
        finally:
            self._is_greeting = self._phase is _Phase.GREETING
        if not isinstance(rest, Step):
            rest = Step(events=(rest,))
        return Step((*unmasked.frames, *rest.frames), (*unmasked.events, *rest.events))

    def _is_foreign(self, frame: str | bytes) -> bool:
        """Whether a frame cannot come from a server of v1 before its hello."""
        try:
            kind = self._decode(frame).type
        except MessageRejected as error:
            return error.type is None
        return kind not in _TYPES

    def _go_plain(self) -> Step:
        self._phase = _Phase.PLAIN
        self._is_greeting = False
        self.deadline = None
        self.capabilities = _PLAIN
        token = self._opening.token
        return Step(() if token is None else (self._frame(Auth(token)),), (Ready(),))

    def _unmask(self) -> Step:
        """The server only repeats what a client offers: goes on in plain mode, and says so once."""
        plain = self._go_plain()
        if "echo" in self.memory:
            return plain
        self._remember("echo")
        text = (
            "the server selected the subprotocol of v1 and speaks another one; it goes on in plain mode, "
            "without acknowledgements. Pass codec=JsonCodec(subprotocol=None) to begin with that"
        )
        return Step(plain.frames, (Notice(ErrorKind.PROTOCOL, UsageError(text)), *plain.events))

    def _remember(self, kind: str) -> None:
        """Notes for the next session which kind of server this is, and keeps the mark."""
        kept = {name: text for name, text in self.memory.items() if name in ("mark", "frame")}
        self.memory = {**kept, kind: "yes"}

    def _greeted(self, message: Envelope[Hello]) -> Step:
        if self._phase is _Phase.PLAIN and "echo" in self.memory:
            self._remember("greeted")
            return Step(events=(Control(message), Hangup(CloseCode.RESTART, "its hello came late")))
        if self._phase is not _Phase.GREETING:
            return Step(events=(Control(message), Limit(message.payload.max_size)))
        self._remember("greeted")
        self.deadline = None
        self._hello = message.payload
        token = self._opening.token
        if message.payload.features:
            return self._introduce(message)
        if token is None:
            return self._resume(message)
        self._phase = _Phase.AUTHENTICATING
        waits = Handshaking(Phase.AUTHENTICATING, "answer to the token")
        return Step((self._frame(Auth(token)),), (Control(message), waits))

    def _authenticated(self, message: Envelope[AuthOk]) -> Step:
        if self._phase is not _Phase.AUTHENTICATING:
            return Step(events=(Control(message),))
        return self._resume(message)

    def _introduce(self, message: Envelope[Hello]) -> Step:
        """Writes hello, token and resume in one go, for a server that knows the whole of v1."""
        opening, limit = self._opening, self._limit(message.payload)
        self._is_whole = True
        self.capabilities = _WHOLE
        self._phase = _Phase.RESUMING
        self._read_states_in_parts()
        hello = Hello(features=_FEATURES, max_size=opening.max_size, client=opening.client)
        frames = [self._frame(hello)]
        if opening.token is not None:
            frames.append(self._frame(Auth(opening.token)))
        mark = self.memory.get("mark")
        taken = 0 if mark is None else len(json.dumps(mark))
        subscriptions = in_chunks(opening.subscriptions, limit, taken)
        positions = [part for part in in_frames(opening.positions, limit, taken) if part]
        pending = in_chunks(opening.pending, limit, taken)
        count = len(opening.subscriptions) + len(opening.positions) + len(opening.pending)
        if count <= _FEW and (limit is None or limit >= _ROOM):
            whole = Resume(
                subscriptions=opening.subscriptions,
                positions=dict(opening.positions),
                pending=opening.pending,
            )
            resumes = [whole]
        else:
            resumes = [
                *(Resume(subscriptions=part) for part in subscriptions),
                *(Resume(positions=part) for part in positions),
                *(Resume(pending=part) for part in pending),
            ]
        last = len(resumes) - 1
        for number, resume in enumerate(resumes):
            whole = msgspec.structs.replace(resume, mark=mark, more=number < last)
            frames.append(self._frame(whole))
        self._try_frames(frames, limit)
        self._unanswered = {}
        self._frames_out = 1
        size = max(0, sum(len(frame.data) for frame in frames) - _SMALL)
        waits = Handshaking(Phase.RESUMING, "answer to the resume", size)
        return Step(tuple(frames), (Control(message), waits))

    def _read_states_in_parts(self) -> None:
        codec = self._codec
        if isinstance(codec, JsonCodec):
            rows = tuple(row for row in codec.registry if row.name != "snapshot")
            types = Registry((*rows, MessageType("snapshot", SnapshotPart, Guarantee.CONTROL)))
            own = JsonCodec(types, subprotocol=codec.subprotocol)
            self._decode, self._decode_run = own.decode, own.decode_run

    def _resume(self, message: Envelope[Any]) -> Step:
        hello = self._hello or Hello()
        positions = self._opening.positions
        if not positions or not hello.resume:
            # A server that cannot replay: only its snapshots have what was missed.
            syncs = self._syncs(positions) if positions else ()
            return Step(syncs, (Control(message), self._ready(is_recovered=None)))
        self._phase = _Phase.RESUMING
        self._unanswered = dict.fromkeys(positions)
        limit = self._limit(hello)
        parts = in_frames(positions, limit)
        self._frames_out = len(parts)
        # A slow link needs longer for the positions of ten thousand streams than for a few.
        size = max(0, sum(starmap(size_of, positions.items())) - _SMALL)
        frames = tuple(
            self._frame(Resume(streams=part, more=number < len(parts)))
            for number, part in enumerate(parts, 1)
        )
        self._try_frames(frames, limit)
        waits = Handshaking(Phase.RESUMING, "answer to the resume", size)
        return Step(frames, (Control(message), waits))

    def _limit(self, hello: Hello) -> int | None:
        """Returns how large a frame of a resume may be: what the server says, or less after one that led to no answer."""
        tried = self.memory.get("frame")
        limits = (hello.max_size, None if tried is None else int(tried))
        return min((limit for limit in limits if limit is not None), default=None)

    def _try_frames(self, frames: Sequence[Frame], limit: int | None) -> None:
        """Notes for the next session that it should try half; `_ready` takes it back."""
        if max(len(frame.data) for frame in frames) > _SMALLEST_FRAME:
            half = min(LARGEST_FRAME, limit or LARGEST_FRAME) // 2
            self.memory = {**self.memory, "frame": str(max(half, _SMALLEST_FRAME))}

    def _ready(self, *, is_recovered: bool | None) -> Ready:
        self._phase = _Phase.LIVE
        kept = {name: text for name, text in self.memory.items() if name != "frame"}
        self.memory = kept if self._tried is None else {**kept, "frame": self._tried}
        hello = self._hello or Hello()
        return Ready(
            beat=hello.heartbeat,
            max_size=hello.max_size,
            window=hello.window,
            keeps_outcomes=hello.dedup,
            is_recovered=is_recovered,
            is_subscribed=self._is_whole,
        )

    def _resumed(self, message: Envelope[Resumed]) -> Step:
        """Takes a part of the answer. The connection is ready when each stream or each frame of the resume is answered."""
        it = message.payload
        if self._phase is not _Phase.RESUMING:
            # The server could not go on with these streams, or began others.
            return Step(events=(Control(message), *_followed(it.streams)))
        events: list[Event] = [Control(message), *_followed(it.streams)]
        events += (Ended(name, refusal.code) for name, refusal in it.refused.items())
        events += self._marked(it.mark)
        for name, stream in it.streams.items():
            self._unanswered.pop(name, None)
            self._is_recovered = self._is_recovered and (stream.recovered or stream.new is True)
        for name in it.refused:
            self._unanswered.pop(name, None)
        if it.more:
            return Step(events=tuple(events))
        self._frames_out -= 1
        if self._unanswered and self._frames_out > 0:
            return Step(events=tuple(events))
        missing, self._unanswered = self._unanswered, {}
        events += (Following(name, name, is_recovered=False) for name in missing)
        is_recovered = self._is_recovered and not missing
        if self._is_whole and not self._opening.positions:
            events.append(self._ready(is_recovered=None))
        else:
            events.append(self._ready(is_recovered=is_recovered))
        return Step(events=tuple(events))

    # --- messages of the server -----------------------------------------------------------------------------------------

    def _frame(self, payload: Any, identity: str | None = None) -> Frame:
        opening = self._opening
        name = _TYPES.of(payload.__class__).name
        identity = opening.new_id() if identity is None else identity
        message = Envelope(name, payload, name, identity, timestamp=opening.clock())
        return Frame(self._codec.encode(message), name=name)

    def _syncs(
        self, streams: Sequence[str] | Mapping[str, Position], pending: Sequence[str] = ()
    ) -> tuple[Frame, ...]:
        limit = None if self._hello is None else self._hello.max_size
        named = dict.fromkeys(streams, Position("", 0))
        if not (self._is_whole and pending):
            syncs = [Sync(tuple(part)) for part in in_frames(named, limit)]
        else:
            # One half of a frame for the streams, one for the ids. They come before the first state, because the server looks
            # them up when it has read that state.
            half = (LARGEST_FRAME if limit is None else limit) // 2
            syncs = [Sync(tuple(part)) for part in in_frames(named, half)]
            syncs[:1] = [Sync(syncs[0].streams, part) for part in in_chunks(tuple(pending), half)]
        return tuple(self._frame(sync) for sync in syncs)

    def _subscribed(self, message: Envelope[Subscribed]) -> Step:
        it = message.payload
        if message.id in self._outdated:
            # The server stops before it has sent all entries up to this position.
            return Step(events=(Control(message),))
        position = None if it.epoch is None or it.seq is None else Position(it.epoch, it.seq)
        self._take_requests(self._asked, it.channel)
        followed = Following(it.channel, it.stream, position)
        return Step(events=(followed, *_followed(it.streams), Control(message)))

    def _unsubscribed(self, message: Envelope[Unsubscribed]) -> Step:
        it = message.payload
        if it.code is None:
            # The server answers in order: what was taken back before is answered.
            self._take_requests(self._outdated, it.channel)
            if it.channel in self._asked.values():
                # The channel was asked for again meanwhile; that answer is still to come.
                return Step(events=(Control(message),))
        return Step(events=(Ended(it.channel, it.code), Control(message)))

    @staticmethod
    def _take_requests(requests: dict[str, str], channel: str) -> list[str]:
        """Removes the requests for a channel, and returns their ids."""
        found = [identity for identity, asked in requests.items() if asked == channel]
        for identity in found:
            del requests[identity]
        return found

    def _acknowledged(self, message: Envelope[MessageReceived]) -> Acknowledged:
        it = message.payload
        return Acknowledged(it.message_id, it.reply, it.positions, message)

    def _complained(self, message: Envelope[ServerError]) -> Step:
        error = message.payload
        if error.reply_to in self._outdated:
            return Step(events=(Control(message),))
        is_retryable = error.retryable is True
        if error.reply_to in self._asked:
            channel = self._asked.pop(error.reply_to)
            after = (error.after or 0.0) if is_retryable else None
            return Step(events=(Ended(channel, error.code, error.message, after), Control(message)))
        if error.reply_to is None:
            failure = RequestFailed(error.code, error.message, retryable=error.retryable)
            notice = Notice(ErrorKind.APPLICATION, failure, is_retryable)
            return Step(events=(notice, Control(message)))
        refused = Refused(
            error.reply_to, error.code, error.message, is_retryable, error.after, message
        )
        return Step(events=(refused,))

    def _state(self, message: Envelope[Snapshot]) -> Step:
        it = message.payload
        position = Position(it.epoch, it.seq)
        plain = msgspec.to_builtins(it)
        for name in ("stream", "epoch", "seq"):
            del plain[name]
        return Step(events=(State(message, it.stream, position, plain),))

    def _part(self, message: Envelope[SnapshotPart]) -> Step:
        it = message.payload
        try:
            whole = self._parts.take(it)
        except MessageRejected as error:
            return _no_state(error.reason, it.stream)
        if whole is None:
            return Step()
        return Step(events=(self._whole_state(it, Position(it.epoch, it.seq), *whole),))

    def _whole_state(self, it: SnapshotPart, position: Position, state: Any, size: int) -> Event:
        """Returns the state with a message for handlers, of the class that the program registered."""
        codec = self._codec
        row = codec.registry.get("snapshot") if isinstance(codec, JsonCodec) else None
        kind: type[Any] = Snapshot if row is None else row.payload
        fields = {"stream": it.stream, "epoch": it.epoch, "seq": it.seq}
        try:
            payload = msgspec.convert({**fields, **(object_of(state) or {})}, kind)
        except (msgspec.ValidationError, RecursionError) as error:
            if kind is not Snapshot:
                return _no_state(str(error), it.stream).events[0]
            payload = Snapshot(it.stream, it.epoch, it.seq)
        message = Envelope("snapshot", payload, "snapshot")
        return State(message, it.stream, position, state, size)

    def _pinged(self, message: Envelope[Ping]) -> Step:
        return Step((self._frame(Pong(), message.id),), (Alive(), Control(message)))

    def _ponged(self, message: Envelope[Pong]) -> Step:
        marked = self._marked(message.payload.mark)
        return Step(events=(*marked, Alive(message.id, is_answer=True), Control(message)))

    def _marked(self, mark: str | None) -> tuple[Event, ...]:
        """Keeps a mark of the server; returns what there is to say of it."""
        if mark is None:
            return ()
        if len(mark) <= MAX_EPOCH_LENGTH:
            self.memory = {**self.memory, "mark": mark}
            return (Marked(mark),)
        if self._has_long_mark:
            return ()
        self._has_long_mark = True
        text = (
            f"a mark of {len(mark)} characters was left out: a mark has at most {MAX_EPOCH_LENGTH}"
        )
        error = MessageRejected(text, type="resumed")
        return (Notice(ErrorKind.PROTOCOL, error, is_retryable=False),)

    def _leaves(self, message: Envelope[GoAway]) -> Step:
        return Step(events=(Leaving(max(0.0, message.payload.after)), Control(message)))

    _readers: ClassVar[dict[type[Any], Any]] = _WithSubclasses(
        {
            Hello: _greeted,
            AuthOk: _authenticated,
            Resumed: _resumed,
            Subscribed: _subscribed,
            Unsubscribed: _unsubscribed,
            MessageReceived: _acknowledged,
            ServerError: _complained,
            Snapshot: _state,
            SnapshotPart: _part,
            Ping: _pinged,
            Pong: _ponged,
            GoAway: _leaves,
        }
    )


def _no_state(reason: str, stream: str) -> Step:
    """Returns the step of a state that cannot be used."""
    return Step(events=(Fault(MessageRejected(reason, type="snapshot", stream=stream)),))


def _with_repairs(message: Envelope[Any], found: Step | Event) -> Step:
    step = found if isinstance(found, Step) else Step(events=(found,))
    errors = [
        MessageRejected(f"a bad field was dropped: {problem}", type=message.type, id=message.id)
        for problem in message.problems
    ]
    notices = (Notice(ErrorKind.PROTOCOL, error, is_retryable=False) for error in errors)
    return Step(step.frames, (*notices, *step.events))


def _followed(streams: Mapping[str, Recovery]) -> list[Event]:
    events: list[Event] = []
    for name, it in streams.items():
        if it.new:
            # The client did not name the stream. It follows from its first entry, or goes on after its newest one. The client
            # remembers where, so that a cut before the next entry loses nothing.
            first = Position(it.epoch, 0 if it.recovered else it.seq)
            events.append(Following(name, name, first))
        else:
            events.append(Following(name, name, Position(it.epoch, it.seq), it.recovered))
    return events
