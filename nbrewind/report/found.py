"""Finding in a record what a person names: runs, cells, and the tasks that a run stood on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from attrs import evolve

from nbrewind.errors import NbrewindError, UsageError
from nbrewind.record.model import CellRun, Digest, Run, TaskRun
from nbrewind.record.store import Record

_BACK = re.compile(r"last~(\d+)")


def find_run(record: Record, name: str) -> Run:
    """The run of that name: the beginning of its identifier, ``last``, or ``last~N``, N runs before it.

    Raises
    ------
    UsageError
        There is none, or several begin like that.
    """
    back = _BACK.fullmatch(name)
    if back is None:
        return record.run(name)
    runs, place = record.runs(), int(back[1]) + 1
    if place > len(runs):
        number = f"{len(runs)} run" + "s" * (len(runs) != 1)
        raise UsageError(f"{record.folder} has {number}, so there is no {name}")
    return runs[-place]


def is_cell(cell: CellRun, name: str) -> bool:
    """Whether a person means this cell: by its identifier, its index, or the number of its cell run as ``#4``."""
    return name in (cell.cell_id, f"#{cell.seq}") or (cell.index is not None and str(cell.index) == name)


def find_cell(record: Record, name: str, runs: Iterable[Run] | None = None) -> CellRun | None:
    """The newest cell run of that name, in these runs or in all; an identifier goes before an index."""
    newest_first = list(reversed(record.runs() if runs is None else list(runs)))
    for matches in (lambda cell: cell.cell_id == name, lambda cell: is_cell(cell, name)):
        for run in newest_first:
            for cell in reversed(record.cells(run.id)):
                if matches(cell):
                    return cell
    return None


def earlier_run_of(record: Record, cell: CellRun) -> CellRun | None:
    """The last run of the same cell in an earlier run of the notebook, or earlier in this one."""
    runs = record.runs()
    own = next((run for run in runs if run.id == cell.run), None)
    if own is None or not cell.cell_id:
        return None
    for run in reversed(runs):
        if run.started > own.started or run.notebook != own.notebook:
            continue
        for other in reversed(record.cells(run.id)):
            if other.cell_id == cell.cell_id and (other.run != cell.run or other.seq < cell.seq):
                return other
    return None


def origin_of(record: Record, cell: CellRun) -> CellRun:
    """The cell run whose effects a restored one took over; itself where that is not in the record."""
    run, _, seq = cell.origin.rpartition("/")
    try:
        return record.cell(run, int(seq)) if run else cell
    except (NbrewindError, ValueError):
        return cell


def tasks_behind(record: Record, run_id: str) -> Iterator[TaskRun]:
    """The tasks that a run stood on: those that it sent out, was served, or had run for the cells that it restored."""
    yield from _own_and_served(record, run_id)
    known: dict[str, list[TaskRun]] = {}
    for cell in record.cells(run_id):
        origin = origin_of(record, cell)
        if origin is not cell and (cell.tasks.reused or cell.tasks.submitted):
            if origin.run not in known:
                known[origin.run] = list(_own_and_served(record, origin.run))
            yield from (
                evolve(task, cell_id=cell.cell_id)
                for task in known[origin.run]
                if task.cell_id == origin.cell_id
            )


def _own_and_served(record: Record, run_id: str) -> Iterator[TaskRun]:
    for task in record.tasks(run_id):
        if task.kind != "content":
            yield task
    for key in record.served(run_id):
        found = record.task(key)
        if found is not None and found.kind != "content":
            yield found


def content_of(record: Record, digest: Digest) -> bytes | None:
    """Content by its digest, nothing where it is gone or damaged."""
    try:
        return record.blob(digest)
    except (KeyError, NbrewindError, OSError):
        return None
