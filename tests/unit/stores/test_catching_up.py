"""Requests for snapshots after a gap, and how often the application repeats them."""

from __future__ import annotations

from app_world import connected, envelopes

from reactive_ws.stores.wire.chat import MessageDelta
from reactive_ws.testing import Drop, World, simulate


@simulate
async def test_a_snapshot_that_never_came_is_asked_for_again_but_not_with_every_piece() -> None:
    async with World() as world:
        server, _ = await connected(world)
        before = len(envelopes(server, "sync"))
        server.misbehave(Drop(1, "snapshot"))
        asked: list[int] = []
        for offset in range(5, 10):
            server.publish(MessageDelta("s", "a", offset, "x"), "s")
            await world.advance(4)
            asked.append(len(envelopes(server, "sync")) - before)
        assert asked == [1, 1, 1, 2, 3]
        assert [one.payload.streams for one in envelopes(server, "sync")[before:]] == [("s",)] * 3
