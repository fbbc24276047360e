"""Two runs side by side: what differs, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from attrs import asdict, frozen
from rich.text import Text

from nbrewind.plan.differences import CellDifference, compare_cells, software
from nbrewind.plan.task_differences import TasksDifference, compare_tasks, ingredient_name
from nbrewind.record.model import CellRun, Reason, Run
from nbrewind.record.store import Record
from nbrewind.report.found import content_of, tasks_behind
from nbrewind.report.words import cell_name, seconds, several, when
from nbrewind.tasks.missed import MissedTasks

MOST_LINES = 12
"""Lines of code or output that are shown of one cell; JSON has them all."""


@frozen
class RunsDifference:
    """What differs between two runs; `makers` says which cell made a variable, as ``in cell 4``."""

    old: Run
    new: Run
    cells: tuple[CellDifference, ...]
    tasks: tuple[TasksDifference, ...]
    makers: dict[str, str]

    @property
    def same(self) -> bool:
        """Whether both runs read, made and showed the same."""
        return all(cell.kind == "same" for cell in self.cells) and not any(t.differs for t in self.tasks)

    def tasks_of(self, cell_id: str) -> TasksDifference | None:
        """The tasks of one cell, if they differ."""
        return next((t for t in self.tasks if t.cell_id == cell_id and t.differs), None)


def compare_runs(record: Record, old: Run, new: Run) -> RunsDifference:
    """Compare two runs of a record."""
    before, after = record.cells(old.id), record.cells(new.id)
    cells = compare_cells(before, after, partial(content_of, record))
    tasks = compare_tasks(tasks_behind(record, old.id), tasks_behind(record, new.id))
    return RunsDifference(old, new, tuple(cells), tuple(tasks), variable_makers(after))


def variable_makers(cells: Sequence[CellRun]) -> dict[str, str]:
    """Which cell of a run made each variable, in words."""
    return {
        name: f"in {cell_name(cell)}" for cell in cells for made in cell.covariables for name in made.names
    }


# -- JSON


def as_json(found: RunsDifference) -> dict[str, Any]:
    """The published form, schema 1."""
    return {
        "schema": 1,
        "same": found.same,
        "runs": [asdict(found.old), asdict(found.new)],
        "software": [
            {"name": name, "before": before, "after": after, "cells": count}
            for (name, before, after), count in software(found.cells).items()
        ],
        "cells": [_cell_as_json(cell) for cell in found.cells],
        "tasks": [asdict(tasks, filter=lambda field, _: field.name != "example") for tasks in found.tasks],
    }


def _cell_as_json(cell: CellDifference) -> dict[str, Any]:
    def both(get: Callable[[CellRun], Any]) -> list[Any]:
        return [None if side is None else get(side) for side in (cell.old, cell.new)]

    return {
        "id": cell.cell.cell_id,
        "index": both(lambda side: side.index),
        "change": cell.kind,
        "action": both(lambda side: side.action),
        "seconds": both(lambda side: round(side.seconds, 6)),
        "code": list(cell.code),
        "read": [asdict(reason) for reason in cell.read],
        "left": [asdict(reason) for reason in cell.left],
        "outputs": list(cell.shown),
    }


# -- text


def as_text(found: RunsDifference) -> Iterator[Text]:
    """Lines for a terminal."""
    for mark, run in (("-", found.old), ("+", found.new)):
        style = {"-": "red", "+": "green"}[mark]
        yield Text.assemble(
            (mark, style), f" {run.id}  {run.kind} of {run.notebook} on {run.host}, {when(run.started)}, {run.status}"
        )  # fmt: skip
    for (name, before, after), count in software(found.cells).items():
        yield Text(f"{name} {before} → {after} (read by {several(count, 'cell')})")
    for cell in found.cells:
        tasks = found.tasks_of(cell.cell.cell_id)
        if cell.kind != "same" or tasks is not None:
            yield Text()
            yield from _cell_lines(cell, tasks, found.makers)
    shown = {cell.cell.cell_id for cell in found.cells}
    for tasks in found.tasks:
        if tasks.differs and tasks.cell_id not in shown:
            yield from task_lines(tasks, found.makers)
    yield Text()
    yield Text(_verdict(found))


def _verdict(found: RunsDifference) -> str:
    same = sum(cell.kind == "same" for cell in found.cells)
    times = [
        sum(side.seconds for side in sides if side is not None and side.action != "restored")
        for sides in ([cell.old for cell in found.cells], [cell.new for cell in found.cells])
    ]
    took = f"cells ran {seconds(times[0])} and {seconds(times[1])}"
    if found.same:
        return f"no difference in {several(same, 'cell')}; {took}"
    return f"{several(len(found.cells) - same, 'cell')} of {len(found.cells)} differ; {took}"


def _cell_lines(
    cell: CellDifference, tasks: TasksDifference | None, makers: dict[str, str]
) -> Iterator[Text]:
    change = f", {cell.kind}" if cell.kind in ("added", "removed") else ""
    name = f" ({cell.cell.cell_id})" if cell.cell.index is not None and cell.cell.cell_id else ""
    sides = [f"{side.action} {seconds(side.seconds)}" for side in (cell.old, cell.new) if side is not None]
    yield Text.assemble((cell_name(cell.cell) + name, "bold"), f"{change}: {' → '.join(sides)}")
    if cell.kind in ("added", "removed"):
        mark = "+" if cell.kind == "added" else "-"
        yield from changed_code([f"{mark} {line}" for line in cell.cell.source.splitlines()], "")
        return
    yield from changed_code(cell.code, "code")
    yield from reason_lines([reason for reason in cell.read if reason.kind != "module"], "read")
    yield from reason_lines(cell.left, "left")
    yield from changed_code(cell.shown, "shown")
    if tasks is not None:
        yield from task_lines(tasks, makers)


def changed_code(lines: Sequence[str], title: str) -> Iterator[Text]:
    """Lines with ``-`` and ``+`` in front, as many as fit."""
    for place, line in enumerate(lines[:MOST_LINES]):
        style = "red" if line.startswith("-") else "green"
        yield Text.assemble(f"  {title if place == 0 else '':<6} ", (line, style))
    if len(lines) > MOST_LINES:
        yield Text(f"  {'':<6} … and {len(lines) - MOST_LINES} lines more", "dim")


def reason_lines(reasons: Sequence[Reason], title: str) -> Iterator[Text]:
    """What differs, one line each: name, old value, new value."""
    for place, reason in enumerate(reasons):
        yield Text(f"  {title if place == 0 else '':<6} {change(reason)}")


def change(reason: Reason) -> str:
    """One thing that differs, in words."""
    names = reason.name.replace(" ", ", ") if reason.kind == "covariable" else reason.name
    what = {
        "file": f"file {names}",
        "exists": f"whether {names} exists",
        "listing": f"names in {names}",
        "env": f"environment variable {names}",
        "ambient": f"{names} state",
        "status": "it ended",
        "tasks-failed": "failed tasks",
    }.get(reason.kind, names)
    return f"{what}: {reason.before} → {reason.after}"


def task_lines(tasks: TasksDifference, makers: dict[str, str]) -> Iterator[Text]:
    """Which ingredients of the keys of a cell's tasks differ, and how many tasks each affects."""
    title = "tasks"
    for cause in tasks.causes:
        yield Text(f"  {title:<6} {cause_line(cause, makers)}")
        title = ""
    for number, what in ((tasks.added, "only in the newer run"), (tasks.removed, "only in the older run")):
        if number:
            yield Text(f"  {title:<6} {several(number, 'task')} {what}")
            title = ""
    if tasks.same:
        yield Text(f"  {title:<6} {several(tasks.same, 'task')} the same")


def cause_line(cause: MissedTasks, makers: dict[str, str]) -> str:
    """How many tasks one ingredient affects."""
    name = ingredient_name(cause.ingredient, cause.example, lambda variable: makers.get(variable, ""))
    example = "" if cause.uniform else "e.g. "
    return f"{several(cause.count, 'task')}: {name} ({example}{cause.before} → {cause.after})"
