"""Jupyter: widgets in a real kernel, with ipywidgets and anywidget. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import ast
import queue
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]

START = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
import asyncio, threading
import anywidget, ipywidgets, traitlets
from fake_service import FakeService
from reactive_ws import Store
from reactive_ws.connection import ConnectionState
from reactive_ws.engine import Domain
from reactive_ws.gui import JupyterLoop, connection_view
from reactive_ws.testing import Turning, check_ui_loop

ui = JupyterLoop()
count = Store(0)
text = ipywidgets.HTML()

class Counter(anywidget.AnyWidget):
    _esm = "function render({{ model, el }}) {{ el.innerText = model.get('value'); }} export default {{ render }};"
    value = traitlets.Int(0).tag(sync=True)

counter = Counter()
ui.bind(count, counter, lambda it, value: setattr(it, "value", value))
paints = []
ui.bind(count, text, lambda it, value: (paints.append(value), setattr(it, "value", str(value))))
"""


class Kernel:
    """A kernel and what it said."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.updates = 0

    def run(self, code: str) -> str:
        """Runs a cell; returns what it printed. Counts the messages that change a widget."""
        name = self._client.execute(code)
        printed = ""
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=60)
            except queue.Empty:
                pytest.fail(f"the kernel did not answer:\n{code}")
            kind, content = message["msg_type"], message["content"]
            if kind == "comm_msg" and content["data"].get("method") == "update":
                self.updates += 1
            elif kind == "error":
                pytest.fail("\n".join(content["traceback"]))
            elif kind == "stream":
                printed += content["text"]
            elif (
                kind == "status"
                and content["execution_state"] == "idle"
                and message["parent_header"].get("msg_id") == name
            ):
                return printed


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    manager = KernelManager()
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager.kernel_spec.argv[:] = command
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    try:
        it = Kernel(client)
        it.run(START)
        yield it
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_widgets_show_the_last_value_of_a_flood_with_few_messages(kernel: Kernel) -> None:
    kernel.updates = 0
    kernel.run(
        "thread = threading.Thread(target=lambda: [count.set(number) for number in range(200_001)])\n"
        "thread.start()\n"
        "while count.get() < 200_000 or counter.value < 200_000: await asyncio.sleep(0.01)\n"
        "await asyncio.sleep(0.2)"
    )
    printed = kernel.run("print((counter.value, text.value, len(paints), ui.frame.number))")
    value, shown, paints, frames = ast.literal_eval(printed)
    assert (value, shown) == (200_000, "200000")
    assert 1 <= paints <= frames + 1
    # Two widgets, a message for each paint; the kernel may send a few more of its own.
    assert kernel.updates <= 2 * (frames + 1)


def test_a_binding_ends_when_its_widget_is_closed(kernel: Kernel) -> None:
    printed = kernel.run(
        "selection = Store(0).select()\n"
        "one, other = ipywidgets.Label(), Counter()\n"
        "for it in (one, other): ui.bind(selection, it, lambda it, value: None)\n"
        "print(selection.observer_count)\n"
        "one.close()\nprint(selection.observer_count)\n"
        "other.close()\nprint(selection.observer_count)"
    )
    assert printed.split() == ["2", "1", "0"]


def test_the_connection_is_shown_and_a_loop_keeps_the_contract(kernel: Kernel) -> None:
    printed = kernel.run(
        "service, line = FakeService(Domain('jupyter')), ipywidgets.Label()\n"
        "service.become(ConnectionState.CONNECTED, since=ui.now() - 18_030.0)\n"
        "ui.bind(connection_view(ui, service), line, lambda it, view: setattr(it, 'value', view.line))\n"
        "print(line.value)"
    )
    assert printed.strip() == "● Connected (5h 00m)"
    # The contract turns the loop by itself, so it runs in a thread with a loop of its own.
    printed = kernel.run(
        "def check():\n"
        "    loops = []\n"
        "    def make():\n"
        "        loop = asyncio.new_event_loop()\n"
        "        async def ui_of(): return JupyterLoop(fps=60.0)\n"
        "        def turn(seconds): loop.run_until_complete(asyncio.sleep(seconds))\n"
        "        return Turning(loop.run_until_complete(ui_of()), turn, can_nest=False, clean_up=loop.close,\n"
        "            make_widget=ipywidgets.Label, destroy=lambda it: it.close())\n"
        "    check_ui_loop(make)\n"
        "await asyncio.to_thread(check)\nprint('kept')"
    )
    assert printed.strip() == "kept"
