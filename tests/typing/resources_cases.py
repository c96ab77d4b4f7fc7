"""Types of resources and effects. Read by mypy and pyright strict, never run."""

from __future__ import annotations

from typing import assert_type

from reactive_ws import Derived, Store, derived
from reactive_ws.resources import (
    Effect,
    Policy,
    Resource,
    ResourceState,
    derived_async,
    effect,
    resource,
)

number = Store(1)


async def load(value: int) -> str:
    return str(value)


async def load_all() -> bytes:
    return b""


async def join(left: int, right: str) -> bool:
    return str(left) == right


def plain(value: int) -> float:
    return value / 2


def resource_cases() -> None:
    assert_type(resource(number, load), Resource[str])
    assert_type(resource(number.select(), load), Resource[str])
    assert_type(resource(None, load_all), Resource[bytes])
    assert_type(resource(number, plain), Resource[float])
    assert_type(resource(number, load).get(), ResourceState[str])
    assert_type(resource(number, load).get().latest, str | None)
    assert_type(derived(resource(number, load), lambda it: it.latest), Derived[str | None])
    assert_type(derived_async(number, Store(""), join), Resource[bool])
    resource(Store(""), load)  # type: ignore[arg-type]  # pyright: ignore


def effect_cases() -> None:
    assert_type(effect(number, load, policy=Policy.QUEUED), Effect[int])
    assert_type(effect(number, lambda value: None), Effect[int])
    effect(number, str.upper)  # type: ignore[arg-type]  # pyright: ignore
