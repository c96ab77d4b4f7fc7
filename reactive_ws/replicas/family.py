"""`Replicas`: one replica for each stream of a pattern, made on first use and let go when nothing needs it.

It keeps no state of its own: a replica that is followed is held by the service, another one by the program that uses it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from ..engine import refuse_copy
from ..errors import UsageError
from .replica import Replica

__all__ = ["Replicas"]

S = TypeVar("S")


class Replicas(Generic[S]):
    """The replicas of a pattern. `WebSocketService.replicas` makes it. All methods may be called from any thread.

    A replica follows its stream from its first use. The service lets it go `linger` seconds after the last observer left and no
    command is pending. It then shows its last state as STALE. A new observer, `send`, or another look
    into this collection lets it follow the stream again.

    Args:
        pattern: Ends in `.*` or `/*`, or is `*`.
        make: Makes the replica of a stream.
        use: Lets a replica follow its stream.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        pattern: str,
        make: Callable[[str], Replica[S]],
        use: Callable[[Replica[S]], None],
    ) -> None:
        self.pattern = pattern
        self._make = make
        self._use = use
        self._lock = threading.Lock()
        self._known: weakref.WeakValueDictionary[str, Replica[S]] = weakref.WeakValueDictionary()

    def __repr__(self) -> str:
        return f"<Replicas of {self.pattern!r}>"

    def __getitem__(self, stream: str) -> Replica[S]:
        """Returns the replica of a stream, and follows the stream.

        Raises:
            UsageError: the name does not match the pattern, or another replica follows the stream.
        """
        if "*" in stream or not stream.startswith(self.pattern[:-1]):
            raise UsageError(
                f"{stream!r} does not match the pattern {self.pattern!r}; give the whole name of a stream"
            )
        with self._lock:
            replica = self._known.get(stream)
            if replica is None or replica.is_closed:
                replica = self._known[stream] = self._make(stream)
        self._use(replica)
        return replica

    @property
    def following(self) -> tuple[str, ...]:
        """The names of the streams that are followed now, sorted."""
        with self._lock:
            return tuple(sorted(it.stream for it in self._known.values() if it.is_followed))

    def close(self) -> None:
        """Stops following all streams of the pattern. Their last states can still be read."""
        with self._lock:
            replicas = list(self._known.values())
        for replica in replicas:
            replica.close()
