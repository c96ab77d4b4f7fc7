"""`ServerSession`: the server's side of protocol v1 for one client, without I/O and without a clock.

The shell tells it what happens (`opened`, `received`, `answered`, `changed`, `took`, `tick`), and performs the effects that it gets
back, in their order. A session holds no entry of a stream: it knows what it wrote of each, and asks for a page when the socket
has room. Work that needs answers is a generator that yields questions; each of four lanes runs one generator at a time:

    control   hello, auth, resume, sync, subscribe, unsubscribe, in the order in which they came
    command   messages of the application, in the order in which they came: each is asked for with those that wait behind it
    pages     what is next of the marked streams
    mark      which streams began since the last mark

Rules that hold in every interleaving: an answer to `pending` is looked up after the heads or the state were read, and written
before what follows them. A stream is written only after a `resumed` or `subscribed` named it. A command's acknowledgement waits
for its own lane only, so that a slow handler delays neither pings nor `sync`.

The module is long because the four lanes share the state of one client.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import islice
from typing import Any, Final

import attrs
import msgspec

from ...connection import CloseCode
from ...errors import LogError, MessageRejected
from ...wire import (
    MAX_ID_LENGTH,
    Auth,
    AuthOk,
    Codec,
    Envelope,
    GoAway,
    Guarantee,
    Hello,
    MessageReceived,
    Ping,
    Pong,
    Position,
    Recovery,
    Refusal,
    Registry,
    Resume,
    Resumed,
    ServerError,
    Subscribe,
    Subscribed,
    Sync,
    Unsubscribe,
    Unsubscribed,
)
from ..logs import PAGE_BYTES, CommandKey, Outcome, is_pattern, is_private, matches, name_problem
from .following import Following
from .frames import Framing, JsonFraming
from .records import (
    Accepted,
    Ask,
    Authenticate,
    Close,
    EncodedPage,
    Failure,
    FindOutcomes,
    Hear,
    MakeMark,
    MakeState,
    Question,
    ReadHeads,
    ReadPage,
    Rights,
    Run,
    RunAnswer,
    SessionEffect,
    SessionSettings,
    StateAt,
    Unhear,
    Write,
)

__all__ = ["ServerSession"]

_Work = Generator[Question, Any, None]

_MAX_PENDING: Final = 20_000
"""Commands and positions in one resume; a client keeps at most 10 000 of each."""
_LOOK_UP: Final = 500
"""Commands in one question for outcomes."""
_CLIENT_SIZE: Final = 2**20
"""Bytes of the largest frame, for a client that does not say its own limit."""
_FRAME_OVERHEAD: Final = 256
_MAX_CHAIN: Final = 64
"""Commands in one question: as many may be decided before others get their turn."""
_CONTROL = (Hello, Auth, Resume, Sync, Subscribe, Unsubscribe)


class _Lane(enum.Enum):
    CONTROL = "control"
    COMMAND = "command"
    PAGES = "pages"
    MARK = "mark"

    # Lanes are keys of dicts, and the hash of an enum is a function in Python.
    __hash__ = object.__hash__


@attrs.define
class _Gathered:
    """The frames of one resume, until the last of them is there."""

    channels: dict[str, None] = attrs.Factory(dict[str, None])
    positions: dict[str, Position] = attrs.Factory(dict[str, Position])
    pending: list[str] = attrs.Factory(list[str])
    state: dict[str, None] = attrs.Factory(dict[str, None])
    mark: str | None = None


class ServerSession:
    """One client's connection. Every method returns the effects that it leads to.

    Args:
        settings: What the server says and allows.
        registry: The types of messages.
        codec: Reads and writes control frames.
        identity: What `authorize` made of the request; None while an `auth` message has to come.
        is_plain: The client speaks no subprotocol: it gets no `hello`, no positions, and the default channels at once.
        framing: Writes causes and snapshots in the format of the codec; that of JSON when None.
    """

    def __init__(
        self,
        settings: SessionSettings,
        registry: Registry,
        codec: Codec,
        *,
        identity: str | None = "",
        is_plain: bool = False,
        framing: Framing | None = None,
    ) -> None:
        self.settings = settings
        self.identity = identity
        self.client = ""
        self._registry = registry
        self._codec = codec
        self._framing: Framing = framing or JsonFraming()
        self._following = Following()
        self._gathered: _Gathered | None = None
        self._is_plain = is_plain
        self._has_greeted = False
        self._begins: dict[str, Position] | None = None
        self._has_begun = not settings.channels
        self._client_size = _CLIENT_SIZE
        self._mark: str | None = None
        self._next_mark: tuple[str, list[str]] | None = None
        self._has_room = True
        self._is_closed = False
        self._opened_at = 0.0
        self._must_retry = False
        self._newborn: dict[str, None] = {}
        self._effects: list[SessionEffect] = []
        self._numbers = 0
        self._asked: dict[int, _Lane] = {}
        self._running: dict[_Lane, _Work] = {}
        # Lists, because an empty deque takes 760 bytes: `max_waiting` bounds them, and nearly always they are empty.
        self._waiting: dict[_Lane, list[Callable[[], _Work]]] = {lane: [] for lane in _Lane}
        self._commands: list[Run | ServerError] = []
        """Messages that were not answered, in their order; an error in place of a message that cannot be run."""

    # --- what can be asked ----------------------------------------------------------------------------------------------

    @property
    def channels(self) -> tuple[str, ...]:
        """The names and patterns that the client hears."""
        return self._following.channels

    @property
    def wants_input(self) -> bool:
        """Whether the shell goes on reading; false while too many messages wait for their turn."""
        return self.waiting < self.settings.max_waiting

    @property
    def room(self) -> int:
        """How many messages the shell may give in one burst."""
        return max(0, self.settings.max_waiting - self.waiting)

    @property
    def waiting(self) -> int:
        """How many messages of the client wait for their turn."""
        first = self._commands and _Lane.COMMAND in self._running
        return sum(map(len, self._waiting.values())) + len(self._commands) - bool(first)

    @property
    def due_at(self) -> float | None:
        """When the shell has to call `tick`, on the clock of `opened`, besides once a second."""
        if self._is_closed:
            return None
        if self.identity is None:
            return self._opened_at + self.settings.auth_timeout
        return None if self._has_begun else self._opened_at + self.settings.first_word

    def hears(self, stream: str) -> bool:
        """Tells whether the client hears a channel or stream."""
        return self._following.is_heard(stream)

    # --- what happens ---------------------------------------------------------------------------------------------------

    def opened(self, now: float) -> list[SessionEffect]:
        """The connection is open. `now` in seconds, of any clock that only goes forward."""
        self._opened_at = now
        settings = self.settings
        if self.identity is not None and not self._has_begun:
            self._start(_Lane.CONTROL, self._note_beginnings)
        if self._is_plain:
            self._begin_defaults()
            return self._take()
        self._say(
            "hello",
            Hello(
                heartbeat=settings.heartbeat,
                max_size=settings.max_size,
                resume=True,
                features=settings.features,
                window=settings.window,
                dedup=settings.dedup,
            ),
        )
        return self._take()

    def received(self, frame: str | bytes) -> list[SessionEffect]:
        """A frame arrived."""
        return self.burst((frame,))

    def burst(self, frames: Iterable[str | bytes]) -> list[SessionEffect]:
        """Frames arrived together; their commands are asked for together."""
        for frame in frames:
            if self._is_closed:
                break
            try:
                envelope = self._codec.decode(frame)
            except MessageRejected as error:
                if self.identity is None:
                    self._close(CloseCode.UNAUTHORIZED, "the first message must be auth")
                self._say(
                    "error", ServerError("bad_message", str(error), error.id, retryable=False)
                )
            else:
                self._handle(envelope)
        self._start_commands()
        return self._take()

    def handled(self, envelope: Envelope[Any]) -> list[SessionEffect]:
        """A frame arrived that the shell has decoded."""
        if not self._is_closed:
            self._handle(envelope)
            self._start_commands()
        return self._take()

    def _handle(self, envelope: Envelope[Any]) -> None:
        payload: Any = envelope.payload
        if isinstance(payload, Ping):
            self._say("pong", Pong(mark=self._known_mark()), id=envelope.id)
            self._start(_Lane.MARK, self._renew_mark)
        elif isinstance(payload, _CONTROL):
            self._start(_Lane.CONTROL, lambda: self._control(envelope))
        else:
            self._begin_defaults()
            if self._has_room and self._is_idle(_Lane.CONTROL):
                self._queue_command(envelope)
            else:
                # Behind the control messages that came before it: a command may follow its `hello` in the same write.
                self._start(_Lane.CONTROL, lambda: self._take_command(envelope))

    def answered(self, number: int, answer: Any) -> list[SessionEffect]:
        """A question was answered."""
        lane = self._asked.pop(number, None)
        if lane is not None and not self._is_closed:
            self._step(lane, lambda work: work.send(answer))
        return self._take()

    def failed(self, number: int, error: BaseException) -> list[SessionEffect]:
        """A question cannot be answered."""
        lane = self._asked.pop(number, None)
        if lane is not None and not self._is_closed:
            try:
                self._step(lane, lambda work: work.throw(error))
            except Exception as raised:
                if raised is not error:
                    raise
                self._give_up(lane, error)
        return self._take()

    def changed(self, streams: Iterable[str] | None) -> list[SessionEffect]:
        """Streams have new entries; None when any may have."""
        if self._is_closed or not self._has_begun or not self._following.channels:
            return []
        if streams is None:
            self._start(_Lane.MARK, self._compare_heads)
        else:
            # Sorted, so that runs of the same seed are the same; nothing is promised between streams.
            for stream in sorted(streams):
                if self._following.is_heard(stream):
                    self._begin(stream)
            self._check_marked()
        self._start_pages()
        return self._take()

    def offered(
        self, stream: str, after: Position, page: EncodedPage
    ) -> Sequence[SessionEffect] | None:
        """The shell read a page that begins behind `after`, for every client that has the stream up to there.

        Returns `page.writes` itself when that is all there is to do. Returns None when this client is elsewhere, reads a page, or
        takes nothing now: then `changed` lets it ask for its own page.
        """
        if (
            self._is_closed
            or not self._has_room
            or page.entries is None
            or _Lane.PAGES in self._running
        ):
            return None
        following = self._following
        if self._is_plain or page.size > self._client_size or self.client in page.authors:
            if following.written(stream) != after:
                return None
            self._write_page(stream, page)
        elif not following.advance(stream, after, page.last):
            return None
        elif not (following.marked or page.more):
            return page.writes
        else:
            self._effects += page.writes
            if page.more:
                following.mark(stream)
        self._start_pages()
        return self._take()

    def took(self, *, has_room: bool) -> list[SessionEffect]:
        """The socket took what was written; `has_room` when it takes more at once."""
        self._has_room = has_room
        self._next(_Lane.CONTROL)
        self._start_pages()
        return self._take()

    def tick(self, now: float) -> list[SessionEffect]:
        """Time passed; call it about once a second."""
        if self.identity is None and now - self._opened_at >= self.settings.auth_timeout:
            self._close(CloseCode.UNAUTHORIZED, "no auth message came in time")
        if self._must_retry:
            self._must_retry = False
            self._start(_Lane.MARK, self._compare_heads)
        if now - self._opened_at >= self.settings.first_word:
            self._begin_defaults()
        self._start_pages()
        return self._take()

    def leaving(self, after: float) -> list[SessionEffect]:
        """The server ends soon; the client is to come back elsewhere after so many seconds."""
        self._say("goaway", GoAway(after))
        return self._take()

    def said(self, frame: str | bytes) -> list[SessionEffect]:
        """Writes a message without a position, which the shell encoded."""
        if not self._is_closed:
            self._effects.append(Write(frame))
        return self._take()

    def revoked(self, channel: str, code: str) -> list[SessionEffect]:
        """The client lost the right to hear a channel."""
        if self._drop(channel):
            self._say("unsubscribed", Unsubscribed(channel, code))
        return self._take()

    def ended(self) -> list[SessionEffect]:
        """The connection ended; open questions need no answer."""
        self._is_closed = True
        for work in self._running.values():
            work.close()
        self._running.clear()
        self._asked.clear()
        return self._take()

    # --- lanes ----------------------------------------------------------------------------------------------------------

    def _take(self) -> list[SessionEffect]:
        effects, self._effects = self._effects, []
        return effects

    def _say(self, name: str, payload: Any, id: str | None = None) -> None:  # noqa: A002 - the wire's name
        self._effects.append(Write(self._codec.encode(Envelope(name, payload, id=id))))

    def _close(self, code: int, reason: str, *, is_abort: bool = False) -> None:
        if not self._is_closed:
            self._effects.append(Close(code, reason, is_abort))
            self._is_closed = True

    def _start(self, lane: _Lane, work: Callable[[], _Work]) -> None:
        """Runs work on a lane, behind what is there."""
        if lane in (_Lane.MARK, _Lane.PAGES) and work in self._waiting[lane]:
            # It looks at everything there is, and has not begun: once is enough.
            return
        self._waiting[lane].append(work)
        self._next(lane)

    def _is_idle(self, lane: _Lane) -> bool:
        """Tells whether nothing of a lane runs or waits."""
        return lane not in self._running and not self._waiting[lane]

    def _next(self, lane: _Lane) -> None:
        # A client that takes nothing gets no further answers: each may be as large as a state.
        while (
            lane not in self._running
            and self._waiting[lane]
            and not self._is_closed
            and (self._has_room or lane is not _Lane.CONTROL)
        ):
            self._running[lane] = self._waiting[lane].pop(0)()
            self._step(lane, lambda work: work.send(None))

    def _step(self, lane: _Lane, step: Callable[[_Work], Question]) -> None:
        """Lets the work of a lane go on until its next question, or its end."""
        work = self._running.get(lane)
        if work is None:
            return
        try:
            question = step(work)
        except StopIteration:
            self._end(lane)
        else:
            self._numbers += 1
            self._asked[self._numbers] = lane
            self._effects.append(Ask(self._numbers, question))

    def _end(self, lane: _Lane) -> None:
        self._running.pop(lane, None)
        if lane is _Lane.COMMAND and self._commands:
            self._waiting[lane].append(self._run_commands)
        if lane is _Lane.CONTROL:
            # What changed while the heads were read.
            newborn, self._newborn = self._newborn, {}
            for stream in sorted(newborn):
                if self._following.is_heard(stream):
                    self._begin(stream)
            self._check_marked()
        self._next(lane)
        if lane is not _Lane.PAGES:
            self._start_pages()

    def _give_up(self, lane: _Lane, error: BaseException) -> None:
        """The work of a lane ended with an error that it did not expect: of the log, or of the application."""
        if lane is _Lane.CONTROL:
            # The client would wait for an answer that never comes. On the next connection it asks again.
            is_log = isinstance(error, LogError)
            text = "the log is not available" if is_log else "the server failed; its log says why"
            self._close(CloseCode.TRY_LATER, text)
        else:
            self._must_retry = True
        self._end(lane)

    # --- control --------------------------------------------------------------------------------------------------------

    def _control(self, envelope: Envelope[Any]) -> _Work:
        match envelope.payload:
            case Auth(token=token):
                yield from self._authenticate(token, envelope.id)
            case Hello() as hello:
                self._greet(hello)
            case _ if self.identity is None:
                self._close(CloseCode.UNAUTHORIZED, "the first message must be auth")
            case Resume() as resume:
                yield from self._gather(resume, envelope.id)
            case Sync() as sync:
                yield from self._sync(sync)
            case Subscribe() as subscribe:
                yield from self._subscribe(subscribe, envelope.id)
            case Unsubscribe(channel=channel):
                yield from self._unsubscribe(channel, envelope.id)
            case _:
                pass

    def _greet(self, hello: Hello) -> None:
        self._has_greeted = True
        self.client = (hello.client or "")[:MAX_ID_LENGTH]
        if hello.max_size is not None and hello.max_size > 0:
            self._client_size = max(hello.max_size, 1024)

    def _authenticate(self, token: str, id: str | None) -> _Work:  # noqa: A002 - the wire's name
        identity = yield Authenticate(token)
        if identity is None:
            self._close(CloseCode.UNAUTHORIZED, "the token was refused")
            return
        self.identity = identity
        self._say("auth.ok", AuthOk(), id)
        if self._following.channels:
            for channel, code in (yield Rights(self._following.channels)).items():
                self._drop(channel)
                self._say("unsubscribed", Unsubscribed(channel, code))

    def _gather(self, resume: Resume, id: str | None) -> _Work:  # noqa: A002 - the wire's name
        gathered = self._gathered = self._gathered or _Gathered()
        gathered.channels.update(dict.fromkeys(resume.subscriptions))
        gathered.positions.update({**resume.streams, **resume.positions})
        # A client that sends no `hello` names the streams that it wants to hear by their positions.
        if not self._has_greeted:
            defaults = self.settings.channels
            unheard = (
                name for name in resume.streams if not any(matches(one, name) for one in defaults)
            )
            gathered.channels.update(dict.fromkeys(unheard))
        gathered.pending += resume.pending
        gathered.state.update(dict.fromkeys(resume.state))
        gathered.mark = resume.mark or gathered.mark
        if max(len(gathered.pending), len(gathered.positions)) > _MAX_PENDING:
            self._close(
                CloseCode.POLICY, f"a resume has at most {_MAX_PENDING} commands and positions"
            )
        elif len(gathered.channels) > self.settings.max_channels:
            self._close(
                CloseCode.POLICY, f"at most {self.settings.max_channels} subscriptions are allowed"
            )
        elif not resume.more:
            self._gathered = None
            yield from self._recover(gathered, id)

    def _recover(self, resume: _Gathered, id: str | None) -> _Work:  # noqa: A002 - the wire's name
        self._has_begun = True
        refused = yield from self._allow([*resume.channels])
        yield from self._allow_defaults()
        mark = yield MakeMark()
        found: dict[str, Recovery] = {}
        lost: list[str] = []
        heads: dict[str, Position] = {}
        born: set[str] = set()
        for channel in self._following.channels:
            heads |= yield from self._heads(channel)
            if resume.mark is not None:
                born |= set((yield from self._heads(channel, resume.mark)))
        for stream in resume.positions:
            if (
                stream not in heads
                and self._following.is_heard(stream)
                and not name_problem(stream)
            ):
                heads |= {stream: (yield ReadPage(stream, Position("", 0), 1)).head}
        moves: dict[str, Position] = {}
        for stream, head in heads.items():
            at = resume.positions.get(stream)
            is_new = at is None
            if at is None and stream in born:
                at = Position(head.epoch, 0)
            is_there = at is not None and (yield from self._can_continue(stream, at, head))
            found[stream] = Recovery(is_there, head.epoch, head.seq, new=True if is_new else None)
            moves[stream] = at if is_there and at is not None else head
            if not is_there and any(matches(one, stream) for one in resume.state):
                lost.append(stream)
        acknowledged = yield from self._outcomes(resume.pending)
        self._write_resumed(found, refused, mark, id)
        self._mark = mark
        self._acknowledge(acknowledged)
        # From here on the pages of these streams may be written.
        self._move(moves, heads)
        yield from self._write_states(lost, resume.pending)

    def _move(self, moves: dict[str, Position], heads: dict[str, Position]) -> None:
        for stream, position in moves.items():
            self._following.move(stream, position)
        self._following.compare(heads)

    def _can_continue(
        self, stream: str, at: Position, head: Position
    ) -> Generator[Question, Any, bool]:
        if at == head:
            return True
        if at.epoch != head.epoch or at.seq > head.seq:
            return False
        page: EncodedPage = yield ReadPage(stream, at, 1)
        return page.entries is not None

    def _allow(self, channels: Sequence[str]) -> Generator[Question, Any, dict[str, str]]:
        """Subscribes to what the client may hear; returns the code of each refusal."""
        channels = list(dict.fromkeys(channels))
        refused = {
            channel: "bad_channel"
            for channel in channels
            if is_private(channel)
            or (not is_pattern(channel) and name_problem(channel) is not None)
        }
        wanted = [
            channel
            for channel in channels
            if channel not in refused and channel not in self._following.channels
        ]
        if wanted:
            refused |= yield Rights(wanted)
        for channel in wanted:
            if channel not in refused:
                self._add(channel)
        return refused

    def _add(self, channel: str) -> None:
        """Begins a subscription. The shell reports changes before the heads are read, so that none falls between."""
        self._following.add_channel(channel)
        self._effects.append(Hear(channel))

    def _drop(self, channel: str) -> bool:
        """Ends a subscription; returns whether the client heard the channel."""
        was_heard = self._following.drop_channel(channel)
        if was_heard:
            self._effects.append(Unhear(channel))
        return was_heard

    def _write_resumed(
        self,
        found: dict[str, Recovery],
        refused: dict[str, str],
        mark: str | None,
        id: str | None,  # noqa: A002
    ) -> None:
        """Writes `resumed` in as many frames as the client's limit asks for."""
        room = self._client_size - 2 * _FRAME_OVERHEAD
        part: dict[str, Recovery] = {}
        refusals: dict[str, Refusal] = {}
        size = 0

        def flush(*, is_last: bool) -> None:
            # The mark comes with the last frame: before it, some streams are not named yet.
            told = mark if is_last else None
            self._say("resumed", Resumed(dict(part), dict(refusals), told, more=not is_last), id)
            part.clear()
            refusals.clear()

        rows: list[tuple[str, Recovery | Refusal]] = list(found.items())
        rows += [(name, Refusal(code)) for name, code in refused.items()]
        for name, row in rows:
            cost = 6 * len(name.encode()) + 160
            if size + cost > room and size:
                flush(is_last=False)
                size = 0
            size += cost
            if isinstance(row, Recovery):
                part[name] = row
            else:
                refusals[name] = row
        flush(is_last=True)

    def _heads(
        self, channel: str, born_after: str | None = None
    ) -> Generator[Question, Any, dict[str, Position]]:
        """Reads the heads of those streams of a channel that the client hears."""
        heads: dict[str, Position] = yield ReadHeads(channel, born_after)
        return {name: head for name, head in heads.items() if self._following.is_heard(name)}

    def _sync(self, sync: Sync) -> _Work:
        yield from self._default_channels()
        heard = [name for name in dict.fromkeys(sync.streams) if self._following.is_heard(name)]
        for name in dict.fromkeys(sync.streams):
            if name not in heard:
                text = f"stream {name[:60]!r} is not subscribed; send subscribe first"
                self._say("error", ServerError("not_subscribed", text, retryable=False))
        yield from self._write_states(heard, list(sync.pending))

    def _write_states(self, streams: Sequence[str], pending: Sequence[str]) -> _Work:
        left = list(pending)
        for stream in streams:
            try:
                state: StateAt | None = yield MakeState(stream)
            except LogError:
                raise
            except Exception:  # noqa: BLE001 - of the application; other streams go on
                text = (
                    f"the state of {stream[:60]!r} cannot be made; the log of the server says why"
                )
                self._say("error", ServerError("internal", text, retryable=True))
                continue
            # Looked up after the state was read: every command in the state is acknowledged before it.
            found = yield from self._outcomes(left)
            self._acknowledge(found)
            left = [one for one in left if one not in found]
            if state is None:
                page = yield ReadPage(stream, Position("", 0), 1)
                state = StateAt(page.head, b"{}")
            at = self._following.written(stream)
            if at is None or not at.epoch:
                # The client has seen nothing of a stream that began a moment ago: its state has these entries.
                self._following.move(stream, state.position)
                self._following.mark(stream)
            for frame in self._framing.snapshot(
                stream,
                state.position,
                state.state,
                self._client_size,
                is_flat=not self._has_greeted,
            ):
                self._effects.append(Write(frame))

    def _subscribe(self, subscribe: Subscribe, id: str | None) -> _Work:  # noqa: A002 - the wire's name
        yield from self._default_channels()
        channel = subscribe.channel
        if len(self._following.channels) >= self.settings.max_channels:
            text = (
                f"at most {self.settings.max_channels} subscriptions are allowed; end another one"
            )
            self._say("error", ServerError("too_many", text, id, retryable=False))
            return
        refused = yield from self._allow([channel])
        if channel in refused:
            text = f"channel {channel[:60]!r} is refused: {refused[channel]}"
            self._say("error", ServerError(refused[channel], text, id, retryable=False))
            return
        found: dict[str, Recovery] = {}
        heads = yield from self._heads(channel)
        position = subscribe.position
        if not heads and not is_pattern(channel):
            heads[channel] = (yield ReadPage(channel, Position("", 0), 1)).head
        moves: dict[str, Position] = {}
        for stream, head in heads.items():
            if stream in self._following:
                continue
            at = position if stream == channel else None
            is_there = at is not None and (yield from self._can_continue(stream, at, head))
            found[stream] = Recovery(is_there, head.epoch, head.seq, new=None if at else True)
            moves[stream] = at if is_there and at is not None else head
        place = self._following.written(channel) or heads.get(channel)
        answer = Subscribed(channel, streams=found)
        if place is not None:
            answer = Subscribed(channel, channel, place.epoch, place.seq, found)
        self._say("subscribed", answer, id)
        self._move(moves, heads)

    def _unsubscribe(self, channel: str, id: str | None) -> _Work:  # noqa: A002 - the wire's name
        yield from self._default_channels()
        if self._following.left_out >= self.settings.max_channels:
            text = f"at most {self.settings.max_channels} channels can be left out"
            self._say("error", ServerError("too_many", text, id, retryable=False))
            return
        self._drop(channel)
        self._say("unsubscribed", Unsubscribed(channel), id)

    # --- default channels -----------------------------------------------------------------------------------------------

    def _allow_defaults(self) -> _Work:
        """Adds the channels that every client hears, except those that this client may not hear."""
        known = self._following.channels
        wanted = [one for one in self.settings.channels if one not in known]
        if not wanted:
            return
        refused: dict[str, str] = yield Rights(wanted)
        for channel in wanted:
            if channel not in refused:
                self._following.add_default(channel)
                self._effects.append(Hear(channel))

    def _note_beginnings(self) -> _Work:
        """Adds the default channels, and notes where they are: a client that does not resume misses nothing from now on."""
        yield from self._allow_defaults()
        begins: dict[str, Position] = {}
        for channel in self.settings.channels:
            begins |= yield ReadHeads(channel)
        self._begins = begins

    def _begin_defaults(self) -> None:
        """Begins the default channels, once the client may hear something."""
        if not self._has_begun and self.identity is not None:
            self._start(_Lane.CONTROL, self._default_channels)

    def _default_channels(self) -> _Work:
        if self._has_begun:
            return
        self._has_begun = True
        if self._begins is None:
            yield from self._note_beginnings()
        for stream, head in (self._begins or {}).items():
            if stream not in self._following and self._following.is_heard(stream):
                self._following.move(stream, head)
        self._begins = None
        yield from self._compare_heads()

    # --- commands -------------------------------------------------------------------------------------------------------

    def _take_command(self, envelope: Envelope[Any]) -> _Work:
        yield from ()
        self._queue_command(envelope)
        self._start_commands()

    def _queue_command(self, envelope: Envelope[Any]) -> None:
        if self.identity is None:
            self._close(CloseCode.UNAUTHORIZED, "the first message must be auth")
        else:
            self._commands.append(self._command_of(envelope))

    def _start_commands(self) -> None:
        if self._commands and self._is_idle(_Lane.COMMAND) and not self._is_closed:
            self._start(_Lane.COMMAND, self._run_commands)

    def _command_of(self, envelope: Envelope[Any]) -> Run | ServerError:
        row = self._registry.get(envelope.type)
        key = None
        if row is not None and row.guarantee is Guarantee.AT_LEAST_ONCE:
            if envelope.id is None:
                text = (
                    f"a message of type {envelope.type!r} needs an id, because it is acknowledged"
                )
                return ServerError("no_id", text, retryable=False)
            if len(envelope.id) > MAX_ID_LENGTH:
                text = f"an id has at most {MAX_ID_LENGTH} characters"
                short = envelope.id[:MAX_ID_LENGTH]
                return ServerError("bad_id", text, short, retryable=False)
            key = CommandKey(self.identity or "", self.client, envelope.id)
        return Run(envelope, key, self.identity or "")

    def _run_commands(self) -> _Work:
        """Lets the commands run in their order: the shell answers the first of them, or the first few."""
        while self._commands:
            first = self._commands[0]
            if isinstance(first, ServerError):
                self._commands.pop(0)
                self._say("error", first)
                continue
            chain = [first]
            for one in islice(self._commands, 1, _MAX_CHAIN):
                if isinstance(one, ServerError):
                    break
                chain.append(one)
            question = first
            if len(chain) > 1:
                question = Run(first.envelope, first.key, first.identity, tuple(chain[1:]))
            try:
                answer: RunAnswer = yield question
            except Exception:
                # The client sends the command again, and those behind it go on.
                self._commands.pop(0)
                raise
            results = answer if isinstance(answer, list) else [answer]
            for run, result in zip(chain, results, strict=False):
                self._commands.pop(0)
                self._write_result(run, result)

    def _write_result(self, run: Run, result: Accepted | Failure | None) -> None:
        name = run.envelope.id
        if isinstance(result, Failure):
            self._fail(name, result)
        elif isinstance(result, Accepted) and name is not None:
            # A question of an at-most-once type is answered, too. Without a reply its client waits for nothing.
            has_reply = result.reply is not None and len(name) <= MAX_ID_LENGTH
            if run.key is not None or has_reply:
                self._acknowledge({name: Outcome(True, result.reply, result.positions)})

    def _outcomes(self, pending: Sequence[str]) -> Generator[Question, Any, dict[str, Outcome]]:
        found: dict[str, Outcome] = {}
        for start in range(0, len(pending), _LOOK_UP):
            ids = pending[start : start + _LOOK_UP]
            keys = [CommandKey(self.identity or "", self.client, one) for one in ids]
            outcomes = yield FindOutcomes(keys)
            found |= {key.id: outcome for key, outcome in outcomes.items()}
        return found

    def _acknowledge(self, outcomes: dict[str, Outcome]) -> None:
        for command, outcome in outcomes.items():
            if outcome.accepted:
                self._accept(command, outcome)
            else:
                code, text = msgspec.json.decode(
                    outcome.reply or b'["refused",""]', type=tuple[str, str]
                )
                self._fail(command, Failure(code, text))

    def _accept(self, command: str, outcome: Outcome) -> None:
        """Acknowledges a command. A client that takes no frame of this size gets it without the reply, and the reason."""
        positions = {name: at for name, at in outcome.positions.items() if self.hears(name)}
        reply = None if outcome.reply is None else msgspec.Raw(outcome.reply)
        if self._say_if_it_fits(MessageReceived(command, positions=positions, reply=reply)):
            return
        lacks = "its reply"
        if not self._say_if_it_fits(MessageReceived(command, positions=positions)):
            lacks = "its reply and positions"
            self._say("message.received", MessageReceived(command, positions={}))
        text = (
            f"the acknowledgement of {command[:60]!r} is larger than the {self._client_size} bytes that this client takes; "
            f"it came without {lacks}"
        )
        self._say("error", ServerError("too_big", text, retryable=False))

    def _say_if_it_fits(self, received: MessageReceived) -> bool:
        frame = self._codec.encode(Envelope("message.received", received))
        # A character has four bytes at most, so most frames need no second look.
        if 4 * len(frame) > self._client_size and _bytes_of(frame) > self._client_size:
            return False
        self._effects.append(Write(frame))
        return True

    def _fail(self, command: str | None, failure: Failure) -> None:
        """Refuses a command, with as much of the texts as the client takes."""
        most = max(1, (self._client_size - _FRAME_OVERHEAD - 6 * len(command or "")) // 12)
        error = ServerError(
            failure.code[:most],
            failure.message[:most],
            command,
            retryable=failure.is_retryable,
            after=failure.after,
        )
        self._say("error", error)

    # --- pages ----------------------------------------------------------------------------------------------------------

    def _begin(self, stream: str) -> None:
        """Follows a stream that began after the subscription: from its first entry on."""
        if stream in self._following:
            self._following.mark(stream)
        elif _Lane.CONTROL in self._running:
            # Its heads are being read; they decide whether it is new.
            self._newborn[stream] = None
        else:
            self._following.move(stream, Position("", 0))
            self._following.mark(stream)

    def _check_marked(self) -> None:
        if len(self._following.marked) > self.settings.max_marked:
            limit = self.settings.max_marked
            self._close(
                CloseCode.POLICY, f"more than {limit} streams wait for this client", is_abort=True
            )

    def _start_pages(self) -> None:
        if self._has_room and self._following.marked and _Lane.PAGES not in self._running:
            self._start(_Lane.PAGES, self._page)

    def _page(self) -> _Work:
        while self._has_room and (stream := self._following.next()) is not None:
            at = self._following.written(stream)
            if at is None:
                continue
            page: EncodedPage = yield ReadPage(stream, at, min(PAGE_BYTES, self._client_size))
            if self._following.written(stream) != at:
                continue
            self._write_page(stream, page)

    def _write_page(self, stream: str, page: EncodedPage) -> None:
        if page.entries is None:
            self._lose(stream, page.head)
            return
        for entry in page.entries:
            cause = entry.cause
            is_own = (
                cause is not None
                and cause.client == self.client
                and cause.identity == (self.identity or "")
            )
            # JSON writes a character of the cause's id in six bytes at most.
            cost = 6 * len(cause.id) if is_own and cause is not None else 0
            if entry.size + cost > self._client_size:
                self._lose(stream, entry.position)
                continue
            if self._is_plain:
                self._effects += [Write(message.decode()) for message in entry.messages]
            else:
                for frame in entry.frames:
                    if is_own and cause is not None:
                        frame = self._framing.with_cause(frame, cause.id)
                    self._effects.append(Write(frame))
            self._following.move(stream, entry.position)
        if page.more:
            self._following.mark(stream)

    def _lose(self, stream: str, head: Position) -> None:
        """The client cannot get every entry: it goes on behind the gap, and asks for the state."""
        self._following.move(stream, head)
        if not self._is_plain:
            self._say("resumed", Resumed({stream: Recovery(False, head.epoch, head.seq)}))

    # --- marks ----------------------------------------------------------------------------------------------------------

    def _known_mark(self) -> str | None:
        """Returns the newest mark of which every older stream was named to the client."""
        if self._next_mark is not None:
            mark, unnamed = self._next_mark
            # A stream that waits for the control lane is not followed yet, and has no name for the client either.
            if not any(self._following.is_unnamed(stream) for stream in unnamed):
                self._mark, self._next_mark = mark, None
        return self._mark

    def _renew_mark(self) -> _Work:
        if self._mark is None:
            return
        before = self._mark
        mark = yield MakeMark()
        unnamed: list[str] = []
        for channel in self._following.channels:
            unnamed += self._following.newborn((yield from self._heads(channel, self._mark)))
        for stream in unnamed:
            self._begin(stream)
        # Streams that the changes named already, and of which no page was written yet.
        unnamed += self._following.unnamed()
        # When another mark was written meanwhile, this one may be older than a stream that the client saw before that.
        if self._mark == before:
            self._next_mark = (mark, unnamed)

    def _compare_heads(self) -> _Work:
        for channel in self._following.channels:
            heads = yield from self._heads(channel)
            for stream in self._following.newborn(heads):
                self._begin(stream)
            self._following.compare(heads)
        self._check_marked()


def _bytes_of(frame: str | bytes) -> int:
    return len(frame if isinstance(frame, bytes) else frame.encode())
