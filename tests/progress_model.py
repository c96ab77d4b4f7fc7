"""A model of slow links: the real `HeartbeatMonitor` on a path of buffers, in steps of a tenth of a second.

    our buffer -> kernel -> a proxy that swallows -> the link up -> the server's reader -> the link down -> our reader

The client sees what its kernel took and which bytes came back, nothing else. Run it to see a table:

    python tests/progress_model.py
"""

from __future__ import annotations

import collections
import itertools
import sys

import attrs

from reactive_ws.connection.heartbeat import Heartbeat, HeartbeatMonitor, Reading
from reactive_ws.errors import HeartbeatTimeout

__all__ = ["Path", "Result", "run"]

STEP = 0.1
KERNEL = 192 * 1024
"""Bytes that the kernel holds: 128 KiB that it has not sent, and a window of segments."""
GRAIN = 64 * 1024
FAST = 50e6
PING, PONG, ACK = 60, 60, 100


@attrs.frozen
class Path:
    """The way to the server and back.

    Attributes:
        up, down: Bytes a second.
        delay: Seconds of a round trip.
        swallow: Bytes that a proxy takes at once, however slow the link behind it is.
        dies_at: When the path turns black; nothing arrives in either direction from then on.
        hangs_at: When the server's reader stops, while its writer goes on.
        acknowledges: Whether the server acknowledges messages.
        push: Size of what the server pushes, and how many seconds apart.
        blocked: From when and how long our loop does nothing.
    """

    up: float = 1e6
    down: float = 1e6
    delay: float = 0.2
    swallow: int = 0
    dies_at: float | None = None
    hangs_at: float | None = None
    acknowledges: bool = True
    push: tuple[int, float] | None = None
    blocked: tuple[float, float] | None = None


@attrs.define
class Result:
    """The outcome of a run.

    Attributes:
        aborts: Connections that were given up while the path lived.
        noticed: Seconds from the end of the path or of its reader to the abort.
        done_at: When everything was confirmed.
        sent: Bytes that were sent, all connections together.
    """

    aborts: int = 0
    noticed: float | None = None
    done_at: float | None = None
    sent: int = 0


class Connection:
    """One connection over the path, from `start` on."""

    def __init__(self, path: Path, monitor: HeartbeatMonitor, start: float) -> None:
        self.path, self.monitor, self.start = path, monitor, start
        self.written = self.waiting = self.kernel = self.proxy = 0.0
        self.read = self.received = self.sent_back = 0.0
        # (position, what) in order: what the server answers, and what arrives here.
        self.to_server: collections.deque[tuple[float, str]] = collections.deque()
        self.answers: collections.deque[tuple[float, str, float]] = collections.deque()
        self.to_client: collections.deque[tuple[float, str, float]] = collections.deque()
        self.next_push = start
        monitor.start(start)

    def write(self, what: str, size: int, now: float) -> None:
        self.written += size
        self.waiting += size
        self.to_server.append((self.written, what))
        self.monitor.wrote(int(self.written), now)

    def reading(self) -> Reading:
        return Reading(int(self.received), int(self.written), int(self.waiting))

    def step(self, now: float) -> None:
        """Moves everything for one step; the client does not act here."""
        path = self.path
        is_alive = path.dies_at is None or now < path.dies_at
        # Linux wakes a writer when half of what it may hold back is free again.
        moved = min(self.waiting, KERNEL - self.kernel) if KERNEL - self.kernel >= GRAIN else 0.0
        self.waiting -= moved
        self.kernel += moved
        if not is_alive:
            return
        if path.swallow:
            moved = min(self.kernel, path.swallow - self.proxy, FAST * STEP)
            self.kernel -= moved
            self.proxy += moved
            moved = min(self.proxy, path.up * STEP)
            self.proxy -= moved
        else:
            moved = min(self.kernel, path.up * STEP)
            self.kernel -= moved
        self.read += moved
        is_reading = path.hangs_at is None or now < path.hangs_at
        while is_reading and self.to_server and self.to_server[0][0] <= self.read + 0.5:
            position, what = self.to_server.popleft()
            if what == "ping" or path.acknowledges:
                self.answers.append((now + path.delay, what, position))
        if path.push is not None and now >= self.next_push:
            self.next_push = now + path.push[1]
            self.answers.append((now, "push", 0.0))
            self.answers = collections.deque(sorted(self.answers, key=lambda it: it[0]))
        while self.answers and self.answers[0][0] <= now:
            _, what, position = self.answers.popleft()
            push = path.push[0] if path.push is not None else 0
            self.sent_back += {"ping": PONG, "push": push}.get(what, ACK)
            self.to_client.append((self.sent_back, what, position))
        self.received += min(self.sent_back - self.received, path.down * STEP)

    def hear(self, now: float) -> int:
        """Takes what has arrived; returns how many messages were acknowledged."""
        count = 0
        while self.to_client and self.to_client[0][0] <= self.received + 0.5:
            _, what, position = self.to_client.popleft()
            if what == "ping":
                self.monitor.pong(None, now)
            elif what != "push":
                count += 1
                self.monitor.confirm(int(position), now)
        return count


def run(path: Path, sizes: list[int], *, limit: float = 4000.0) -> Result:
    """Sends messages of these sizes until all are confirmed, the end is noticed, or time is up."""
    ids = itertools.count()
    monitor = HeartbeatMonitor(Heartbeat(), lambda: str(next(ids)))
    result = Result()
    ends = [at for at in (path.dies_at, path.hangs_at) if at is not None]
    now, done = 0.0, 0
    while now < limit:
        line = Connection(path, monitor, now)
        sent = done
        while now < limit:
            now += STEP
            line.step(now)
            if path.blocked is not None and 0 <= now - path.blocked[0] < path.blocked[1]:
                continue
            due = monitor.deadline
            # The timers of a loop that was blocked run before it reads.
            if due is not None and due <= now:
                verdict = monitor.tick(now, line.reading())
                if isinstance(verdict, HeartbeatTimeout):
                    break
                if verdict is not None:
                    line.write("ping", PING, now)
            done += line.hear(now)
            while sent < len(sizes) and sent - done < 20:
                if sizes[sent] > monitor.room():
                    monitor.hold(now)
                    break
                line.write("message", sizes[sent], now)
                sent += 1
            confirmed = done if path.acknowledges else sent
            is_all_read = not path.acknowledges and monitor.confirmed >= line.written - PING
            if confirmed == len(sizes) and (path.acknowledges or is_all_read) and not ends:
                result.done_at = now
                result.sent += int(line.written)
                return result
        else:
            return result
        result.sent += int(line.written)
        monitor.stop()
        if ends and now >= min(ends):
            result.noticed = now - min(ends)
            return result
        result.aborts += 1
        if result.aborts > 40:
            return result
        now += 1.0
    return result


MIB = 1 << 20
LOADS = {"4 x 1 MiB": [MIB] * 4, "60 x 20 kB": [20_000] * 60, "200 x 1 kB": [1000] * 200}


def main() -> None:
    """Prints the table."""
    out = sys.stdout.write
    out("a living peer: aborts, seconds until everything is confirmed\n")
    for swallow, up in itertools.product((0, 4 * MIB), (2e3, 8e3, 2e4, 5e4, 2e5, 1e7)):
        for name, sizes in LOADS.items():
            done = run(Path(up=up, swallow=swallow), sizes, limit=20_000)
            at = "never" if done.done_at is None else f"{done.done_at:.0f} s"
            out(f"  {up:>10,.0f} B/s, proxy {swallow:>9,d}, {name:>10}: {done.aborts:2d}  {at}\n")
    out("a dead peer: seconds until it is noticed\n")
    for name, sizes in {"idle": [100], **LOADS}.items():
        for up in (2e4, 2e5, 1e7):
            seen = run(Path(up=up, dies_at=35.0), sizes).noticed
            out(f"  {up:>10,.0f} B/s, {name:>10}: {seen and round(seen)}\n")


if __name__ == "__main__":
    main()
