"""The Tk chat, driven by its user through an outage of the real hub. Run by `test_toolkits.py` in a process of its own.

The keys come from `xdotool`, through the X server, as those of a user do.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tkinter as tk
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ui_drivers
from hub_in_thread import HubInThread

from reactive_ws.connection.backoff import Backoff
from reactive_ws.gui import TkLoop
from reactive_ws.gui.status import contrast
from reactive_ws.stores import Application
from reactive_ws.stores.demo.chat_view import ChatMessage

sys.path.append(str(Path(__file__).parents[2] / "examples"))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubInThread]:
    with HubInThread(tmp_path / "hub.db") as it:
        yield it


def texts(widget: tk.Misc) -> list[str]:
    """The texts of all labels and canvases below a widget."""
    own = [str(widget.cget("text"))] if isinstance(widget, tk.Label) else []
    if isinstance(widget, tk.Canvas):
        items = [it for it in widget.find_all() if widget.type(it) == "text"]
        own = [str(widget.itemcget(it, "text")) for it in items]
    return own + [text for child in widget.winfo_children() for text in texts(child)]


def items_of(talk: Any) -> list[list[int]]:
    """The texts of each bubble on the canvas, from top to bottom."""
    canvas = talk.canvas
    found = [
        [it for it in canvas.find_withtag(talk.tag(place)) if canvas.type(it) == "text"]
        for place in range(len(talk.bottoms))
    ]
    return [sorted(items, key=lambda it: float(canvas.coords(it)[1])) for items in found]


def bubbles(talk: Any) -> list[str]:
    """The words of each bubble on the canvas."""
    return [
        "\n".join(str(talk.canvas.itemcget(it, "text")) for it in items) for items in items_of(talk)
    ]


def is_seen(talk: Any, words: str) -> bool:
    """Whether the whole bubble that has these words is in the view."""
    canvas = talk.canvas
    place = next(at for at, text in enumerate(bubbles(talk)) if words in text)
    _, top, _, bottom = canvas.bbox(talk.tag(place))
    height = canvas.winfo_height()
    return bool(canvas.canvasy(0) <= top and bottom <= canvas.canvasy(height))


def test_what_is_typed_in_an_outage_is_queued_and_then_delivered(hub: HubInThread) -> None:
    import chat_tk

    turning = ui_drivers.tk()
    assert isinstance(turning.loop, TkLoop)
    root = turning.loop._root
    app = Application.at(hub.url, backoff=Backoff(initial=0.2, cap=0.2))
    app.start()
    window: Any = chat_tk.Window(root, turning.loop, app)

    def shown() -> list[str]:
        return [re.sub(r" · \d\d:\d\d", "", block) for block in bubbles(window.talk)]

    def until(condition: Any) -> None:
        for _ in range(6_000):
            if condition():
                return
            turning.turn(0.01)
        pytest.fail(f"shown at last: {shown()}, {texts(root)}")

    def type_in(text: str) -> None:
        # There is no window manager that gives the focus.
        window.input.focus_force()
        turning.turn(0.05)
        for action in (["type", "--delay", "5", text], ["key", "Return"]):
            process = subprocess.Popen(["xdotool", *action])
            until(lambda process=process: process.poll() is not None)
        turning.turn(0.05)

    def says(text: str) -> bool:
        return any(text in it for it in texts(root))

    until(lambda: says("Connected ("))
    type_in("hello")
    until(lambda: shown() == ["You · ✓✓ delivered\nhello", "Assistant\nYou said: hello (1 word)"])

    hub.stop()
    until(lambda: says("Connection lost, reconnecting."))
    type_in("are you there")
    until(lambda: shown()[2:] == ["You · ◷ queued\nare you there"])
    until(lambda: says("1 message waits to be sent"))

    hub.start()
    answer = "Assistant\nYou said: are you there (3 words)"
    until(lambda: shown()[2:] == ["You · ✓✓ delivered\nare you there", answer])
    until(lambda: says("Connected ("))

    def press(*keys: str) -> None:
        process = subprocess.Popen(["xdotool", "key", *keys])
        until(lambda: process.poll() is not None)
        turning.turn(0.05)

    press("ctrl+f")
    until(lambda: root.focus_get() is window.search)
    press("T", "H", "E", "R", "E")
    until(lambda: len(shown()) == 2)
    press("BackSpace", "BackSpace", "BackSpace", "BackSpace", "BackSpace")
    until(lambda: len(shown()) == 4)
    for name in ("Plan", "Budget"):
        window.view.send(f"panel create {name}")
    until(lambda: says("Plan  (1 of 2)"))
    press("ctrl+Next")
    until(lambda: says("Budget  (2 of 2)"))
    until(lambda: len(shown()) == 8)

    # Code has its own style, and the chat that the user leaves counts what it gets.
    window.view.send("see\n```\nx = 1\n```")
    canvas = window.talk.canvas

    def codes() -> list[str]:
        items = [it for items in items_of(window.talk) for it in items]
        return [
            canvas.itemcget(it, "text") for it in items if "Mono" in canvas.itemcget(it, "font")
        ]

    until(lambda: codes()[:1] == ["x = 1"] and len(shown()) == 10)
    # Keys choose a message, and copy it.
    canvas.focus_force()
    press("Up")
    press("Up")
    until(lambda: window.talk.place == len(window.talk.shown) - 2)
    press("ctrl+c")
    until(lambda: root.clipboard_get() == window.talk.shown[-2].text)
    assert root.clipboard_get() == "see\n```\nx = 1\n```"
    press("ctrl+n")
    until(lambda: shown() == [])
    until(
        lambda: "First chat  (1)" in window.sessions.item(window.sessions.get_children()[0])["text"]
    )
    root.destroy()
    app.stop()


def test_colours_keep_wcag_aa() -> None:
    import chat_tk

    for look in (chat_tk.LIGHT, chat_tk.DARK):
        pairs = [
            *(
                (look.text, it)
                for it in (look.back, look.surface, look.other, look.code, look.waits)
            ),
            *(
                (look.muted, look.back),
                (look.muted, look.surface),
                (look.own_text, look.own),
                (look.notice, look.back),
            ),
        ]
        assert min(contrast(*pair) for pair in pairs) >= 4.5
        assert contrast(look.focus, look.back) >= 3.0


def test_closing_asks_before_messages_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    import chat_tk

    turning = ui_drivers.tk()
    assert isinstance(turning.loop, TkLoop)
    root = turning.loop._root
    app = Application.at("ws://127.0.0.1:9/ws")
    app.start()
    window: Any = chat_tk.Window(root, turning.loop, app)
    window.view.send("hello")
    ui_drivers.until(turning, lambda: len(app.service.outbox.get()) == 2)
    asked: list[str] = []
    monkeypatch.setattr(chat_tk.messagebox, "askokcancel", lambda _, text: bool(asked.append(text)))
    window.close()
    assert asked == ["2 messages wait to be sent. Close the window and lose what was not sent?"]
    assert root.winfo_exists()
    window.view.is_kept = True
    window.close()
    with pytest.raises(tk.TclError):
        root.winfo_exists()
    app.service.disconnect()
    app.stop()


def test_a_full_outbox_is_said_and_a_chat_is_chosen_with_keys_alone() -> None:
    import chat_tk

    turning = ui_drivers.tk()
    assert isinstance(turning.loop, TkLoop)
    root = turning.loop._root
    errors: list[Exception] = []
    turning.loop.on_error = errors.append
    app = Application.at("ws://127.0.0.1:9/ws")
    app.start()
    window: Any = chat_tk.Window(root, turning.loop, app)
    first, second = app.sessions.create("A"), app.sessions.create("B")
    ui_drivers.until(turning, lambda: len(window.sessions.get_children()) == 2)
    window.sessions.focus_force()
    ui_drivers.until(turning, lambda: root.focus_get() is window.sessions)
    row = window.sessions.get_children()[0]
    window.sessions.focus(row)
    window.sessions.selection_set(row)
    assert app.sessions.state.get().active_id == second.id
    window.sessions.event_generate("<Return>")
    ui_drivers.comes(turning, lambda: app.sessions.state.get().active_id, first.id)
    for number in range(103):
        window.input.delete(0, "end")
        window.input.insert(0, f"m{number}")
        window.send(None)
    ui_drivers.until(
        turning,
        lambda: window.notice.cget("text").startswith("Not sent: too many messages wait."),
    )
    assert window.input.get() == "m102"
    assert errors == []
    root.destroy()
    app.service.disconnect()
    app.stop()


def test_a_message_that_comes_to_a_full_chat_draws_one_bubble_and_moves_no_other() -> None:
    import chat_tk

    turning = ui_drivers.tk()
    assert isinstance(turning.loop, TkLoop)
    root = turning.loop._root
    talk = chat_tk.Talk(turning.loop, root, chat_tk.DARK)
    talk.canvas.pack(fill="both", expand=True)

    def message(number: int) -> Any:
        return ChatMessage(
            *(str(number), "You", "12:00", f"message {number}", ""),
            is_own=True,
            is_waiting=False,
            is_growing=False,
        )

    turning.turn(0.1)
    talk.show([message(number) for number in range(200)])
    turning.turn(0.1)
    talk.canvas.yview_moveto(0.5)
    turning.turn(0.1)
    looks_at = talk.canvas.canvasy(0)
    drawn: list[str] = []
    bubble = talk.bubble

    def count(message: Any, tag: str, top: int) -> int:
        drawn.append(message.text)
        return int(bubble(message, tag, top))

    talk.bubble = count
    for last in range(200, 220):
        talk.show([message(number) for number in range(last - 199, last + 1)])
    turning.turn(0.1)
    assert drawn == [f"message {number}" for number in range(200, 220)]
    assert talk.canvas.canvasy(0) == looks_at
    assert [it.split("\n")[-1] for it in bubbles(talk)] == [
        f"message {number}" for number in range(20, 220)
    ]
    tops = [talk.canvas.bbox(talk.tag(place))[1] for place in range(200)]
    assert tops == sorted(tops)
    # Keys reach the first message and the last one, which are then in the view.
    for place in (0, 199):
        talk.choose(place)
        turning.turn(0.1)
        assert is_seen(talk, f"message {20 + place}")
    root.destroy()


def test_a_message_written_in_an_outage_is_visible_above_the_banner(hub: HubInThread) -> None:
    import chat_tk

    turning = ui_drivers.tk()
    assert isinstance(turning.loop, TkLoop)
    root = turning.loop._root
    app = Application.at(hub.url, backoff=Backoff(initial=60.0, cap=60.0))
    app.start()
    window: Any = chat_tk.Window(root, turning.loop, app)

    def until(condition: Any) -> None:
        for _ in range(3_000):
            if condition():
                return
            turning.turn(0.01)
        pytest.fail("the window never came to show it")

    until(lambda: app.service.is_connected)
    for number in range(30):
        window.view.send(f"message {number}")
    until(lambda: any("message 29" in it for it in bubbles(window.talk)))
    until(lambda: app.service.is_connected)
    until(lambda: window.talk.canvas.yview()[0] > 0.0)
    hub.stop()
    until(lambda: any("Connection lost" in it for it in texts(root)))
    window.view.send("Still there?")
    until(lambda: any("Still there?" in it for it in bubbles(window.talk)))
    until(lambda: is_seen(window.talk, "Still there?"))
    root.destroy()
    app.service.disconnect()
    app.stop()
