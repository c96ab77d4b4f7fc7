"""Mistakes of programs are refused at once, with what to write instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_service import FakeService
from textual.app import App

from reactive_ws import Store
from reactive_ws.engine import Domain
from reactive_ws.errors import UsageError
from reactive_ws.gui import (
    GLibLoop,
    KivyLoop,
    ManualLoop,
    NiceGuiLoop,
    QtLoop,
    TextualLoop,
    TkLoop,
    WxLoop,
    connection_view,
    gtk,
    textual,
    tk,
    wx,
)
from reactive_ws.gui.rows import check_row_functions
from reactive_ws.gui.status import check_corner, check_detail

WRONG: Any = SimpleNamespace()


class Screen:
    """An object with a method."""

    def shown(self) -> None:
        """Does nothing."""


@pytest.mark.parametrize(
    ("make", "form"),
    [
        (lambda: QtLoop(WRONG), r"write QtLoop\(QtCore\)"),
        (lambda: TkLoop(WRONG), r"write TkLoop\(root\)"),
        (lambda: WxLoop(WRONG), r"write WxLoop\(wx, frame\)"),
        (lambda: GLibLoop(WRONG), r"write GLibLoop\(GLib\)"),
        (lambda: KivyLoop(WRONG), r"write KivyLoop\(Clock, app\)"),
        (lambda: NiceGuiLoop(WRONG), r"write NiceGuiLoop\(ui\.context\.client\)"),
        (lambda: TextualLoop(WRONG), r"write TextualLoop\(self\)"),
        # A class in place of its object.
        (lambda: TextualLoop(cast("Any", App)), r"write TextualLoop\(self\)"),
    ],
)
def test_a_loop_of_the_wrong_object_says_what_to_write(
    make: Callable[[], object], form: str
) -> None:
    async def run() -> None:
        with pytest.raises(UsageError, match=form):
            make()

    asyncio.run(run())


def test_a_view_says_in_which_order_its_arguments_are(domain: Domain) -> None:
    ui: Any = ManualLoop()
    service: Any = FakeService(domain)
    wrong: Any = Store(0)
    for one, other in ((service, ui), (ui, wrong)):
        with pytest.raises(UsageError, match=r"write connection_view\(ui, service\)"):
            connection_view(one, other)
    # Nothing came of it, and the right order works.
    shown: list[object] = []
    connection_view(ui, service).subscribe(shown.append)
    assert len(shown) == 1


def test_a_setter_that_cannot_be_called_or_would_never_run_is_refused() -> None:
    ui = ManualLoop()

    async def later(_: object, __: object) -> None:
        """Never runs."""

    wrong: Any
    for wrong, why in (("setText", "a setter is a function"), (later, "`async def`")):
        with pytest.raises(UsageError, match=why):
            ui.bind(Store(0), object, wrong)


def test_a_target_that_no_binding_could_write_to_is_refused() -> None:
    ui, store = ManualLoop(), Store(0)
    selection = store.select()
    label: Any = SimpleNamespace()
    nothing: Any = None
    wrong: Any
    with pytest.raises(UsageError, match=r"this target is None.*pack\(\) returns None"):
        ui.bind(selection, nothing, lambda _, __: None)
    screen = Screen()
    for bind in (
        lambda: ui.bind(selection, screen.shown, lambda _, __: None),
        lambda: ui.bind(selection, label, lambda _, __: None, until=screen.shown),
        lambda: ui.scope(screen.shown),
    ):
        with pytest.raises(UsageError, match=r"a bound method at once.*call shown\(\)"):
            bind()
    for wrong in (7, "tag", nothing):
        with pytest.raises(UsageError, match="has no weak references; name a widget"):
            ui.scope(wrong)
    assert selection.observer_count == 0


def test_widgets_and_lists_refuse_another_object_in_the_place_of_their_loop() -> None:
    ui: Any = ManualLoop()
    views: Any = Store(0).select()
    kit: Any = SimpleNamespace(CssProvider=object, GetTopLevelWindows=object)
    for make, kind in (
        (lambda: tk.ConnectionStatus(ui, kit, WRONG), "TkLoop"),
        (lambda: tk.ConnectionBanner(kit, ui, WRONG), "TkLoop"),
        (lambda: tk.TreeRows(kit, ui, views, key=str), "TkLoop"),
        (lambda: gtk.ConnectionStatus(kit, ui, WRONG), "GLibLoop"),
        (lambda: gtk.ConnectionBanner(ui, kit, WRONG), "GLibLoop"),
        (lambda: wx.ConnectionStatus(kit, ui, kit, WRONG), "WxLoop"),
        (lambda: wx.ConnectionBanner(ui, kit, kit, WRONG), "WxLoop"),
        (lambda: textual.ConnectionStatus(WRONG, ui), "TextualLoop"),
        (lambda: textual.ConnectionBanner(ui, WRONG), "TextualLoop"),
        (lambda: textual.ListRows(ui, WRONG, key=str, render=str), "TextualLoop"),
    ):
        with pytest.raises(UsageError, match=rf"where ui is a {kind}; got"):
            make()


def test_a_list_refuses_what_it_cannot_call() -> None:
    with pytest.raises(UsageError, match=r"^key= is a function.*got 'id'"):
        check_row_functions(key="id")

    async def text(_: object) -> str:
        return ""

    with pytest.raises(UsageError, match=r"text=.*`async def`"):
        check_row_functions(key=str, text=text)
    check_row_functions(key=str, text=str.upper, render=repr)


def test_a_misspelled_choice_is_named_with_the_right_ones() -> None:
    with pytest.raises(UsageError, match="'metrics', not 'compcat'; did you mean 'compact'"):
        check_detail("compcat")
    with pytest.raises(
        UsageError, match=r"position is one of .*not 'topright'; did you mean 'top-right'"
    ):
        check_corner("position", "topright")
    check_corner("corner", None)
    check_corner("corner", "bottom-left")
    check_detail("metrics")
