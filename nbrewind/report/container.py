"""What is in a container, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict
from rich.table import Table

from nbrewind.container.manifest import Manifest, Reference, RunSummary
from nbrewind.report.words import place, printable, several, size, when

if TYPE_CHECKING:
    from nbrewind.container.pack import Prepared


def preview(prepared: Prepared, target: Path) -> Table:
    """What a container will hold, before it is written."""
    table = Table(
        box=None, pad_edge=False, title=f"{target.name}: {size(prepared.size)}", title_justify="left"
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


def contents(manifest: Manifest) -> Iterator[Table | str]:
    """What a manifest says, for people."""
    yield f"{manifest.notebook}: {several(len(manifest.members), 'file')}, {size(manifest.size)}"
    yield f"format {manifest.format}, written by nbrewind {printable(manifest.nbrewind)}"
    yield manifest.digest
    if manifest.base is not None:
        yield f"only what came after the run {printable(manifest.base.run)}"
    yield _runs(manifest.runs)
    for reference in manifest.references:
        yield _not_carried(reference)


def _runs(runs: Iterable[RunSummary]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("run", "kind", "begun", "where", "status", "cells", "tasks"):
        table.add_column(title, overflow="fold")
    for run in runs:
        cells = ", ".join(f"{number} {action}" for action, number in run.cells.items())
        tasks = ", ".join(f"{number} {what}" for what, number in run.tasks.items() if number)
        row = (run.id, run.kind, when(run.started), place(run), run.status, cells, tasks)
        table.add_row(*map(printable, row))
    return table


def _not_carried(reference: Reference) -> str:
    large = "" if reference.size is None else f", {size(reference.size)}"
    source = f"; from {printable(reference.url)}" if reference.url else ""
    return f"not in it: {printable(reference.path)} ({printable(reference.why)}{large}){source}"


def contents_json(manifest: Manifest) -> dict[str, Any]:
    """What a manifest says, for programs."""
    plain = asdict(manifest)
    return {
        "schema": 1,
        "digest": manifest.digest,
        "size": manifest.size,
        **{name: plain[name] for name in ("format", "nbrewind", "notebook", "record", "runs", "references")},
        "since": manifest.base.run if manifest.base else None,
        "members": plain["members"],
    }
