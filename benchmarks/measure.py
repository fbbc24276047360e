"""Timing, medians and tables."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from attrs import asdict, frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)


@frozen
class Figure:
    """One measurement: medians in `unit`, and the ratio or difference that is bounded."""

    name: str
    ours: float
    baseline: float | None
    baseline_name: str
    bound: str
    value: float
    unit: str = "s"


def timed(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def paired(
    ours: Callable[[], float], baseline: Callable[[], float], pairs: int
) -> tuple[float, float, float]:
    """Measure in turn, so that a drift of the machine hits both; medians, and the median of the pairs' ratios."""
    mine, theirs = [], []
    for _ in range(pairs):
        theirs.append(baseline())
        mine.append(ours())
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    return statistics.median(mine), statistics.median(theirs), statistics.median(ratios)


def show(figures: list[Figure], target: Path | None) -> None:
    """Print a table; write JSON where asked."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("measure", "ours", "baseline", "", "result", "bound"):
        table.add_column(title, justify="right" if title in ("ours", "baseline", "result") else "left")
    for one in figures:
        baseline = "" if one.baseline is None else f"{one.baseline:.3f} {one.unit}"
        table.add_row(
            one.name, f"{one.ours:.3f} {one.unit}", baseline, one.baseline_name, f"{one.value:.3f}", one.bound
        )
    console.print(table)
    if target is not None:
        target.write_text(json.dumps([asdict(one) for one in figures], indent=1) + "\n")
