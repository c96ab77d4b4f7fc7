"""`tooltip`: makes a plain text safe for the sinks of Qt that read HTML.

`QToolTip`, What's This and message boxes guess whether a text is HTML. A text from a server with tags then becomes headings,
links and pictures. Qt wraps only HTML in tooltips, so a long text also needs this to stay on the screen.
"""

from __future__ import annotations

import html

__all__ = ["tooltip"]


def tooltip(text: str) -> str:
    """Returns HTML that shows `text` as it is, with its line breaks; empty for an empty text."""
    if not text:
        return ""
    return f"<qt>{html.escape(text).replace(chr(10), '<br>')}</qt>"
