"""Takes the pictures in docs/images of the real example programs, talking to the real hub: `make screenshots`.

Each program runs in a process of its own: `python tests/gui/screenshots.py qt` takes that of one toolkit, under a display.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "examples")]

from hub_in_thread import HubInThread  # noqa: E402 - found only now
from svg_pictures import without_fonts  # noqa: E402

from reactive_ws.connection.backoff import Backoff  # noqa: E402
from reactive_ws.stores import Application  # noqa: E402

IMAGES = ROOT / "docs" / "images"
TALK = (
    "Good morning! What do we need for the launch on Friday?",
    "panel create Plan\npanel update Plan: Freeze the branch, tell support, ship on Friday",
    "panel create Budget\npanel update Budget: 12 000 for the first quarter",
    "How long does a restart of the server take us offline?",
)
OFFLINE = ("Still there?", "Then this one waits until the server is back.")


def application(url: str) -> Application:
    return Application.at(url, backoff=Backoff(initial=8.0, cap=8.0))


def keep(picture: str, name: str) -> None:
    """Writes a picture of a terminal without the addresses from which it would load its font."""
    (IMAGES / name).write_text(without_fonts(picture), "utf-8")


def until(turn: Callable[[float], None], condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end, "the scene did not come about"
        turn(0.02)


def play(app: Application, hub: HubInThread, turn: Callable[[float], None]) -> None:
    """The scene: a talk with answers and panels, a second chat, then an outage with two messages that wait."""
    until(turn, lambda: app.service.is_connected)
    app.sessions.create("Hiring")
    session = app.sessions.create("Launch on Friday")
    for number, text in enumerate(TALK, 1):
        app.history.send(session.id, text)
        until(turn, lambda number=number: _is_answered(app, session.id, number))
        # A user reads the answer. The hub writes it into its log after its last piece.
        turn(0.5)
    turn(1.2)
    hub.stop()
    until(turn, lambda: not app.service.is_connected)
    for text in OFFLINE:
        app.history.send(session.id, text)
    turn(1.2)


def _is_answered(app: Application, session_id: str, number: int) -> bool:
    """Whether so many messages have their answers. An own message may be noted a moment after `send` has returned."""
    entries = app.history.get_entries(session_id)
    answers = [entry for entry in entries if not entry.is_own and not entry.is_growing]
    return len(answers) == number == len([entry for entry in entries if entry.is_own])


def qt(hub: HubInThread) -> None:
    import chat_qt
    from PySide6 import QtCore, QtWidgets

    program = QtWidgets.QApplication([])
    app = application(hub.url)
    app.start()
    window = chat_qt.Window(chat_qt.QtLoop(QtCore), app, is_kept=True)
    window.show()

    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            program.processEvents()
            time.sleep(0.002)

    play(app, hub, turn)
    window.grab().save(str(IMAGES / "chat_qt.png"))
    window.close()
    app.service.disconnect()
    app.stop()


def small(_: HubInThread) -> None:
    """The three small Qt programs."""
    import editor_qt
    import rest_todo
    import table_qt
    from PySide6 import QtCore, QtWidgets

    from reactive_ws import JsonCodec, Store, WebSocketService

    program = QtWidgets.QApplication([])
    ui = table_qt.QtLoop(QtCore)

    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            program.processEvents()
            time.sleep(0.002)

    def grab(window: Any, name: str) -> None:
        turn(0.2)
        window.grab().save(str(IMAGES / name))
        window.close()

    todos = rest_todo.Todos(rest_todo.serve())
    list_window = rest_todo.Window(ui, todos)
    list_window.resize(420, 260)
    list_window.show()
    until(turn, lambda: todos.list.get())
    list_window.toggle(list_window.model.model.index(0))
    for title in (
        "Call the bank",
        "Water the plants",
        "Tell everybody of the launch, and then write it down",
    ):
        list_window.input.setText(title)
        list_window.add()
    until(turn, lambda: todos.problem.get())
    grab(list_window, "rest_todo.png")
    todos.following.dispose()
    todos.calls.shutdown()

    service = WebSocketService(f"ws://127.0.0.1:{table_qt.serve()}", codec=JsonCodec(table_qt.feed))
    shares = table_qt.Shares(service)
    table_window = table_qt.Window(ui, shares)
    table_window.show()
    service.start()
    until(turn, lambda: shares.all.domain.number > 20)
    table_window.search.setText("777")
    shares.text.set("777")
    until(turn, lambda: "280 rows" in table_window.count.text())
    service.stop()
    grab(table_window, "table_qt.png")

    person = editor_qt.Person("Ada Lovelace", 36, editor_qt.Address("St James's Square", "London"))
    editor_window = editor_qt.Window(ui, editor_qt.Editor(Store(person)))
    editor_window.resize(420, 200)
    editor_window.show()
    editor_window.fields["Name"].setText("Ada King")
    editor_window.fields["Name"].textEdited.emit("Ada King")
    editor_window.fields["City"].setText("London 7")
    editor_window.fields["City"].textEdited.emit("London 7")
    grab(editor_window, "editor_qt.png")


def tk(hub: HubInThread) -> None:
    from tkinter import Tk

    import chat_tk

    root = Tk()
    app = application(hub.url)
    app.start()
    chat_tk.Window(root, chat_tk.TkLoop(root), app)

    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            root.update()
            time.sleep(0.002)

    play(app, hub, turn)
    _import_window(root, "chat_tk.png")
    root.destroy()
    app.service.disconnect()
    app.stop()


def _import_window(root: Any, name: str) -> None:
    """Copies a window of the display; pngs without dates, so that an unchanged program gives an unchanged file."""
    subprocess.run(
        ["import", "-window", str(root.winfo_id()), "-strip", str(IMAGES / name)], check=True
    )


def gtk(hub: HubInThread) -> None:
    import ui_drivers

    ui_drivers.import_gtk()
    import chat_gtk
    from gi.repository import Gdk, Gtk

    turning = ui_drivers.gtk()
    app = application(hub.url)
    app.start()
    provider = Gtk.CssProvider()
    provider.load_from_data(chat_gtk.STYLE.encode())
    Gtk.StyleContext.add_provider_for_display(Gdk.Display.get_default(), provider, 600)
    ui: Any = turning.loop
    window = chat_gtk.Window(None, ui, app).window
    window.present()
    play(app, hub, turning.turn)
    # Without a window manager the window is in the corner of the screen.
    area = f"{window.get_width()}x{window.get_height()}+0+0"
    picture = str(IMAGES / "chat_gtk.png")
    command = ["import", "-window", "root", "-crop", area, "+repage", "-strip", picture]
    subprocess.run(command, check=True)
    window.destroy()
    app.service.disconnect()
    app.stop()


def nicegui(hub: HubInThread) -> None:
    from headless_browser import Page

    command = [sys.executable, str(ROOT / "examples" / "chat_nicegui.py"), hub.url, "18484"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    server.stdout.readline()
    with Page("http://127.0.0.1:18484/") as page:
        page.command(
            "Emulation.setDeviceMetricsOverride",
            width=1060,
            height=760,
            deviceScaleFactor=1,
            mobile=False,
        )
        page.until("document.body.innerText.includes('Connected (')", True)
        page.until("window.did_handshake", True)
        answers = "[...document.querySelectorAll('.bubble:not(.own)')].length"
        # The line of a browser has no line breaks.
        lines = [line for text in TALK for line in text.split("\n")]
        for number, text in enumerate(lines, 1):
            _type(page, text)
            page.until(answers, number)
            time.sleep(0.5)
        page.until("document.body.innerText.includes('offline? (11 words)')", True)
        hub.stop()
        page.until("document.body.innerText.includes('reconnecting')", True)
        for number, text in enumerate(OFFLINE, 1):
            _type(page, text)
            page.until("document.querySelectorAll('.waiting').length", number)
        time.sleep(0.5)
        picture = page.command("Page.captureScreenshot")["data"]
        (IMAGES / "chat_nicegui.png").write_bytes(base64.b64decode(picture))
    server.terminate()
    server.communicate(timeout=30.0)


def _type(page: Any, text: str) -> None:
    """Writes a message in the page, as a user does."""
    page.run("document.querySelector('input[aria-label=\"Message\"]').focus()")
    page.command("Input.insertText", text=text)
    for kind in ("keyDown", "keyUp"):
        page.command("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r")


def textual(hub: HubInThread) -> None:
    from reactive_ws.stores.demo.chat import Chat

    async def show() -> None:
        app = application(hub.url)
        screen = Chat[None](app)
        loop = asyncio.get_running_loop()
        async with app, screen.run_test(size=(100, 32)) as pilot:

            def turn(seconds: float) -> None:
                asyncio.run_coroutine_threadsafe(asyncio.sleep(seconds), loop).result()

            await asyncio.to_thread(play, app, hub, turn)
            await pilot.pause()
            keep(screen.export_screenshot(), "chat_textual.svg")
            await app.service.disconnect()

    asyncio.run(show())


def demo(_: HubInThread) -> None:
    """The screen of `reactive-ws demo`, some time after the hub was killed; and at its end."""
    import random

    from reactive_ws.stores.demo.hub_child import HubChild
    from reactive_ws.stores.demo.narrator import Narrator
    from reactive_ws.stores.demo.performance import perform
    from reactive_ws.stores.demo.play import Play
    from reactive_ws.stores.demo.record import Record
    from reactive_ws.stores.demo.terminal import DemoScreen

    async def show(folder: Path) -> None:
        with HubChild(folder, token_delay=0.008) as hub, Record(folder / "record.jsonl") as record:
            await hub.start()
            app = Application.at(hub.url, backoff=Backoff(initial=0.2, cap=1.0))
            play = Play(app, hub, record, Narrator(), random.Random(3))
            screen = DemoScreen(play, lambda: perform(play, folder, 10.0))
            async with screen.run_test(size=(120, 36)) as pilot:
                while not any("SIGKILL" in strip.text for strip in screen.events.lines):
                    await pilot.pause(0.02)
                await pilot.pause(0.7)
                screen.say("Does this one get lost?")
                await pilot.pause(0.5)
                keep(screen.export_screenshot(), "demo.svg")
                while not screen.ruling.display:
                    await pilot.pause(0.05)
                await pilot.pause(0.2)
                keep(screen.export_screenshot(), "demo_verdict.svg")
            await screen.end()
            await app.service.disconnect()
            app.close()

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(show(Path(name)))


def market(_: HubInThread) -> None:
    from tkinter import Tk

    import market as feed
    import market_tk

    from reactive_ws.connection.close_policy import ClosePolicy
    from reactive_ws.engine.domain import Domain
    from reactive_ws.service.service import WebSocketService

    recording = str(ROOT / "tests" / "data" / "coinbase-2021-04-17.jsonl.gz")
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "reactive_ws"),
            *("replay", recording, "--port", "0", "--speed", "4"),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert server.stdout is not None
    url = server.stdout.readline().split()[-1]
    domain = Domain("market")
    service = WebSocketService(
        url,
        domain=domain,
        dialect=feed.dialect,
        policy=ClosePolicy(stop_on_normal_close=True),
        heartbeat=None,
    )
    root = Tk()
    market_tk.Window(root, market_tk.TkLoop(root), service, feed.Market(service, domain))
    service.start()

    def turn(seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            root.update()
            time.sleep(0.002)

    until(turn, lambda: service.is_connected)
    service.send(feed.Subscribe(feed.PRODUCTS))
    turn(4.0)
    _import_window(root, "market_tk.png")
    root.destroy()
    service.stop()
    server.terminate()
    server.wait(10.0)


def main(names: list[str]) -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    if not names:
        for name in PROGRAMS:
            subprocess.run([sys.executable, __file__, name], check=True, cwd=ROOT)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        HubInThread(Path(folder) / "hub.db", token_delay=0.01) as hub,
    ):
        PROGRAMS[names[0]](hub)


PROGRAMS: dict[str, Callable[[HubInThread], None]] = {
    "qt": qt,
    "small": small,
    "tk": tk,
    "gtk": gtk,
    "nicegui": nicegui,
    "textual": textual,
    "demo": demo,
    "market": market,
}

if __name__ == "__main__":
    main(sys.argv[1:])
