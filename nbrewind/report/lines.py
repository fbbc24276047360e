"""Single lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text

from nbrewind.report.words import seconds

_COLOURS = {
    "restored": "green",
    "executed": "yellow",
    "rebuilt": "cyan",
    "failed": "red",
    "skipped": "dim",
    "may run": "yellow dim",
}


def action(name: str) -> Text:
    """An action in its colour."""
    return Text(name, style=_COLOURS.get(name, ""))


def summary(cells: Iterable[Mapping[str, Any]], tasks: Mapping[str, Any], took: float) -> str:
    """A run in one line."""
    counts: dict[str, int] = {}
    for cell in cells:
        counts[cell["action"]] = counts.get(cell["action"], 0) + 1
    parts = [f"{number} {name}" for name, number in counts.items()]
    text = f"{', '.join(parts)} in {seconds(took)}"
    if tasks["reused"] or tasks["submitted"]:
        text += f"; tasks: {tasks['reused']} reused, {tasks['submitted']} submitted"
        text += f", {tasks['failed']} failed" if tasks["failed"] else ""
    return text
