"""Looking into a record and tidying it up: ``runs``, ``show``, ``explain``, ``diff``, ``gc``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import asdict

from nbrewind.cli.basics import (
    Command,
    json_option,
    notebook_among,
    notebook_argument,
    open_record,
    out,
    record_option,
    write_json,
)
from nbrewind.errors import UsageError

if TYPE_CHECKING:
    from nbrewind.record.store import Record


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
@click.argument("names", nargs=-1, metavar="[RUN|CELL] [NOTEBOOK]")
@click.option("--run", "run_id", default="", metavar="RUN", help="Which run.  [default: the last]")
@click.option("--cell", "cell", default="", metavar="CELL", help="The variables after this cell.")
@click.option("--tasks", "what", flag_value="tasks", help="Its tasks instead of its cells.")
@click.option(
    "--workers", "what", flag_value="workers", help="The workers that ran its tasks, and their software."
)
@click.option(
    "--redacted", "what", flag_value="redacted", help="The secrets that were kept out of the record."
)
@click.option("--cells", "what", flag_value="cells", default="cells", hidden=True)
@record_option
@json_option
def show(
    names: tuple[str, ...], run_id: str, cell: str, what: str, record: Path | None, json_to: str | None
) -> None:
    """Show what one RUN did, cell by cell or task by task, or the variables as a CELL left them.

    \b
    Examples:  nbrewind show analysis.ipynb --workers
               nbrewind show collect analysis.ipynb
               nbrewind show last~1 --cell collect analysis.ipynb
    """
    notebook, words = notebook_among(names)
    for word in words:
        if _RUN.fullmatch(word) and not run_id:
            run_id = word
        elif not cell:
            cell = word
        else:
            raise UsageError(f"show {' '.join(words)}: name one run, and one cell of it")
    if cell and what != "cells":
        raise UsageError("give either a cell, for its variables, or --tasks, --workers or --redacted")
    with open_record(notebook, record) as opened:
        body, renderables = _cell_state(opened, run_id, cell) if cell else _run(opened, run_id, what)
    if json_to is not None:
        write_json(body, json_to)
        return
    for renderable in renderables:
        out.print(renderable)


_RUN = re.compile(r"last(~\d+)?|\d{8}(-.*)?")


def _run(record: Record, run_id: str, what: str) -> tuple[dict[str, Any], list[Any]]:
    from nbrewind.report.found import find_run
    from nbrewind.report.text import cells_table, run_line, tasks_table
    from nbrewind.report.workers import workers_of, workers_text

    run = find_run(record, run_id or "last")
    body: dict[str, Any] = {"schema": 1, "run": asdict(run)}
    if what == "workers":
        workers = workers_of(record, run.id)
        return {**body, what: [worker.as_json() for worker in workers]}, [
            run_line(run),
            workers_text(workers),
        ]
    if what == "redacted":
        from nbrewind.report.redacted import as_json, as_lines

        cells = record.cells(run.id)
        return {**body, what: as_json(cells)}, [run_line(run), *as_lines(cells)]
    rows: list[Any] = list(record.tasks(run.id)) if what == "tasks" else record.cells(run.id)
    table = tasks_table(rows) if what == "tasks" else cells_table(rows)
    return {**body, what: [asdict(row) for row in rows]}, [run_line(run), table]


def _cell_state(record: Record, run_id: str, name: str) -> tuple[dict[str, Any], list[Any]]:
    from nbrewind.report import state
    from nbrewind.report.found import find_cell, find_run
    from nbrewind.report.text import run_line
    from nbrewind.report.words import cell_name

    run = find_run(record, run_id or "last")
    cell = find_cell(record, name, [run])
    if cell is None:
        raise UsageError(f"run {run.id} has no cell {name!r}; `nbrewind show {run.id}` lists them")
    held = state.variables_after(record, cell)
    title = f"after {cell_name(cell)} ({cell.cell_id}), number {cell.seq}:"
    return state.as_json(cell, held), [run_line(run), title, state.as_table(held)]


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[RUN RUN] [NOTEBOOK]")
@record_option
@json_option
def diff(names: tuple[str, ...], record: Path | None, json_to: str | None) -> None:
    """Say what differs between two RUNs, an older and a newer one; exit status 1 if anything does.

    Without RUNs, the last two are compared. RUN is the beginning of an identifier, last, or last~N.

    \b
    Examples:  nbrewind diff analysis.ipynb
               nbrewind diff last~3 last analysis.ipynb
    """
    from nbrewind.report.diff import as_json, as_text, compare_runs
    from nbrewind.report.found import find_run

    notebook, words = notebook_among(names)
    if len(words) not in (0, 2):
        raise UsageError(f"diff compares two runs: {len(words)} named; `nbrewind runs` lists them")
    older, newer = words or ("last~1", "last")
    with open_record(notebook, record) as opened:
        found = compare_runs(opened, find_run(opened, older), find_run(opened, newer))
    if json_to is not None:
        write_json(as_json(found), json_to)
    else:
        for line in as_text(found):
            out.print(line)
    sys.exit(0 if found.same else 1)


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
