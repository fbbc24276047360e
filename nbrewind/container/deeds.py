"""What a run did, as exports tell it: each cell and task, when it really ran, what it read and wrote, and with what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import frozen

from nbrewind.errors import NbrewindError
from nbrewind.record.model import CellRun, Run, TaskRun
from nbrewind.record.store import Record

MOST_TASKS = 10_000
"""Tasks that an export describes one by one: who reads a crate reads it as a whole."""


@frozen
class Deed:
    """One thing that was done: `tool` is what did it, `source` its code or, of a task, its cell."""

    id: str
    name: str
    started: float
    seconds: float
    ok: bool
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    tool: str = ""
    source: str = ""
    code: str = ""
    host: str = ""
    position: int = 0


@frozen
class Deeds:
    """One run of a notebook.

    Parameters
    ----------
    reads, writes
        Files that the run took from outside, and those that it left; symbolic paths.
    digests
        Of files.
    software
        Versions of distributions that its cells used.
    engines
        What ran its tasks.
    """

    notebook: str
    run: Run
    cells: tuple[Deed, ...]
    tasks: tuple[Deed, ...]
    reads: frozenset[str]
    writes: frozenset[str]
    digests: Mapping[str, str]
    software: Mapping[str, str]
    engines: frozenset[str]


def deeds_of(record: Record, run: Run, taken: Iterable[str]) -> Deeds:
    """Gather what a run did; of restored cells and served tasks, when they ran.

    Parameters
    ----------
    taken
        Symbolic paths of the files that it took from outside.
    """
    cells = record.cells(run.id)
    origins = [_origin(record, cell) for cell in cells]
    tasks = list(_tasks(record, run, origins))
    return Deeds(
        run.notebook,
        run,
        tuple(_cell(cell, origin, number) for number, (cell, origin) in enumerate(zip(cells, origins, strict=True), 1)),
        tuple(_task(task) for task in tasks),
        frozenset(taken),
        frozenset(each.path for cell in cells for each in cell.files if each.digest),
        _digests(cells),
        software_of(cells),
        frozenset(task.engine for task in tasks),
    )  # fmt: skip


def _origin(record: Record, cell: CellRun) -> CellRun:
    run, _, seq = cell.origin.rpartition("/")
    try:
        return record.cell(run, int(seq)) if run else cell
    except (NbrewindError, ValueError):
        return cell


def _tasks(record: Record, run: Run, origins: Iterable[CellRun]) -> Iterator[TaskRun]:
    """The tasks that a run stood on, each once: its own, and those of the runs that its cells were restored from."""
    seen: set[str] = set()
    cells = {(origin.run, origin.cell_id) for origin in origins}
    for name in sorted({run.id, *(origin.run for origin in origins)}):
        for task in record.tasks(name):
            if task.kind == "content" or (name, task.cell_id) not in cells or task.key in seen:
                continue
            seen.add(task.key)
            yield task
            if len(seen) == MOST_TASKS:
                return


def _cell(cell: CellRun, origin: CellRun, position: int) -> Deed:
    return Deed(
        id=f"{cell.run}-{cell.seq}",
        name=cell.cell_id or str(position),
        started=origin.started,
        seconds=origin.seconds,
        ok=cell.status == "ok",
        reads=tuple(sorted({seen.name for seen in cell.evidence if _is_file(seen.kind, seen.name, seen.digest)})),
        writes=tuple(sorted({each.path for each in cell.files if each.digest})),
        tool=f"cell-{cell.cell_id or position}",
        source=cell.source,
        code=cell.code,
        position=position,
    )  # fmt: skip


def _task(task: TaskRun) -> Deed:
    seen = (one.name for one in task.inputs if _is_file(one.kind, one.name, one.digest))
    return Deed(
        id=task.key.partition(":")[2] or f"{task.cell_id}-{task.submitted}",
        name=task.name or task.kind,
        started=task.submitted,
        seconds=max(task.finished - task.submitted, 0.0),
        ok=task.status == "done",
        reads=tuple(sorted(set(seen))),
        tool=f"task-{task.engine}-{task.kind}-{task.name}",
        source=task.cell_id,
        host=task.host.partition(" ")[0],
    )


def _is_file(kind: str, name: str, digest: str | None) -> bool:
    return digest is not None and (kind == "file" or (kind == "module" and "/" in name))


def _digests(cells: Iterable[CellRun]) -> dict[str, str]:
    found: dict[str, str] = {}
    for cell in cells:
        found.update(
            {seen.name: seen.digest for seen in cell.evidence if seen.kind == "file" and seen.digest}
        )
        found.update({each.path: each.digest for each in cell.files if each.digest})
    return found


def software_of(cells: Iterable[CellRun]) -> dict[str, str]:
    """Name and version of each distribution that cells used, and of ``python``."""
    found: dict[str, str] = {}
    for cell in cells:
        for seen in cell.evidence:
            if seen.kind == "module" and "/" not in seen.name and seen.digest:
                named, _, version = seen.digest.rpartition(" ")
                found[named.partition(" ")[0] or seen.name] = version
    return dict(sorted(found.items()))
