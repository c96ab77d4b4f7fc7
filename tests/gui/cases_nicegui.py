"""NiceGUI: a page in headless Chromium, and bindings that end with their client. Run by `test_toolkits.py` in its own process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_service import FakeService
from headless_browser import Page
from hub_in_thread import HubInThread

from reactive_ws import Store
from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.gui import NiceGuiLoop, connection_view
from reactive_ws.testing import Turning, check_ui_loop

HERE = Path(__file__).parent


class FakeClient:
    """A client of NiceGUI that never goes; its browser can."""

    has_socket_connection = True
    is_deleted = False

    def __init__(self) -> None:
        self.handlers: list[Any] = []

    def __enter__(self) -> None:
        """Enters no page."""

    def __exit__(self, *_: object) -> None:
        """Leaves no page."""

    def on_delete(self, _: object) -> None:
        """Notes nothing."""

    def on_connect(self, handler: Any) -> None:
        self.handlers.append(handler)

    def on_disconnect(self, handler: Any) -> None:
        self.handlers.append(handler)

    def connect(self, *, is_there: bool) -> None:
        self.has_socket_connection = is_there
        for handler in self.handlers:
            handler()


class FakeElement:
    """An element outside a page: NiceGUI makes real ones in pages only. `test_a_page...` has real ones."""

    is_deleted = False

    def _handle_delete(self) -> None:
        self.is_deleted = True


def test_the_loop_keeps_the_contract() -> None:
    def make() -> Turning:
        loop = asyncio.new_event_loop()

        async def ui_of() -> NiceGuiLoop:
            return NiceGuiLoop(FakeClient(), fps=60.0)

        def turn(seconds: float) -> None:
            loop.run_until_complete(asyncio.sleep(seconds))

        def destroy(it: Any) -> None:
            it._handle_delete()

        ui = loop.run_until_complete(ui_of())
        return Turning(ui, turn, False, loop.close, FakeElement, destroy)

    check_ui_loop(make)


def test_no_age_counts_while_no_browser_is_connected(domain: Domain) -> None:
    async def run() -> None:
        client = FakeClient()
        ui = NiceGuiLoop(client)
        service = FakeService(domain)
        service.become(ConnectionState.CONNECTED, since=ui.now())
        connection_view(ui, service).subscribe(lambda _: None)
        assert len(ui._timers) == 1
        client.connect(is_there=False)
        assert (ui.is_seen(), ui._timers) == (False, {})
        client.connect(is_there=True)
        assert len(ui._timers) == 1
        ui.close()

    asyncio.run(run())


def test_a_loop_of_a_client_that_has_gone_is_closed(domain: Domain) -> None:
    selection = Store(0, domain=domain).select()

    async def run() -> None:
        client = FakeClient()
        client.is_deleted = True
        ui = NiceGuiLoop(client)
        assert ui.is_closed
        ui.bind(selection, FakeElement(), lambda _, __: None)
        assert selection.observer_count == 0

    asyncio.run(run())


class Program:
    """The page's server, which answers one line to each line."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        # NiceGUI behaves differently when it finds itself in a test.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), str(HERE.parent)])
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "nicegui_page.py"), str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, what: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self._line()

    def comes(self, wanted: str) -> None:
        """Asks until the page's server says this about its loops and observers."""
        end = time.monotonic() + 60.0
        while (state := self.ask("state")) != wanted:
            assert time.monotonic() < end, f"{state}, not {wanted}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    it = Program()
    yield it
    it.process.communicate("end\n", timeout=30.0)


def test_a_page_shows_the_last_value_and_its_bindings_end_with_its_client(program: Program) -> None:
    words = "document.body.innerText"
    with Page(program.url) as page:
        page.until(f"{words}.includes('count 0') && {words}.includes('Connected')", True)
        program.comes("1 1 4")
        assert program.ask("flood") == "done"
        page.until(f"{words}.includes('count 100000')", True)
        # A setter runs in the page of its client, and a view model may have an `is_deleted` of its own.
        page.until(f"{words}.includes('all came')", True)
        assert program.ask("note") == "100000"
        # A stranger's text is text: no element came of it.
        assert page.run(f"{words}.includes(\"<b id='injected'>bold</b>\")") is True
        assert page.run("document.getElementById('injected') === null") is True
        page.run("document.querySelector('button').click()")
        page.until(f"{words}.includes('removed')", False)
        page.until(f"{words}.includes('count 100000')", True)
        program.comes("1 1 3")
    # The browser has gone; NiceGUI deletes the client after the page's reconnect timeout.
    program.comes("1 0 0")


def test_a_user_who_types_faster_than_the_server_answers_loses_nothing(program: Program) -> None:
    with Page(program.url) as page:
        page.until("window.did_handshake === true", True)
        page.run("document.querySelector('input[aria-label=\"Line\"]').focus()")
        wanted = [f"m{number}" for number in range(40)]
        for text in wanted:
            for key in text:
                page.command("Input.insertText", text=key)
            press_enter(page)
        page.until("document.querySelector('input[aria-label=\"Line\"]').value", "")
        end = time.monotonic() + 60.0
        while (found := program.ask("entered").split()) != wanted:
            assert time.monotonic() < end, found
            time.sleep(0.05)


def test_the_chat_of_the_examples_sends_shows_and_finds(tmp_path: Path) -> None:
    with HubInThread(tmp_path / "data") as hub:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        environment |= {"PYTHONPATH": str(HERE.parents[1]), "PYTHONUNBUFFERED": "1"}
        example = HERE.parents[1] / "examples" / "chat_nicegui.py"
        process = subprocess.Popen(
            [sys.executable, str(example), hub.url, port],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert process.stdout is not None
        try:
            while "ready to go" not in (line := process.stdout.readline()):
                assert line, "the program ended"
            with Page(f"http://127.0.0.1:{port}/") as page:
                check_chat(page)
                check_panels(page)
                # The outage must find no message that waits for its acknowledgement.
                own = "[...document.querySelectorAll('.bubble.own')]"
                page.until(f"{own}.every(it => it.innerText.includes('delivered'))", True)
                hub.stop()
                check_quit(page)
                # The program ends by itself.
                assert process.wait(timeout=60.0) == 0
        finally:
            process.terminate()
            process.communicate(timeout=30.0)


def field_of(name: str) -> str:
    return f"document.querySelector('input[aria-label=\"{name}\"]')"


def type_into(page: Page, name: str, text: str) -> None:
    """Types until the field has the text: a dialog that closes takes the focus once more."""
    field = field_of(name)
    while page.run(f"{field}.value") != text:
        page.run(f"{field}.focus(); {field}.select()")
        page.command("Input.insertText", text=text)


def send(page: Page, text: str) -> None:
    """Types a message and presses Enter until the browser has taken the text out of the field."""
    page.until(f"{field_of('Message')}.value", "")
    while True:
        type_into(page, "Message", text)
        press_enter(page)
        if page.run(f"{field_of('Message')}.value") == "":
            return


def press_enter(page: Page) -> None:
    for kind in ("keyDown", "keyUp"):
        page.command("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")


def check_chat(page: Page) -> None:
    words = "document.body.innerText"
    page.until(f"{words}.includes('Connected (')", True)
    # NiceGUI drops what is typed before its own handshake.
    page.until("window.did_handshake", True)
    send(page, "hello <i id='injected'>there</i>")
    page.until(f"{words}.includes('You said: hello')", True)
    assert page.run("document.getElementById('injected') === null") is True
    bubbles = "document.querySelectorAll('.bubble').length"
    page.until(bubbles, 2)
    page.run("document.querySelectorAll('.bubble')[1].isKept = true")
    type_into(page, "Search", "You SAID")
    page.until(f"{bubbles} === 1 && {words}.includes('Assistant')", True)
    # A message that leaves takes no other bubble with it: a full chat loses its oldest one with each that comes.
    assert page.run("document.querySelector('.bubble').isKept") is True
    # All messages are back when the search is empty.
    page.run("document.querySelector('[aria-label=\"Clear\"], .q-field__focusable-action').click()")
    page.until(bubbles, 2)


def check_panels(page: Page) -> None:
    words = "document.body.innerText"
    for number, name in enumerate(("Plan", "Budget"), 1):
        send(page, f"panel create {name}")
        page.until("document.querySelectorAll('.bubble.own').length", 1 + number)
    page.until(f"{words}.includes('Plan (1 of 2)')", True)
    page.run("document.querySelector('button[aria-label=\"Next panel\"]').click()")
    page.until(f"{words}.includes('Budget (2 of 2)')", True)
    page.run("document.querySelector('button[aria-label=\"Panel before\"]').click()")
    page.until(f"{words}.includes('Plan (1 of 2)')", True)


def check_quit(page: Page) -> None:
    words = "document.body.innerText"
    page.until(f"{words}.includes('Connection lost')", True)
    send(page, "too late")
    page.until(f"{words}.includes('queued')", True)
    button = "[...document.querySelectorAll('button')].find(it => it.innerText.toUpperCase().includes('{}'))"
    page.run(f"{button.format('QUIT')}.click()")
    page.until(f"{words}.includes('1 message waits to be sent. Close the window')", True)
    page.run(f"{button.format('STAY')}.click()")
    page.until(f"{words}.includes('Close the window')", False)
    # A full outbox: the banner says so, no more can be written, and what the user wrote stays.
    field = field_of("Message")
    page.until(f"{field}.value", "")
    type_into(page, "Message", "one too many")
    page.run(f"for (let at = 0; at < 110; at++) {button.format('NEW CHAT')}.click()")
    page.until(f"{words}.includes('There is no room for more.')", True)
    page.until(f"{field}.disabled", True)
    assert page.run(f"{field}.value") == "one too many"
    page.run(f"{button.format('QUIT')}.click()")
    page.until(f"{words}.includes('100 messages wait to be sent. Close the window')", True)
    page.run(f"{button.format('LOSE')}.click()")
