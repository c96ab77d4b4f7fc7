"""The replicas of a service: makes them, joins them to the receiver, and does what they ask for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from ..connection import ErrorKind
from ..engine import Domain
from ..errors import UsageError
from ..inbound import Receiver, Subscriptions
from ..middleware import PersistFile, persist
from ..outbox import Delivery, Outbox
from ..replicas import Replica, Saved
from ..wire import Envelope, Guarantee, Registry
from .place import Place
from .sender import Sender
from .status import Reports

__all__ = ["Followers"]

S = TypeVar("S")


class Followers:
    """The `Hub` of the replicas. Any thread.

    Args:
        domain: Of the replicas' stores.
        registry: Finds the types of entries and commands.
        receiver: Feeds the replicas.
        subscriptions: The channels that the server is asked for.
        outbox: Has commands that an earlier process left.
        place: Where the service runs.
        sender: Sends commands.
        reports: Takes what reducers raise.
    """

    def __init__(
        self,
        *,
        domain: Domain,
        registry: Registry,
        receiver: Receiver,
        subscriptions: Subscriptions,
        outbox: Outbox,
        place: Place,
        sender: Sender,
        reports: Reports,
    ) -> None:
        self._domain = domain
        self._registry = registry
        self._receiver = receiver
        self._subscriptions = subscriptions
        self._outbox = outbox
        self._place = place
        self._sender = sender
        self._reports = reports
        self._files: dict[str, PersistFile] = {}

    def replica(
        self,
        stream: str,
        initial: S,
        reducers: Mapping[type[Any], Callable[[S, Any], S]],
        *,
        snapshot: type[S] | Callable[[Any], S] | None,
        optimistic: Mapping[type[Any], Callable[[S, Any], S]],
        state_file: str | os.PathLike[str] | None,
    ) -> Replica[S]:
        """Makes the replica of a stream."""
        if stream in self._receiver.followers:
            raise UsageError(f"there is a replica of {stream!r} already; keep the first one")
        if "*" in stream:
            raise UsageError(
                f"{stream!r} is a pattern; a replica follows one stream, so give its name"
            )
        kind: type[S] = type(initial)
        wanted = kind if snapshot is None else snapshot
        replica = Replica(
            stream,
            initial,
            {self._registry.of(payload).name: reducer for payload, reducer in reducers.items()},
            snapshot=_converter(wanted),
            optimistic={self._promised(payload): it for payload, it in optimistic.items()},
            domain=self._domain,
            hub=self,
        )
        if state_file is not None:
            file = persist(replica.saved, state_file, as_type=Saved[kind])  # type: ignore[valid-type]
            self._files[stream] = file
            self._sender.closing.append(file.flush)
            position = replica.restore()
            if position is not None:
                self._receiver.positions.update(lambda known: {stream: position, **known})
        for waiting in self._outbox.view():
            if replica.takes(waiting.envelope):
                replica.add(waiting.envelope)
                replica.watch(waiting.delivery)

        def join() -> None:
            self._receiver.followers[stream] = replica
            self._subscriptions.add(stream)
            if self._place.shell is not None:
                self._place.shell.say_subscriptions()

        self._place.post(join)
        return replica

    def _promised(self, payload: type[Any]) -> str:
        row = self._registry.of(payload)
        if row.guarantee is not Guarantee.AT_LEAST_ONCE:
            raise UsageError(
                f"an optimistic command must be at-least-once, or its effect could stay without one; "
                f"register {row.name!r} with guarantee=Guarantee.AT_LEAST_ONCE"
            )
        return row.name

    # --- for replicas ---------------------------------------------------------------------------------------------------

    def send(
        self, message: object, stream: str, sending: Callable[[Envelope[Any]], None]
    ) -> Delivery:
        """Queues a command of a replica."""
        return self._sender.send(message, None, stream, None, sending)

    def leave(self, stream: str) -> None:
        """Ends a replica: its stream is no longer followed, and its file is let go."""

        def part() -> None:
            if self._receiver.followers.pop(stream, None) is None:
                return
            self._subscriptions.remove(stream)
            if self._place.shell is not None:
                self._place.shell.say_subscriptions()

        self._place.post(part)
        file = self._files.pop(stream, None)
        if file is not None:
            self._sender.closing.remove(file.flush)
            file.close()

    def sync(self, stream: str) -> None:
        """Asks the server for the state of a stream."""

        def ask() -> None:
            if self._place.shell is not None:
                self._place.shell.sync((stream,))

        self._place.post(ask)

    def report(self, error: Exception, source: str) -> None:
        """Reports what a reducer raised."""
        self._reports.error(ErrorKind.APPLICATION, error, is_retryable=False, source=source)

    def payload(self, kind: str, value: Any) -> Any:
        """Returns a stored command in its class."""
        row = self._registry.get(kind)
        return value if row is None else msgspec.convert(value, row.payload)


def _converter(wanted: type[S] | Callable[[Any], S]) -> Callable[[Any], S]:
    if not isinstance(wanted, type):
        return wanted
    kind: Any = wanted
    return functools.partial(msgspec.convert, type=kind)
