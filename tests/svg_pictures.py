"""Cleans the SVG pictures that Textual takes of a terminal, for the pages of the documentation."""

from __future__ import annotations

import re


def without_fonts(picture: str) -> str:
    """Returns the picture without the addresses from which it would load its font."""
    return re.sub(r',\s*url\("https:[^)]*\) format\("\w+"\)', "", picture)
