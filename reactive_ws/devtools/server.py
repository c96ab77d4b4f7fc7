"""Serves the record of a program to viewers: a page for a browser, and a WebSocket for the page and for `reactive-ws inspect`.

It listens on the loopback interface only, and a viewer needs its token. A request whose `Host` or `Origin` is not the loopback
address is refused, so that no web page of another site can reach it. It runs in a daemon thread with a loop of its own: the
program's loop may hang and the record still shows why.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import secrets
import threading
import urllib.parse
from collections.abc import Iterable
from http import HTTPStatus
from importlib import resources
from typing import Any, Literal, Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from ..engine import Domain, refuse_copy
from ..errors import ReactiveWSError, UsageError
from ..service import WebSocketService
from .feed import Feed
from .recorder import ProgramRecorder
from .values import Shows

__all__ = ["DevServer", "inspect_program"]

_HOST = "127.0.0.1"
_PAUSE = 0.1
"""Seconds between two looks of a viewer: a flood is sent in parts that a browser can draw."""
_PATIENCE = 5.0
_LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self' ws://127.0.0.1:* ws://localhost:*"


class _Wish(msgspec.Struct):
    """A request of a viewer."""

    type: Literal["jump", "present", "export"]
    commit: int = -1


class DevServer:
    """A running server. Made by `inspect_program`.

    Attributes:
        recorder: What it shows.
        token: What a viewer must know.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, recorder: ProgramRecorder, shows: Shows, port: int) -> None:
        self.recorder = recorder
        self.token = secrets.token_urlsafe(18)
        self._shows = shows
        self._wanted_port = port
        self._port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._ready = threading.Event()
        self._failure: OSError | None = None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="reactive_ws-devtools", daemon=True
        )
        self._thread.start()
        self._ready.wait(_PATIENCE)
        self._check(port)

    def _check(self, port: int) -> None:
        failure = self._failure
        if failure is not None:
            self.recorder.dispose()
            raise UsageError(f"the devtools cannot listen on port {port}: {failure.strerror}")

    @property
    def url(self) -> str:
        """Address of the page, with the token behind the `#`, where no server and no proxy log sees it."""
        return f"http://{_HOST}:{self._port}/#{self.token}"

    def __repr__(self) -> str:
        return f"<DevServer on port {self._port}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops serving and recording. Any thread but its own; a second time changes nothing."""
        self.recorder.dispose()
        if self._loop is not None and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(self._ended.set)
            except RuntimeError:
                return
        self._thread.join(_PATIENCE)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            server = await serve(
                self._view,
                _HOST,
                self._wanted_port,
                process_request=self._process,
                compression=None,
                max_size=2**16,
            )
        except OSError as error:
            self._failure = error
            self._ready.set()
            return
        async with server:
            self._port = _port_of(server)
            self._ready.set()
            await self._ended.wait()

    # --- access -------------------------------------------------------------------------------------------------------

    def _process(self, _connection: ServerConnection, request: Request) -> Response | None:
        # No browser sends one of these twice.
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        place = urllib.parse.urlsplit(request.path)
        if len(hosts) != 1 or not _LOCAL.fullmatch(hosts[0]):
            return _answer(HTTPStatus.FORBIDDEN, "only for this computer\n")
        if place.path == "/":
            return _answer(HTTPStatus.OK, _page(), "text/html")
        if place.path != "/feed":
            return _answer(HTTPStatus.NOT_FOUND, "there are / and /feed\n")
        if origins not in ([], [f"http://{hosts[0]}"]):
            return _answer(HTTPStatus.FORBIDDEN, "only for the page of this server\n")
        given = urllib.parse.parse_qs(place.query).get("token", [""])[0]
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return _answer(
                HTTPStatus.FORBIDDEN,
                "the token is wrong; open the address that the program printed\n",
            )
        return None

    # --- one viewer ---------------------------------------------------------------------------------------------------

    async def _view(self, viewer: ServerConnection) -> None:
        feed = Feed(self.recorder, self._shows)
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()

        def poke() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        stop = self.recorder.watch(poke)
        reader = loop.create_task(self._obey(viewer, feed))
        try:
            await viewer.send(json.dumps(feed.hello()))
            while not reader.done():
                changed.clear()
                news = feed.news()
                if news is not None:
                    await viewer.send(json.dumps(news))
                waiting = loop.create_task(changed.wait())
                await asyncio.wait({waiting, reader}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                await asyncio.sleep(_PAUSE)
        except ConnectionClosed:
            pass
        finally:
            stop()
            reader.cancel()

    async def _obey(self, viewer: ServerConnection, feed: Feed) -> None:
        """Reads what a viewer asks for, until it leaves."""
        async for frame in viewer:
            await viewer.send(json.dumps(await asyncio.to_thread(self._answer_to, frame, feed)))

    def _answer_to(self, frame: str | bytes, feed: Feed) -> dict[str, Any]:
        try:
            wish = msgspec.json.decode(frame, type=_Wish)
            if wish.type == "jump":
                self.recorder.jump(wish.commit)
                return {"type": "done", "of": "jump", "leftAt": self.recorder.left_at}
            if wish.type == "present":
                self.recorder.present()
                return {"type": "done", "of": "present", "leftAt": None}
        except msgspec.MsgspecError:
            return {"type": "failed", "reason": "the wishes are jump, present and export"}
        except ReactiveWSError as error:
            return {"type": "failed", "reason": str(error)}
        return {"type": "document", "document": feed.document()}


def _port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


def _answer(status: HTTPStatus, text: str, kind: str = "text/plain") -> Response:
    body = text.encode()
    headers = Headers(
        {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
    )
    return Response(status.value, status.phrase, headers, body)


@functools.cache
def _page() -> str:
    return resources.files("reactive_ws.devtools").joinpath("page.html").read_text("utf-8")


def inspect_program(
    *services: WebSocketService,
    domain: Domain | None = None,
    port: int = 0,
    size: int = 1000,
    call_sites: bool = False,
    hide: Iterable[str] = (),
) -> DevServer:
    """Starts to record a program and to serve the record on the loopback interface.

        with inspect_program(app.service) as tools:
            print(tools.url)      open it in a browser, or give it to `reactive-ws inspect`

    Names that look like secrets (token, password, cookie and so on), fields that a class keeps out of its repr, and credentials
    inside texts are shown as `***`.

    Args:
        services: Services of one domain, whose messages and connections are shown.
        domain: The domain; that of the first service, or the default domain, when None.
        port: Where to listen; 0 for a free port.
        size: How many events are kept.
        call_sites: Whether each commit says which line of the program caused it.
        hide: More names of fields, keys, stores or message types whose values are secrets.

    Raises:
        DomainMismatch: a service is of another domain.
        UsageError: the port is taken, or a size below 1.
    """
    recorder = ProgramRecorder(*services, domain=domain, size=size, call_sites=call_sites)
    return DevServer(recorder, Shows(hide), port)
