"""The results as the table of `docs/performance.md`.

python benchmarks/table.py [RESULTS.json]       prints it
python benchmarks/table.py --write              puts it between the two marks of docs/performance.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = [
    "BEGIN",
    "END",
    "LATEST",
    "PAGE",
    "main",
    "missed",
    "promises",
    "put_between",
    "renew",
    "table",
    "written",
]

LATEST = Path(__file__).resolve().parent / "results/latest.json"
PAGE = Path(__file__).resolve().parent.parent / "docs/performance.md"
BEGIN = "<!-- the results: written by `python benchmarks/table.py --write` -->"
PROMISES = (
    "What each Python library promises, tried out by `python benchmarks/promises.py`: after an observer wrote, every later "
    "observer has the new value last; an observer that raises stops neither the others nor the writer; two observers see the "
    "writes of two threads in one order; the published graphs give the results that their authors assert."
)
END = "<!-- the end of the results -->"
_NAMES_A_LINE = 9
"""Names and versions in one line of the head; the check of the language takes at most 25 words a sentence."""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _peer(name: str, row: dict[str, Any]) -> str:
    target = row["target"].get(name)
    text = f"{name} {_number(row['peers'][name])}: {row['ratio'][name]:.2f}x"
    return text if target is None else f"**{text}** (must be {target:.2f}x)"


_LIMITS: tuple[tuple[str, str, str], ...] = (
    ("store_write", "plain loop", "a loop that calls the observers"),
    ("batch_2", "two BehaviorSubjects", "two writes without a batch"),
    ("chain_2", "BehaviorSubject", "two calls without an order"),
    ("select", "", "calls of the selectors"),
    ("keyed_scaling", "", "caches of the processor"),
    ("keyed", "eventkit", "a dict and a call, without a snapshot"),
    ("fill_keys", "", "a copy of the keys for each new one"),
    ("view", "SortedKeyList by hand", "a bisection and an insert into a list"),
    ("derived_cellx_2500", "plain recomputation", "the functions called in order"),
    ("derived", "plain recomputation", "the functions called in order"),
    ("pipeline_picows", "picows", "frames as text, in a callback in C"),
    ("pipeline_market", "plain loop, dicts", "dicts that are changed in place"),
    ("pipeline", "receive", "frames as text, from `websockets`"),
    ("one_message", "json.loads", "parsing alone"),
    ("latency", "bare websockets", "a send and a recv"),
    ("turns", "bare websockets", "a send and a recv"),
    ("send_at_most", "json.dumps and ws.send", "a system call for each message"),
    ("send_cpu", "json.dumps and ws.send", "a system call for each message"),
    ("send_durable", "", "a write to the disk for each transaction"),
    ("send", "", "a round trip for a window of messages"),
    ("fan_out", "plain loop", "an append for each client"),
    ("reconnect", "", "the end of the outage"),
    ("storm", "ideal", "what the server lets in"),
    ("memory_idle_service", "bare connection", "the socket"),
    ("memory_message", "list of records", "the record in a list"),
    ("memory", "", "an object with its fields"),
    ("import_time", "the four", "the libraries that ours needs"),
    ("import_everything", "the four and websockets' client", "the libraries that ours needs"),
    ("gui_flood_cost", "observer that does nothing", "a write"),
    ("gui_flood", "", "one frame of the screen"),
    ("history", "list", "a list that is changed in place"),
    ("soak", "itself at the start", "no growth"),
)
"""By the beginning of a row's name: the peer that stands for the physical limit, if it is in the row, and what it is."""
_SHORT = {
    "an observer that writes": "order",
    "an observer that raises": "errors",
    "two threads": "threads",
    "the graphs": "right results",
}


def _limit(name: str, row: dict[str, Any]) -> str:
    found = next((it for it in _LIMITS if name.startswith(it[0])), None)
    if found is None:
        return ""
    _, peer, what = found
    if peer not in row["peers"]:
        return what
    ratio = row["ratio"][peer]
    return f"{what}: {1 / ratio:.3g} times as much" if ratio < 1 else f"{what}: not more"


def _lacks(name: str, row: dict[str, Any], found: dict[str, dict[str, str]]) -> str:
    """Returns what the peers of a row do not promise."""
    texts: list[str] = []
    for peer in row["peers"]:
        answers = found.get(peer)
        if peer == "ours" or answers is None:
            continue
        lacking = [
            short
            for what, short in _SHORT.items()
            if answers.get(what, "yes").startswith("no")
            and not answers[what].startswith("no graphs")
            and (short != "right results" or name.startswith("derived"))
        ]
        if lacking:
            texts.append(f"{peer}: {', '.join(lacking)}")
    return "; ".join(texts)


def table(results: dict[str, Any]) -> str:
    """Returns the table in Markdown."""
    found: dict[str, dict[str, str]] = results.get("promises", {})
    lines = [
        "| row | ours | peers: how many times better ours is | target | the limit, and ours beside it | what peers do not promise |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in results["metrics"].items():
        peers = "; ".join(_peer(peer, row) for peer in row["peers"])
        note = f" {row['note']}" if row["note"] else ""
        verdict = ("met" if row["met"] else "**missed**") if row["target"] else ""
        lines.append(
            f"| `{name}` | {_number(row['ours'])} {row['unit']} | {peers}{note} | {verdict} | {_limit(name, row)}"
            f" | {_lacks(name, row, found)} |"
        )
    return "\n".join(lines)


def promises(found: dict[str, dict[str, str]]) -> str:
    """Returns the table of what each library promises, in Markdown."""
    names = list(next(iter(found.values())))
    lines = [
        f"| library | {' | '.join(names)} |",
        f"|{' --- |' * (len(names) + 1)}",
    ]
    for who, answers in found.items():
        lines.append(f"| {who} | {' | '.join(answers[name] for name in names)} |")
    return "\n".join(lines)


def written(results: dict[str, Any]) -> str:
    """Returns what stands between the marks: the machine, the versions, the table."""
    machine = results["machine"]
    names = [f"`{name} {version}`" for name, version in results["versions"].items()]
    lines = (names[at : at + _NAMES_A_LINE] for at in range(0, len(names), _NAMES_A_LINE))
    versions = "  \n".join(f"{', '.join(line)}." for line in lines)
    return (
        f"{machine.get('interpreter', 'interpreter not noted')}; {machine['cpu']}, {machine['cores']} cores, {machine['system']}; load {machine['load']:.1f}.  \n"
        f"{versions}\n\n{table(results)}\n"
        + (f"\n{PROMISES}\n\n{promises(results['promises'])}\n" if "promises" in results else "")
    )


def missed(results: dict[str, Any]) -> list[str]:
    """Returns the rows that miss a target."""
    return [name for name, row in results["metrics"].items() if row["target"] and not row["met"]]


def put_between(page: Path, begin: str, end: str, text: str) -> str:
    """Puts a text between two marks of a page; returns the rest of the page.

    Raises:
        SystemExit: the page lacks one of the marks.
    """
    before, _, rest = page.read_text().partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{page} has not the two marks between which the results go")
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
    return before + after


def renew(results: Path = LATEST, page: Path = PAGE) -> None:
    """Writes the results into the page; says which missed rows the page does not explain yet."""
    found = json.loads(results.read_text())
    around = put_between(page, BEGIN, END, written(found))
    print(f"written into {page}")
    unexplained = [name for name in missed(found) if f"`{name}`" not in around]
    if unexplained:
        print(f"missed, and the page does not say why: {', '.join(unexplained)}")


def main() -> None:
    """Prints or writes the table."""
    if "--write" in sys.argv[1:]:
        renew()
        return
    path = Path(sys.argv[1]) if sys.argv[1:] else LATEST
    print(written(json.loads(path.read_text())), end="")


if __name__ == "__main__":
    main()
