"""Looking into a record and tidying it up: ``runs``, ``show``, ``explain``, ``gc``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from attrs import asdict

from nbrewind.cli.basics import (
    Command,
    json_option,
    notebook_argument,
    open_record,
    out,
    record_option,
    write_json,
)


@click.command(cls=Command)
@click.argument("cell_or_task", metavar="CELL|TASK")
@notebook_argument
@record_option
@json_option
def explain(cell_or_task: str, notebook: Path | None, record: Path | None, json_to: str | None) -> None:
    """Say what a CELL (identifier or index) or TASK (beginning of its key) read and left, and why it last ran.

    \b
    Example:  nbrewind explain collect analysis.ipynb
    """
    from nbrewind.report.explain import explanation

    with open_record(notebook, record) as opened:
        body, renderable = explanation(opened, cell_or_task)
    if json_to is not None:
        write_json(body, json_to)
    else:
        out.print(renderable)


@click.command(cls=Command)
@notebook_argument
@record_option
@json_option
def runs(notebook: Path | None, record: Path | None, json_to: str | None) -> None:
    """List the runs of a record.

    \b
    Example:  nbrewind runs analysis.ipynb
    """
    from nbrewind.report.text import runs_table

    with open_record(notebook, record) as opened:
        found = [(run, opened.cells(run.id)) for run in opened.runs()]
    if json_to is not None:
        write_json(
            {"schema": 1, "runs": [{**asdict(run), "cells": len(cells)} for run, cells in found]}, json_to
        )
    else:
        out.print(runs_table(found))


@click.command(cls=Command)
@notebook_argument
@click.option("--run", "run_id", default="last", metavar="RUN", help="Which run.  [default: the last]")
@click.option("--tasks", "what", flag_value="tasks", help="Its tasks instead of its cells.")
@click.option(
    "--workers", "what", flag_value="workers", help="The workers that ran its tasks, and their software."
)
@click.option("--cells", "what", flag_value="cells", default="cells", hidden=True)
@record_option
@json_option
def show(notebook: Path | None, run_id: str, what: str, record: Path | None, json_to: str | None) -> None:
    """Show what one run did, cell by cell or task by task, or which workers its tasks ran on.

    \b
    Example:  nbrewind show analysis.ipynb --workers
    """
    from nbrewind.report.text import cells_table, tasks_table
    from nbrewind.report.workers import workers_of, workers_text

    with open_record(notebook, record) as opened:
        run = opened.run(run_id)
        look: dict[str, Callable[[], list[Any]]] = {
            "cells": lambda: opened.cells(run.id),
            "tasks": lambda: list(opened.tasks(run.id)),
            "workers": lambda: workers_of(opened, run.id),
        }
        rows = look[what]()
    if json_to is not None:
        found = [row.as_json() if what == "workers" else asdict(row) for row in rows]
        write_json({"schema": 1, "run": asdict(run), what: found}, json_to)
        return
    tables: dict[str, Callable[[list[Any]], Any]] = {
        "cells": cells_table, "tasks": tasks_table, "workers": workers_text
    }  # fmt: skip
    out.print(f"run {run.id}: {run.kind} of {run.notebook} on {run.host}, {run.status}")
    out.print(tables[what](rows))


@click.command(cls=Command)
@notebook_argument
@click.option(
    "--keep-runs", type=click.IntRange(1), default=None, metavar="N", help="Keep the newest N runs."
)
@click.option(
    "--older-than", type=float, default=None, metavar="DAYS", help="Remove runs that ended longer ago."
)
@click.option(
    "--max-size",
    type=float,
    default=None,
    metavar="GB",
    help="Remove the oldest runs until the rest is smaller; the newest stays.",
)
@click.option("--pin", multiple=True, metavar="RUN", help="Keep this run in any case.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@record_option
@json_option
def gc(
    notebook: Path | None,
    keep_runs: int | None,
    older_than: float | None,
    max_size: float | None,
    pin: tuple[str, ...],
    dry_run: bool,
    record: Path | None,
    json_to: str | None,
) -> None:
    """Remove old runs from a record, and what only they refer to; without a limit, only what no run refers to.

    \b
    Example:  nbrewind gc analysis.ipynb --keep-runs 5
    """
    from nbrewind.report.text import collected

    with open_record(notebook, record) as opened:
        report = opened.gc(
            keep_runs=keep_runs,
            older_than=None if older_than is None else older_than * 86400,
            max_bytes=None if max_size is None else int(max_size * 1e9),
            pinned={opened.run(prefix).id for prefix in pin},
            dry_run=dry_run,
        )
    if json_to is not None:
        write_json({"schema": 1, **asdict(report)}, json_to)
        return
    out.print(collected(report))
    if not report.runs and keep_runs is older_than is max_size is None:
        out.print("give --keep-runs, --older-than or --max-size to remove runs")
