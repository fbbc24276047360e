"""Which secrets a run kept out of its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nbrewind.record.model import CellRun
from nbrewind.report.words import cell_name


def as_json(cells: Sequence[CellRun]) -> list[dict[str, Any]]:
    """One object for each cell that met any."""
    return [
        {"index": cell.index, "id": cell.cell_id, "secrets": list(cell.redacted)}
        for cell in cells
        if cell.redacted
    ]


def as_lines(cells: Sequence[CellRun]) -> Iterator[str]:
    """One line for each secret, by cell."""
    met = [cell for cell in cells if cell.redacted]
    for cell in met:
        for secret in cell.redacted:
            yield f"{cell_name(cell)} ({cell.cell_id}): {secret}"
    if not met:
        yield "no secrets were met"
