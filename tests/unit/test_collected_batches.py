"""Garbage that opens a batch while the interpreter switches from one batch to another."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import gc
from contextvars import ContextVar

from reactive_ws import Domain, Store, batch
from reactive_ws.engine.commit_queue import outside_batches, reset_batch, set_batch
from reactive_ws.engine.batch import active_batch

# There is nothing to look at while the context has no variable.
ContextVar("other").set(1)
domain = Domain()
outer, inner = Store(0, domain=domain), Store(0, domain=domain)
seen = []
inner.select().subscribe(seen.append)


class Garbage:
    def __init__(self):
        self.me = self

    def __del__(self):
        assert active_batch() is None
        with batch(domain):
            inner.update(lambda now: now + 1)
            assert active_batch() is not None
            with outside_batches():
                assert active_batch() is None
        assert active_batch() is None


for threshold in (1, 2, 3):
    for number in range(1, 100):
        gc.set_threshold(0)
        gc.collect()
        Garbage()
        gc.set_threshold(threshold)
        token = set_batch(None)
        reset_batch(token)
        gc.set_threshold(0)
        with batch(domain):
            outer.set(number)
gc.collect()
assert inner.get() == seen[-1] == 3 * 99, (inner.get(), seen[-1])
assert outer.get() == 99
"""


def test_a_finalizer_opens_a_batch_where_another_one_begins() -> None:
    # With the debug allocator, a use of freed memory ends the process.
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", _PROGRAM],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
