"""Runs `async def` tests, each in a loop of its own, bounded, and without leftovers."""

from __future__ import annotations

import asyncio
import inspect
import math
from typing import Any

import pytest

from reactive_ws.inbound import dispatcher

_LIMIT = 120.0


@pytest.fixture(autouse=True)
def no_handler_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns off reports of slow handlers, because a machine may pause in any. Their tests run in virtual time."""
    monkeypatch.setattr(dispatcher, "_SLOW", math.inf)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in names}

    async def bounded() -> None:
        async with asyncio.timeout(_LIMIT):
            await pyfuncitem.obj(**arguments)

    asyncio.run(bounded())
    return True
