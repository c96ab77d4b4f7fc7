"""The memory of what is made once for each service and each client of a server, while nothing happens."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from benchmarks.fan_out import Crowd
from reactive_ws import Domain, Store, WebSocketService
from reactive_ws.outbox import Outbox
from reactive_ws.transport.websockets import Connection

SERVICE = 26_500
"""Bytes; 24 000 are measured."""
CLIENT = 14_000
"""Bytes, those of the tasks of the benchmark included; 11 600 are measured."""


def bytes_each(count: int, make: Callable[[], object]) -> float:
    """Returns the bytes of one of `count` objects, after one that also pays for what is made once."""
    first = make()
    gc.collect()
    is_on = tracemalloc.is_tracing()
    if not is_on:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [make() for _ in range(count)]
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    if not is_on:
        tracemalloc.stop()
    del kept, first
    return (after - before) / count


def test_objects_with_more_than_thirty_attributes_have_no_dict() -> None:
    """Python shares the keys of the attributes of up to thirty; a dict of more takes 1.5 kB for each object."""
    service = WebSocketService("ws://127.0.0.1:1/", domain=Domain())
    for one in (Domain(), Outbox(), service._receiver):
        with pytest.raises(AttributeError):
            _ = one.__dict__
    # Those of `websockets` are in a dict, and ours are not.
    assert {"arrived", "_splitter", "_heard"} <= set(Connection.__slots__)


def test_stores_of_a_domain_share_the_function_that_forgets_them() -> None:
    domain = Domain()
    stores = [Store(0, domain=domain) for _ in range(3)]
    assert len({id(reference.__callback__) for reference in domain._stores}) == 1
    stores.pop()
    gc.collect()
    assert sorted(map(id, domain.stores())) == sorted(map(id, stores))


def test_an_idle_service_without_a_connection_stays_small() -> None:
    made = bytes_each(30, lambda: WebSocketService("ws://127.0.0.1:1/", domain=Domain()))
    assert made < SERVICE


def test_an_idle_client_of_a_server_stays_small() -> None:
    crowds: list[Crowd] = []

    def make() -> object:
        crowds.append(Crowd(50))
        return crowds[-1]

    try:
        assert bytes_each(2, make) / 50 < CLIENT
    finally:
        for crowd in crowds:
            crowd.close()
