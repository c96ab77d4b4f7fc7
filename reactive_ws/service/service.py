"""The service: one WebSocket that comes back by itself, with everything a program wants to know and do about it.

    async with WebSocketService("ws://localhost:8000/ws") as service:      inside your asyncio loop
        ...

    service = WebSocketService(); service.start(); ...; service.stop()     in its own thread, for GUI programs

`WebSocketService` is a face: it builds the parts, gives each what it needs, and every public method is one call.

    Runtime    starts, stops, connects, disconnects; makes the shell of the moment
    Shell      performs what the decisions want, in the loop
    Sender     the outbox: send, request, discard, drain
    Handlers   on, on_channel, messages
    Followers  the replicas
    Status     the stores connection, metrics, outbox; `Reports` has the errors
    ServicePlace      the thread and the loop that the service runs in at the moment

While it runs, the home of its domain is its loop: observers run there.

The module is long because it documents every option and every public method of a service.
"""

from __future__ import annotations

import os
import random
import uuid
import warnings
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self, TypeVar, overload

import attrs
from msgspec import UnsetType
from reactivex import Observable
from reactivex.abc import DisposableBase

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
from ..dialects import V1, Dialect
from ..engine import Domain, default_domain, refuse_copy
from ..errors import UsageError
from ..inbound import Dispatcher, Receiver, Subscriptions
from ..outbox import Delivery, Outbox, OutboxOptions, OutboxView, Pending, Sending
from ..replicas import Replica, Replicas
from ..state import EventStream, ReadOnly, Selection, Store
from ..transport import AuthMethod, FirstMessage, Provider, Settings, address
from ..transport import connect as websockets_connect
from ..wire import Codec, Envelope, Position, Registry, protocol_v1
from .conversation import Conversation
from .followers import MAX_STATE_SIZE, Followers, Reducers
from .handlers import Handlers
from .loop import suspension_clock
from .options import check_options
from .place import ServicePlace
from .runtime import Runtime
from .sender import Sender
from .status import Reports, Status

__all__ = ["WebSocketService"]

P = TypeVar("P")
R = TypeVar("R")
S = TypeVar("S")

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


def _policy_of(policy: ClosePolicy, dialect: Dialect) -> ClosePolicy:
    """Returns the policy with the close codes of the dialect before its own."""
    if not dialect.closes:
        return policy
    return attrs.evolve(policy, codes={**policy.codes, **dialect.closes})


class WebSocketService:
    """A connection that comes back by itself.

    Args:
        url: Where to; `REACTIVE_WS_URL` or `ws://localhost:8000/ws` when None. `http(s)` becomes `ws(s)`. A function
            without arguments that returns the URL, sync or async, runs on every dial: for signed URLs that expire.

    What it speaks:
        domain: Of the service's stores, and of all stores its handlers write; the default domain when None. Its home is
            this service's loop while that runs, unless it has one. Give each of several services a domain of its own,
            or the domain a home of yours: when the first of two that share one stops, writers deliver themselves.
        dialect: The language of the server; protocol v1 when None, which is plain JSON for a server without it.
        codec: Replaces the JSON frames of protocol v1.
        registry: The message types; those of the dialect or the codec when None.
        auth: `Header(...)`, `Query(...)`, `Subprotocol(...)` or `FirstMessage(...)`. With the last one the dialect sends
            the token.
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
        redirects: Other origins to which the server may redirect, such as `["wss://eu.example.com"]`. Tokens, `headers`
            and `subprotocols` stay at the origin of the URL.

    For tests:
        connect: Opens a socket, like `websockets.asyncio.client.connect`.
        rng, clock, new_id, suspended: Randomness, wall clock, message ids, seconds slept.

    Raises:
        BadAddress: the URL cannot be dialled.
        JournalError: the durable outbox's file cannot be used.
        UsageError: an option has a wrong type or an impossible value.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        url: str | Provider | None = None,
        *,
        # What it speaks
        domain: Domain | None = None,
        dialect: Dialect | None = None,
        codec: Codec | None = None,
        registry: Registry | None = None,
        auth: AuthMethod | None = None,
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
        redirects: Iterable[str] = (),
        # For tests
        connect: Callable[..., Any] = websockets_connect,
        rng: random.Random | None = None,
        clock: Callable[[], datetime] | None = None,
        new_id: Callable[[], str] | None = None,
        suspended: Callable[[], float] | None = None,
    ) -> None:
        check_options(locals())
        target, shown = address.target(url)
        if dialect is None:
            is_json = heartbeat is not None and heartbeat.is_json
            dialect = V1(registry, codec=codec, pings_plain=is_json)
        elif codec is not None or registry is not None:
            raise UsageError("codec= and registry= are arguments of the dialect; pass them to it")
        codec = dialect.codec
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
            address=dialect.address,
            codec=codec,
            offered=tuple(dialect.subprotocols),
            sends_token=isinstance(auth, FirstMessage),
            registry=registry,
            decisions=DecisionOptions(
                url=shown,
                backoff=backoff or _BACKOFF,
                policy=_policy_of(policy or _POLICY, dialect),
                max_attempts=max_attempts,
                dial_timeout=dial_timeout,
                stable_after=stable_after,
                heartbeat=heartbeat,
                has_token=auth is not None,
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
            max_size=max_size,
            suspended=suspended or _SUSPENDED,
            suspend_limit=_SUSPEND_LIMIT,
            redirects=address.origins(redirects),
        )
        settings = self._settings
        self._domain = domain if domain is not None else default_domain()
        place = self._place = ServicePlace()
        counters, log = Counters(), Logbook(place.now)
        reports = self._reports = Reports(place.now, counters, log)
        waiting = Outbox(
            outbox,
            on_drop=reports.dropped,
            on_slow=reports.slow,
            wall=lambda: settings.clock().timestamp(),
        )
        dispatcher = Dispatcher(
            registry,
            clock=place.now,
            on_failed=reports.handler_failed,
            on_slow=reports.handler_slow,
            on_unknown=reports.unknown_type,
        )
        subscriptions = Subscriptions()
        self._receiver = Receiver(
            domain=self._domain,
            dispatcher=dispatcher,
            outbox=waiting,
            subscriptions=subscriptions,
            counters=counters,
            clock=place.now,
            report=reports.error,
            log=log,
        )
        self._decisions = Decisions(
            self._settings.decisions,
            rng=self._settings.rng,
            new_id=self._settings.new_id,
            backlog=waiting.__len__,
        )
        self._status = Status(
            domain=self._domain,
            place=place,
            decisions=self._decisions,
            outbox=waiting,
            inbound=self._receiver.inbound,
            counters=counters,
            log=log,
        )
        self._sender = Sender(
            self._settings,
            outbox=waiting,
            receiver=self._receiver,
            decisions=self._decisions,
            place=place,
            view=self._status.outbox.read_only,
            log=log,
            changed=self._status.outbox_changed,
            storage_failed=reports.storage_failed,
            explain=self._status.explain,
        )
        self._followers = Followers(
            domain=self._domain,
            registry=registry,
            receiver=self._receiver,
            subscriptions=subscriptions,
            outbox=waiting,
            place=place,
            sender=self._sender,
            reports=reports,
        )
        self._handlers = Handlers(
            dispatcher, self._receiver, subscriptions, place, reports.async_handler_failed
        )
        self._runtime = Runtime(
            self._settings,
            conversation=Conversation(dialect),
            domain=self._domain,
            place=place,
            decisions=self._decisions,
            outbox=waiting,
            receiver=self._receiver,
            subscriptions=subscriptions,
            dispatcher=dispatcher,
            counters=counters,
            log=log,
            handlers=self._handlers,
            sender=self._sender,
            status=self._status,
            reports=reports,
        )

    def __repr__(self) -> str:
        return f"<WebSocketService {self._settings.shown_url} {self.state.value}>"

    def __del__(self) -> None:
        place = getattr(self, "_place", None)
        if place is None or place.is_forked:
            return
        shell, thread = place.shell, place.thread
        runs = shell is not None and not shell.loop.is_closed()
        if runs or (thread is not None and not thread.is_over):
            text = f"{self!r} was not stopped; call stop() or disconnect()"
            warnings.warn(text, ResourceWarning, stacklevel=2, source=self)
            return
        # A durable outbox that was never started would keep its file locked for the next service of this process.
        sender = getattr(self, "_sender", None)
        if sender is not None:
            sender.close()

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
    def _shown(self) -> Status:
        if self._place.is_forked:
            self._status.leave_to_parent()
        return self._status

    @property
    def connection(self) -> ReadOnly[Connection]:
        """The connection: state, phase, attempt, cause. CLOSED in a forked child."""
        return self._shown.connection.read_only

    @property
    def metrics(self) -> ReadOnly[Metrics]:
        """Counts and gauges; published with every change of the state, and at most once a second otherwise."""
        return self._shown.metrics.read_only

    @property
    def latency(self) -> Selection[float | None]:
        """Seconds from a heartbeat to its answer. Replays: the newest; None before the first."""
        return self._shown.metrics.select(lambda metrics: metrics.round_trip)

    @property
    def outbox(self) -> ReadOnly[OutboxView]:
        """The messages that wait to be sent or acknowledged; published at most once per turn of the loop."""
        return self._shown.outbox.read_only

    @property
    def can_send(self) -> ReadOnly[bool]:
        """Whether the service takes a message that may not be lost: False when the outbox is full, and after a disconnect.

        A UI disables its input by it; published together with `outbox`.
        """
        return self._shown.can_send.read_only

    @property
    def is_filling(self) -> ReadOnly[bool]:
        """Whether four fifths of the outbox's room is taken, in entries or in bytes. A UI warns its user by it.

        Published together with `outbox`. It stays True while the outbox is full.
        """
        return self._shown.is_filling.read_only

    @property
    def positions(self) -> Store[Mapping[str, Position]]:
        """Where each stream is; changes in the same commit as the effects of its messages. Restore it before connecting."""
        return self._receiver.positions

    @property
    def state(self) -> ConnectionState:
        """The state now; CLOSED in a child that was forked after the service was made. Any thread."""
        shell = self._place.shell
        if self._place.is_forked:
            return ConnectionState.CLOSED
        if shell is not None and shell.loop.is_closed():
            shell.leave_closed_loop()
        return self._decisions.connection.state

    @property
    def is_connected(self) -> bool:
        """Whether messages can go out now. Any thread."""
        return self.state is ConnectionState.CONNECTED

    @property
    def errors(self) -> EventStream[ErrorEvent]:
        """Everything that went wrong. Replays: nothing. Thread: the service's. Ends: never."""
        return self._reports.events.stream

    @property
    def sending(self) -> EventStream[Sending]:
        """Every message that the program sends, as the outbox takes it; for logs and development tools.

        Replays: nothing. Thread: the one that calls `send`. Ends: never.
        """
        return self._sender.sending.stream

    @property
    def unhandled(self) -> EventStream[Envelope[Any]]:
        """Messages of no known type, after the commit of their burst. Replays: nothing. Ends: never."""
        return self._receiver.unhandled.stream

    # --- where and when it runs -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Runs in its own daemon thread with its own loop, and connects. Does nothing when it does so already.

        Raises:
            UsageError: it runs in your loop already.
        """
        self._runtime.start()

    def stop(self, drain: float = _DRAIN) -> None:
        """Disconnects after at most `drain` seconds and ends the thread of `start`. Any thread, any number of times.

        Blocks until nothing is left. On the thread of the service's loop, such as in a handler, it cannot wait for
        itself: there it begins to stop and returns at once. A `connect()` or `start()` meanwhile wins over it.

        Raises:
            UsageError: the service was connected in a loop of yours that does not run now.
        """
        self._runtime.stop(drain)

    def connect(self) -> Pending[None]:
        """Starts to connect; while the service waits for a retry, dials at once. Any thread, if the service has its own.

        Returns:
            Something to await or not: done when dialing has begun. See `wait_connected` for the connection itself.

        Raises:
            UsageError: there is no running loop, and `start()` was not called.
        """
        return self._runtime.connect()

    def disconnect(self, drain: float = 0.0) -> Pending[None]:
        """Closes for good: no retries, and `send` raises until the next `connect()`. Any thread.

        Messages that were never sent fail; those in flight become uncertain.

        Args:
            drain: Seconds to wait for what is queued and in flight.

        Returns:
            Something to await or not: done when socket, tasks and timers are gone.
        """
        return self._runtime.disconnect(drain)

    def reconnect(self) -> None:
        """Drops the socket and dials at once. Nothing that waits is lost. Any thread.

        Raises:
            UsageError: the service does not run.
        """
        self._runtime.reconnect()

    def refresh_token(self) -> None:
        """Asks the token provider again and sends the token: in place with `FirstMessage`, else by reconnecting."""
        self._runtime.refresh_token()

    async def wait_connected(self, timeout: float | None = None) -> None:
        """Waits until the connection is ready. Any loop.

        Raises:
            TimeoutError: it is not within `timeout` seconds.
            ConnectionFailed: the service gave up.
            ServiceClosed: the program disconnected.
        """
        await self._status.wait_connected(timeout)

    def connect_while(self, signed_in: Observable[Any]) -> DisposableBase:
        """Connects when the stream gives something true, such as a token, and disconnects when it gives something false.

        A different true value is a new token: the service sends it in place or takes it to a new connection, and nothing
        that waits is lost. Disconnecting fails queued messages, because they belong to the user who signed out.

            login = Store[Login | None](None)
            service = WebSocketService(url, auth=Header(lambda: login.get().token))
            service.connect_while(login.select(lambda now: now and now.token))

        Args:
            signed_in: A stream that gives its value at once, such as a selection of a store.

        Returns:
            The subscription; disposing it leaves the connection as it is.
        """
        last: list[Any] = [None]

        def follow(value: Any) -> None:
            before, last[0] = last[0], value
            if not value:
                if before:
                    self.disconnect()
            elif not before:
                try:
                    self.connect()
                except UsageError:
                    # No loop runs here: a program with a GUI, and the service needs its own thread.
                    self.start()
            elif value != before:
                self.refresh_token()

        return signed_in.subscribe(follow)

    # --- reading --------------------------------------------------------------------------------------------------------

    @overload
    def on(
        self,
        key: type[P],
        handler: Callable[[P], Any],
        *,
        run: Callable[[Sequence[Envelope[P]]], Any] | None = None,
    ) -> DisposableBase: ...
    @overload
    def on(
        self,
        key: str,
        handler: Callable[[Envelope[Any]], Any],
        *,
        run: Callable[[Sequence[Envelope[Any]]], Any] | None = None,
    ) -> DisposableBase: ...

    def on(
        self,
        key: type[Any] | str,
        handler: Callable[[Any], Any],
        *,
        run: Callable[[Sequence[Envelope[Any]]], Any] | None = None,
    ) -> DisposableBase:
        """Calls `handler` with the payload of every message of a class, or with the envelopes of a type name.

        A handler is short and synchronous. All its writes for one message take effect together, with those of the other
        messages of the burst; if it raises, its own writes for that message are dropped and the error is reported.

        A type name that looks like a misspelled name of the registry is reported once in `errors` and in the log. The first
        message of a type that no handler has is one line of the log.

        Args:
            key: A payload class or a type name.
            handler: What to call for one message.
            run: For handlers that must be fast: called instead with the envelopes of several messages that came in a row,
                when all handlers of these messages have one. It must have the effect of `handler` for each in turn and
                read nothing that other handlers of the type write. When it raises, `handler` is called for each.

        Returns:
            The registration; `dispose()` it or use it as a context manager.

        Raises:
            UnknownType: the class is not registered.
            UsageError: `handler` is an `async def`.
        """
        return self._handlers.on(key, handler, run)

    @overload
    def on_request(self, key: type[P], answer: Callable[[P], Any]) -> DisposableBase: ...
    @overload
    def on_request(self, key: str, answer: Callable[[Envelope[Any]], Any]) -> DisposableBase: ...

    def on_request(self, key: type[Any] | str, answer: Callable[[Any], Any]) -> DisposableBase:
        """Answers the server's requests, in dialects that have them: JSON-RPC and Socket.IO.

        The function is short and synchronous, and runs in the service's loop after the commit of the burst. When it raises,
        the error is reported and the server gets no answer.

        Args:
            key: A payload class, or a type name: then the function gets the envelope.
            answer: Returns the answer, as plain values or a class that JSON can express.

        Returns:
            The registration; `dispose()` it or use it as a context manager.

        Raises:
            UsageError: requests of this type are answered already.
            UnknownType: the class is not registered.
        """
        return self._handlers.on_request(key, answer)

    @overload
    def on_async(self, key: type[P], handler: Callable[[P], Awaitable[Any]]) -> DisposableBase: ...
    @overload
    def on_async(
        self, key: str, handler: Callable[[Envelope[Any]], Awaitable[Any]]
    ) -> DisposableBase: ...

    def on_async(
        self, key: type[Any] | str, handler: Callable[[Any], Awaitable[Any]]
    ) -> DisposableBase:
        """Like `on` for slow work: calls come in order, one at a time, in a task; at most 1 000 may wait.

        The handler runs after the burst's commit and outside its batch. A disconnect cancels it.

        Raises:
            UnknownType: the class is not registered.
        """
        return self._handlers.on_async(key, handler)

    def off(self, key: type[Any] | str, handler: Callable[..., Any]) -> bool:
        """Removes the newest registration of this handler for this class, type name or pattern.

        Returns:
            False when there was none.
        """
        return self._handlers.off(key, handler)

    def on_channel(
        self, pattern: str, handler: Callable[[Any, Envelope[Any]], Any]
    ) -> DisposableBase:
        """Calls `handler(payload, envelope)` for the messages of the channels that match: like `on` otherwise.

        It does not ask the server for the channel; `messages(pattern, subscribe=True)` does.

        Args:
            pattern: A channel; `a.*` for everything below `a.` at any depth; `*` for all.
            handler: Short and synchronous.
        """
        return self._handlers.on_channel(pattern, handler)

    def messages(
        self, pattern: str = "*", *, subscribe: bool = False
    ) -> EventStream[Envelope[Any]]:
        """Returns the messages of the channels that match.

        Emits: every message, after its handlers and their commit. Replays: nothing. Thread: the service's loop.
        Ends: never. Can also be iterated with `async for`, in any loop.

        Args:
            pattern: A channel; `a.*` for everything below `a.` at any depth; `*` for all.
            subscribe: Ask the server for the channel. The first observer of any such stream of this pattern subscribes
                on the server, the last one that leaves unsubscribes, and every new connection subscribes again.
                Unsubscribing and resubscribing within one loop iteration sends nothing.
        """
        return self._handlers.messages(pattern, subscribe=subscribe)

    def replica(
        self,
        stream: str,
        initial: S,
        reducers: Reducers[S],
        *,
        snapshot: type[S] | Callable[[Any], S | UnsetType] | None = None,
        optimistic: Reducers[S] | None = None,
        max_state_size: int = MAX_STATE_SIZE,
        state_file: str | os.PathLike[str] | None = None,
        part: str = "",
        takes_unnumbered: bool = False,
    ) -> Replica[S]:
        """Keeps the state of a stream equal to the server's. Any thread.

            todos = service.replica("todos", TodoList(), {TodoAdded: added}, optimistic={TodoAdd: added_locally})
            todos.select(lambda now: now.items)
            todos.send(TodoAdd(new_id(), "milk"))

        It starts with the server's state and applies each entry of the stream once, in order. When entries are missing, it
        asks for the state again. All changes of an entry show in one commit, with the position of the stream.

        Args:
            stream: Its name; the service subscribes to it.
            initial: Shown until the first state arrives.
            reducers: A pure function for each class of entries: `(state, entry) -> state`. Others only move the position. The
                names of types may take the place of the classes.
            snapshot: The class of the server's state, or a function that makes it of plain values; the class of `initial`
                when None. A function that returns `msgspec.UNSET` says that the server's state says nothing about this one,
                which then stays as it is.
            optimistic: A pure function for each class of commands whose effect `Replica.send` shows at once. It must accept a
                state in which an earlier command is missing.
            max_state_size: Bytes of the largest state. A larger one is reported as `StateTooBig`, and the replica is broken
                until `reload()`. Protocol v1 takes no state of more than 64 MiB.
            state_file: Where to keep the state, so that the next process starts with it.
            part: The name of the part of the stream's state that this replica keeps, when the stream has several replicas.
            takes_unnumbered: Whether messages of the reducers' types also take effect without a position in the stream. They
                take effect as they come, so that a server without positions, such as one in plain mode, can fill the replica.
                The reducers must accept an effect that is there already.

        Raises:
            UsageError: the stream has a replica of this part, its name is a pattern, or an optimistic command is not at-least-once.
            UnknownType: a class is not registered.
        """
        return self._followers.replica(
            stream,
            initial,
            reducers,
            snapshot=snapshot,
            optimistic=optimistic or {},
            max_state_size=max_state_size,
            state_file=state_file,
            part=part,
            takes_unnumbered=takes_unnumbered,
        )

    def replicas(
        self,
        pattern: str,
        initial: S,
        reducers: Reducers[S],
        *,
        snapshot: type[S] | Callable[[Any], S | UnsetType] | None = None,
        optimistic: Reducers[S] | None = None,
        max_state_size: int = MAX_STATE_SIZE,
        linger: float = 30.0,
    ) -> Replicas[S]:
        """Keeps the states of the streams of a pattern, one replica for each stream that the program uses. Any thread.

            lists = service.replicas("lists/*", TodoList(), {TodoAdded: added})
            lists["lists/work"].select(lambda now: now.items)

        The first use of a name subscribes to its stream. A replica without observers and pending commands is let go after
        `linger` seconds; its next use subscribes again and loads the state. These replicas keep no state file.

        Args:
            pattern: Ends in `/*` or `.*`, for everything below it, or is `*`.
            initial, reducers, snapshot, optimistic, max_state_size: As for `replica`; the same for each stream.
            linger: Seconds.

        Raises:
            UsageError: it is not a pattern, or an optimistic command is not at-least-once.
            UnknownType: a class is not registered.
        """
        return self._followers.replicas(
            pattern,
            initial,
            reducers,
            snapshot=snapshot,
            optimistic=optimistic or {},
            max_state_size=max_state_size,
            linger=linger,
        )

    def sync(self, *streams: str) -> None:
        """Asks the server for snapshots of these streams, now or when connected. Any thread.

        While the service does not run it does nothing.
        A server without states of streams, such as one in plain mode, is asked for nothing; an error event says so once.
        """
        self._runtime.sync(streams)

    def forget(self, *streams: str) -> None:
        """Forgets the positions of these streams, such as those of sessions that are over. Any thread.

        The service no longer resumes them; a message of such a stream begins it again. A server may replay a stream that
        began a moment ago. Of more than 10 000 streams the service itself forgets the one that was quiet for the longest
        time. It keeps those that are new since the server's last two marks.
        """
        self._runtime.forget(streams)

    # --- writing --------------------------------------------------------------------------------------------------------

    @overload
    def send(
        self,
        message: str,
        payload: Any = None,
        *,
        channel: str | None = None,
        time_to_live: float | None = None,
    ) -> Delivery: ...
    @overload
    def send(
        self, message: object, *, channel: str | None = None, time_to_live: float | None = None
    ) -> Delivery: ...

    def send(
        self,
        message: object,
        payload: Any = None,
        *,
        channel: str | None = None,
        time_to_live: float | None = None,
    ) -> Delivery:
        """Queues a message and returns at once. Any thread.

        The type declares how far delivery is promised. An at-least-once message is kept, and sent again on each new
        connection with the same id, until the server acknowledges or refuses it. An at-most-once message is kept until it
        is written. A volatile one goes now or never.

        Args:
            message: A payload of a registered class, or the name of a type.
            payload: With a type name: plain JSON values.
            channel: Routing name for the server.
            time_to_live: Seconds after which the message is no longer sent for the first time.

        Returns:
            What becomes of it; see `Delivery`.

        Raises:
            UnknownType: the class was never registered.
            MessageRejected: the payload cannot be encoded.
            OutboxFull: there is no room, and the overflow of the outbox is RAISE. Otherwise the Delivery fails with it.
            DuplicateId: a message with the same id still waits, or was given up on this connection after it was written.
            UsageError: the id has not 1 to 200 characters, or `time_to_live` is negative or not a number.
            ServiceClosed: after `disconnect()` or `stop()`.
        """
        return self._sender.send(message, payload, channel, time_to_live)

    def discard(self, *ids: str) -> None:
        """Gives up on messages that wait, in the service's loop; unknown ids change nothing. Any thread.

        A message that was never sent fails. One that was sent is uncertain, because the server may have it. Until the connection
        ends, `send` refuses its id; after that, send only the same message with the id.
        """
        self._sender.discard(frozenset(ids))

    async def request(
        self,
        message: object,
        payload: Any = None,
        *,
        reply: type[R],
        timeout: float = 10.0,
        channel: str | None = None,
    ) -> R:
        """Sends a message and returns the payload of its reply.

        A reply is a message of class `reply` that carries the request's id, or, without an id, the next one of that class.

        Raises:
            RequestTimeout: no reply within `timeout` seconds; the message may have been delivered.
            RequestFailed: the server answered with an error.
            DeliveryFailed: the message was not delivered.
            DeliveryUncertain: it was sent, and its outcome is unknown.
            ConnectionLost: the connection ended after the message was written, and it is of a type that is not sent again.
            ServiceClosed: after or by `disconnect()`.
        """
        return await self._sender.request(message, payload, reply, timeout, channel)

    async def drain(self, timeout: float | None = None) -> None:
        """Waits until the outbox is empty. Any loop.

        Raises:
            TimeoutError: something still waits after `timeout` seconds; it goes on waiting to be sent.
        """
        await self._sender.drain(timeout)

    def clear_outbox(self) -> int:
        """Gives up everything that waits, also what is stored in a file. Any thread.

        What was never sent fails; what is in flight becomes uncertain.

        Returns:
            How many messages were given up.
        """
        return self._sender.clear()
