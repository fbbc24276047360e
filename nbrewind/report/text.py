"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import asdict
from rich.table import Table

from nbrewind.plan.forecast import Forecast
from nbrewind.plan.sentences import sentences, task_sentences
from nbrewind.record.gc import GcReport
from nbrewind.record.model import CellRun, Run, TaskRun
from nbrewind.report.lines import action
from nbrewind.report.words import place, seconds, several, size, when


def plan_table(rows: Iterable[Forecast]) -> Table:
    """What a repeat would do."""
    table = Table(box=None, pad_edge=False)
    table.add_column("cell", justify="right")
    table.add_column("")
    table.add_column("last took", justify="right")
    table.add_column("because", overflow="fold")
    for row in rows:
        because = sentences(row.because) if row.verdict != "restored" else ""
        if tasks := task_sentences(row.task_causes):
            because += f"; of {row.tasks.reused + row.tasks.submitted} tasks {tasks}"
        table.add_row(str(row.index), action(row.verdict), seconds(row.seconds), because)
    return table


def planned(row: Forecast) -> dict[str, Any]:
    """One cell of a plan, in the form in which a run reports it."""
    because = [{k: v for k, v in asdict(reason).items() if v} for reason in row.because]
    return {
        "index": row.index,
        "id": row.cell_id,
        "action": row.verdict,
        "because": because,
        "seconds": row.seconds,
        **({"task_causes": [asdict(cause) for cause in row.task_causes]} if row.task_causes else {}),
    }


def runs_table(runs: Iterable[tuple[Run, list[CellRun]]]) -> Table:
    """The runs of a record."""
    table = Table(box=None, pad_edge=False)
    for title in ("run", "kind", "notebook", "begun", "where", "status", "cells", "tasks"):
        table.add_column(title, overflow="fold")
    for run, cells in runs:
        executed = sum(cell.action == "executed" for cell in cells)
        reused = sum(cell.tasks.reused for cell in cells if cell.action != "restored")
        sent = sum(cell.tasks.submitted for cell in cells if cell.action != "restored")
        table.add_row(
            run.id, run.kind, run.notebook, when(run.started), place(run), run.status,
            f"{executed} of {len(cells)} executed", f"{reused} reused, {sent} submitted",
        )  # fmt: skip
    return table


def run_line(run: Run) -> str:
    """A run in one line."""
    return f"run {run.id}: {run.kind} of {run.notebook} on {run.host}, {run.status}"


def cells_table(cells: Iterable[CellRun]) -> Table:
    """The cell runs of one run."""
    table = Table(box=None, pad_edge=False)
    for title in ("cell", "id", "", "time", "wrote", "because"):
        table.add_column(title, overflow="fold")
    for cell in cells:
        names = [name for covariable in cell.covariables for name in covariable.names]
        wrote = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        because = sentences(cell.because) if cell.action != "restored" else f"from {cell.origin}"
        number = "" if cell.index is None else str(cell.index)
        table.add_row(number, cell.cell_id, action(cell.action), seconds(cell.seconds), wrote, because)
    return table


def tasks_table(tasks: Iterable[TaskRun]) -> Table:
    """Task runs."""
    table = Table(box=None, pad_edge=False)
    for title in ("task", "name", "status", "exit", "time", "host", "cell"):
        table.add_column(title, overflow="fold")
    for task in tasks:
        exit_code = "" if task.exit_code is None else str(task.exit_code)
        key = task.key.partition(":")[2][:10]
        table.add_row(key, task.name, task.status, exit_code, seconds(task.seconds), task.host, task.cell_id)
    return table


def collected(report: GcReport) -> str:
    """What garbage collection did, or would do."""
    runs, freed = several(len(report.runs), "run"), size(report.freed)
    done = f"would remove {runs} and free {freed}" if report.dry_run else f"removed {runs}, freed {freed}"
    verb = "stays" if len(report.kept) == 1 else "stay"
    return f"{done}; {several(len(report.kept), 'run')} {verb}, in {size(report.bytes_after)}"
