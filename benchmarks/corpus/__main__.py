"""Run the corpus, or the part of it whose names hold a word, and say what was wrong and what it cost."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import click
from attrs import asdict

from benchmarks.corpus.check import Result, check
from benchmarks.corpus.edits import KINDS
from benchmarks.corpus.sources import entries
from benchmarks.measure import Figure, console, show


@click.command()
@click.argument("words", nargs=-1)
@click.option("--edits", default=",".join(KINDS), help="Kinds of edits, with commas; empty for none.")
@click.option("--limit", default=120.0, help="Seconds that a cell may take.")
@click.option(
    "--rows", type=click.Path(path_type=Path), help="Append each notebook's result as a line of JSON."
)
def main(words: tuple[str, ...], edits: str, limit: float, rows: Path | None) -> None:
    """Put real notebooks to the test; exit status 1 if any cell showed what a clean run does not show."""
    kinds = [kind for kind in edits.split(",") if kind]
    results: list[Result] = []
    failures: list[str] = []
    for entry in entries(words):
        try:
            results.append(check(entry, kinds, limit))
        except (TimeoutError, RuntimeError) as error:
            failures.append(
                f"{entry.name}: a cell took longer than {limit:.0f} s, or its kernel died ({error})"
            )
            console.print(failures[-1])
            continue
        _tell(results[-1])
        if rows is not None:
            with rows.open("a") as file:
                file.write(json.dumps(asdict(results[-1])) + "\n")
    if results:
        show(_figures(results), None)
    sys.exit(1 if failures or any(result.mistakes() for result in results) else 0)


def _tell(result: Result) -> None:
    console.print(
        f"{result.notebook}: {result.cells} cells, audit {result.audit / result.stock:.2f} of {result.stock:.1f} s; "
        + ", ".join(f"{trial.kind}: {trial.executed} ran" for trial in result.trials)
    )
    for name, wrong in [("audit", result.wrong), *((trial.kind, trial.wrong) for trial in result.trials)]:
        for one in wrong:
            console.print(f"  WRONG after {name}: cell {one.cell}, {one.action}", markup=False)
            console.print(f"    clean: {one.expected}\n    ours:  {one.shown}", markup=False)


def _figures(results: list[Result]) -> list[Figure]:
    stock, audit = (sum(getattr(one, name) for one in results) for name in ("stock", "audit"))
    each = statistics.median(one.audit / one.stock for one in results)
    wrong = sum(one.mistakes() for one in results)
    count = len(results)
    figures = [
        Figure(f"audit of {count} notebooks, total", audit, stock, "ipykernel", "≤ 1.05", audit / stock),
        Figure("the same, median of their ratios", audit, stock, "ipykernel", "", each),
        Figure("cells that showed what no clean run shows", wrong, None, "", "0", wrong, ""),
    ]
    trials = [trial for one in results for trial in one.trials]
    for kind in dict.fromkeys(trial.kind.split()[0] for trial in trials):
        chosen = [trial for trial in trials if trial.kind.split()[0] == kind]
        ours, clean = sum(trial.ours for trial in chosen), sum(trial.stock for trial in chosen)
        executed, cells = sum(trial.executed for trial in chosen), sum(trial.cells for trial in chosen)
        name = f"repeat, {kind}: {executed} of {cells} cells executed"
        figures.append(Figure(name, ours, clean, "ipykernel", "", ours / clean))
    return figures


if __name__ == "__main__":
    main()
