"""Texts in their own direction."""

from __future__ import annotations

import pytest

from reactive_ws.gui import isolated

HEBREW = "\u05e9\u05dc\u05d5\u05dd?"
ARABIC = "\u0645\u0631\u062d\u0628\u0627!"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("hello\nthere?", "hello\nthere?"),
        (HEBREW, f"\u2068{HEBREW}\u2069"),
        (f"hello\n{ARABIC}\n", f"hello\n\u2068{ARABIC}\u2069\n"),
        (f"see: {HEBREW}", f"\u2068see: {HEBREW}\u2069"),
    ],
)
def test_each_paragraph_has_the_direction_of_its_first_letter(text: str, shown: str) -> None:
    assert isolated(text) == shown
