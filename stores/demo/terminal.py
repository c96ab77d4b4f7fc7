"""The demo's screen on a terminal: the chat, what waits in the queue, what happens to the hub, and the ruling at the end.

What the user types goes into the record first, like everything else that is said, so the judge counts it. Imports Textual, so
`command` imports it late.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import RichLog, Static

from reactive_ws.outbox import OutboxView, Waiting

from ..wire import MessageSend
from .chat import MARKS, Chat
from .outcome import Outcome
from .play import Play

__all__ = ["DemoScreen", "show"]

_CLOSES_AFTER = 20
"""Seconds that the ruling stays when no key is pressed."""
_CLOSED = "No more messages: the judge reads the record"
_QUEUE_LINES = 30
_COLOURS = {"hub": "#f87171", "state": "#fbbf24", "note": "#94a3b8"}
_HINT = "type to write · q or Ctrl+C leaves"
_WRITING_HINT = "Enter sends · Esc leaves the line"


class DemoScreen(Chat[Outcome]):
    """One performance on a terminal. It ends with the outcome, or with None when the user left before.

    Args:
        play: Its stores are shown, and it takes the typed messages.
        perform: Runs the play up to the ruling.

    Attributes:
        failure: What went wrong with the performance.
    """

    TITLE = "reactive-ws demo"
    AUTO_FOCUS = None
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "quit", "Leave", priority=True),
        Binding("q", "quit", "Leave"),
        Binding("escape", "blur", "Leave the line"),
    ]
    CSS = (
        Chat.CSS
        + """
    #left { width: 26; }
    #sessions { width: 100%; height: 10; }
    #queue, #events { background: #111c33; border: round #334155; border-title-color: #94a3b8; }
    #queue { height: 1fr; padding: 0 1; color: #94a3b8; }
    #queue.-waiting { border: round #f59e0b; border-title-color: #fbbf24; color: #e2e8f0; }
    #entries { width: 1fr; }
    #right { width: 38; }
    #panels { width: 100%; height: 1fr; }
    #queue { text-wrap: nowrap; text-overflow: ellipsis; }
    #events { height: 2fr; padding: 0 1; scrollbar-size-vertical: 1; }
    #events { scrollbar-background: #111c33; scrollbar-color: #334155; }
    .-narrow #left { width: 18; }
    .-narrow #right { width: 27; }
    .-tiny #left, .-tiny #right { display: none; }
    .-short #sessions { height: 5; }
    .-tiny #ruling { padding: 0; }
    .-ruled Input, .-short.-ruled #stage { display: none; }
    Input { border-subtitle-color: #94a3b8; }
    #ruling { display: none; height: auto; max-height: 100%; padding: 0 2; border: heavy #10b981; background: #052e2b; }
    #ruling.-failed { border: heavy #ef4444; background: #3f1111; }
    """
    )

    def __init__(self, play: Play, perform: Callable[[], Awaitable[Outcome]]) -> None:
        super().__init__(play.app)
        self.play = play
        self.failure: BaseException | None = None
        self._perform = perform
        self._task: asyncio.Task[None] | None = None
        self._outcome: Outcome | None = None
        self._closes_in = _CLOSES_AFTER
        self._last_key: events.Key | None = None
        self.queue = Static(id="queue", markup=False)
        self.events = RichLog(id="events", wrap=True, max_lines=500, min_width=10)
        self._verdict = Static(markup=False)
        # The keys of the screen scroll it, so it needs no focus.
        self.ruling = VerticalScroll(self._verdict, id="ruling", can_focus=False)
        self.queue.border_title = "Queue"
        self.events.border_title = "What happens"
        self.input.placeholder = "Write a message: also while the hub is dead, it is promised"
        self.input.border_subtitle = _HINT
        self.input.max_length = 2_000

    def body(self) -> Widget:
        return Vertical(
            Horizontal(
                Vertical(self.sessions, self.queue, id="left"),
                self.entries,
                Vertical(self.panels, self.events, id="right"),
                id="stage",
            ),
            self.ruling,
        )

    def on_mount(self) -> None:
        # Textual calls the handler of the class above by itself, after this one.
        self.ui.bind(self.stores.service.outbox, self.queue, _show_queue)
        self.play.narrator.tell = self._tell
        self._task = asyncio.create_task(self._run(), name="reactive_ws demo")

    async def _run(self) -> None:
        try:
            self._outcome = await self._perform()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - raised again by `show`, when the terminal is itself again
            self.failure = error
            self.exit()
        else:
            self._decided(self._outcome)

    def _decided(self, outcome: Outcome) -> None:
        has_passed = outcome.ruling.has_passed
        # The numbers come first: a small terminal shows them without scrolling.
        *details, numbers, _ = outcome.lines
        lines = [numbers, *details]
        head = "✓ PASSED: nothing was lost" if has_passed else "✕ FAILED"
        self._verdict.update(Text.assemble((head, "bold"), "\n", "\n".join(lines)))
        self.ruling.set_class(not has_passed, "-failed")
        self.ruling.display = True
        # No message can be written now, and a small terminal needs the room.
        self.screen.add_class("-ruled")
        self.ruling.border_title = "The judge"
        self._end_talk()
        self._count_down()

    def _end_talk(self) -> None:
        """Closes the line: the judge counts no more messages."""
        self.set_focus(None)
        self.input.disabled = True
        self.input.placeholder = _CLOSED
        self.input.border_subtitle = ""

    def _count_down(self) -> None:
        self.ruling.border_subtitle = f"q closes · any other key keeps it · {self._closes_in} s"
        if self._closes_in == 0:
            self.exit(self._outcome)
        elif self._closes_in > 0:
            self._closes_in -= 1
            self.set_timer(1.0, self._count_down)
        else:
            self.ruling.border_subtitle = "q closes"

    async def action_quit(self) -> None:
        self.exit(self._outcome)

    def action_blur(self) -> None:
        if self.focused is self.search:
            self.action_search()
        self.set_focus(None)

    async def on_event(self, event: events.Event) -> None:
        # A key that no widget takes comes here again.
        if isinstance(event, events.Key) and event is not self._last_key:
            self._last_key = event
            self._notice(event)
        await super().on_event(event)

    def _notice(self, key: events.Key) -> None:
        """Handles a key before the focused widget does."""
        if self._outcome is not None:
            # A user who reads the ruling must not lose it.
            self._closes_in = -1
            self.ruling.border_subtitle = "q closes"
            if key.key in ("up", "down"):
                self.ruling.scroll_relative(y=1 if key.key == "down" else -1, animate=False)
        elif (
            key.is_printable
            and key.character != "q"
            and self.focused not in (self.input, self.search)
        ):
            # At once, so that this key and the next ones go into the line.
            self.set_focus(self.input)

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        self._hint()

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        self._hint()

    def _hint(self) -> None:
        if self._outcome is None:
            is_writing = self.focused is self.input
            self.input.border_subtitle = _WRITING_HINT if is_writing else _HINT

    def say(self, text: str) -> bool:
        """Has the play accept what was typed in the active session; says why when it does not."""
        complaint = self.play.accept(self.stores.sessions.state.get().active_id, text)
        if complaint is not None:
            self.notify(complaint, severity="warning", markup=False)
        return complaint is None

    def _tell(self, seconds: float, kind: str, text: str) -> None:
        if self.play.is_over and not self.input.disabled:
            self._end_talk()
        if kind in _COLOURS and self.is_running:
            line = Text.assemble((f"{seconds:5.1f} ", "#64748b"), (text, _COLOURS[kind]))
            self.events.write(line)

    async def end(self) -> None:
        """Ends the performance, if it still runs, and waits for it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


async def show(play: Play, perform: Callable[[], Awaitable[Outcome]]) -> Outcome | None:
    """Runs a performance on the terminal and returns how it ended, or None when the user left before.

    Raises:
        CommandFailed: the performance could not go on.
    """
    screen = DemoScreen(play, perform)
    loop = asyncio.get_running_loop()
    # Ctrl+C is a key here; the signal comes from other programs and must not tear the screen down half-way.
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGINT, screen.exit)
    try:
        outcome = await screen.run_async()
    finally:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGINT)
        await screen.end()
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        # Textual ends politely when it is cancelled, and says nothing about it.
        raise asyncio.CancelledError
    if screen.failure is not None:
        raise screen.failure
    return outcome


def _show_queue(it: Static, view: OutboxView) -> None:
    it.set_class(len(view) > 0, "-waiting")
    it.border_title = f"Queue · {len(view)}"
    lines = [_waiting(entry) for entry in view.entries[:_QUEUE_LINES]]
    it.update("\n".join(lines) if lines else "empty")


def _waiting(entry: Waiting) -> str:
    payload = entry.envelope.payload
    what = payload.message.content if isinstance(payload, MessageSend) else entry.type
    return f"{MARKS[entry.status].split()[0]} {what}"
