"""Tells whether a command can show a screen: a terminal on all sides, and Textual. Imports no toolkit."""

from __future__ import annotations

import importlib.util
import os
import sys

__all__ = ["why_no_screen"]


def why_no_screen() -> str | None:
    """Returns what is missing for the screen and how to get it, or None when nothing is."""
    # Textual reads from stdin and writes to stderr; a stdout that is redirected wants the lines.
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    if not all(stream is not None and stream.isatty() for stream in streams):
        return "run it on a terminal, without redirection, for the screen"
    if os.environ.get("TERM", "dumb") in ("", "dumb"):
        return "this terminal can show lines only (TERM); another one shows the screen"
    if importlib.util.find_spec("textual") is None:
        return "the screen needs Textual: pip install 'reactive-ws[textual]'"
    return None
