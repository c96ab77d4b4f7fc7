"""Seeds small mistakes into the store engine and the decisions about a connection, and counts how many the tests notice.

    python tests/mutation/mutate.py --mutants 40 --seed 1 store decisions

Each mutant (see `mutants`) runs in a copy of the package against the tests of its group, first the quick ones. The seed
chooses at most `--mutants` of each group. All groups take less than 15 minutes on two cores. The program prints the
survivors with their line. A timeout counts as noticed: the mutant hangs where the package does not. Mutants without a
visible effect do not run; `equivalent.toml` names each of them with the reason.

Neither mutmut nor cosmic-ray fits:

- mutmut 3.8 runs here, but it puts every function behind a trampoline. The trampoline changes frames, references and
  speed, which the tests of the engine check. mutmut also leaves out decorated functions and constants of modules, and
  it cannot sample by a seed. It numbers its mutants, so that a list of equivalent ones would not survive an edit.
- cosmic-ray 8.7 starts an interpreter and pytest for every mutant, which takes longer than most tests here.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

# Imported for the processes that are forked.
import hypothesis.stateful  # noqa: F401
import pytest
import reactivex.operators  # noqa: F401
import websockets.asyncio.server  # noqa: F401
from mutants import ROOT, Mutant, mutants, path_of

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
AT_LEAST = 0.8
NOTICED, SURVIVED, HANGS = "noticed", "survived", "hangs"
# Hypothesis was imported before pytest could rewrite it, on purpose.
OPTIONS = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]


class Group(NamedTuple):
    """Modules that are judged together, and the tests that are to notice; each step runs when the one before passed."""

    modules: tuple[str, ...]
    tests: tuple[tuple[str, ...], ...]


def engine(first: str, *modules: str) -> Group:
    """Returns a group of the store engine: its own tests first."""
    quick = (
        "unit/test_store", "unit/test_keyed", "unit/test_batch", "unit/test_derived", "unit/test_derived_errors",
        "unit/test_derived_lifetime", "unit/test_delivery", "unit/test_join", "unit/test_isolation", "unit/test_home",
        "unit/test_selection", "unit/test_commit_hooks", "unit/test_leftovers", "unit/test_equality",
        "unit/test_keyed_none", "unit/test_strict", "unit/test_commit", "unit/test_dump", "unit/test_engine_corners",
        "unit/test_entities_by_hand", "unit/test_entries", "unit/test_events", "unit/test_family", "unit/test_fork",
        "unit/test_list_changes", "unit/test_observers_outside_batches", "unit/test_options", "unit/test_surface",
        "unit/test_trigger", "unit/test_validate",
        "property/test_store_machine",
    )  # fmt: skip
    own_first = tuple(sorted(quick, key=lambda name: first not in name))
    return Group(
        modules,
        (
            own_first,
            (
                "unit/test_lifecycle",
                "unit/test_threads",
                "unit/test_interrupts",
                "unit/test_between_instructions",
            ),
        ),
    )


def transport(modules: tuple[str, ...], *tests: str) -> Group:
    """Returns a group of the connection: the tests of the room, and then those of the service that obeys it."""
    return Group(modules, (tests, ("unit/test_seed_bugs", "unit/test_service")))


GROUPS = {
    "store": engine("store", "state.store", "engine.cell"),
    "derived": engine("derived", "state.derived", "state.computed"),
    "keyed": engine(
        "keyed",
        "state.keyed.keyed_store",
        "state.keyed.key_source",
        "state.keyed.key_changes",
        "state.keyed.entities",
    ),
    "batch": engine("batch", "engine.batch"),
    "delivery": engine(
        "delivery",
        "engine.audience",
        "engine.source",
        "engine.graph",
        "engine.commit_queue",
        "engine.domain",
    ),
    "decisions": transport(
        ("connection.decisions",),
        "unit/test_decisions",
        "unit/test_close_policy",
        "unit/test_dialing",
        "unit/test_heartbeat",
        "unit/test_quiet_and_cut",
        "unit/test_redirects",
        "unit/test_refusals",
        "unit/test_resume",
        "unit/test_tokens",
        "unit/test_transitions",
    ),
    "outbox": transport(
        ("outbox.queue",),
        "unit/test_outbox",
        "unit/test_journal",
        "unit/test_pending",
        "unit/test_storage",
    ),
    "inbound": transport(
        ("inbound.order",),
        "unit/test_inbound",
        "unit/test_entries",
        "unit/test_receiver",
        "unit/test_resume",
        "property/test_positions",
    ),
    "backoff": transport(("connection.backoff",), "unit/test_backoff", "unit/test_decisions"),
}


class Run:
    """A process in which tests run against one changed module, in a directory of its own."""

    def __init__(
        self, root: Path, module: str, source: str, tests: tuple[tuple[str, ...], ...]
    ) -> None:
        self.root = root
        self._started = time.monotonic()
        self._path = root / path_of(module).relative_to(ROOT)
        self._original = self._path.read_bytes()
        self._write(source.encode())
        # Forked, because importing pytest and the libraries again takes longer than noticing most mutants.
        self._process = os.fork()
        if self._process == 0:
            run_tests(root, tests)

    def is_over(self, timeout: float) -> str | None:
        """Returns how it ended, or None while it runs."""
        process, status = os.waitpid(self._process, os.WNOHANG)
        if process:
            verdict = NOTICED if status else SURVIVED
        elif time.monotonic() - self._started > timeout:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            verdict = HANGS
        else:
            return None
        self._write(self._original)
        return verdict

    def _write(self, source: bytes) -> None:
        self._path.write_bytes(source)
        # Python tells old from new by the second and the size, which two mutants may share.
        for compiled in self._path.parent.glob(f"__pycache__/{self._path.stem}.*"):
            compiled.unlink()


def run_tests(root: Path, tests: tuple[tuple[str, ...], ...]) -> NoReturn:
    """Ends this process with 0 when all tests pass."""
    status = 1
    try:
        log = os.open(root / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(root)
        sys.path.insert(0, str(root))
        os.environ["REACTIVE_WS_PROFILE"] = "quick"
        for step in tests:
            if pytest.main([*OPTIONS, *(f"tests/{name}.py" for name in step)]) != 0:
                break
        else:
            status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def copies(place: Path, count: int) -> list[Path]:
    """Returns directories with a copy of the package and its tests in each."""
    ignored = shutil.ignore_patterns("__pycache__", "data", "results", "node_modules")
    for number in range(count):
        for part in ("reactive_ws", "tests", "benchmarks"):
            shutil.copytree(ROOT / part, place / str(number) / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", place / str(number))
    return [place / str(number) for number in range(count)]


def time_of_tests(root: Path, group: Group) -> float:
    """Returns the seconds that the tests of a group take where nothing is wrong.

    Raises:
        SystemExit: they fail there, or pass where everything is wrong, so that all that follows would say nothing.
    """
    module = group.modules[0]
    started = time.monotonic()
    seconds = 0.0
    for source, expected in (
        (path_of(module).read_text(), SURVIVED),
        ("raise RuntimeError", NOTICED),
    ):
        run = Run(root, module, source, group.tests)
        while (verdict := run.is_over(600.0)) is None:
            time.sleep(0.02)
        seconds = seconds or time.monotonic() - started
        if verdict != expected:
            log = (root / "log").read_text()
            raise SystemExit(f"with {module!r} whole or in ruins, a run {verdict}:\n{log}")
    return seconds


def run_all(jobs: int, work: list[tuple[Group, Mutant]]) -> Iterator[tuple[Mutant, str]]:
    """Yields each mutant with how it ended."""
    with tempfile.TemporaryDirectory(prefix="reactive-ws-mutants-") as place:
        free = copies(Path(place), jobs)
        timeouts: dict[Group, float] = {}
        for group in dict.fromkeys(group for group, _ in work):
            timeouts[group] = max(20.0, 5 * time_of_tests(free[0], group))
        # Made now, from the files that were copied: the run takes minutes, in which a developer may edit the originals.
        waiting = deque((group, mutant, mutant.source()) for group, mutant in work)
        running: list[tuple[Group, Mutant, Run]] = []
        while waiting or running:
            while waiting and free:
                group, mutant, source = waiting.popleft()
                run = Run(free.pop(), mutant.module, source, group.tests)
                running.append((group, mutant, run))
            time.sleep(0.02)
            for one in tuple(running):
                group, mutant, run = one
                if (verdict := run.is_over(timeouts[group])) is not None:
                    running.remove(one)
                    free.append(run.root)
                    yield mutant, verdict


def sample(names: list[str], count: int, seed: int) -> list[tuple[str, Mutant]]:
    """Returns up to `count` mutants of each group, those left out that change nothing.

    Raises:
        SystemExit: the list of those names one that does not exist.
    """
    reasons: dict[str, str] = tomllib.loads(EQUIVALENT.read_text())
    every = {
        name: [mutant for module in group.modules for mutant in mutants(module)]
        for name, group in GROUPS.items()
    }
    known = {mutant.name for found in every.values() for mutant in found}
    if stale := reasons.keys() - known:
        text = [f"{EQUIVALENT.name} names mutants that do not exist:", *stale]
        raise SystemExit("\n  ".join(text))
    chosen: list[tuple[str, Mutant]] = []
    for name in names:
        fit = [mutant for mutant in every[name] if mutant.name not in reasons]
        # A chance of its own for each group: the same mutants, whichever other groups are run.
        chance = random.Random(f"{seed} {name}")
        chosen += [(name, mutant) for mutant in chance.sample(fit, min(count, len(fit)))]
    return chosen


def main() -> int:
    """Runs the sample; returns 1 when too few mutants of a group were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=40, help="how many at most of each group")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--at-least", type=float, default=AT_LEAST, help="the part of each group")
    parser.add_argument("--list", action="store_true", help="print the names of all mutants")
    parser.add_argument("groups", nargs="*", metavar="group", help=" ".join(GROUPS))
    options = parser.parse_args()
    names: list[str] = options.groups or list(GROUPS)
    if unknown := set(names) - GROUPS.keys():
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    if options.list:
        for name in names:
            for module in GROUPS[name].modules:
                print("\n".join(sorted(mutant.name for mutant in mutants(module))))
        return 0
    started = time.monotonic()
    work = sample(names, options.mutants, options.seed)
    group_of = {mutant: name for name, mutant in work}
    results: dict[str, list[str]] = {name: [] for name in names}
    for mutant, verdict in run_all(options.jobs, [(GROUPS[name], one) for name, one in work]):
        results[group_of[mutant]].append(verdict)
        if verdict != NOTICED:
            place = path_of(mutant.module).relative_to(ROOT)
            print(f"{verdict}: {place}:{mutant.line} {mutant.name}", flush=True)
    print(
        f"\n{'group':9} {'mutants':>8} {'killed':>7} {'of those hang':>14} {'survived':>9} {'':>6}"
    )
    is_enough = True
    for name, verdicts in results.items():
        survived, hang = verdicts.count(SURVIVED), verdicts.count(HANGS)
        killed = len(verdicts) - survived
        is_enough &= killed >= options.at_least * len(verdicts)
        part = killed / len(verdicts)
        print(f"{name:9} {len(verdicts):8} {killed:7} {hang:14} {survived:9} {part:6.0%}")
    seconds = time.monotonic() - started
    print(
        f"{len(work)} mutants, seed {options.seed}, {seconds:.0f} s; {options.at_least:.0%} needed"
    )
    return 0 if is_enough else 1


if __name__ == "__main__":
    raise SystemExit(main())
