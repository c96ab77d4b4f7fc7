"""The ordered streams of a `ScriptedServer`: numbers, and what a client that comes back gets."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ...wire import Envelope, Recovery, Resume, Resumed, Snapshot, Subscribe, Subscribed, Sync

__all__ = ["Streams"]


class Streams:
    """The published messages, by stream.

    Args:
        epoch: The epoch of all streams.
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self._logs: dict[str, list[Envelope[Any]]] = {}

    def add(self, stream: str, message: Envelope[Any]) -> Envelope[Any]:
        """Gives a message the next number of a stream, keeps it, and returns it."""
        log = self._logs.setdefault(stream, [])
        numbered = replace(message, stream=stream, epoch=self.epoch, seq=len(log) + 1)
        log.append(numbered)
        return numbered

    def last(self, count: int, stream: str) -> list[Envelope[Any]]:
        """Returns the last messages of a stream."""
        return self._logs.get(stream, [])[-count:]

    def length(self, stream: str) -> int:
        """Returns the number of the last message of a stream, 0 when there is none."""
        return len(self._logs.get(stream, []))

    def restart(self, epoch: str) -> None:
        """Forgets everything, in a new epoch."""
        self.epoch = epoch
        self._logs.clear()

    def resume(self, message: Envelope[Resume]) -> list[Envelope[Any]]:
        """Answers a resume: what could be recovered, and then what was missed."""
        recoveries: dict[str, Recovery] = {}
        missed: list[Envelope[Any]] = []
        for name, position in message.payload.streams.items():
            log = self._logs.get(name, [])
            is_known = position.epoch == self.epoch and position.seq <= len(log)
            recoveries[name] = Recovery(is_known, self.epoch, len(log))
            if is_known:
                missed.extend(log[position.seq :])
        return [Envelope("resumed", Resumed(recoveries)), *missed]

    def sync(self, message: Envelope[Sync]) -> list[Envelope[Any]]:
        """Answers a sync with empty snapshots at the newest position."""
        return [
            Envelope("snapshot", Snapshot(name, self.epoch, self.length(name)))
            for name in message.payload.streams
        ]

    def subscribe(self, message: Envelope[Subscribe]) -> list[Envelope[Any]]:
        """Answers a subscribe; the channel is not an ordered stream."""
        return [Envelope("subscribed", Subscribed(message.payload.channel))]
