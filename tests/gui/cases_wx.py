"""wxPython: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import functools
import gc
from typing import Any

import pytest
import ui_drivers
from fake_service import FakeService

from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import connection_view
from reactive_ws.gui.wx import ConnectionBanner, ConnectionIndicator, ConnectionStatus
from reactive_ws.state import Store
from reactive_ws.testing import Turning, check_ui_loop

wx = ui_drivers.import_wx()


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(ui_drivers.wx)


def frame_of(turning: Turning) -> Any:
    """The driver's own window, whose `Destroy` is its end."""
    clean_up: Any = turning.clean_up
    return clean_up.__self__


def test_a_binding_ends_with_its_window_and_the_loop_with_its_frame(domain: Domain) -> None:
    turning = ui_drivers.wx()
    frame = frame_of(turning)
    selection = Store(0, domain=domain).select()
    outer = wx.Panel(frame)
    inner = wx.StaticText(outer)
    for widget in (outer, inner):
        turning.loop.bind(selection, widget, lambda it, value: it.SetLabel(str(value)))
    assert inner.GetLabel() == "0"
    inner.Destroy()
    ui_drivers.comes(turning, lambda: selection.observer_count, 1)
    outer.Destroy()
    ui_drivers.comes(turning, lambda: selection.observer_count, 0)
    frame.Destroy()
    ui_drivers.until(turning, lambda: turning.loop.is_closed)


def test_a_binding_of_a_window_that_wx_made_lasts_as_long_as_that(domain: Domain) -> None:
    turning = ui_drivers.wx()
    frame = frame_of(turning)
    store = Store(0, domain=domain)
    selection = store.select()
    frame.CreateStatusBar()

    def bind() -> None:
        # The program keeps no Python object of the bar.
        turning.loop.bind(
            selection, frame.GetStatusBar(), lambda it, value: it.SetStatusText(str(value))
        )

    bind()
    gc.collect()
    store.set(7)
    ui_drivers.comes(turning, lambda: frame.GetStatusBar().GetStatusText(), "7")
    frame.Destroy()
    ui_drivers.comes(turning, lambda: selection.observer_count, 0)


def test_the_connection_widgets_show_an_outage(domain: Domain) -> None:
    turning = ui_drivers.wx()
    ui: Any = turning.loop
    frame = frame_of(turning)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now() - 18_030.0)
    views = connection_view(ui, service)
    banner = ConnectionBanner(ui, wx, frame, views)
    full = ConnectionStatus(ui, wx, frame, views)
    metrics = ConnectionStatus(ui, wx, frame, views, detail="metrics")
    column = wx.BoxSizer(wx.VERTICAL)
    column.Add(banner.widget, 0, wx.EXPAND)
    for status in (full, metrics):
        column.Add(status.widget)
    frame.SetSizer(column)
    corner = ConnectionIndicator(
        ui, wx, frame, views, position="bottom-right", hide_when_connected=True
    )
    frame.Show()
    comes, until = (functools.partial(it, turning) for it in (ui_drivers.comes, ui_drivers.until))
    comes(lambda: (full.texts, banner.texts), (("Connected (5h 00m)",), ()))
    comes(lambda: full.pill.text, "Connected (5h 00m)")
    comes(lambda: metrics.texts[:3], ("Connected (5h 00m)", "Received", "0"))
    until(lambda: not corner.widget.IsShown())
    service.queue(120)
    service.become(ConnectionState.RECONNECTING, since=ui.now(), attempt=2, next_retry_at=None)
    comes(lambda: full.texts, ("Reconnecting (attempt 2)", "99+"))
    said = ("Connection lost, reconnecting.", "What you write is sent when it is back.")
    comes(lambda: banner.texts, (*said, "120 messages wait to be sent"))
    until(lambda: full.pill.spinner.is_turning)

    def corner_to_edges() -> tuple[int, int]:
        size, place = frame.GetClientSize(), corner.widget.GetRect()
        return size.width - place.GetRight(), size.height - place.GetBottom()

    until(corner.widget.IsShown)
    comes(corner_to_edges, (9, 9))
    service.become(ConnectionState.DISCONNECTED, since=ui.now())
    (button,) = [it for it in full.widget.GetChildren() if isinstance(it, wx.Button)]
    comes(lambda: (button.IsShown(), button.AcceptsFocusFromKeyboard()), (True, True))
    button.ProcessEvent(wx.CommandEvent(wx.EVT_BUTTON.typeId, button.GetId()))
    comes(lambda: service.dials, 1)
    frame.Hide()
    service.become(ConnectionState.CONNECTING, since=ui.now())
    until(lambda: full.texts[:1] != ("Disconnected",))
    until(lambda: not full.pill.spinner.is_turning)
    service.become(ConnectionState.CONNECTED, since=ui.now())
    # No age counts where no user sees it.
    until(lambda: full.texts[0].startswith("Connected"))
    comes(lambda: (ui.is_seen(), ui._timers), (False, {}))
    service.become(ConnectionState.CONNECTING, since=ui.now())
    frame.Show()
    comes(lambda: (ui.is_seen(), full.pill.spinner.is_turning), (True, True))
    frame.Destroy()
    comes(lambda: service.connection.select().observer_count, 0)


@pytest.mark.parametrize(("colour", "is_dark"), [("#1f2430", True), ("#f4f4f5", False)])
def test_colours_follow_the_window(domain: Domain, colour: str, is_dark: bool) -> None:
    turning = ui_drivers.wx()
    ui: Any = turning.loop
    frame = frame_of(turning)
    frame.SetBackgroundColour(colour)
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED, since=ui.now() - 5.0)
    shown: list[Any] = []
    views = connection_view(ui, service)
    views.subscribe(shown.append)
    status = ConnectionStatus(ui, wx, frame, views, detail="metrics")
    banner = ConnectionBanner(ui, wx, frame, views)
    ui_drivers.settle(turning, 0.1)
    ink = shown[-1].ink(is_dark=is_dark)
    ui_drivers.comes(turning, lambda: (status.pill._ink(shown[-1]), banner._box.ink), (ink, ink))

    # Corners and button have the colour of the window.
    def grounds() -> list[str]:
        found = [it.GetBackgroundColour().GetAsString(4) for it in (status.widget, status._retry)]
        return [it.lower() for it in found]

    ui_drivers.comes(turning, grounds, [colour, colour])
    frame.Destroy()
    ui_drivers.settle(turning, 0.05)


def test_the_widgets_follow_a_change_of_the_systems_colours(domain: Domain) -> None:
    turning = ui_drivers.wx()
    ui: Any = turning.loop
    frame = frame_of(turning)
    frame.SetBackgroundColour("#f4f4f5")
    service = FakeService(domain)
    service.become(ConnectionState.DISCONNECTED, since=ui.now() - 5.0)
    shown: list[Any] = []
    views = connection_view(ui, service)
    views.subscribe(shown.append)
    status, banner = ConnectionStatus(ui, wx, frame, views), ConnectionBanner(ui, wx, frame, views)
    frame.Show()
    ink = shown[-1].ink(is_dark=True)
    ui_drivers.until(turning, lambda: banner._box.ink not in (None, ink))
    frame.SetBackgroundColour("#1f2430")
    for widget in (status.widget, banner.widget):
        widget.ProcessEvent(wx.SysColourChangedEvent())
    ui_drivers.comes(turning, lambda: (status.pill._ink(shown[-1]), banner._box.ink), (ink, ink))
    ui_drivers.comes(
        turning, lambda: status._retry.GetForegroundColour().GetAsString(4).lower(), ink.text
    )
    frame.Destroy()
    ui_drivers.settle(turning, 0.05)


@pytest.mark.parametrize("cause", ["<b>bold</b> & Co", "&File\t<a href='x'>"])
def test_a_strangers_text_is_text_in_every_sink(domain: Domain, cause: str) -> None:
    turning = ui_drivers.wx()
    ui: Any = turning.loop
    frame = frame_of(turning)
    service = FakeService(domain)
    service.become(ConnectionState.ERROR, since=ui.now() - 5.0, cause=cause)
    views = connection_view(ui, service)
    status = ConnectionStatus(ui, wx, frame, views)
    tooltip = status.pill.widget.GetToolTipText()
    assert " ".join(cause.split()) in tooltip
    store = Store(cause, domain=domain)
    label = wx.StaticText(frame)
    # The way that docs/gui.md names: `SetLabel` would take `&` for a mark of a key.
    ui.bind(store, label, lambda it, text: it.SetLabelText(text))
    assert label.GetLabelText() == cause
    frame.Destroy()
    ui_drivers.settle(turning, 0.05)


def test_a_narrow_window_elides_the_status_and_wraps_the_banner(domain: Domain) -> None:
    turning = ui_drivers.wx()
    ui: Any = turning.loop
    frame = frame_of(turning)
    frame.SetClientSize((220, 300))
    service = FakeService(domain)
    service.become(ConnectionState.RECONNECTING, since=ui.now() - 5.0, attempt=1_000_000_000)
    views = connection_view(ui, service)
    banner, status = ConnectionBanner(ui, wx, frame, views), ConnectionStatus(ui, wx, frame, views)
    column = wx.BoxSizer(wx.VERTICAL)
    column.Add(banner.widget, 0, wx.EXPAND)
    column.Add(status.widget, 0, wx.EXPAND)
    frame.SetSizer(column)
    frame.Show()
    until = functools.partial(ui_drivers.until, turning)
    until(lambda: status.pill.text.endswith(("…", "...")))
    until(lambda: banner.widget.GetSize().height > 3 * banner.widget.GetCharHeight())
    assert frame.GetClientSize().width == 220
    frame.Destroy()
    ui_drivers.settle(turning, 0.05)


@pytest.mark.parametrize(("detail", "corner", "is_left", "is_top"), ui_drivers.CORNERS)
def test_a_status_stays_in_its_corner_when_its_window_or_its_words_change(
    domain: Domain, corner: Any, detail: Any, is_left: bool, is_top: bool
) -> None:
    turning = ui_drivers.wx()
    ui: Any = turning.loop
    frame = frame_of(turning)
    service = FakeService(domain)
    service.become(ConnectionState.CONNECTED, since=ui.now() - 18_030.0)
    column = wx.BoxSizer(wx.VERTICAL)
    column.Add(wx.TextCtrl(frame, style=wx.TE_MULTILINE), 1, wx.EXPAND)
    frame.SetSizer(column)
    views = connection_view(ui, service)
    status = ConnectionStatus(ui, wx, frame, views, detail=detail, corner=corner)
    frame.Show()

    def place() -> tuple[int, int]:
        """The distances from the two edges of its corner."""
        room, it = frame.GetClientSize(), status.widget.GetRect()
        return (
            it.x if is_left else room.width - it.x - it.width,
            it.y if is_top else room.height - it.y - it.height,
        )

    comes = functools.partial(ui_drivers.comes, turning)
    comes(place, (8, 8))
    for width, height in ((600, 400), (360, 300)):
        frame.SetClientSize((width, height))
        comes(lambda: tuple(frame.GetClientSize()), (width, height))
        comes(place, (8, 8))
    narrow = status.widget.GetSize().width
    service.queue(120)
    service.become(ConnectionState.DISCONNECTED, since=ui.now())
    ui_drivers.until(turning, lambda: status.widget.GetSize().width > narrow)
    comes(place, (8, 8))
    # The whole pill is to be seen, with its button.
    comes(lambda: status.widget.GetSize(), status.widget.GetBestSize())
    frame.Destroy()
    ui_drivers.settle(turning, 0.05)


def test_a_wrong_corner_is_named_with_the_right_ones(domain: Domain) -> None:
    turning = ui_drivers.wx()
    ui: Any = turning.loop
    frame = frame_of(turning)
    views = connection_view(ui, FakeService(domain))
    wrong: Any = "topright"
    with pytest.raises(UsageError, match=r"corner is one of .*did you mean 'top-right'"):
        ConnectionStatus(ui, wx, frame, views, corner=wrong)
    with pytest.raises(UsageError, match=r"position is one of .*did you mean 'top-right'"):
        ConnectionIndicator(ui, wx, frame, views, position=wrong)
    # Neither left a widget in the window.
    assert list(frame.GetChildren()) == []
    frame.Destroy()
    ui_drivers.settle(turning, 0.05)
