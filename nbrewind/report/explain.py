"""One cell or task in full: what it read, what it left, and why it ran."""

from __future__ import annotations

from typing import Any

from attrs import asdict
from rich.console import Group, RenderableType
from rich.table import Table

from nbrewind.errors import UsageError
from nbrewind.plan.decide import short
from nbrewind.plan.sentences import sentences
from nbrewind.record.model import CellRun, TaskRun
from nbrewind.record.store import Record
from nbrewind.report.text import seconds, when


def explanation(record: Record, name: str) -> tuple[dict[str, Any], RenderableType]:
    """Find a cell (identifier or index) or task (beginning of its key), newest first.

    Returns
    -------
    tuple
        The JSON form and the form for a terminal.

    Raises
    ------
    UsageError
        Nothing in the record is called that.
    """
    cell = _find_cell(record, name)
    if cell is not None:
        return {"schema": 1, "cell": asdict(cell)}, _cell(cell)
    tasks = [
        task for task in record.tasks() if task.key.partition(":")[2].startswith(name) or task.key == name
    ]
    if tasks:
        return {"schema": 1, "task": asdict(tasks[-1])}, _task(tasks[-1])
    raise UsageError(f"{record.folder} has no cell or task {name!r}; `nbrewind show` lists them")


def _find_cell(record: Record, name: str) -> CellRun | None:
    for run in reversed(record.runs()):
        for cell in reversed(record.cells(run.id)):
            if cell.cell_id == name or (cell.index is not None and str(cell.index) == name):
                return cell
    return None


def _cell(cell: CellRun) -> RenderableType:
    why = (
        f"restored from {cell.origin}"
        if cell.action == "restored"
        else f"{cell.action}: {sentences(cell.because, 20)}"
    )
    number = "?" if cell.index is None else cell.index
    head = f"cell {number} ({cell.cell_id}) in run {cell.run}, {when(cell.started)}\n{why}"
    read = Table("read", "kind", "value", "digest", box=None, pad_edge=False)
    for seen in cell.evidence:
        if seen.kind == "variable" and seen.digest is None:
            continue
        read.add_row(seen.name, seen.kind, cell.previews.get(seen.name, ""), short(seen.digest))
    left = Table("left", "kind", "value", "digest", box=None, pad_edge=False)
    for covariable in cell.covariables:
        for name in covariable.names:
            note = "rebuilt when needed" if covariable.opaque else cell.previews.get(f"={name}", "")
            left.add_row(name, "variable", note, short(covariable.digests[name]))
    for written in cell.files:
        left.add_row(written.path, "file", "", short(written.digest))
    for state in cell.ambient:
        left.add_row(state.name, "ambient", "", short(state.digest))
    parts: list[RenderableType] = [head, f"took {seconds(cell.seconds)}", "", read, "", left]
    if cell.open:
        parts.insert(2, f"never restored: {cell.open}")
    return Group(*parts)


def _task(task: TaskRun) -> RenderableType:
    head = f"task {task.name} ({task.key}) in run {task.run}, cell {task.cell_id}\n{task.status}"
    if task.result:
        head += f": {task.result}, exit code {task.exit_code}"
    table = Table("ingredient of its key", "value", box=None, pad_edge=False)
    for name, value in task.ingredients.items():
        table.add_row(name, value)
    where = f"ran {seconds(task.seconds)} on {task.host or '?'}, {when(task.finished)}"
    return Group(head, where, "", table)
