"""The screen of `reactive-ws inspect`, with Textual (extra `textual`). Only `devtools.command` imports it.

link    reads the feed of a program, and sends it what the user wants
screen  the application: tree, log, details
"""

from .link import FeedLink
from .screen import InspectScreen

__all__ = ["FeedLink", "InspectScreen"]
