"""The adapter for Qt, with PySide6 or PyQt6: event loop, item models and connection widgets.

It shows streams; it neither connects nor sends. The program hands in `QtCore` or `QtWidgets`; importing this package imports no
toolkit.

Modules in reading order:

    loop        `QtLoop`
    text        `tooltip`: plain text for sinks that read HTML
    rows        rows below one index, the change of a list in few operations, views that keep their place
    held_texts  rows whose texts Qt holds itself
    lists       `ListModel`, `TableModel`, `TreeModel`
    parts       the parts of the widgets
    widgets     `ConnectionStatus`, `ConnectionIndicator`, `ConnectionBanner`
"""

from .lists import Column, ListModel, TableModel, TreeModel
from .loop import QtLoop
from .text import tooltip
from .widgets import ConnectionBanner, ConnectionIndicator, ConnectionStatus

__all__ = [
    "Column",
    "ConnectionBanner",
    "ConnectionIndicator",
    "ConnectionStatus",
    "ListModel",
    "QtLoop",
    "TableModel",
    "TreeModel",
    "tooltip",
]
