"""A result that comes later: for plain threads, for any loop, once."""

from __future__ import annotations

import asyncio

import pytest

from reactive_ws.outbox.pending import Pending


def test_a_plain_thread_waits_for_the_value_and_not_for_ever() -> None:
    pending: Pending[int] = Pending()
    assert repr(pending) == "<Pending waiting>"
    with pytest.raises(TimeoutError):
        pending.result(0)
    pending.settle(1)
    assert (pending.result(), repr(pending)) == (1, "<Pending done>")


def test_only_the_first_settlement_counts() -> None:
    pending: Pending[int] = Pending()
    pending.settle(1)
    pending.settle(2)
    pending.fail(LookupError())
    assert pending.result(0) == 1
    failed: Pending[int] = Pending()
    failed.fail(LookupError())
    failed.settle(1)
    with pytest.raises(LookupError):
        failed.result(0)


def test_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        pending: Pending[int] = Pending()

        async def wait() -> int:
            return await pending

        waiters = [asyncio.create_task(wait()) for _ in range(2)]
        await asyncio.sleep(0)
        waiters[0].cancel()
        await asyncio.wait([waiters[0]])
        pending.settle(7)
        assert await waiters[1] == 7
        assert waiters[0].cancelled()

    asyncio.run(main())


def test_what_is_to_happen_then_happens_once_and_at_once_when_it_is_settled() -> None:
    pending: Pending[None] = Pending()
    seen: list[str] = []
    pending.then(lambda: seen.append("first"))
    assert seen == []
    pending.settle(None)
    pending.then(lambda: seen.append("second"))
    assert seen == ["first", "second"]
