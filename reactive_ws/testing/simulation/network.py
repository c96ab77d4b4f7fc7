"""The network of a simulation: names, listeners, connections, and everything that goes wrong with them.

A server listens on a host name and port of its choice; a client dials it; bytes travel through a `link`. Faults are
methods, or values of `faults` given to `apply`; they hold for the open connections and for later ones. Reached through
`VirtualLoop.create_connection` and `create_server`, so that unmodified libraries use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import urllib.request
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import attrs

from .entropy import seeded
from .faults import (
    Bandwidth,
    BlackHole,
    Buffers,
    Direction,
    Fault,
    Hang,
    Heal,
    Latency,
    Refuse,
    Reset,
    Split,
    Stall,
    Truncate,
)
from .lane import Conditions
from .link import Link

__all__ = ["Attempt", "Network", "VirtualServer"]

P = TypeVar("P", bound=asyncio.BaseProtocol)
Factory = Callable[[], asyncio.BaseProtocol]

_CONNECT_TIMEOUT = 127.0
"""Seconds until Linux gives up an unanswered connect: six retries after 1, 2, 4, ... seconds."""
_EVERY_HOST = frozenset({"", "0.0.0.0", "::"})
_THIS_HOST = frozenset({"localhost", "127.0.0.1", "::1"})


@attrs.frozen
class Attempt:
    """One dial.

    Attributes:
        time: Virtual seconds when it started.
        host, port: The address that it dialled.
    """

    time: float
    host: str
    port: int


class Network:
    """Hosts, ports and links of one simulation. Made by `Simulation`.

    Args:
        seed: Decides jitter and pieces.

    Attributes:
        links: The open connections, oldest first.
        attempts: Every dial, refused ones too.
    """

    def __init__(self, seed: int = 0) -> None:
        self.links: list[Link] = []
        self.attempts: list[Attempt] = []
        self._random: Random = seeded(seed, "network")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._refuse: Callable[[str, str], Exception]
        self._listeners: dict[tuple[str, int], Factory] = {}
        self._conditions = {Direction.UP: Conditions(), Direction.DOWN: Conditions()}
        self._link_number = 0
        self._next_port = 50_000
        self._dials_under_way = 0
        self._black_holes: set[Direction] = set()
        self._stalled_until = 0.0
        self._truncate: Truncate | None = None
        self._refusals: dict[str | None, _Countdown] = {}
        self._hangs: dict[str | None, _Countdown] = {}
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._connected: WeakKeyDictionary[socket.socket, tuple[str, int, Factory]] = (
            WeakKeyDictionary()
        )
        self._healed = asyncio.Event()

    def attach(
        self, loop: asyncio.AbstractEventLoop, refuse: Callable[[str, str], Exception]
    ) -> None:
        """Joins the network to its loop; called once, by `Simulation`.

        Args:
            loop: The loop whose time the network keeps.
            refuse: Called with what is not simulated and what to do instead; returns the error to raise.
        """
        self._loop = loop
        self._refuse = refuse

    @property
    def in_flight(self) -> int:
        """Pieces of data and connections under way, without what is held by black holes, stalls and hanging."""
        return self._dials_under_way + sum(link.in_flight for link in self.links)

    @property
    def link(self) -> Link:
        """The newest open connection.

        Raises:
            LookupError: none is open.
        """
        if not self.links:
            raise LookupError("no connection is open in this network")
        return self.links[-1]

    # --- faults -------------------------------------------------------------------------------------------------------

    def apply(self, fault: Fault) -> None:
        """Lets a fault begin: for the open connections, and for later ones until `Heal`."""
        match fault:
            case Latency(seconds, jitter, direction):
                self._change(direction, latency=seconds, jitter=jitter)
            case Bandwidth(rate, direction):
                self._change(direction, rate=rate)
            case Buffers(size, direction):
                self._change(direction, buffer_size=size)
            case Split(max_size, direction):
                self._change(direction, max_chunk=max_size)
            case Stall(seconds, direction):
                self._stalled_until = max(self._stalled_until, self._here.time() + seconds)
                for link in self.links:
                    link.stall(seconds, direction)
            case BlackHole(direction):
                self._black_holes.add(direction)
                for link in self.links:
                    link.black_hole(direction)
            case Reset():
                for link in self.links:
                    link.reset()
            case Truncate():
                self._truncate = fault
                for link in self.links:
                    _truncate(link, fault)
            case Refuse(times, host):
                self._refusals[host] = _Countdown(times)
            case Hang(times, host):
                self._hangs[host] = _Countdown(times)
            case Heal():
                self._heal()

    def play(self, plan: tuple[Any, ...]) -> None:
        """Starts a plan: each fault begins so many virtual seconds after now."""
        for timed in plan:
            self._here.call_later(timed.at, self.apply, timed.fault)

    def refuse(self, times: int | None = None, host: str | None = None) -> None:
        """Refuses the next `times` connections, or all; with `host`, only those to this address."""
        self.apply(Refuse(times, host))

    def hang(self, times: int | None = None, host: str | None = None) -> None:
        """Lets the next `times` connections, or all, wait for an answer that does not come; or only those to `host`."""
        self.apply(Hang(times, host))

    def resolve(self, name: str, *addresses: str) -> None:
        """Gives a name several addresses, in the order in which a resolver returns them."""
        self._addresses[_host(name)] = tuple(_host(address) for address in addresses)

    def addresses(self, name: Any) -> tuple[str, ...]:
        """Returns the addresses of a name; a name that `resolve` does not know is its own address."""
        return self._addresses.get(_host(name), (_host(name),))

    def black_hole(self, direction: Direction = Direction.BOTH) -> None:
        """Stops all data without a sign to either side."""
        self.apply(BlackHole(direction))

    def stall(self, seconds: float, direction: Direction = Direction.BOTH) -> None:
        """Lets nothing arrive for so many seconds."""
        self.apply(Stall(seconds, direction))

    def reset(self) -> None:
        """Breaks every open connection."""
        self.apply(Reset())

    def heal(self) -> None:
        """Ends everything that keeps bytes or connections from arriving."""
        self.apply(Heal())

    # --- the loop's side ----------------------------------------------------------------------------------------------

    async def connect(self, factory: Callable[[], P], host: Any, port: Any) -> tuple[Any, P]:
        """Opens a connection; a name with several addresses is tried address by address, as asyncio does.

        Raises:
            ConnectionRefusedError: no server listens there, or a fault refuses it.
            TimeoutError: a fault let it hang for 127 s.
            NotSimulated: the address is the proxy that an environment variable names.
        """
        *firsts, last = self.addresses(host)
        for address in firsts:
            with contextlib.suppress(OSError):
                return self._open(factory, address, int(port), await self._reach(address, port))
        return self._open(factory, last, int(port), await self._reach(last, port))

    async def connect_socket(self, sock: socket.socket, host: Any, port: Any) -> None:
        """Connects a socket to one address; `adopt` makes a connection of it.

        Raises:
            ConnectionRefusedError, TimeoutError, NotSimulated: as `connect`.
        """
        host, port = _host(host), int(port)
        self._connected[sock] = (host, port, await self._reach(host, port))

    def adopt(self, factory: Callable[[], P], sock: socket.socket) -> tuple[Any, P]:
        """Makes a connection of a socket that `connect_socket` connected.

        Raises:
            NotSimulated: it did not.
        """
        found = self._connected.pop(sock, None)
        if found is None:
            raise self._refuse("a real socket", "pass host and port of a server of this simulation")
        # The socket of the operating system is the name of the connection only; nothing travels through it.
        sock.close()
        host, port, listener = found
        return self._open(factory, host, port, listener)

    async def _reach(self, host: Any, port: Any) -> Factory:
        host, port = _host(host), int(port)
        self._refuse_proxy(host, port)
        self.attempts.append(Attempt(self._here.time(), host, port))
        self._dials_under_way += 1
        try:
            await asyncio.sleep(sum(conditions.latency for conditions in self._conditions.values()))
        finally:
            self._dials_under_way -= 1
        await self._get_through(host, port)
        listener = self._listeners.get((host, port)) or self._listeners.get(("", port))
        if listener is None or _take(self._refusals, host):
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"Connect call failed ({host!r}, {port})"
            )
        return listener

    def _open(
        self, factory: Callable[[], P], host: str, port: int, listener: Factory
    ) -> tuple[Any, P]:
        self._link_number += 1
        link = Link(
            self._here,
            self._random,
            self._link_number,
            (host, port),
            self._conditions,
            self.links.remove,
        )
        self.links.append(link)
        if self._truncate is not None:
            _truncate(link, self._truncate)
        for end, protocol in ((link.server, listener()), (link.client, client := factory())):
            end.set_protocol(protocol)
            protocol.connection_made(end)
        return link.client, client

    async def _get_through(self, host: str, port: int) -> None:
        loop = self._here
        if loop.time() < self._stalled_until:
            await asyncio.sleep(self._stalled_until - loop.time())
        if self._black_holes or _take(self._hangs, host):
            self._healed = asyncio.Event() if self._healed.is_set() else self._healed
            try:
                async with asyncio.timeout(_CONNECT_TIMEOUT):
                    await self._healed.wait()
            except TimeoutError:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"Connect call failed ({host!r}, {port})"
                ) from None

    def listen(self, factory: Factory, host: Any, port: Any) -> VirtualServer:
        """Starts to accept connections.

        Raises:
            OSError: another server listens there.
        """
        host = _host(host)
        if not port:
            port, self._next_port = self._next_port, self._next_port + 1
        address = ("" if host in _EVERY_HOST else host, int(port))
        if address in self._listeners:
            raise OSError(errno.EADDRINUSE, f"a server listens on {host!r}, {port} already")
        self._listeners[address] = factory
        return VirtualServer(self._here, self, address)

    def is_listening(self, address: tuple[str, int]) -> bool:
        """Whether a server listens on this address."""
        return address in self._listeners

    def stop_listening(self, address: tuple[str, int]) -> None:
        """Refuses new connections to this address; the open ones live on."""
        self._listeners.pop(address, None)

    @property
    def _here(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    def _change(self, direction: Direction, **values: Any) -> None:
        chosen = (Direction.UP, Direction.DOWN) if direction is Direction.BOTH else (direction,)
        for one in chosen:
            self._conditions[one] = attrs.evolve(self._conditions[one], **values)
            for link in self.links:
                for lane in link.lanes(one):
                    lane.conditions = attrs.evolve(lane.conditions, **values)

    def _heal(self) -> None:
        self._black_holes.clear()
        self._stalled_until = 0.0
        self._truncate = None
        self._refusals.clear()
        self._hangs.clear()
        self._healed.set()
        for link in tuple(self.links):
            link.heal()

    def _refuse_proxy(self, host: str, port: int) -> None:
        for scheme, proxy in urllib.request.getproxies().items():
            if (host, port) in self._listeners or "@" in host:
                return
            name = proxy.rpartition("@")[2].partition("://")[2] or proxy.rpartition("@")[2]
            if name.rstrip("/").lower() == f"{host}:{port}":
                raise self._refuse(
                    f"the proxy of the environment variable {scheme.upper()}_PROXY",
                    "pass proxy=None to connect(), or unset the variable for the tests",
                )


class _Countdown:
    """Something that happens the next few times; None is every time."""

    def __init__(self, times: int | None) -> None:
        self._times = times

    def take(self) -> bool:
        if self._times is None:
            return True
        if self._times == 0:
            return False
        self._times -= 1
        return True


def _take(countdowns: dict[str | None, _Countdown], host: str) -> bool:
    return any(one.take() for name in (None, host) if (one := countdowns.get(name)) is not None)


class VirtualServer(asyncio.AbstractServer):
    """The server object that `create_server` returns."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, network: Network, address: tuple[str, int]
    ) -> None:
        self._loop = loop
        self._network = network
        self._address = address

    @property
    def sockets(self) -> tuple[_Listening, ...]:
        """One object that knows its address, while the server listens."""
        return (_Listening(self._address),) if self.is_serving() else ()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._network.is_listening(self._address)

    def close(self) -> None:
        self._network.stop_listening(self._address)

    async def start_serving(self) -> None:
        pass

    async def serve_forever(self) -> None:
        await self._loop.create_future()

    async def wait_closed(self) -> None:
        pass


class _Listening:
    family = socket.AF_INET

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def getsockname(self) -> tuple[str, int]:
        return self._address


def _host(host: Any) -> str:
    name = cast("str", host).lower() if host else ""
    return "localhost" if name in _THIS_HOST else name


def _truncate(link: Link, fault: Truncate) -> None:
    link.truncate(fault.size, is_reset=fault.is_reset, direction=fault.direction)
