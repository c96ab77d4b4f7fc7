"""The hub's reactions on a log in memory, without sockets: a message goes in, and what its sender and the others get comes out."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec

from reactive_ws.server import CommandKey, MemoryLog, Server
from reactive_ws.server.session import Accepted, Failure, Run
from reactive_ws.stores.hub.chat import Chat
from reactive_ws.stores.hub.reactions import Reactions, Rules, hub_types
from reactive_ws.stores.wire.chat import Message, MessageSend
from reactive_ws.wire import Envelope, Guarantee, JsonCodec, Position, Registry

NOW = 1_700_000_000_000.0


class HubCore:
    """A hub without sockets. What it publishes is read back from its log."""

    opened: ClassVar[list[HubCore]] = []
    """Those that a test has to close."""

    def __init__(
        self, rules: Rules | None = None, registry: Registry | None = None, log: Any = None
    ) -> None:
        self.owed: list[str] = []
        self.log = log or MemoryLog(epoch="e1")
        self.server = Server(hub_types(registry), log=self.log)
        self.codec = JsonCodec(self.server.registry)
        self.reactions = Reactions(
            self.server,
            rules or Rules(clock=lambda: NOW),
            self.owed.append,
        )
        self.answers: list[Accepted | Failure] = []
        self.entries: list[tuple[str, int, Any]] = []
        self._seen: dict[str, Position] = {}
        self._loop = asyncio.new_event_loop()
        self.opened.append(self)
        self.run(self.server.start())

    def run(self, coroutine: Any) -> Any:
        """Runs a coroutine to its end."""
        return self._loop.run_until_complete(coroutine)

    def close(self) -> None:
        """Ends the server and its loop."""
        self.opened.remove(self)
        self.run(self.server.stop())
        self._loop.close()

    def chat(self) -> Chat:
        """Returns the sessions and panels."""
        state: Chat = self.run(self.server.read(self.reactions.chat))
        return state

    def hear(self, kind: str, payload: Any = None, identity: str | None = None) -> list[str]:
        """Handles a message; returns what goes out, one line each: first what its sender gets."""
        row = self.server.registry.get(kind)
        is_sure = row is not None and row.guarantee is Guarantee.AT_LEAST_ONCE
        key = CommandKey("", "", identity) if is_sure and identity is not None else None
        answer = self.run(self.server.run(Run(Envelope(kind, payload, kind, identity), key, "")))
        self.answers.append(answer)
        lines = []
        if isinstance(answer, Failure):
            error = [answer.code, answer.message, identity, answer.is_retryable]
            return [f"me error {error}"]
        if key is not None:
            reply = [] if answer.reply is None else [msgspec.json.decode(answer.reply)["sequence"]]
            lines.append(f"me message.received {[identity, *reply]}")
        for channel, told in answer.told:
            lines.append(f"others {channel} {brief(msgspec.to_builtins(told))}")
        return lines + self.news()

    def say(self, identity: str, content: str, session: str = "s1") -> list[str]:
        """Sends a chat message."""
        message = Message(identity, session, "user", content, NOW)
        return self.hear("message.send", MessageSend(session, message), identity)

    def advance(self, session: str = "s1") -> list[str]:
        """Says the next piece of an answer; empty when nothing is owed."""
        self.run(self.server.perform(lambda context: self.reactions.advance(session, context)))
        return self.news()

    def answer(self, session: str = "s1") -> list[str]:
        """Gives the next whole answer."""
        lines: list[str] = []
        while new := self.advance(session):
            lines += new
            if any("message.response" in line for line in new):
                break
        return lines

    def news(self) -> list[str]:
        """Returns what clients hear of the log, since the last call."""
        lines: list[str] = []
        heads = self.run(self.log.heads("*"))
        for stream in sorted(name for name in heads if not name.startswith("_")):
            page = self.run(self.log.read(stream, self._seen.get(stream), 2**30))
            for entry in page.entries or ():
                for text in entry.messages:
                    message = self.codec.decode(text.decode())
                    self.entries.append((stream, entry.position.seq, message.payload))
                    payload = brief(msgspec.to_builtins(message.payload))
                    lines.append(f"all {message.type} {stream}:{entry.position.seq} {payload}")
            self._seen[stream] = page.head
        return lines

    def snapshot(self, stream: str) -> tuple[int, Any]:
        """Returns the number and the state that a client gets as the snapshot of a stream."""
        found = self.run(self.server.make_state(stream))
        return found.position.seq, msgspec.json.decode(found.state)


def brief(value: Any) -> Any:
    """The values of an object without those that never matter here."""
    if isinstance(value, dict):
        skip = ("timestamp", "createdAt", "epoch", "panelId", "kind")
        return [brief(v) for k, v in value.items() if k not in skip and v is not None]
    return [brief(v) for v in value] if isinstance(value, (list, tuple)) else value
