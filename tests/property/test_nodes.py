"""Real services against several nodes over one log that fails: what the server half promises holds, and planted bugs are found."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from nodes_world import Cluster, FaultyLog, FaultyTransaction

from reactive_ws.server import Batch, Outcome
from reactive_ws.server.commands import Commands
from reactive_ws.server.node import Node
from reactive_ws.server.session import ServerSession
from reactive_ws.server.states import States
from reactive_ws.testing import Livelock, World

STEPS = 60
RUNS = 60 if os.environ.get("REACTIVE_WS_PROFILE") == "deep" else 4


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def run(seed: int, make_log: Any = FaultyLog) -> None:
    async def body(world: World) -> None:
        cluster = Cluster(world, random.Random(seed), make_log)
        try:
            await cluster.run(STEPS)
        finally:
            await cluster.stop()

    with World(seed) as world:
        world.run(body(world))


@pytest.mark.parametrize("seed", range(RUNS))
def test_what_is_promised_holds_over_a_log_that_fails(seed: int) -> None:
    run(seed)


# --- planted bugs -----------------------------------------------------------------------------------------------------


class ForgetsKeys(FaultyLog):
    """Does not know what was done before."""

    def begin(self, key: Any) -> Any:
        return super().begin(None)


class ForgetsKeysOfFailures(FaultyLog):
    """Takes a commit whose answer was lost for one that did not happen."""

    def begin(self, key: Any) -> Any:
        begun = super().begin(key)

        class Forgetful:
            async def __aenter__(self) -> FaultyTransaction:
                transaction = await begun.__aenter__()
                transaction.known = None
                transaction._inner._key = None
                return transaction

            async def __aexit__(self, *error: object) -> Any:
                return await begun.__aexit__(*error)

        return Forgetful()


def forgets_what_was_read(patch: pytest.MonkeyPatch) -> None:
    make = Commands._batch

    async def batch(self: Commands, *arguments: Any) -> Batch:
        made = await make(self, *arguments)
        return attrs.evolve(made, expected={}, checkpoints={})

    patch.setattr(Commands, "_batch", batch)


def acknowledges_before_the_log_does(patch: pytest.MonkeyPatch) -> None:
    commit = FaultyTransaction.commit

    async def early(self: FaultyTransaction, batch: Batch) -> Outcome:
        try:
            return await commit(self, batch)
        except Exception:
            return Outcome(True)

    patch.setattr(FaultyTransaction, "commit", early)


def keeps_old_pages(patch: pytest.MonkeyPatch) -> None:
    hear = Node._hear

    def keep(self: Node, changed: Any) -> None:
        before = (self._everything, dict(self._generations))
        hear(self, changed)
        self._everything, self._generations = before[0], before[1]

    patch.setattr(Node, "_hear", keep)


def counts_an_own_entry_twice(patch: pytest.MonkeyPatch) -> None:
    async def catch_up(self: States, stream: str, loaded: Any) -> bool:
        while True:
            page = await self._log.read(stream, loaded.position)
            if page.entries is None:
                return False
            for entry in page.entries:
                loaded.add(entry, self._decode(entry))
            if not page.more:
                return True

    patch.setattr(States, "_catch_up", catch_up)


def keeps_a_state_over_a_restored_backup(patch: pytest.MonkeyPatch) -> None:
    catch_up = States._catch_up

    async def keep(self: States, stream: str, loaded: Any) -> bool:
        await catch_up(self, stream, loaded)
        return True

    patch.setattr(States, "_catch_up", keep)


def keeps_the_epoch_over_a_restored_backup(patch: pytest.MonkeyPatch) -> None:
    restore = Cluster.restore

    def keep(self: Cluster) -> None:
        epoch = self.shared._memory.epoch
        restore(self)
        self.shared._memory.epoch = epoch

    patch.setattr(Cluster, "restore", keep)


def goes_on_behind_a_gap_without_a_word(patch: pytest.MonkeyPatch) -> None:
    def lose(self: ServerSession, stream: str, head: Any) -> None:
        self._following.move(stream, head)

    patch.setattr(ServerSession, "_lose", lose)


@pytest.mark.parametrize("bug", [ForgetsKeys, ForgetsKeysOfFailures])
def test_a_planted_bug_of_a_log_is_found(bug: type[FaultyLog]) -> None:
    find(bug)


@pytest.mark.parametrize(
    "plant",
    [forgets_what_was_read, acknowledges_before_the_log_does, keeps_old_pages],
)
def test_a_planted_bug_of_a_node_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    find(FaultyLog)


@pytest.mark.deep
@pytest.mark.parametrize(
    "plant",
    [
        counts_an_own_entry_twice,
        keeps_a_state_over_a_restored_backup,
        keeps_the_epoch_over_a_restored_backup,
        goes_on_behind_a_gap_without_a_word,
    ],
)
def test_a_planted_bug_that_needs_more_runs_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    find(FaultyLog)


def find(make_log: Any) -> None:
    """Runs seeds until one finds the bug."""
    for seed in range(60):
        try:
            run(seed, make_log)
        except (AssertionError, ExceptionGroup, TimeoutError, Livelock):
            return
    pytest.fail("the bug was not found in 60 runs")
