"""The contents of a status line, an indicator and a banner for a connection, for every toolkit.

It decides texts, colours and symbols. It paints nothing and imports no toolkit: the packages `gui.tk`, `gui.qt`,
`gui.textual`, `gui.gtk` and `gui.wx` paint. Programs call `connection_view` and hand its stream to widgets.

Modules in reading order:

    words            `Words`: all texts, plurals and ages; `Reason`: why a program is not connected
    theme            `Theme`: palettes, symbols and words; the contrast of two colours
    connection_view  `ConnectionView`, and the pure functions that make one
    stream           `connection_view`: the stream of the views of a service
    choices          the corners and details that widgets offer
    marks            the symbols as small pictures
    spinner          `Spinner`: the timer of a symbol that turns; `TurningMark`: that symbol as a picture
"""

from .choices import Corner, Detail, check_corner, check_detail
from .connection_view import (
    ConnectionView,
    Number,
    connection_text,
    next_change,
    next_text_change,
    view_at,
)
from .marks import SPINNER_STEPS, cap, mark
from .spinner import Spinner, TurningMark
from .stream import Service, connection_view
from .theme import ASCII_SYMBOLS, DARK, LIGHT, Ink, Palette, Theme, Tone, blend, contrast, is_dark
from .words import Reason, Words, age, english_plural, reason_of

__all__ = [
    "ASCII_SYMBOLS",
    "DARK",
    "LIGHT",
    "SPINNER_STEPS",
    "ConnectionView",
    "Corner",
    "Detail",
    "Ink",
    "Number",
    "Palette",
    "Reason",
    "Service",
    "Spinner",
    "Theme",
    "Tone",
    "TurningMark",
    "Words",
    "age",
    "blend",
    "cap",
    "check_corner",
    "check_detail",
    "connection_text",
    "connection_view",
    "contrast",
    "english_plural",
    "is_dark",
    "mark",
    "next_change",
    "next_text_change",
    "reason_of",
    "view_at",
]
