"""tk: the contract, and what only a real toolkit can show. Run by `test_toolkits.py` in a process of its own."""

from __future__ import annotations

import ui_drivers

from reactive_ws.testing import check_ui_loop


def test_the_loop_keeps_the_contract() -> None:
    check_ui_loop(ui_drivers.tk)


def test_the_loop_that_polls_keeps_the_contract() -> None:
    check_ui_loop(lambda: ui_drivers.tk(is_polling=True))
