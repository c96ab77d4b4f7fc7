"""The client's part: talks in three sessions, has the hub killed at a bad moment, goes on talking, waits for all answers.

Every message is in the write-ahead record before it is sent. It judges nothing; see `judge`.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import attrs

from reactive_ws.commands import CommandFailed
from reactive_ws.outbox import DeliveryStatus

from ..app import Application
from ..hub import RefuseMessage, orders
from ..wire import Message
from .hub_child import HubChild
from .judge import half_streamed
from .narrator import Narrator
from .record import Accepted, Acknowledged, Killed, Record
from .ruling import MINIMUM

__all__ = ["Play"]

_NAMES = ("alpha", "beta", "gamma")
_PANELS = ("Plan", "Budget", "Sketch")
_PATIENCE = 60.0
"""Seconds without any progress until it gives up; a slow machine must not look like a lost message."""
_ROUND = 10.0
"""Seconds of messages for one kill. Each round has sessions of its own: a snapshot shows the newest 1 000 messages of one."""
_MAX_STORMS = 50


@attrs.define(eq=False)
class Play:
    """One performance.

    Attributes:
        app: The stores, connected.
        hub: The running hub.
        record: Where accepted messages go.
        narrator: Writes the story.
        rng: Decides everything that is random.
    """

    app: Application
    hub: HubChild
    record: Record
    narrator: Narrator
    rng: random.Random
    _sessions: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    _names: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    _accepted: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    _open: set[str] = attrs.field(factory=set[str], init=False)
    _numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _kills: int = attrs.field(default=0, init=False)
    _is_over: bool = attrs.field(default=False, init=False)

    @property
    def is_over(self) -> bool:
        """Whether the judge has the record, so that no message is accepted."""
        return self._is_over

    async def perform(self, seconds: float) -> None:
        """Plays for about so many seconds, one kill for each ten.

        Raises:
            CommandFailed: the hub does not start or ends by itself, or the bad moment does not come.
        """
        rounds = max(1, int(seconds // _ROUND))
        for number in range(1, rounds + 1):
            await self._round(seconds / rounds, f" {number}" if rounds > 1 else "")
        await self._settle()

    def accept(self, session_id: str | None, text: str) -> str | None:
        """Sends a message that the user typed; it is recorded, promised and judged like all others.

        Returns:
            None, or why it is not accepted.
        """
        if self._is_over:
            return "No more messages: the judge reads the record."
        if session_id not in self._names:
            return "There is no chat yet: wait for the connection."
        if any(isinstance(order, RefuseMessage) for order in orders(text)):
            return "The hub would refuse that, so it cannot be promised."
        self._accept([Message(str(uuid.uuid4()), session_id, "user", text, datetime.now(UTC))])
        return None

    async def _round(self, seconds: float, suffix: str) -> None:
        self._sessions = {
            self.app.sessions.create(name + suffix).id: name + suffix for name in _NAMES
        }
        self._names.update(self._sessions)
        is_hard_enough = False
        while not is_hard_enough:
            await self._talk(0.15 * seconds)
            is_hard_enough = await self._storm()
            await self._talk(0.15 * seconds)
            starting = asyncio.create_task(self.hub.start())
            try:
                while not starting.done():
                    await self._talk(0.1)
                await starting
            finally:
                starting.cancel()
            self.narrator.say("hub", f"hub started again at {self.hub.url}")
            if not is_hard_enough:
                self.narrator.say("note", "the answer was complete when the hub died; once more")
        await self._talk(0.1 * seconds)

    async def _talk(self, seconds: float) -> None:
        """Says something every now and then."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._say(1)
            await asyncio.sleep(self.rng.uniform(0.04, 0.12))

    async def _storm(self) -> bool:
        """Says a lot at once and kills the hub somewhere in the middle of it; returns whether that hurt as promised."""
        for _ in range(_MAX_STORMS):
            count = self.rng.randint(3 * MINIMUM, 4 * MINIMUM)
            # At most one window of acknowledgements arrives at a time, so the count cannot jump past the lower bound.
            at_most = self.rng.randint(2 * MINIMUM + 1, count)
            self._say(count)
            while len(self._open) >= MINIMUM:
                half = self._half_streamed()
                if len(self._open) <= at_most and half is not None:
                    return self._kill(*half)
                self.hub.check()
                await asyncio.sleep(0)
        raise CommandFailed(
            "the hub was never caught with 20 unacknowledged messages and a half streamed answer; "
            "try again with another --seed"
        )

    def _kill(self, answer_id: str, seen: int) -> bool:
        self._kills += 1
        evidence = self.hub.data.with_name(f"killed-{self._kills}.db")
        self.record.note(Killed(str(evidence), answer_id, seen))
        self.hub.kill()
        self.narrator.say(
            "hub",
            f"hub killed (SIGKILL): {len(self._open)} messages unacknowledged, "
            f"an answer half streamed ({seen} characters)",
        )
        self.hub.copy_data(evidence.name)
        return half_streamed(evidence) > 0

    def _half_streamed(self) -> tuple[str, int] | None:
        """Returns an answer that is being given, and how much of it is here."""
        for session_id in self._sessions:
            for entry in self.app.history.get(session_id).timeline.waiting:
                if entry.is_growing and entry.length:
                    return entry.id, entry.length
        return None

    def _say(self, count: int) -> None:
        self._accept([self._message() for _ in range(count)])

    def _accept(self, messages: Sequence[Message]) -> None:
        """Accepts messages: on the disk first, then into the outbox."""
        self.record.write(*(Accepted(it.id, it.session_id, it.content) for it in messages))
        for message in messages:
            self._open.add(message.id)
            self._accepted[message.id] = message.session_id
            delivery = self.app.history.send_message(message)
            self.narrator.say("sent", f"{self._names[message.session_id]}: {message.content}")
            delivery.watch(functools.partial(self._advanced, message.id))

    def _message(self) -> Message:
        number = next(self._numbers)
        session_id, name = self.rng.choice(list(self._sessions.items()))
        panel = self.rng.choice(_PANELS)
        text = self.rng.choices(
            (
                f"message {number} from {name}",
                f"panel create {panel}",
                f"panel update {panel}: step {number}",
                f"panel close {panel}",
                f"notify {name}: notice {number}",
            ),
            (12, 2, 3, 1, 1),
        )[0]
        return Message(str(uuid.uuid4()), session_id, "user", text, datetime.now(UTC))

    def _advanced(self, identity: str, status: DeliveryStatus) -> None:
        if status is DeliveryStatus.ACKNOWLEDGED:
            self._open.discard(identity)
            self.record.note(Acknowledged(identity))

    async def _settle(self) -> None:
        """Waits until everything is acknowledged and answered; gives up when nothing happens for too long."""
        self.narrator.say("note", "nothing more to say; waiting for the answers")
        owing, since = -1, time.monotonic()
        while (
            left := len(self._open) + self._unanswered()
        ) and time.monotonic() - since < _PATIENCE:
            if left != owing:
                owing, since = left, time.monotonic()
            self.hub.check()
            await asyncio.sleep(0.05)
        # A message that is typed from here on would have no judge.
        self._is_over = True
        if left:
            self.narrator.say("note", f"gave up waiting: {left} are missing")

    def _unanswered(self) -> int:
        answered = 0
        for session_id in set(self._accepted.values()):
            for entry in self.app.history.get(session_id).timeline.settled:
                answered += not entry.is_own and entry.head.sequence is not None
        return max(0, len(self._accepted) - answered)
