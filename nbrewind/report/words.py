"""Durations, sizes, numbers and times as a person reads them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbrewind.container.manifest import RunSummary
    from nbrewind.record.model import CellRun, Run


def seconds(value: float | None) -> str:
    """A duration in a column."""
    if value is None:
        return "?"
    if value < 0.0995:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def size(count: float) -> str:
    """A number of bytes as a person reads it.

    >>> size(532), size(1_340_000)
    ('532 bytes', '1.3 MB')
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    power = next((p for p in (1, 2) if count < 1000 ** (p + 1)), 3)
    number = count / 1000**power
    return f"{number:.{1 if number < 10 else 0}f} {('kB', 'MB', 'GB')[power - 1]}"


def place(run: Run | RunSummary) -> str:
    """Who ran it, and where."""
    return f"{run.user}@{run.host}".strip("@") + (f" ({run.site})" if run.site else "")


def printable(text: str) -> str:
    """Foreign text without what a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def several(number: int, noun: str) -> str:
    """A number of things.

    >>> several(1, "run"), several(2, "run")
    ('1 run', '2 runs')
    """
    return f"{number} {noun}" + "s" * (number != 1)


def when(moment: float) -> str:
    """A time in the user's zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def cell_name(cell: CellRun) -> str:
    """A cell as a person finds it in the notebook."""
    return f"cell {cell.cell_id or f'#{cell.seq}'}" if cell.index is None else f"cell {cell.index}"
