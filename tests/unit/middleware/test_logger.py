"""Log lines of changes."""

from __future__ import annotations

import logging

import pytest

from reactive_ws.engine.batch import batch
from reactive_ws.engine.domain import Domain, ErrorReport
from reactive_ws.middleware import logger
from reactive_ws.state.keyed.keyed_store import KeyedStore
from reactive_ws.state.store import Store


@pytest.fixture(autouse=True)
def _debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "reactive_ws.stores")


def test_a_store_is_logged_without_its_values(caplog: pytest.LogCaptureFixture) -> None:
    domain = Domain(strict=True)
    store = Store("secret", name="token", domain=domain)
    other = Store(0, name="other", domain=domain)
    logger(store)
    with batch(domain):
        store.set("hunter2")
        other.set(1)
    other.set(2)
    store.close()
    assert caplog.messages == ["commit 1: 'token' changed, depth 0", "commit 3: 'token' closed"]
    assert caplog.records[0].levelno == logging.DEBUG


def test_a_domain_is_logged_with_the_depth_of_each_write(caplog: pytest.LogCaptureFixture) -> None:
    domain = Domain(strict=True)
    store, echo = Store(0, name="store", domain=domain), Store(0, name="echo", domain=domain)
    store.select().subscribe(echo.set)
    logger(domain, level=logging.INFO)
    store.set(1)
    assert caplog.messages == [
        "commit 1: 'store' changed, depth 0",
        "commit 2: 'echo' changed, depth 1",
    ]


def test_show_makes_the_text_of_values(caplog: pytest.LogCaptureFixture) -> None:
    keyed: KeyedStore[str, int] = KeyedStore({"a": 1}, name="keyed", domain=Domain(strict=True))
    logger(keyed, show=lambda entities: f"{len(entities)} entities")
    keyed.upsert("b", 2)
    assert caplog.messages == ["commit 1: 'keyed' changed, depth 0: 1 entities -> 2 entities"]


def test_show_is_not_called_when_the_level_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "reactive_ws.stores")
    store = Store(0, domain=Domain(strict=True))
    shown: list[int] = []
    logger(store, show=lambda value: str(shown.append(value)))
    store.set(1)
    assert (shown, caplog.messages) == ([], [])


def test_a_failing_show_is_reported_and_the_write_goes_on() -> None:
    reports: list[ErrorReport] = []
    store = Store(0, domain=Domain(on_error=reports.append))
    logger(store, show=lambda value: str(1 // (value - 1)))
    seen: list[int] = []
    store.select().subscribe(seen.append)
    store.set(1)
    assert (seen, [report.kind for report in reports]) == ([0, 1], ["hook"])


def test_dispose_ends_the_log(caplog: pytest.LogCaptureFixture) -> None:
    store = Store(0, domain=Domain(strict=True))
    with logger(store):
        pass
    store.set(1)
    assert caplog.messages == []
