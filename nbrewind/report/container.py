"""What is in a container, in words."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from nbrewind.container.pack import Prepared
from nbrewind.report.words import size


def preview(prepared: Prepared, place: Path) -> Table:
    """What a container will hold, before it is written."""
    table = Table(
        box=None, pad_edge=False, title=f"{place.name}: {size(prepared.size)}", title_justify="left"
    )
    table.add_column("")
    table.add_column("files", justify="right")
    table.add_column("size", justify="right")
    for kind, (number, count) in sorted(prepared.sizes.items(), key=lambda one: -one[1][1]):
        table.add_row(kind, str(number), size(count))
    if prepared.references:
        left = sum(each.size or 0 for each in prepared.references)
        table.add_row("not carried", str(len(prepared.references)), size(left))
    return table
