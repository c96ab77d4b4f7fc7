"""Watches whether the server still reads and answers: pings, confirmed bytes, and the time that an answer may take.

    * A ping is a question. It goes out every `interval` seconds, after each 128 KiB written, and when the window is full.
    * TCP delivers in order. So a pong confirms all bytes that were written before its ping, and an acknowledgement all bytes
      up to its message.
    * An answer may take `timeout` seconds, and longer while the link has work to do: the time that the unconfirmed bytes
      take at the rate R; one second for each KiB received meanwhile, but at most 10 minutes (for each 256 bytes, when the
      last question was missed while bytes arrived); and the time in which the
      operating system takes bytes that wait in our buffer. While bytes wait there, no more than 128 KiB count as
      unconfirmed, because the operating system takes the next ones after at most so many.
    * R begins at 4 KiB/s. Each confirmation of 8 KiB or more sets it to half of what was measured, and so does a buffer that
      drains slower; it stays between 256 B/s and 64 KiB/s. A missed deadline quarters it. It outlives the connection.
    * At most 256 KiB, or the smaller window of the server, or one larger message, are unconfirmed.
    * While our own side does not read, the clock stands. Before the verdict the socket is looked at once more, because a
      loop that was blocked runs its timers before it reads.

`tests/progress_model.py` is the model of these rules. The monitor sends nothing and owns no timer: `decisions` asks at
`deadline` what is due.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs

from ..errors import HeartbeatTimeout

__all__ = ["Heartbeat", "HeartbeatMonitor", "Reading"]

_WINDOW = 256 * 1024
_PING_AFTER = 128 * 1024
_SLOWEST, _FIRST, _FASTEST = 256.0, 4 * 1024.0, 64 * 1024.0
"""Bytes a second: the bounds of R, and what it begins with. 128 KiB at the slowest are noticed as dead in ten minutes."""
_SHORTEST = 0.1
"""Seconds between pings at least, whatever a server asks for: a client must not be made to do nothing else."""
_SAMPLE = 8 * 1024
"""Bytes that a measurement of R needs at least; with less, the latency is what is measured."""
_RECEIVED_RATE = 1024.0
"""Bytes a second: what arrives slower than this gives too little time. After a miss it is `_SLOWEST`, until an answer comes.

Less from the beginning would hide a server whose reader hangs and whose writer goes on to tick."""
_CAP = 600.0
"""Seconds that arriving bytes give at most: a server whose reader hangs may go on to write."""
_MAX_ASKED = 4096
"""Pings without a pong that are remembered: a server may acknowledge messages and answer no ping."""
_NOTHING = 1024
"""Bytes that count as none: pings and pongs may be unconfirmed when a large message goes out."""


@attrs.frozen
class Heartbeat:
    """How to look for a dead connection.

    Attributes:
        interval: Seconds between pings; a server that asks for a shorter one in its hello gets it. 30 s is below the
            60 s after which common proxies drop an idle connection.
        timeout: Seconds in which an idle connection must answer a ping; a busy one gets more time.
        is_json: Send JSON pings also to a server that did not select the subprotocol.
    """

    interval: float = attrs.field(default=30.0, validator=attrs.validators.gt(0))
    timeout: float = attrs.field(default=10.0, validator=attrs.validators.gt(0))
    is_json: bool = False


@attrs.frozen
class Reading:
    """The byte counts of a socket at one moment.

    Attributes:
        received: Bytes that arrived.
        written: Bytes that the socket library took.
        waiting: Bytes of `written` that the operating system has not taken yet.
        is_reading: False while our side is behind and makes the peer wait.
    """

    received: int = 0
    written: int = 0
    waiting: int = 0
    is_reading: bool = True


@attrs.frozen
class _Question:
    """A ping that is out. `position` is what was written before it, `received` what had arrived."""

    id: str
    at: float
    position: int
    received: int


class HeartbeatMonitor:
    """The heartbeat of one connection after the other.

    Attributes:
        last_frame_at: When a frame arrived last; the reader writes it, once per burst.
        round_trip: Seconds from the last answered ping to its pong; None before the first.
    """

    def __init__(self, options: Heartbeat | None, new_id: Callable[[], str]) -> None:
        self.last_frame_at = 0.0
        self.round_trip: float | None = None
        self._options = options
        self._new_id = new_id
        self._interval = options.interval if options is not None else 0.0
        self._window = _WINDOW
        self._rate = _FIRST
        self._received_rate = _RECEIVED_RATE
        self._ping_at: float | None = None
        self._look_at: float | None = None
        self._start_anew(0.0)

    def _start_anew(self, now: float) -> None:
        # No deque, which takes 760 bytes when it is empty: nearly always no question is here, or one.
        self._asked: list[_Question] = []
        self._asked_position = 0
        self._confirmed = 0
        self._confirmed_at = now
        self._unconfirmed_since = now
        self._written = 0
        self._before = Reading()
        self._drained_from: tuple[float, Reading] | None = None
        self._progress_at = now
        self._is_doubted = False

    @property
    def is_json(self) -> bool:
        """Whether pings are JSON messages also in plain mode."""
        return self._options is not None and self._options.is_json

    @property
    def rate(self) -> float:
        """Bytes a second that unconfirmed bytes are granted."""
        return self._rate

    @property
    def confirmed(self) -> int:
        """Bytes that the server has read for certain."""
        return self._confirmed

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to say."""
        if self._look_at is None or (self._ping_at is not None and self._ping_at < self._look_at):
            return self._ping_at
        return self._look_at

    def suggest(self, interval: float | None, window: int | None = None) -> None:
        """Takes what the server wishes: a ping at least every `interval` seconds, at most `window` unconfirmed bytes."""
        self._window = min(_WINDOW, window) if window is not None and window > 0 else _WINDOW
        if self._options is not None:
            own = self._options.interval
            wanted = interval if interval is not None and interval > 0 else own
            self._interval = min(own, max(wanted, _SHORTEST))

    def start(self, now: float) -> None:
        """A connection became ready; what an older one waited for is forgotten."""
        self.stop()
        self.last_frame_at = now
        self._start_anew(now)
        if self._options is not None:
            self._ping_at = now + self._interval

    def stop(self) -> None:
        """The connection ended."""
        self._ping_at = self._look_at = None
        self._asked.clear()

    def frame_arrived(self, now: float) -> None:
        """A frame arrived."""
        self.last_frame_at = now

    # --- what is written --------------------------------------------------------------------------------------------------

    def room(self) -> float:
        """Returns how many bytes a message may have to be written now; infinity when nothing is unconfirmed."""
        unconfirmed = self._written - self._confirmed
        if unconfirmed <= _NOTHING or self._ping_at is None:
            return math.inf
        return self._window - unconfirmed if unconfirmed < self._window else 0

    def wrote(self, written: int, now: float) -> bool:
        """The socket took bytes: so many in all on this connection. Returns whether a ping became due."""
        if self._written - self._confirmed <= _NOTHING:
            self._unconfirmed_since = now
        self._written = written
        if written - self._asked_position < _PING_AFTER:
            return False
        if self._ping_at is None or self._ping_at <= now:
            return False
        self._ping_at = now
        return True

    def hold(self, now: float) -> None:
        """A message waits for room: asks now, unless a question is out whose answer makes room."""
        if self._ping_at is not None and self._open() is None:
            self._ping_at = min(self._ping_at, now)

    def confirm(self, position: int, now: float) -> None:
        """The server has read what was written up to this position."""
        if position <= self._confirmed:
            return
        size, took = position - self._confirmed, now - self._unconfirmed_since
        if size >= _SAMPLE and took > 0:
            self._rate = min(max(_SLOWEST, size / took / 2), _FASTEST)
        self._confirmed = position
        self._confirmed_at = self._unconfirmed_since = now
        self._look_again(now)

    def pong(self, id: str | None, now: float) -> None:  # noqa: A002 - the wire field's name
        """An answer arrived; without an id it answers the oldest ping that is out."""
        if id is None:
            answered = 0
        else:
            answered = next(
                (at for at, it in enumerate(self._asked) if it.id == id), len(self._asked)
            )
        if answered < len(self._asked):
            question = self._asked[answered]
            del self._asked[: answered + 1]
            self.round_trip = now - question.at
            self._received_rate = _RECEIVED_RATE
            self._confirmed_at = now
            self._look_again(now)
            self.confirm(question.position, now)

    def _open(self) -> _Question | None:
        """Returns the oldest question without an answer. Confirmed bytes after a ping answer it, though its pong may come."""
        return next((it for it in self._asked if it.position >= self._confirmed), None)

    def _look_again(self, now: float) -> None:
        self._is_doubted = False
        if self._open() is None:
            self._look_at = None
        elif self._options is not None:
            self._look_at = now + self._options.timeout

    # --- time -------------------------------------------------------------------------------------------------------------

    def tick(self, now: float, reading: Reading) -> str | HeartbeatTimeout | None:
        """Returns the id of a ping to send, or the timeout that happened, or None."""
        options = self._options
        if options is None:
            return None
        question = self._open()
        if question is not None and self._look_at is not None and now >= self._look_at:
            self._observe(now, reading)
            verdict_at = self._verdict_at(question, reading, options.timeout)
            if now < verdict_at:
                self._is_doubted = False
                # A buffer that drains is looked at more often, to see how fast.
                often = now + options.timeout / 2 if reading.waiting else verdict_at
                self._look_at = min(verdict_at, often)
            elif not self._is_doubted:
                self._is_doubted = True
                # A loop that was blocked has more to read than one that rang in time.
                was_blocked = now - self._look_at > options.timeout / 100
                self._look_at = now + options.timeout / (10 if was_blocked else 200)
            else:
                self._rate = max(_SLOWEST, self._rate / 4)
                if reading.received > question.received:
                    self._received_rate = _SLOWEST
                return HeartbeatTimeout(now - question.at)
        if self._ping_at is None or now < self._ping_at:
            return None
        return self._ask(now, reading, options)

    def _ask(self, now: float, reading: Reading, options: Heartbeat) -> str:
        question = _Question(self._new_id(), now, reading.written, reading.received)
        if self._open() is None:
            self._before, self._progress_at, self._drained_from = reading, now, None
            self._look_at = now + options.timeout
        self._asked.append(question)
        if len(self._asked) > _MAX_ASKED:
            del self._asked[0]
        self._asked_position = reading.written
        self._ping_at = now + self._interval
        return question.id

    def _observe(self, now: float, reading: Reading) -> None:
        """Looks how far the operating system came with what waited in our buffer."""
        before, self._before = self._before, reading
        if not reading.is_reading:
            self._progress_at = now
        taken = (reading.written - reading.waiting) - (before.written - before.waiting)
        if not before.waiting or taken <= 0:
            return
        self._progress_at = now
        if self._drained_from is None:
            # What the operating system takes first, it takes at once.
            self._drained_from = now, reading
        elif reading.waiting:
            since, first = self._drained_from
            speed = (reading.written - reading.waiting - first.written + first.waiting) / (
                now - since
            )
            self._rate = max(_SLOWEST, min(self._rate, speed / 2))

    def _verdict_at(self, question: _Question, reading: Reading, timeout: float) -> float:
        base = max(question.at, self._confirmed_at)
        unconfirmed = reading.written - self._confirmed
        if reading.waiting:
            unconfirmed = min(unconfirmed, _PING_AFTER)
        given = min((reading.received - question.received) / self._received_rate, _CAP)
        return max(base, self._progress_at) + timeout + unconfirmed / self._rate + given
