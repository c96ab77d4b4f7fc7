"""Random edits of a list of rows, as frames of a live list show them: one to three edits at a time, from one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

Row = tuple[int, str]


def key(row: Row) -> int:
    return row[0]


def random_edits(start: list[Row], kept: set[int], frames: int, seed: int) -> Iterator[list[Row]]:
    """Yields lists; rows whose keys are in `kept` move and change but never go."""
    rng = random.Random(seed)
    rows, fresh = list(start), 1_000_000
    for _ in range(frames):
        for _ in range(rng.randint(1, 3)):
            what = rng.choice(
                ["insert", "remove", "update", "move"] if len(rows) > 20 else ["insert"]
            )
            index = rng.randrange(len(rows))
            if what == "insert":
                fresh += 1
                rows.insert(rng.randint(0, len(rows)), (fresh, f"new {fresh}"))
            elif what == "update":
                rows[index] = (rows[index][0], f"changed {rng.random():.3f}")
            elif what == "move":
                row = rows.pop(index)
                rows.insert(rng.randint(0, len(rows)), row)
            elif rows[index][0] not in kept:
                del rows[index]
        yield list(rows)
