"""Redirects of the handshake: where they may lead, and what goes along."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from reactive_ws import WebSocketService
from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.errors import RedirectRefused
from reactive_ws.testing import simulate
from reactive_ws.transport import FirstMessage, Header, Query, Subprotocol
from reactive_ws.transport.redirects import DialTarget, follow
from reactive_ws.wire import JsonCodec

SECRET = "s3cr3t-token"
SPELLED = base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("ws://a/ws", "/login", "ws://a:80/login"),
        ("ws://a/x/ws", "y", "ws://a:80/x/y"),
        ("ws://a:8/ws", "http://a:8/b?c", "ws://a:8/b?c"),
        ("wss://a/ws", "https://A:443/b", "wss://a:443/b"),
        ("ws://a/ws", "https://a/ws", "wss://a:443/ws"),
        ("ws://u:p@a/ws", "http://a/b", "ws://u:p@a:80/b"),
        ("ws://u:p@a/ws", "/b", "ws://u:p@a:80/b"),
    ],
)
def test_within_the_origin_a_redirect_is_followed(url: str, location: str, target: str) -> None:
    place = follow(DialTarget(url), 302, location, ())
    assert place.is_home
    assert comparable(place.url) == comparable(target)


def comparable(url: str) -> str:
    scheme, _, rest = url.lower().partition("://")
    place, slash, path = rest.partition("/")
    port = ":80" if scheme == "ws" else ":443"
    return f"{scheme}://{place.removesuffix(port)}{slash}{path}"


@pytest.mark.parametrize(
    ("url", "location", "words"),
    [
        ("ws://a/ws", "ws://b/ws", "redirects=['ws://b:80']"),
        ("ws://a/ws", "ws://a:8/ws", "another origin"),
        ("ws://a:8/ws", "wss://a:8/ws", "another origin"),
        ("ws://a:8/ws", "wss://a/ws", "another origin"),
        ("wss://a/ws", "http://a/ws", "not be encrypted"),
        ("wss://a/ws", "ws://a:443/ws", "not be encrypted"),
        ("ws://a/ws", "ftp://a/", "nothing to dial"),
        ("ws://a/ws", "http://", "nothing to dial"),
        ("ws://a/ws", "http://[", "nothing to dial"),
        ("ws://a/ws", "//b/ws", "another origin"),
    ],
)
def test_other_redirects_are_refused_and_say_where_they_led(
    url: str, location: str, words: str
) -> None:
    with pytest.raises(RedirectRefused) as caught:
        follow(DialTarget(url), 302, location, ())
    assert words in str(caught.value)


def test_the_target_is_shown_without_its_secrets() -> None:
    with pytest.raises(RedirectRefused) as caught:
        follow(DialTarget("wss://a/ws"), 302, f"wss://u:{SECRET}@b/ws?ticket={SECRET}#{SECRET}", ())
    assert caught.value.location == "wss://***@b/ws?***"
    assert SECRET not in repr(caught.value) + str(caught.value)


def test_an_allowed_origin_is_followed_without_credentials_and_they_never_come_back() -> None:
    there = follow(DialTarget("ws://a/ws"), 302, "ws://b/ws", {"ws://b:80", "ws://a:80"})
    assert not there.is_home
    again = follow(there, 302, "ws://a/ws", {"ws://b:80", "ws://a:80"})
    assert not again.is_home
    assert not follow(again, 302, "/elsewhere", {"ws://b:80"}).is_home


class Hosts:
    """Servers of the simulation that answer with a redirect or let in, and keep the requests."""

    def __init__(self) -> None:
        self.seen: dict[str, list[Request]] = {}
        self.heard: dict[str, list[Any]] = {}

    @contextlib.asynccontextmanager
    async def host(self, name: str, location: str | None = None) -> AsyncIterator[None]:
        seen = self.seen.setdefault(name, [])
        heard = self.heard.setdefault(name, [])

        def answer(connection: ServerConnection, request: Request) -> Response | None:
            seen.append(request)
            if location is None:
                return None
            response = connection.respond(HTTPStatus.TEMPORARY_REDIRECT, "")
            response.headers["Location"] = location
            return response

        async def hears(connection: ServerConnection) -> None:
            async for message in connection:
                heard.append(json.loads(message))

        async with serve(
            hears, name, 80, process_request=answer, ping_interval=None, compression=None
        ):
            yield

    def leaked(self, name: str) -> bool:
        told = "".join(f"{request.path}{request.headers!r}" for request in self.seen[name])
        told += json.dumps(self.heard[name])
        return SECRET in told or SPELLED in told


def make(**options: Any) -> WebSocketService:
    return WebSocketService(
        "ws://home/ws",
        domain=Domain("test"),
        proxy=None,
        rng=random.Random(1),
        codec=JsonCodec(subprotocol=None),
        **options,
    )


KINDS: dict[str, dict[str, Any]] = {
    "Header": {"auth": Header(SECRET)},
    "Header of another name": {"auth": Header(SECRET, name="X-Api-Key", scheme="")},
    "headers": {"headers": {"X-Api-Key": SECRET}},
    "cookie": {"headers": {"Cookie": f"sid={SECRET}"}},
    "Query": {"auth": Query(SECRET)},
    "Subprotocol": {"auth": Subprotocol(SECRET)},
    "own subprotocols": {"subprotocols": [f"base64url.bearer.{SPELLED}"]},
    "FirstMessage": {"auth": FirstMessage(SECRET)},
    "origin": {"origin": f"https://{SECRET}.example"},
}


@pytest.mark.parametrize("kind", KINDS)
@simulate
async def test_credentials_stay_at_their_origin_whatever_the_program_allows(kind: str) -> None:
    hosts = Hosts()
    async with hosts.host("home", "ws://other/steal"), hosts.host("other"):
        for allowed in ((), ("ws://other",)):
            service = make(redirects=allowed, **KINDS[kind])
            await service.connect()
            await asyncio.sleep(5)
            is_let_over = bool(allowed) and kind != "FirstMessage"
            assert service.is_connected is is_let_over
            assert len(hosts.seen["other"]) == int(is_let_over)
            if not is_let_over:
                error = service.connection.get().error
                assert isinstance(error, RedirectRefused)
                assert "ws://other/steal" in str(error)
                assert service.state is ConnectionState.ERROR
            await service.disconnect()
        assert len(hosts.seen["home"]) == 2
        assert hosts.leaked("home") is (kind != "FirstMessage")
        assert not hosts.leaked("other")


@pytest.mark.parametrize("kind", KINDS)
@simulate
async def test_within_the_origin_the_credentials_go_along(kind: str) -> None:
    hosts = Hosts()
    paths: list[str] = []

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        paths.append(request.path)
        hosts.seen["home"].append(request)
        if not request.path.startswith("/ws"):
            return None
        response = connection.respond(HTTPStatus.FOUND, "")
        response.headers["Location"] = "/there"
        # A header that comes twice: the first one counts.
        response.headers["Location"] = "/elsewhere"
        return response

    async def hears(connection: ServerConnection) -> None:
        async for message in connection:
            hosts.heard["home"].append(json.loads(message))

    hosts.seen["home"], hosts.heard["home"] = [], []
    async with serve(hears, "home", 80, process_request=answer, ping_interval=None):
        service = make(**KINDS[kind])
        await service.connect()
        await asyncio.sleep(5)
        assert service.is_connected
        assert [path.partition("?")[0] for path in paths] == ["/ws", "/there"]
        del hosts.seen["home"][0]
        assert hosts.leaked("home")
        await service.disconnect()


@simulate
async def test_a_loop_of_redirects_ends_and_says_so() -> None:
    hosts = Hosts()
    async with hosts.host("home", "/ws"):
        service = make()
        await service.connect()
        await asyncio.sleep(5)
        error = service.connection.get().error
        assert isinstance(error, RedirectRefused)
        assert "a loop" in str(error)
        assert len(hosts.seen["home"]) == 6
        await service.disconnect()


LOGIN_PAGES: dict[str, tuple[int, str | None]] = {
    "a page": (200, None),
    "to http": (302, "http://login.wifi.example/"),
    "to https": (302, "https://login.wifi.example/"),
    "relative": (302, "/login"),
    "without a place": (302, None),
    "not found": (404, None),
    "proxy": (407, None),
    "network": (511, None),
    "bad gateway": (502, None),
    "forbidden": (403, None),
}


@pytest.mark.parametrize("kind", LOGIN_PAGES)
@simulate
async def test_a_service_that_worked_comes_back_from_behind_a_login_page(kind: str) -> None:
    status, location = LOGIN_PAGES[kind]
    dials = 0

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        nonlocal dials
        dials += 1
        if dials == 1 or asyncio.get_running_loop().time() > 60:
            return None
        response = connection.respond(HTTPStatus(status), "<html>login</html>")
        if location is not None:
            response.headers["Location"] = location
        return response

    async def opens(connection: ServerConnection) -> None:
        if dials == 1:
            connection.transport.abort()
        await connection.wait_closed()

    async with serve(opens, "home", 80, process_request=answer, ping_interval=None):
        service = make(heartbeat=None)
        await service.connect()
        await asyncio.sleep(600)
        assert service.is_connected
        assert dials < 100
        await service.disconnect()
