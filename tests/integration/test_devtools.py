"""The developer tools over real sockets: access, the page in a real browser, jumps, export and import."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from headless_browser import Chromium, need_chromium
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from reactive_ws import Domain, Store
from reactive_ws.devtools import DevServer, inspect_program
from reactive_ws.errors import UsageError


class Feed:
    """A viewer that remembers what it got."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.messages: list[Any] = []

    async def until(self, wanted: Any) -> Any:
        async with asyncio.timeout(60):
            while True:
                for message in self.messages:
                    if wanted(message):
                        self.messages.remove(message)
                        return message
                self.messages.append(json.loads(await self.socket.recv()))


@asynccontextmanager
async def viewing(tools: DevServer) -> AsyncIterator[Feed]:
    place, _, token = tools.url.partition("/#")
    url = f"{place.replace('http', 'ws')}/feed?token={token}"
    async with connect(url, proxy=None) as socket:
        yield Feed(socket)


def titles(message: Any) -> list[str]:
    return [event["title"] for event in message.get("events", ())]


def test_a_viewer_gets_what_happens_and_moves_the_program_in_time() -> None:
    domain = Domain("app")
    count = Store(0, name="app.count", domain=domain)

    async def view(tools: DevServer) -> None:
        async with viewing(tools) as feed:
            assert (await feed.until(lambda it: it["type"] == "hello"))["domain"] == "app"
            count.set(1)
            await feed.until(lambda it: "app.count" in titles(it))
            count.set(2)
            await feed.until(lambda it: "app.count" in titles(it))
            await feed.socket.send(json.dumps({"type": "jump", "commit": 1}))
            done = await feed.until(lambda it: it["type"] == "done")
            assert (done["leftAt"], count.get()) == (2, 1)
            await feed.socket.send(json.dumps({"type": "present"}))
            await feed.until(lambda it: it["type"] == "done")
            assert count.get() == 2
            await feed.socket.send(json.dumps({"type": "export"}))
            found = await feed.until(lambda it: it["type"] == "document")
            assert [it["kind"] for it in found["document"]["events"]] == ["commit"] * 4
            for wrong in (
                '{"type": "jump", "commit": 99}',
                '{"type": "run"}',
                "no JSON",
                b"\xff",
                "[1]",
            ):
                await feed.socket.send(wrong)
                failed = await feed.until(lambda it: it["type"] == "failed")
                assert "99" in failed["reason"] or "jump, present and export" in failed["reason"]
            assert count.get() == 2

    with inspect_program(domain=domain) as tools:
        asyncio.run(view(tools))
    # The program goes on without the tools, and a second end changes nothing.
    tools.stop()
    count.set(3)
    assert domain.tracer is None


def test_only_a_viewer_of_this_computer_with_the_token_is_let_in() -> None:
    with inspect_program(domain=Domain()) as tools:
        place, _, token = tools.url.partition("/#")
        assert place.startswith("http://127.0.0.1:")
        assert token not in repr(tools)
        feed = place.replace("http", "ws") + "/feed"

        async def dial(url: str, **options: Any) -> int:
            try:
                async with connect(url, proxy=None, **options):
                    return 101
            except InvalidStatus as error:
                return error.response.status_code

        async def dials() -> list[int]:
            return [
                await dial(f"{feed}?token={token}"),
                await dial(f"{feed}?token={token}", origin=place),
                await dial(f"{feed}?token={token[:-1]}"),
                await dial(f"{feed}?token=%ff"),
                await dial(feed),
                await dial(f"{feed}?token={token}", origin="https://evil.example"),
                await dial(f"{feed}?token={token}", additional_headers={"Host": "evil.example"}),
            ]

        assert asyncio.run(dials()) == [101, 101, 403, 403, 403, 403, 403]

        def get(path: str, host: str | None = None) -> tuple[int, str, Any]:
            request = urllib.request.Request(place + path, headers={"Host": host} if host else {})
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            try:
                with opener.open(request, timeout=10) as answer:
                    return answer.status, answer.read().decode(), answer.headers
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode(), error.headers

        status, page, headers = get("/")
        assert status == 200
        assert token not in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert get("/", "evil.example")[0] == 403
        assert get("/elsewhere")[0] == 404


def test_a_port_that_is_taken_is_said_and_nothing_stays_behind() -> None:
    domain = Domain()
    with inspect_program(domain=domain) as tools:
        port = int(tools.url.split(":")[2].partition("/")[0])
        other = Domain()
        with pytest.raises(UsageError, match=f"cannot listen on port {port}"):
            inspect_program(domain=other, port=port)
        assert other.tracer is None


def test_the_page_shows_filters_pauses_travels_exports_and_imports(tmp_path: Path) -> None:
    program = need_chromium()
    domain = Domain("shop")
    basket = Store[tuple[str, ...]]((), name="shop.basket", domain=domain)
    login = Store({"user": "ann", "token": "SECRET"}, name="shop.login", domain=domain)
    markup = Store("", name="shop.text", domain=domain)

    rows = (
        "[...document.querySelectorAll('#log li')].map((it) => it.innerText.replace(/\\s+/g, ' '))"
    )

    async def look(tools: DevServer) -> None:
        async with Chromium(program) as page:
            await page.open(tools.url)
            await page.until("document.querySelector('#state').innerText === 'connected'")
            basket.set(("tea",))
            basket.set(("tea", "milk"))
            login.set({"user": "bob", "token": "SECRET"})
            markup.set("<img src=x onerror=document.title='broken'>")
            await page.until(f"{rows}.length === 4")
            tree = "document.querySelector('#tree').innerText"
            await page.until(f"{tree}.includes('basket') && {tree}.includes('bob')")
            assert "SECRET" not in await page.evaluate("document.body.innerText")
            await page.until("document.title === 'shop: reactive-ws inspect'")
            # A line, its cause and its difference.
            await page.evaluate("document.querySelectorAll('#log li')[1].click()")
            details = await page.until(
                "((it) => it.includes('milk') && it.includes('test_devtools.') && it)"
                "(document.querySelector('#details').innerText)"
            )
            assert "1: 'milk'" in details.replace("+ ", "")
            # Time travel there and back.
            await page.evaluate("document.querySelectorAll('#log li')[0].click()")
            await page.until("!document.querySelector('#jump').disabled")
            await page.evaluate("document.querySelector('#jump').click()")
            await page.until("!document.querySelector('#present').disabled")
            assert basket.get() == ("tea",)
            await page.evaluate("document.querySelector('#present').click()")
            await page.until("document.querySelector('#present').disabled")
            assert basket.get() == ("tea", "milk")
            # A filter.
            count = await page.until(f"{rows}.length")
            await page.evaluate(
                "document.querySelector('#filter').value = 'login';"
                "document.querySelector('#filter').dispatchEvent(new Event('input'))"
            )
            shown = await page.until(f"{rows}.length < {count} && {rows}")
            assert all("login" in row for row in shown)
            await page.evaluate(
                "document.querySelector('#filter').value = '';"
                "document.querySelector('#filter').dispatchEvent(new Event('input'))"
            )
            # A pause keeps lines back.
            await page.evaluate("document.querySelector('#pause').click()")
            basket.set(("rice",))
            await page.until("document.querySelector('#held').innerText.includes('1 kept back')")
            await page.evaluate("document.querySelector('#pause').click()")
            await page.until(f"{rows}.length > {count}")
            # Export, and import into a page of its own.
            await page.evaluate(
                "window.saved = null; HTMLAnchorElement.prototype.click = () => {};"
                "URL.createObjectURL = (blob) => { blob.text().then((it) => { window.saved = it; }); return 'blob:'; };"
                "document.querySelector('#export').click()"
            )
            saved = await page.until("window.saved")
            assert "SECRET" not in saved
            pause = "document.querySelector('#pause')"
            await page.evaluate(f"{pause}.click()")
            await page.evaluate("load(window.saved)")
            assert await page.evaluate(f"{pause}.innerText") == "Pause"
            assert await page.evaluate(f"{pause}.ariaPressed") == "false"
            await page.until(
                "document.querySelector('#state').innerText.startsWith('a saved record')"
            )
            await page.until("document.querySelector('#jump').disabled")
            await page.until(f"{rows}.length > 4")
            # News of the program that was under way stays out of the record.
            count = await page.evaluate(f"{rows}.length")
            basket.set(("salt",))
            await page.evaluate("new Promise(requestAnimationFrame)")
            assert await page.evaluate(f"{rows}.length") == count
            note = "document.querySelector('#note').innerText"
            damaged = ("[null], stores: []", "[{}], stores: []", "[], stores: [{}]")
            head = "format: 'reactive-ws record', version: 1, events: "
            for wrong in ("{}", *(f"{{{head}{it}}}" for it in damaged)):
                await page.evaluate(f"load(JSON.stringify({wrong}))")
                assert "not a record" in await page.evaluate(note)
                assert await page.evaluate(f"{rows}.length") == count
                await page.evaluate("load(window.saved)")
                assert await page.evaluate(note) == ""
            await page.evaluate("load('no JSON')")
            folder = os.environ.get("REACTIVE_WS_PICTURES")
            if folder:
                await page.picture(Path(folder) / "devtools_import.png")
            assert await page.evaluate("document.title") == "shop: reactive-ws inspect"

    with inspect_program(domain=domain, call_sites=True) as tools:
        asyncio.run(look(tools))


def test_the_page_says_when_the_token_is_wrong() -> None:
    program = need_chromium()

    async def look(tools: DevServer) -> None:
        async with Chromium(program) as page:
            await page.open(tools.url[:-3])
            await page.until("document.querySelector('#state').innerText.startsWith('not let in')")

    with inspect_program(domain=Domain()) as tools:
        asyncio.run(look(tools))
