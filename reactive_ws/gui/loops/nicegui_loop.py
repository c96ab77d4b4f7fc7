"""`NiceGuiLoop`: one page of NiceGUI, shown to one client. NiceGUI is an asyncio program, so the service runs in the same loop."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from ...errors import UsageError
from ..loop import check_toolkit
from .asyncio_loop import AsyncioLoop

__all__ = ["NiceGuiLoop"]


_ENTER = """(event) => {
  const field = event.target;
  if (event.isComposing || !field.value.trim()) return;
  emit(field.value);
  field.value = "";
  field.dispatchEvent(new Event("input", { bubbles: true }));
}"""
"""Empties the field in the browser. A server that empties it also takes what the user has typed since."""


class NiceGuiLoop(AsyncioLoop):
    """The loop of one client. Make one in each page function; all its bindings end with the client.

    NiceGUI deletes a client when its browser has been away for longer than the page's reconnect timeout. A binding also ends when
    the program deletes its element.

    Args:
        client: The client of the page, `ui.context.client`.
        fps: Most frames a second. Each frame that changes something is a message to the browser.
        options: What `UiLoop` takes.

    Raises:
        RuntimeError: no asyncio loop runs: call it in a page function.
    """

    def __init__(self, client: Any, *, fps: float = 20.0, **options: Any) -> None:
        check_toolkit(client, "on_delete", "NiceGuiLoop(ui.context.client) in a page")
        super().__init__(None, fps=fps, **options)
        self._client = weakref.ref(client)
        client.on_delete(self.close)
        client.on_connect(self.seen_changed)
        client.on_disconnect(self.seen_changed)
        if client.is_deleted:
            # The browser left while the page function waited for something else.
            self.close()

    def guard(self, function: Callable[..., object], *arguments: object) -> None:
        """Calls `function` in the client's page, so that a setter may call `ui.notify` or add elements at any time."""
        client = self._client()
        if client is None or client.is_deleted:
            super().guard(function, *arguments)
            return
        with client:
            super().guard(function, *arguments)

    def is_seen(self) -> bool:
        """Whether a browser is connected to the page."""
        client = self._client()
        return client is not None and bool(client.has_socket_connection)

    def on_entered(self, field: Any, function: Callable[[str], object]) -> None:
        """Calls `function` with what the user typed into a field when the user presses Enter. UI thread.

        The browser empties the field at once, so users may type the next message before the server has taken the last one.
        Do not empty the field in `function`. The loop reports an exception to `on_error`. A blank field enters nothing.

        Args:
            field: A `ui.input`.
            function: Gets the text as typed. The binding ends with the field.

        Raises:
            UsageError: `field` is not an element of NiceGUI, or `function` cannot be called.
        """
        check_toolkit(field, "on", 'on_entered(ui.input("Message"), function)')
        if not callable(function):
            raise UsageError(f"write on_entered(field, function); got {function!r:.80}")

        def entered(event: Any) -> None:
            # NiceGUI calls this with the field's own place in the page.
            super(NiceGuiLoop, self).guard(function, event.args)

        field.on("keydown.enter", entered, js_handler=_ENTER)

    def is_alive(self, thing: Any) -> bool:
        """Whether NiceGUI has not deleted the element; True for objects of others."""
        return thing is not None and not (_is_element(thing) and thing.is_deleted)

    def on_gone(self, thing: Any, gone: Callable[[], None]) -> None:
        """Calls `gone` when NiceGUI deletes the element; other objects go when Python collects them."""
        if not _is_element(thing):
            return
        kind: Any = type(thing)  # pyright: ignore[reportUnknownVariableType] - NiceGUI is not imported here

        # NiceGUI names this method as the place for such work. The function must not hold the element.
        def handle_delete() -> None:
            gone()
            element = reference()
            if element is not None:
                kind._handle_delete(element)

        reference = weakref.ref(thing)
        thing._handle_delete = handle_delete


def _is_element(thing: Any) -> bool:
    # A view model may have an `is_deleted` of its own.
    return hasattr(thing, "_handle_delete") and hasattr(thing, "is_deleted")
