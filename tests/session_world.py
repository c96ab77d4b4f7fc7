"""A world for `ServerSession`: a log, a client, and a schedule in which everything may happen in any order. No loop, no time.

The log delays its signals, drops old entries, and begins new epochs. The client keeps the rules of protocol v1 that a client has.
`check` is called at the end: what the client should have heard it heard, once and in order, or the session said that it lost it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import attrs
from msgspec.structs import replace

from reactive_ws.server.logs import CommandKey, Entry, Outcome, matches
from reactive_ws.server.node.audience import Audience
from reactive_ws.server.session import (
    Accepted,
    Ask,
    Authenticate,
    Close,
    EncodedPage,
    FindOutcomes,
    Hear,
    MakeMark,
    MakeState,
    ReadHeads,
    ReadPage,
    Rights,
    Run,
    ServerSession,
    SessionSettings,
    StateAt,
    Unhear,
    Write,
    encode_entry,
)
from reactive_ws.wire import Guarantee, JsonCodec, Position, Registry, protocol_v1

EXTRA = "y"
"""A stream that the client subscribes to and leaves again, while it is connected; it is refused now and then."""


def registry() -> Registry:
    import msgspec

    types = protocol_v1()
    types.message("note", guarantee=Guarantee.AT_LEAST_ONCE)(
        msgspec.defstruct("Note", [("streams", list[str])])
    )
    types.message("noted")(msgspec.defstruct("Noted", [("number", int)]))
    return types


@attrs.define
class Stored:
    born: int
    first: int = 1
    entries: dict[int, Entry] = attrs.Factory(dict)

    @property
    def seq(self) -> int:
        return max(self.entries, default=0)


@attrs.define
class WorldLog:
    """Streams, outcomes, and signals that were not delivered yet."""

    epoch: str = "e0"
    commits: int = 0
    streams: dict[str, Stored] = attrs.Factory(dict)
    outcomes: dict[CommandKey, Outcome] = attrs.Factory(dict)
    signals: list[frozenset[str] | None] = attrs.Factory(list)
    history: list[tuple[list[str], CommandKey | None, str | None]] = attrs.Factory(list)
    """Streams, key and id of each commit."""

    def append(
        self, streams: list[str], key: CommandKey | None, name: str | None = None
    ) -> Outcome:
        if key is not None and key in self.outcomes:
            return self.outcomes[key]
        self.commits += 1
        positions: dict[str, Position] = {}
        for stream in streams:
            stored = self.streams.setdefault(stream, Stored(self.commits))
            seq = stored.seq + 1
            positions[stream] = Position(self.epoch, seq)
            texts = [
                json.dumps({"type": "noted", "payload": {"number": part}}).encode()
                for part in range(1 + seq % 2)
            ]
            stored.entries[seq] = Entry(stream, positions[stream], texts, key)
        outcome = Outcome(True, None, positions)
        if key is not None:
            self.outcomes[key] = outcome
        if streams:
            self.history.append((streams, key, name))
            self.signals.append(frozenset(streams))
        return outcome

    def head(self, name: str) -> Position:
        return Position(self.epoch, self.streams[name].seq if name in self.streams else 0)

    def prune(self) -> None:
        for stored in self.streams.values():
            stored.first = max(stored.first, stored.seq - 4)

    def renew(self, number: int) -> None:
        """Restores a backup: the newest entries are gone, and numbering has another name."""
        self.epoch = f"e{number}"
        names, key, _ = self.history[-1] if self.history else ([], None, None)
        if all(self.streams[name].first < self.streams[name].seq for name in names):
            for name in names:
                del self.streams[name].entries[self.streams[name].seq]
            if key is not None:
                del self.outcomes[key]
            self.history = self.history[:-1]
        self.signals.append(None)

    def page(self, question: ReadPage) -> EncodedPage:
        head = self.head(question.stream)
        stored = self.streams.get(question.stream, Stored(0))
        at = question.after
        if (at.epoch and at.epoch != self.epoch) or not stored.first - 1 <= at.seq <= head.seq:
            return EncodedPage(head, None)
        numbers = range(at.seq + 1, head.seq + 1)[:2]
        entries = [
            encode_entry(replace(stored.entries[n], position=Position(self.epoch, n)))
            for n in numbers
        ]
        return EncodedPage(head, entries, at.seq + len(entries) < head.seq)


@attrs.define
class Client:
    """The memory of a client of protocol v1, and the faults that it noticed."""

    name: str = "client"
    positions: dict[str, Position] = attrs.Factory(dict)
    mark: str | None = None
    pending: dict[str, list[str]] = attrs.Factory(dict)
    """Commands that were sent and not acknowledged, with their streams."""
    unacknowledged: set[str] = attrs.Factory(set)
    """Those of them that the last resume named."""
    heard: dict[str, list[tuple[str, int]]] = attrs.Factory(dict)
    excused: dict[str, list[tuple[str, int, int]]] = attrs.Factory(dict)
    broken: list[str] = attrs.Factory(list)
    replay_until: dict[str, Position] = attrs.Factory(dict)
    unnamed: list[str] = attrs.Factory(list)
    """Streams that began before the client's mark, as the server says, and that the client never heard of."""
    is_ready: bool = False
    had_mark: bool = False
    part: int = 0
    wants_extra: bool = False
    """Whether the client asked for `EXTRA`, a channel that it subscribes to and leaves again."""
    hears_extra: bool = False
    """Whether the server said so."""
    is_asking: bool = False
    """Whether a subscribe or unsubscribe has no answer yet."""
    unsettled: set[str] = attrs.Factory(set)
    """The commands that the last sync named and that were not acknowledged since."""
    pieces: list[str] = attrs.Factory(list)
    forgotten: set[str] = attrs.Factory(set)
    """Streams that the client heard of, and whose position it dropped."""

    def forget(self, name: str) -> None:
        """Drops a position, as a client with too many streams does."""
        del self.positions[name]
        self.forgotten.add(name)

    def resume(self, channels: list[str], chunks: bool) -> list[str]:
        self.is_ready, self.had_mark = False, self.mark is not None
        self.unacknowledged = set(self.pending)
        self.replay_until.clear()
        self.unsettled.clear()
        self.pieces.clear()
        self.is_asking, self.hears_extra = False, self.wants_extra
        if not self.wants_extra:
            self.positions.pop(EXTRA, None)
        whole = {
            "subscriptions": [*channels, *([EXTRA] if self.wants_extra else [])],
            "positions": {n: {"epoch": p.epoch, "seq": p.seq} for n, p in self.positions.items()},
            "pending": list(self.pending),
        }
        if self.mark is not None:
            whole["mark"] = self.mark
        frames = [{"type": "hello", "payload": {"client": self.name, "maxSize": 1024}}]
        if chunks:
            first = {**whole, "positions": {}, "more": True}
            frames += [{"type": "resume", "payload": first}]
            whole = {"positions": whole["positions"]}
        frames += [{"type": "resume", "payload": whole}]
        return [json.dumps(frame) for frame in frames]

    def take(self, frame: dict[str, Any]) -> None:
        payload = frame.get("payload", {})
        kind = frame["type"]
        if kind == "resumed":
            for name, row in payload["streams"].items():
                at = Position(row["epoch"], row["seq"])
                old = self.positions.get(name)
                if not row["recovered"]:
                    if (
                        row.get("new")
                        and self.had_mark
                        and name != EXTRA
                        and name not in self.forgotten
                    ):
                        self.unnamed.append(name)
                    self.positions[name] = at
                    self.excuse(name, at)
                elif row.get("new"):
                    if not self.had_mark:
                        self.broken.append(f"{name} is replayed from its beginning without a mark")
                    self.positions[name] = Position(at.epoch, 0)
                    self.replay_until[name] = at
                else:
                    if old is None:
                        self.broken.append(f"{name} is recovered, and the client never named it")
                    self.replay_until[name] = at
                self.forgotten.discard(name)
            if EXTRA in payload.get("refused", {}):
                self.wants_extra = self.hears_extra = False
            if payload.get("mark"):
                self.mark = payload["mark"]
            if not payload.get("more") and "mark" in payload:
                self.is_ready = True
        elif kind == "subscribed":
            self.is_asking, self.hears_extra = False, True
            for name, row in payload.get("streams", {}).items():
                if not row["recovered"]:
                    self.positions[name] = Position(row["epoch"], row["seq"])
                    self.excuse(name, self.positions[name])
        elif kind == "error" and payload.get("replyTo") == "x":
            self.is_asking = self.wants_extra = self.hears_extra = False
        elif kind == "unsubscribed":
            self.is_asking, self.hears_extra = False, False
        elif kind == "snapshot":
            self.show(payload)
        elif kind == "pong":
            self.mark = payload.get("mark", self.mark)
        elif kind == "message.received":
            self.pending.pop(payload["messageId"], None)
            self.unacknowledged.discard(payload["messageId"])
            self.unsettled.discard(payload["messageId"])
        elif kind == "noted":
            self.hear(frame)

    def show(self, payload: dict[str, Any]) -> None:
        """Takes a piece of a state: the ids of the commands that are in it."""
        self.pieces.append(payload["state"])
        if payload["part"] < payload["parts"]:
            return
        whole = self.pieces[0] if payload["parts"] == 1 else json.loads("".join(self.pieces))
        self.pieces.clear()
        name, at = payload["stream"], Position(payload["epoch"], payload["seq"])
        if name not in self.positions:
            # The state names a stream that began a moment ago.
            self.positions[name] = at
            self.excuse(name, at)
        early = self.unsettled.intersection(whole["done"])
        if early:
            self.broken.append(f"a state came before its commands {early} were acknowledged")

    def ask_for_extra(self) -> str:
        """Subscribes to the extra channel, or leaves it."""
        self.wants_extra, self.is_asking = not self.wants_extra, True
        if not self.wants_extra:
            return json.dumps({"type": "unsubscribe", "payload": {"channel": EXTRA}})
        at = self.positions.get(EXTRA)
        place = {} if at is None else {"position": {"epoch": at.epoch, "seq": at.seq}}
        return json.dumps({"type": "subscribe", "id": "x", "payload": {"channel": EXTRA, **place}})

    def excuse(self, name: str, upto: Position) -> None:
        self.excused.setdefault(name, []).append((upto.epoch, 0, upto.seq))

    def hear(self, frame: dict[str, Any]) -> None:
        name, at = frame["stream"], Position(frame["epoch"], frame["seq"])
        part = frame["payload"]["number"]
        if name == EXTRA and not self.hears_extra:
            self.broken.append(f"{name} came, and the client does not hear it")
        if part != self.part:
            self.broken.append(f"{name}: part {part} of an entry, {self.part} was next")
        self.part = part + 1 if frame.get("more") else 0
        if part:
            return
        old = self.positions.get(name)
        if old is None:
            old = Position(at.epoch, 0)
        if old.epoch == at.epoch and at.seq <= old.seq:
            self.broken.append(f"{name}: {at} again, after {old}")
        elif old.epoch != at.epoch or at.seq != old.seq + 1:
            self.broken.append(f"{name}: {at} after {old}")
        until = self.replay_until.get(name)
        cause = frame.get("cause")
        if (
            until is not None
            and until.epoch == at.epoch
            and at.seq <= until.seq
            and cause in self.unacknowledged
        ):
            self.broken.append(
                f"{name}: {at} was replayed before its command {cause} was acknowledged"
            )
        self.positions[name] = at
        self.heard.setdefault(name, []).append((at.epoch, at.seq))


class World:
    """One client, one log, and sessions one after another.

    Args:
        choose: The source of all choices.
        make: Makes a session; a test plants a bug here.
    """

    CHANNELS = ("s/*", "x")
    NAMES = ("s/1", "s/2", "s/3", "s/4", "x", "y")

    def __init__(
        self, choose: random.Random, make: Callable[..., ServerSession] = ServerSession
    ) -> None:
        self.choose = choose
        self.make = make
        self.log = WorldLog()
        self.client = Client()
        self.session: ServerSession | None = None
        self.asks: list[Ask] = []
        self.frames: list[str] = []
        self.unheard: list[frozenset[str] | None] = []
        self.offers: list[tuple[str, Position, EncodedPage]] = []
        self.audience: Audience[ServerSession] = Audience()
        self.commands = 0
        self.renewals = 0
        self.types = registry()
        self.closes: list[Close] = []
        self.orphans: list[Run] = []
        self.is_late = choose.random() < 0.5
        """Whether commands of an earlier connection end during a sync, and not during a resume."""
        self.in_order: list[str] = []
        """Ids of the commands that the session has not run yet, as the client sent them on this connection."""

    # --- what may happen ------------------------------------------------------------------------------------------------

    def step(self) -> None:
        actions: list[Callable[[], None]] = [self.append, self.append, self.answer, self.answer]
        actions += [self.deliver, self.deliver, self.signal, self.signal, self.offer, self.offer]
        rare = self.choose.random()
        window = MakeState if self.is_late else ReadHeads
        is_reading = any(isinstance(ask.question, window) for ask in self.asks)
        if self.orphans and is_reading and self.choose.random() < 0.5:
            # A command of an earlier connection ends while the server reads states or the log.
            actions = [self.finish]
        elif self.orphans and self.is_late and not self.asks and rare > 0.5:
            actions = [self.sync]
        elif rare < (0.15 if any(isinstance(ask.question, Run) for ask in self.asks) else 0.02):
            actions = [self.cut]
        elif 0.15 <= rare < 0.18:
            actions = [self.log.prune]
        elif 0.18 <= rare < 0.185:
            actions = [self.renew]
        elif 0.2 <= rare < 0.47:
            actions = [self.connect, self.command, self.ping, self.ping, self.room, self.finish]
            actions += [self.command, self.command, self.sync, self.sync]
            actions += [self.connect, self.connect, *[self.extra] * 4]
        self.choose.choice(actions)()

    def append(self) -> None:
        names = self.choose.sample(self.NAMES, self.choose.choice([1, 1, 2]))
        self.log.append(sorted(names), None)

    def renew(self) -> None:
        self.renewals += 1
        self.log.renew(self.renewals)

    def connect(self) -> None:
        if self.session is not None:
            return
        settings = SessionSettings()
        self.in_order.clear()
        self.session = self.make(settings, self.types, JsonCodec(self.types), identity="i")
        self.audience = Audience()
        # Signals from before the connection are not for this session; those under way are.
        self.perform(self.session.opened(0.0))
        # Of a stream that began behind its mark a client drops no position: it would be replayed.
        epoch, _, commits = (self.client.mark or "").rpartition(":")
        known = [
            name
            for name in sorted(self.client.positions)
            if epoch == self.log.epoch
            and name in self.log.streams
            and self.log.streams[name].born <= int(commits)
        ]
        if known and self.choose.random() < 0.1:
            self.client.forget(self.choose.choice(known))
        self.give(self.client.resume(list(self.CHANNELS), self.choose.random() < 0.5))

    def give(self, frames: list[str]) -> None:
        """Lets the session have frames, together or one after the other."""
        if self.choose.random() < 0.5:
            assert self.session is not None
            self.perform(self.session.burst(frames))
            return
        for frame in frames:
            if self.session is not None:
                self.perform(self.session.received(frame))

    def cut(self) -> None:
        if self.session is not None:
            kept = self.choose.randint(0, len(self.frames))
            while kept:
                self.deliver()
                kept -= 1
            self.session.ended()
            # The node goes on with what it was running, although no client hears the answer.
            self.orphans += [ask.question for ask in self.asks if isinstance(ask.question, Run)]
            self.client.part = 0
            self.session, self.asks, self.frames, self.offers = None, [], [], []

    def command(self) -> None:
        if self.session is None or not self.client.is_ready:
            return
        frames = [
            self.frame_of(old, streams)
            for old, streams in list(self.client.pending.items())
            if self.choose.random() < (0.1 if self.is_late else 0.5)
        ]
        self.commands += 1
        streams = self.choose.sample(self.NAMES, self.choose.choice([0, 1, 2]))
        self.give([*frames, self.frame_of(f"c{self.commands}", streams)])

    def send(self, command: str, streams: list[str]) -> None:
        self.give([self.frame_of(command, streams)])

    def frame_of(self, command: str, streams: list[str]) -> str:
        self.client.pending[command] = streams
        self.in_order.append(command)
        frame = {"type": "note", "id": command, "payload": {"streams": streams}}
        return json.dumps(frame)

    def extra(self) -> None:
        client = self.client
        if self.session is not None and client.is_ready and not client.is_asking:
            self.perform(self.session.received(client.ask_for_extra()))

    def sync(self) -> None:
        if self.session is None or not self.client.is_ready or self.client.unsettled:
            return
        self.perform(self.session.took(has_room=True))
        self.client.unsettled = set(self.client.pending)
        payload = {"streams": ["s/1", "s/2", "s/3", "x"], "pending": [*self.client.pending]}
        self.perform(self.session.received(json.dumps({"type": "sync", "payload": payload})))

    def finish(self) -> None:
        if self.orphans:
            self.answer_to(self.orphans.pop())

    def ping(self) -> None:
        if self.session is not None:
            self.perform(self.session.received('{"type":"ping","id":"p"}'))

    def room(self) -> None:
        if self.session is not None:
            self.perform(self.session.took(has_room=self.choose.random() < 0.5))

    def signal(self) -> None:
        if self.log.signals:
            changed = self.log.signals.pop(0)
            if self.session is None:
                return
            if changed is not None:
                # The node looks which of its clients hear a stream.
                changed = frozenset(name for name in changed if self.audience.of(name))
            if changed is None or self.choose.random() < 0.5:
                self.perform(self.session.changed(changed))
                return
            # The node reads a page for all of its clients. Where most of them are, this one need not be.
            for stream in sorted(changed):
                head = self.log.head(stream)
                after = Position(head.epoch, max(0, head.seq - self.choose.choice([0, 1, 1, 1, 2])))
                page = self.log.page(ReadPage(stream, after, 1024))
                self.offers.append((stream, after, page))

    def offer(self) -> None:
        if self.offers and self.session is not None:
            stream, after, page = self.offers.pop(0)
            effects = self.session.offered(stream, after, page)
            if effects is None:
                effects = self.session.changed(frozenset({stream}))
            self.perform(effects)

    def deliver(self) -> None:
        if self.frames:
            self.client.take(json.loads(self.frames.pop(0)))

    def answer(self) -> None:
        if not self.asks or self.session is None:
            return
        ask = self.asks.pop(self.choose.randrange(len(self.asks)))
        self.perform(self.session.answered(ask.number, self.answer_to(ask.question)))

    def answer_to(self, question: Any) -> Any:
        match question:
            case Rights(channels):
                return {
                    name: "forbidden"
                    for name in channels
                    if name == EXTRA and self.choose.random() < 0.1
                }
            case Authenticate():
                return "i"
            case MakeMark():
                return f"{self.log.epoch}:{self.log.commits}"
            case ReadHeads(pattern, born_after):
                epoch, _, number = (born_after or "").rpartition(":")
                after = int(number) if epoch == self.log.epoch else -1
                return {
                    name: self.log.head(name)
                    for name, stored in self.log.streams.items()
                    if matches(pattern, name) and stored.born > after
                }
            case ReadPage():
                return self.log.page(question)
            case FindOutcomes(keys):
                return {key: self.log.outcomes[key] for key in keys if key in self.log.outcomes}
            case MakeState(stream):
                done = [name for names, _, name in self.log.history if stream in names and name]
                return StateAt(self.log.head(stream), json.dumps({"done": done}).encode())
            case Run(behind=behind):
                # The node runs some of those behind it in the same chain.
                count = self.choose.randint(0, len(behind))
                results = [self.run(run) for run in (question, *behind[:count])]
                return results if count else results[0]
        raise AssertionError(question)

    def run(self, run: Run) -> Accepted:
        """Runs a command."""
        name = run.envelope.id
        if name in self.in_order[:1]:
            self.in_order.pop(0)
        elif name in self.in_order:
            self.client.broken.append("a command ran before an earlier one")
        outcome = self.log.append(sorted(run.envelope.payload.streams), run.key, name)
        return Accepted(outcome.positions)

    def perform(self, effects: Any) -> None:
        for effect in effects:
            match effect:
                case Write(frame):
                    self.frames.append(frame)
                case Ask(_, question):
                    if isinstance(question, Run):
                        self.check_turn(question)
                    self.asks.append(effect)
                case Hear(channel):
                    assert self.session is not None
                    self.audience.add(channel, self.session)
                case Unhear(channel):
                    assert self.session is not None
                    self.audience.remove(channel, self.session)
                case Close():
                    self.closes.append(effect)

    def check_turn(self, run: Run) -> None:
        """The commands of a connection run one at a time, in the order in which they were sent."""
        if any(isinstance(ask.question, Run) for ask in self.asks):
            self.client.broken.append("two commands run at the same time")
        sent = self.in_order[: 1 + len(run.behind)]
        if [one.envelope.id for one in (run, *run.behind)] != sent:
            self.client.broken.append("a command ran before an earlier one")

    # --- the end --------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Lets everything that is under way come to its end, with a connection."""
        self.connect()
        for _ in range(3):
            for _ in range(5_000):
                assert self.session is not None
                self.perform(self.session.took(has_room=True))
                if not (self.asks or self.frames or self.log.signals or self.offers):
                    break
                self.answer()
                self.deliver()
                self.signal()
                self.offer()
            else:
                raise AssertionError("the session does not come to rest")
            for command, streams in list(self.client.pending.items()):
                self.send(command, streams)

    def check(self) -> None:
        """Compares what the client heard with the log."""
        client, log = self.client, self.log
        assert self.closes == []
        assert client.broken == []
        assert client.is_ready
        assert client.pending == {}
        ids = [command for _, _, command in log.history if command is not None]
        assert len(ids) == len(set(ids)), "a command counted twice"
        if not self.renewals:
            unnamed = [name for name in client.unnamed if log.streams[name].first == 1]
            assert unnamed == [], "these streams began before the mark, and no frame named them"
        for name, stored in log.streams.items():
            if name == EXTRA:
                # What came while the client did not hear it is not owed; the order was checked with each entry.
                at = client.positions.get(name)
                assert not client.hears_extra or at == log.head(name), name
                continue
            if not any(matches(one, name) for one in self.CHANNELS):
                assert name not in client.heard, f"{name} is not subscribed"
                continue
            assert client.positions.get(name) == log.head(name), name
            heard = client.heard.get(name, [])
            assert len(heard) == len(set(heard)), f"{name}: an entry came twice"
            for seq in stored.entries:
                if (log.epoch, seq) in heard:
                    continue
                rows = client.excused.get(name, [])
                assert any(e == log.epoch and low <= seq <= high for e, low, high in rows), (
                    f"{name}: entry {seq} was lost without a word"
                )
