"""The messages and the state of a to-do list, as tests of replicas use them."""

from __future__ import annotations

from operator import attrgetter

import attrs
import msgspec

from reactive_ws.wire import Guarantee, Registry, protocol_v1


class Add(msgspec.Struct, frozen=True):
    id: str
    title: str


class Added(msgspec.Struct, frozen=True):
    title: str


@attrs.frozen
class Todos:
    titles: tuple[str, ...] = ()


def types() -> Registry:
    registry = protocol_v1()
    registry.message("add", guarantee=Guarantee.AT_LEAST_ONCE, identity=attrgetter("id"))(Add)
    registry.message("added")(Added)
    return registry
