"""Calls the handlers of a message: by type, by payload class and by channel pattern, each isolated from the others.

Patterns: an exact channel; `a.*` for everything below `a.`, at any depth; `*` for all. Built-in handlers come before the
user's, then registration order. Every call is a savepoint of the burst's batch: a handler that raises loses its own writes
for that message and nothing else. Handlers are short and synchronous; over 50 ms is reported with the handler's name.

It reads no socket, knows no order of messages (`order`) and commits nothing: the receiver holds the batch. Any thread may
register; only the loop dispatches.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import attrs
from reactivex.abc import DisposableBase

from ..engine import OpenBatch, Registration, check_function, name_of, refuse_copy
from ..wire import Envelope, Registry

__all__ = ["Dispatcher", "Route", "matches"]

Call: TypeAlias = Callable[[Envelope[Any]], Any]
Run: TypeAlias = Callable[[Sequence[Envelope[Any]]], Any]
Failed: TypeAlias = Callable[[str, Exception, Envelope[Any]], None]
Slow: TypeAlias = Callable[[str, float], None]
Unknown: TypeAlias = Callable[[str, str | None, bool], None]

_INSTEAD = "register it with `service.on_async(...)`"
_SLOW = 0.05
_MAX_ROUTES = 4096
"""Pairs of type and channel whose handlers are remembered; channels that a server makes up must not fill the memory."""


_MAX_NAME = 100
_MAX_REPORTED = 256
"""Unknown type names that are reported; a server that makes up names must not fill the memory."""


def _ignore_unknown(_name: str, _meant: str | None, _is_handler: bool) -> None:  # noqa: FBT001 - the type of the hook
    """Reports nothing."""


def matches(pattern: str, channel: str) -> bool:
    """Whether a channel pattern names this channel."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return channel.startswith(pattern[:-1])
    return channel == pattern


@attrs.frozen(eq=False)
class _Registration:
    """One handler.

    `original` is what the user gave, for `off` and for reports; `call` takes the envelope; `run` takes several.
    """

    key: str | type[Any]
    original: Callable[..., Any]
    call: Call
    is_pattern: bool = False
    run: Run | None = None


@attrs.frozen(eq=False)
class Route:
    """Where the messages of one type and channel go.

    Attributes:
        handlers: In order.
        is_known: Whether the registry or a handler knows the type.
        takes_runs: Whether every handler takes several messages at once.
    """

    handlers: tuple[_Registration, ...]
    is_known: bool
    takes_runs: bool


class Dispatcher:
    """The handlers and the routes.

    Args:
        registry: Finds the type name of a payload class.
        clock: Seconds, to time handlers; may be replaced.
        on_failed: Called with the handler's name, its exception and the message.
        on_slow: Called with the handler's name and its seconds.
        on_unknown: Called once for each type name that only a handler or only a message has: with the name, with a similar
            name that is known or None, and with whether a handler has it. For a handler only when there is a similar name.
    """

    __reduce_ex__ = refuse_copy

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Callable[[], float],
        on_failed: Failed,
        on_slow: Slow,
        on_unknown: Unknown = _ignore_unknown,
    ) -> None:
        self._registry = registry
        self._on_unknown = on_unknown
        self._reported: set[str] = set()
        self.clock = clock
        self._on_failed = on_failed
        self._on_slow = on_slow
        self._lock = threading.Lock()
        self._builtin: tuple[_Registration, ...] = ()
        self._registered: tuple[_Registration, ...] = ()
        self._routes: dict[tuple[str, str], Route] = {}

    def name_of(self, key: type[Any] | str) -> str:
        """Returns the type name of a payload class; a name as it is.

        Raises:
            UnknownType: the class is not registered.
        """
        return key if isinstance(key, str) else self._registry.of(key).name

    def on(
        self,
        key: str | type[Any],
        handler: Callable[..., Any],
        *,
        is_builtin: bool = False,
        call: Callable[[Any], Any] | None = None,
        run: Run | None = None,
    ) -> DisposableBase:
        """Calls `handler(payload)` for a class, or `handler(envelope)` for a type name.

        Args:
            key: A payload class or a type name.
            handler: What to call, and what `off` and the reports name.
            is_builtin: Comes before the user's handlers.
            call: What to call instead.
            run: What to call with the envelopes of several messages in a row; see `WebSocketService.on`.

        Raises:
            UnknownType: the class is not registered.
            UsageError: the handler cannot be called, or is an `async def` that nothing would await.
        """
        if call is None:
            check_function(handler, "a handler", _INSTEAD)
        if run is not None:
            check_function(run, "run=", _INSTEAD)
        what = handler if call is None else call
        if isinstance(key, str):
            registration = _Registration(key, handler, what, run=run)
            registered = self._add(registration, is_builtin=is_builtin)
            if key not in self._registry:
                self._report_unknown(key, [row.name for row in self._registry], is_handler=True)
            return registered
        self._registry.of(key)
        registration = _Registration(key, handler, _with_payload(what), run=run)
        return self._add(registration, is_builtin=is_builtin)

    def on_channel(
        self, pattern: str, handler: Callable[[Any, Envelope[Any]], Any]
    ) -> DisposableBase:
        """Calls `handler(payload, envelope)` for messages of channels that match.

        Raises:
            UsageError: the handler cannot be called, or is an `async def` that nothing would await.
        """
        check_function(handler, "a handler", "start a task in it")
        call = _with_both(handler)
        return self._add(_Registration(pattern, handler, call, is_pattern=True), is_builtin=False)

    def off(self, key: str | type[Any], handler: Callable[..., Any]) -> bool:
        """Removes the newest registration of this handler for this key; False when there is none."""
        for registration in reversed(self._registered):
            # Bound methods are equal, never identical.
            if registration.key == key and registration.original == handler:
                self._remove(registration)
                return True
        return False

    def route(self, envelope: Envelope[Any]) -> Route:
        """Returns where a message goes. Ask for every message: a handler may register handlers."""
        found = self._routes.get((envelope.type, envelope.channel))
        return self._find(envelope.type, envelope.channel) if found is None else found

    def dispatch(
        self, envelope: Envelope[Any], burst: OpenBatch | None = None, route: Route | None = None
    ) -> bool:
        """Calls the handlers of a message. Returns False when neither the registry nor a handler knows its type.

        Each call is a savepoint of `burst`, the batch that the caller has open.
        A handler registered by a handler gets the next message. `BaseException` passes.
        """
        if route is None:
            route = self.route(envelope)
        for registration in route.handlers:
            error = self._call(registration, registration.call, envelope, burst)
            if error is not None:
                self._on_failed(name_of(registration.original), error, envelope)
        return route.is_known

    def dispatch_run(
        self, envelopes: Sequence[Envelope[Any]], burst: OpenBatch | None, route: Route
    ) -> None:
        """Calls the handlers of several messages of one route that takes runs, as `dispatch` does one by one."""
        for registration in route.handlers:
            run = registration.run
            if run is None or self._call(registration, run, envelopes, burst) is not None:
                # One of the messages is at fault; the others must have their effect.
                for envelope in envelopes:
                    error = self._call(registration, registration.call, envelope, burst)
                    if error is not None:
                        self._on_failed(name_of(registration.original), error, envelope)

    def _call(
        self,
        registration: _Registration,
        function: Callable[[Any], Any],
        argument: Any,
        burst: OpenBatch | None,
    ) -> Exception | None:
        """Calls a handler in a savepoint; returns what it raised."""
        began = self.clock()
        if burst is not None:
            burst.enter_savepoint()
        failure: Exception | None = None
        try:
            function(argument)
        except BaseException as error:  # foreign code: isolated and reported by name
            if burst is not None:
                burst.drop_savepoint()
            if not isinstance(error, Exception):
                raise
            failure = error
        else:
            if burst is not None:
                burst.keep_savepoint()
        took = self.clock() - began
        if took > _SLOW:
            self._on_slow(name_of(registration.original), took)
        return failure

    def _report_unknown(self, name: str, known: Iterable[str], *, is_handler: bool) -> None:
        with self._lock:
            is_known = name in self._reported or len(self._reported) >= _MAX_REPORTED
        # A server may make up names of any length, and comparing takes the square of it.
        if is_known or len(name) > _MAX_NAME:
            return
        meant = difflib.get_close_matches(name, known, 1, 0.8)
        if is_handler and not meant:
            return
        with self._lock:
            if name in self._reported:
                return
            self._reported.add(name)
        self._on_unknown(name, meant[0] if meant else None, is_handler)

    def _find(self, name: str, channel: str) -> Route:
        route = self._make_route(name, channel)
        if not route.is_known and not route.handlers:
            # A name that only a handler has may be the misspelled one of the two.
            handled = (it.key for it in self._registered if not it.is_pattern)
            known = [it for it in handled if isinstance(it, str) and it not in self._registry]
            self._report_unknown(name, known, is_handler=False)
        return route

    def _make_route(self, name: str, channel: str) -> Route:
        with self._lock:
            row = self._registry.get(name)
            is_known = row is not None
            found: list[_Registration] = []
            for registration in (*self._builtin, *self._registered):
                if registration.is_pattern:
                    if matches(str(registration.key), channel):
                        found.append(registration)
                elif registration.key == name or (
                    row is not None and registration.key is row.payload
                ):
                    found.append(registration)
                    is_known = True
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            takes_runs = bool(found) and all(it.run is not None for it in found)
            route = self._routes[name, channel] = Route(tuple(found), is_known, takes_runs)
            return route

    def _add(self, registration: _Registration, *, is_builtin: bool) -> DisposableBase:
        with self._lock:
            if is_builtin:
                self._builtin = (*self._builtin, registration)
            else:
                self._registered = (*self._registered, registration)
            self._routes = {}
        return Registration(lambda: self._remove(registration))

    def _remove(self, registration: _Registration) -> None:
        with self._lock:
            self._builtin = tuple(r for r in self._builtin if r is not registration)
            self._registered = tuple(r for r in self._registered if r is not registration)
            self._routes = {}


def _with_payload(handler: Callable[[Any], Any]) -> Call:
    def call(envelope: Envelope[Any]) -> Any:
        return handler(envelope.payload)

    return call


def _with_both(handler: Callable[[Any, Envelope[Any]], Any]) -> Call:
    def call(envelope: Envelope[Any]) -> Any:
        return handler(envelope.payload, envelope)

    return call
