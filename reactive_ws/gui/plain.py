"""`plain` and `isolated`: make a text from a server safe to show, and readable in its own direction.

A peer chooses the text of close reasons, titles and messages. Toolkits read some texts as markup; the adapters stop that. This
module removes what no toolkit stops: control characters, changes of the writing direction, and length.
"""

from __future__ import annotations

import re

__all__ = ["isolated", "plain"]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def plain(text: str, *, max_length: int = 200) -> str:
    """Returns `text` as one line without control characters, at most `max_length` code points long.

    Line breaks, terminal escapes and overrides of the writing direction become spaces, and many spaces become one. A longer text ends with "…". The
    result may still contain markup characters such as `<` and `[`; show it in a sink for plain text.

    Raises:
        ValueError: `max_length` is below 1.
    """
    if max_length < 1:
        raise ValueError(f"max_length must be at least 1, not {max_length!r}")
    # A peer may send megabytes; the expression reads only what can be shown.
    line = " ".join(_CONTROL.sub(" ", text[: 4 * max_length]).split())
    if len(line) <= max_length and len(text) <= 4 * max_length:
        return line
    return f"{line[: max_length - 1].rstrip()}…"


_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def isolated(text: str) -> str:
    """Returns a text whose paragraphs each have the direction of their first letter, whatever the direction of the widget.

    Qt lays out a paragraph in the direction of its widget, so the question mark of a Hebrew sentence is on the wrong side. This puts a paragraph that has right-to-left letters between the characters U+2068 and U+2069. GTK, and browsers with
    `dir="auto"`, need no such help.
    """
    if _RIGHT_TO_LEFT.search(text) is None:
        return text
    return "\n".join(
        f"\u2068{it}\u2069" if _RIGHT_TO_LEFT.search(it) else it for it in text.split("\n")
    )
