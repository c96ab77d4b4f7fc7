"""The GTK example, as a person uses it: what is typed, in an outage too, and what a search shows. Run by `test_toolkits.py`."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ui_drivers
from hub_in_thread import HubInThread

from reactive_ws.stores import Application

sys.path.append(str(Path(__file__).parents[2] / "examples"))
Gtk = ui_drivers.import_gtk()
chat_gtk = importlib.import_module("chat_gtk")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubInThread]:
    with HubInThread(tmp_path / "data") as it:
        yield it


def bubbles(window: Any) -> list[list[str]]:
    """The texts of each bubble, without its head."""
    found, row = [], window.talk.get_first_child()
    while row is not None:
        texts, part = [], row.get_child().get_first_child().get_next_sibling()
        while part is not None:
            texts.append(part.get_text())
            part = part.get_next_sibling()
        found.append(texts)
        row = row.get_next_sibling()
    return found


def titles(window: Any) -> str:
    found, row = [], window.chats.get_first_child()
    while row is not None:
        name = row.get_child().get_first_child()
        count = name.get_next_sibling()
        found.append(name.get_text() + ("" if count is None else f"  ({count.get_text()})"))
        row = row.get_next_sibling()
    return "\n".join(found)


def buttons(window: Any) -> dict[str, Any]:
    """The buttons below a widget, by their labels."""
    found: dict[str, Any] = {}
    child = window.get_first_child()
    while child is not None:
        found |= {child.get_label(): child} if isinstance(child, Gtk.Button) else buttons(child)
        child = child.get_next_sibling()
    return found


def test_closing_asks_before_messages_are_lost() -> None:
    turning = ui_drivers.gtk()
    ui: Any = turning.loop
    app = Application.at("ws://127.0.0.1:9/ws")
    app.start()
    window = chat_gtk.Window(None, ui, app)
    window.window.present()
    window.view.send("<b>hello</b>")
    ui_drivers.until(turning, lambda: len(app.service.outbox.get()) == 2)
    window.window.close()
    ui_drivers.until(turning, lambda: window.question)
    dialog = window.question
    text = dialog.get_child().get_first_child().get_text()
    assert text == "2 messages wait to be sent. Close the window and lose what was not sent?"
    buttons(dialog)["Stay"].emit("clicked")
    turning.turn(0.1)
    assert window.window.get_visible()
    window.window.close()
    buttons(window.question)["Close"].emit("clicked")
    ui_drivers.until(turning, lambda: not window.window.get_visible())
    kept = chat_gtk.Window(None, ui, app, is_kept=True)
    kept.window.present()
    turning.turn(0.1)
    kept.window.close()
    assert kept.question is None
    app.service.disconnect()
    app.stop()
    ui.close()


def test_a_full_outbox_is_said_and_keeps_the_text() -> None:
    turning = ui_drivers.gtk()
    ui: Any = turning.loop
    errors: list[Exception] = []
    ui.on_error = errors.append
    app = Application.at("ws://127.0.0.1:9/ws")
    app.start()
    window = chat_gtk.Window(None, ui, app)
    window.window.present()
    for number in range(103):
        window.input.set_text(f"m{number}")
        window.input.emit("activate")
    ui_drivers.until(
        turning,
        lambda: window.notice.get_text().startswith("Not sent: too many messages wait."),
    )
    assert window.input.get_text() == "m102"
    ui_drivers.until(turning, lambda: not window.input.get_sensitive())
    ui_drivers.until(turning, lambda: "100 messages" in window.view.question_before_closing)
    assert errors == []
    window.window.destroy()
    app.service.disconnect()
    app.stop()
    ui.close()


def test_a_view_stays_at_its_end_when_rows_come_while_it_moves_there() -> None:
    ui_drivers.import_gtk()
    edge = Gtk.Adjustment(lower=0.0, upper=100.0, page_size=50.0)
    end = chat_gtk.FollowEnd(edge)
    edge.set_value(50.0)
    assert end.is_there
    # The view moves to the end that it had before more rows came.
    edge.configure(50.0, 0.0, 300.0, 1.0, 10.0, 50.0)
    edge.set_value(200.0)
    assert end.is_there
    edge.set_value(180.0)
    assert not end.is_there
    edge.set_value(250.0)
    assert end.is_there


def test_what_is_typed_in_an_outage_is_queued_and_then_delivered_and_found(
    hub: HubInThread,
) -> None:
    turning = ui_drivers.gtk()
    ui: Any = turning.loop
    app = Application.at(hub.url)
    app.start()
    window = chat_gtk.Window(None, ui, app)
    window.window.present()

    def until(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < end, (window.status.texts, bubbles(window))
            turning.turn(0.02)

    def write(text: str) -> None:
        window.input.set_text(text)
        window.input.emit("activate")

    until(lambda: "Connected" in window.status.texts[0])
    write("a <b>first</b> message\n```\ncode & more\n```")
    until(lambda: len(bubbles(window)) == 2)
    # Text is text, and code has a label of its own.
    assert bubbles(window)[0] == ["a <b>first</b> message", "code & more"]
    assert window.input.get_text() == ""
    hub.stop()
    until(lambda: window.banner.texts)
    write("in the outage")
    until(lambda: any(it == ["in the outage"] for it in bubbles(window)))
    for number in range(12):
        write(f"number {number}")
    until(lambda: len(bubbles(window)) == 15)
    edge = window.scroll.get_vadjustment()
    # The banner has made the view smaller, and the newest message is in sight.
    until(lambda: edge.get_value() == edge.get_upper() - edge.get_page_size() > 0.0)
    edge.set_value(0.0)
    write("number 12")
    until(lambda: len(bubbles(window)) == 16)
    turning.turn(0.1)
    assert edge.get_value() == 0.0
    hub.start()
    until(lambda: not window.banner.texts and len(bubbles(window)) == 30)
    window.search.set_text("OUTAGE")
    until(lambda: 0 < len(bubbles(window)) < 4)
    assert all("outage" in it[0] for it in bubbles(window))
    window.search.set_text("")
    until(lambda: len(bubbles(window)) == 30)
    # The chat that is left counts the answer that it gets meanwhile.
    write("the last one")
    window.view.new_chat()
    until(lambda: len(bubbles(window)) == 0)
    until(lambda: "First chat  (1)" in titles(window))
    # Panels are made in the order of the messages, and the user turns to the other one and back.
    write("panel create Plan")
    write("panel create Budget")
    until(lambda: "Plan  (1 of 2)" in window.panel.get_text())
    buttons(window.window)["Panel →"].emit("clicked")
    until(lambda: "Budget  (2 of 2)" in window.panel.get_text())
    buttons(window.window)["← Panel"].emit("clicked")
    until(lambda: "Plan  (1 of 2)" in window.panel.get_text())
    window.window.destroy()
    app.stop()
    ui.close()
