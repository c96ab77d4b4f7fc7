"""`plain`: makes a text from a server safe to show in one line of any widget.

A peer chooses the text of close reasons, titles and messages. Toolkits read some texts as markup; the adapters stop that. This
module removes what no toolkit stops: control characters, changes of the writing direction, and length.
"""

from __future__ import annotations

import re

__all__ = ["plain"]

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
