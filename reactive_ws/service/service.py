"""The service: one WebSocket that stays, with everything a program wants to know and do about it.

    async with WebSocketService("ws://localhost:8000/ws") as service:      inside your asyncio loop
        ...

    service = WebSocketService(); service.start(); ...; service.stop()     in its own thread, for GUI programs

The surface is here, in `routing` (reading) and in `sending` (writing); what to do is decided in `protocol`, done in
`connection_loop` and `receiver`. While it runs, the home of its domain is its loop: observers are called there.
"""

from __future__ import annotations

import logging
import os
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from ..connection import (
    Backoff,
    ClosePolicy,
    Connection,
    ConnectionState,
    Counters,
    DecisionOptions,
    Decisions,
    DelaySource,
    ErrorEvent,
    Heartbeat,
    Logbook,
    Metrics,
)
from ..engine import Domain, default_domain
from ..inbound import Dispatcher, Receiver
from ..outbox import Outbox, OutboxOptions, OutboxView, Storage
from ..state import EventSource, EventStream, ReadOnly, Selection, Store
from ..transport import Auth, FirstMessage, Settings, address
from ..transport import connect as websockets_connect
from ..wire import Codec, Envelope, JsonCodec, Position, Registry, protocol_v1
from .following import Following
from .handlers import Routing
from .runtime import Running
from .sender import Sending
from .suspension import suspension_clock

__all__ = ["WebSocketService"]

_logger = logging.getLogger("reactive_ws.service")

# One for all services of a program: the state of a generator is 2.5 kB.
_random = random.Random()
if hasattr(os, "register_at_fork"):
    # The workers of a server must not come back at the same moments after an outage.
    os.register_at_fork(after_in_child=_random.seed)
_DRAIN = 5.0
_BACKOFF = Backoff()
_POLICY = ClosePolicy()
_SUSPENDED, _SUSPEND_LIMIT = suspension_clock()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid.uuid4())


class WebSocketService(Running, Routing, Sending, Following):
    """A connection that comes back by itself.

    Args:
        url: Where to; `REACTIVE_WS_URL` or `ws://localhost:8000/ws` when None. `http(s)` becomes `ws(s)`.

    What it speaks:
        domain: Of the service's stores, and of all stores its handlers write; the default domain when None. Its home is
            this service's loop while that runs, unless it has one. Give each of several services a domain of its own,
            or the domain a home of yours: when the first of two that share one stops, writers deliver themselves.
        codec: `JsonCodec()` when None.
        registry: The message types; the codec's when None.
        auth: `Header(...)`, `Query(...)`, `Subprotocol(...)` or `FirstMessage(...)`.
        headers: Additional HTTP headers of the handshake.
        subprotocols: Offered after the codec's own and before those of `auth`; a server that selects one of these is
            spoken to in plain mode.
        origin: The `Origin` header, for servers that let in only their own pages.

    How it holds on:
        backoff: Delays between dials; `Backoff.of(function)` for your own.
        max_attempts: Retries per outage before it gives up; None for no limit.
        policy: What close codes and HTTP statuses mean.
        heartbeat: None for none.
        stable_after: Seconds a connection must last before the next outage starts with short delays.
        outbox: Bounds and windows.

    Limits (seconds, bytes):
        dial_timeout, close_timeout, max_size: Of a dial with its hello, a polite close, an inbound message.
        compression: "deflate", or None: 100 kB of deflate can unpack to 100 MiB.
        proxy: True for the environment's proxy, None for none, or its URL.
        ssl: An `ssl.SSLContext` when the default one will not do.
        unix_socket: Path of a Unix socket to dial instead of the URL's host; the URL still names `Host` and path.

    For tests:
        connect: Opens a socket, like `websockets.asyncio.client.connect`.
        rng, clock, new_id, suspended: Randomness, wall clock, message ids, seconds slept.

    Raises:
        BadAddress: the URL cannot be dialled.
        JournalError: the durable outbox's file cannot be used.
    """

    _storage: Storage | None

    def __init__(
        self,
        url: str | None = None,
        *,
        # What it speaks
        domain: Domain | None = None,
        codec: Codec | None = None,
        registry: Registry | None = None,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        # How it holds on
        backoff: DelaySource | None = None,
        max_attempts: int | None = None,
        policy: ClosePolicy | None = None,
        heartbeat: Heartbeat | None = Heartbeat(),  # noqa: B008 - immutable
        stable_after: float = 10.0,
        outbox: OutboxOptions | None = None,
        # Limits
        dial_timeout: float = 10.0,
        close_timeout: float = 2.0,
        max_size: int = 2**20,
        compression: str | None = None,
        proxy: str | bool | None = True,
        ssl: Any = None,
        unix_socket: str | os.PathLike[str] | None = None,
        # For tests
        connect: Callable[..., Any] = websockets_connect,
        rng: random.Random | None = None,
        clock: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] | None = None,
        suspended: Callable[[], float] | None = None,
    ) -> None:
        Routing.__init__(self)
        target = address.resolve(url)
        shown = address.redact(target)
        if codec is None:
            codec = JsonCodec(registry)
        if registry is None:
            found = getattr(codec, "registry", None)
            registry = found if isinstance(found, Registry) else protocol_v1()
        options: dict[str, Any] = {
            "open_timeout": None,
            "ping_interval": None,
            "ping_timeout": None,
            "close_timeout": close_timeout,
            "max_size": max_size,
            "compression": compression,
            "proxy": proxy,
        }
        if ssl is not None:
            options["ssl"] = ssl
        if origin is not None:
            options["origin"] = origin
        if unix_socket is not None:
            options |= {"unix": True, "path": os.fspath(unix_socket), "proxy": None}
        self._settings = Settings(
            url=target,
            shown_url=shown,
            codec=codec,
            registry=registry,
            decisions=DecisionOptions(
                url=shown,
                backoff=backoff or _BACKOFF,
                policy=policy or _POLICY,
                max_attempts=max_attempts,
                dial_timeout=dial_timeout,
                stable_after=stable_after,
                heartbeat=heartbeat,
                has_first_message=isinstance(auth, FirstMessage),
                can_refresh=auth is not None and not isinstance(auth.token, str),
            ),
            auth=auth,
            connect=connect,
            connect_options=options,
            headers=dict(headers or {}),
            subprotocols=tuple(subprotocols),
            rng=rng or _random,
            clock=clock or _utc_now,
            new_id=new_id or _new_id,
            close_timeout=close_timeout,
            suspended=suspended or _SUSPENDED,
            suspend_limit=_SUSPEND_LIMIT,
        )
        self._domain = domain if domain is not None else default_domain()
        self._counters = Counters()
        self._log = Logbook(self._now)
        self._errors: EventSource[ErrorEvent] = EventSource("service.errors")
        self._outbox = Outbox(outbox, on_drop=self._dropped)
        self._dispatcher = Dispatcher(
            registry, clock=self._now, on_failed=self._handler_failed, on_slow=self._handler_slow
        )
        self._receiver = Receiver(
            domain=self._domain,
            codec=codec,
            dispatcher=self._dispatcher,
            outbox=self._outbox,
            subscriptions=self._subscriptions,
            counters=self._counters,
            clock=self._now,
            report=self._report,
            log=self._log,
        )
        self._protocol = Decisions(
            self._settings.decisions,
            rng=self._settings.rng,
            new_id=self._settings.new_id,
            positions=self._positions,
            backlog=self._outbox.__len__,
        )
        self._connection = Store(
            self._protocol.connection, name="service.connection", domain=self._domain
        )
        self._metrics = Store(Metrics(shown), name="service.metrics", domain=self._domain)
        self._view = Store(OutboxView(), name="service.outbox", domain=self._domain)
        Running.__init__(self)
        path = self._outbox.options.path
        if path is not None:
            self._storage = Storage(
                path,
                outbox=self._outbox,
                codec=codec,
                now=self._now,
                post=self._in_loop,
                changed=self._poke,
                failed=self._storage_failed,
            )
            self._outbox.on_over = self._storage.forget
            self._poke()

    def __repr__(self) -> str:
        return f"<WebSocketService {self._settings.shown_url} {self.state.value}>"

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect(drain=_DRAIN)

    # --- what can be seen -----------------------------------------------------------------------------------------------

    @property
    def domain(self) -> Domain:
        """Whose order its stores have, and all stores that its handlers write."""
        return self._domain

    @property
    def connection(self) -> ReadOnly[Connection]:
        """The connection: state, phase, attempt, cause."""
        return self._connection.read_only

    @property
    def metrics(self) -> ReadOnly[Metrics]:
        """Counts and gauges; published with every change of the state, and at most once a second otherwise."""
        return self._metrics.read_only

    @property
    def latency(self) -> Selection[float | None]:
        """Seconds from a heartbeat to its answer. Replays: the newest; None before the first."""
        return self._metrics.select(lambda metrics: metrics.round_trip)

    @property
    def outbox(self) -> ReadOnly[OutboxView]:
        """What waits to be sent or acknowledged; published at most once per turn of the loop."""
        return self._view.read_only

    @property
    def positions(self) -> Store[Mapping[str, Position]]:
        """Where each stream is; changes in the same commit as the effects of its messages. Restore it before connecting."""
        return self._receiver.positions

    @property
    def state(self) -> ConnectionState:
        """The state now. Any thread."""
        return self._protocol.connection.state

    @property
    def is_connected(self) -> bool:
        """Whether messages can go out now. Any thread."""
        return self.state is ConnectionState.CONNECTED

    @property
    def errors(self) -> EventStream[ErrorEvent]:
        """Everything that went wrong. Replays: nothing. Thread: the service's. Ends: never."""
        return self._errors.stream

    @property
    def unhandled(self) -> EventStream[Envelope[Any]]:
        """Messages of no known type, after the commit of their burst. Replays: nothing. Ends: never."""
        return self._receiver.unhandled.stream
