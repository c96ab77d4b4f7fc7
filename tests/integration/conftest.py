"""Runs `async def` tests, each in a loop of its own, bounded, and without leftovers."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

_LIMIT = 120.0


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
