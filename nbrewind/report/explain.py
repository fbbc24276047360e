"""One cell or task in full: why it ran, what it read and left, what changed since it ran before, what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from attrs import asdict
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nbrewind.errors import UsageError
from nbrewind.plan.decide import short
from nbrewind.plan.differences import CellDifference, compare_cell
from nbrewind.plan.sentences import sentences
from nbrewind.plan.task_differences import ingredient_changes, ingredient_name, ingredient_value, nearest
from nbrewind.record.model import CellRun, Foresight, TaskRun
from nbrewind.record.store import Record
from nbrewind.report.diff import changed_code, reason_lines, variable_makers
from nbrewind.report.found import content_of, earlier_run_of, find_cell, origin_of, tasks_behind
from nbrewind.report.words import cell_name, seconds, several, when
from nbrewind.schedule.access import recorded_access


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
    cell = find_cell(record, name)
    if cell is not None:
        return _explain_cell(record, cell)
    found = None
    for task in record.tasks():
        if task.key and (task.key.partition(":")[2].startswith(name) or task.key == name):
            found = task
    if found is not None:
        return _explain_task(record, found)
    raise UsageError(f"{record.folder} has no cell or task {name!r}; `nbrewind show` lists them")


# -- cells


def _explain_cell(record: Record, cell: CellRun) -> tuple[dict[str, Any], RenderableType]:
    origin = origin_of(record, cell)
    before = earlier_run_of(record, origin)
    since = None if before is None else compare_cell(before, origin, partial(content_of, record))
    worked = sum(task.seconds for task in tasks_behind(record, cell.run) if task.cell_id == cell.cell_id)
    body: dict[str, Any] = {"schema": 1, "cell": asdict(cell), "task_seconds": round(worked, 3)}
    if since is not None and before is not None:
        body["since"] = {
            "run": before.run,
            "code": list(since.code),
            "read": [asdict(reason) for reason in since.read],
            "left": [asdict(reason) for reason in since.left],
            "outputs": list(since.shown),
        }
    return body, Group(*_cell_parts(cell, origin, since, worked))


def _cell_parts(
    cell: CellRun, origin: CellRun, since: CellDifference | None, worked: float
) -> Iterator[RenderableType]:
    identifier = f" ({cell.cell_id})" if cell.cell_id and cell.index is not None else ""
    yield f"{cell_name(cell)}{identifier} in run {cell.run}, {when(cell.started)}"
    if cell.action == "restored":
        yield f"restored from run {origin.run}, where it was {origin.action}"
    else:
        yield f"{cell.action}: {sentences(cell.because, 20)}"
    yield _cost(cell, worked)
    if cell.open:
        yield f"never restored: {cell.open}"
    if cell.foresight is not None:
        yield ""
        yield from _foreseen(cell, cell.foresight)
    if since is not None and since.old is not None:
        yield ""
        yield from _since(since, since.old)
    yield ""
    yield _read(cell)
    yield ""
    yield _left(cell)


def _foreseen(cell: CellRun, foresight: Foresight) -> Iterator[str]:
    """How it ran beside others, and what it was expected to read and write against what it did."""
    why = f": {foresight.why}" if foresight.why else ""
    if foresight.ran == "lane":
        yield "ran beside other cells"
    elif foresight.ran == "again":
        yield f"ran again in order, after {seconds(foresight.wasted)} beside other cells{why}"
    else:
        yield f"ran in order{why}"
    source = "its last run" if foresight.level == "recorded" else "its code"
    seen = recorded_access(cell)
    for verb, expected, found in (
        ("read", foresight.reads, seen.reads),
        ("write", foresight.writes, seen.writes),
    ):
        missed = sorted({" ".join(place) for place in found} - set(expected))
        if missed:
            yield f"  that it would {verb} {', '.join(missed[:8])} was not to be told from {source}"


def _cost(cell: CellRun, worked: float) -> str:
    text = f"took {seconds(cell.seconds)}"
    total = cell.tasks.reused + cell.tasks.submitted
    if total:
        text += (
            f"; {several(total, 'task')}, {cell.tasks.reused} of them reused, of {seconds(worked)} on workers"
        )
    return text


def _since(since: CellDifference, before: CellRun) -> Iterator[Text]:
    """What is not as it was one run before."""
    if since.kind == "same":
        yield Text(f"since run {before.run} nothing changed: code, what it read, what it left")
        return
    yield Text(f"since run {before.run}, where it took {seconds(before.seconds)}:")
    yield from changed_code(since.code, "code")
    yield from reason_lines(since.read, "read")
    yield from reason_lines(since.left, "left")
    yield from changed_code(since.shown, "shown")


def _read(cell: CellRun) -> Table:
    table = Table("read", "kind", "value", "digest", box=None, pad_edge=False)
    for seen in cell.evidence:
        if seen.kind == "variable" and seen.digest is None:
            continue
        table.add_row(seen.name, seen.kind, cell.previews.get(seen.name, ""), short(seen.digest))
    return table


def _left(cell: CellRun) -> Table:
    table = Table("left", "kind", "value", "digest", box=None, pad_edge=False)
    for covariable in cell.covariables:
        for name in covariable.names:
            value = cell.previews.get(f"={name}", "")
            note = f"{value} (rebuilt when needed)".strip() if covariable.opaque else value
            table.add_row(name, "variable", note, short(covariable.digests[name]))
    for name in cell.deleted:
        table.add_row(name, "variable", "deleted", "")
    for written in cell.files:
        table.add_row(written.path, "file", "", short(written.digest))
    for state in cell.ambient:
        table.add_row(state.name, "ambient", "", short(state.digest))
    return table


# -- tasks


def _explain_task(record: Record, task: TaskRun) -> tuple[dict[str, Any], RenderableType]:
    others = [one for one in record.tasks() if one.cell_id == task.cell_id and one.run < task.run]
    near = nearest(task, others) or nearest(task, (one for one in others if one.name == task.name))
    changes = [] if near is None else list(ingredient_changes(near, task))
    makers = variable_makers(record.cells(task.run))
    body: dict[str, Any] = {"schema": 1, "task": asdict(task)}
    if near is not None:
        body["since"] = {
            "task": near.key,
            "run": near.run,
            "ingredients": [{"name": name, "before": a, "after": b} for name, a, b in changes],
        }
    parts: list[RenderableType] = list(_task_head(task))
    if near is not None:
        parts += ["", f"the nearest of earlier runs is task {_short_key(near)} in run {near.run}:"]
        for name, before, after in changes:
            words = ingredient_name(
                name, task if name in task.ingredients else near, lambda n: makers.get(n, "")
            )
            parts.append(f"  {words}: {before} → {after}")
    table = Table("ingredient of its key", "value", box=None, pad_edge=False)
    for name in task.ingredients:
        table.add_row(name, ingredient_value(task, name))
    return body, Group(*parts, "", table)


def _task_head(task: TaskRun) -> Iterator[str]:
    yield f"task {task.name} ({task.key}) in run {task.run}, cell {task.cell_id}"
    result = f": {task.result}, exit code {task.exit_code}" if task.result else ""
    yield f"{task.status}{result}"
    attempts = f", attempt {task.attempts}" if task.attempts > 1 else ""
    yield f"ran {seconds(task.seconds)} on {task.host or '?'}{attempts}, {when(task.finished)}"
    for seen in task.inputs:
        yield f"saw {seen.kind} {seen.name} ({short(seen.digest)})"


def _short_key(task: TaskRun) -> str:
    return task.key.partition(":")[2][:10]
