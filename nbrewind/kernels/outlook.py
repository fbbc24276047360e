"""The plan of a repeat for a notebook on disk, without starting a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve
from IPython.core.inputtransformer2 import TransformerManager

from nbrewind.cells.code import read_cell
from nbrewind.cells.distributions import distribution_version
from nbrewind.cells.modules import Modules
from nbrewind.cells.observer import env_digest, existence, folder_digest
from nbrewind.cells.paths import Paths
from nbrewind.kernels.notebooks import code_cells
from nbrewind.plan.forecast import Forecast, PlannedCell, forecast
from nbrewind.plan.task_forecast import foresee
from nbrewind.record.digests import FileDigests, digest_text
from nbrewind.record.model import CellRun, Digest, Reason, TaskRun
from nbrewind.record.store import Record
from nbrewind.report.diff import variable_makers
from nbrewind.report.found import origin_of, tasks_behind
from nbrewind.tasks.observed import Observations


class _Disk:
    """Files, modules and environment as they are now."""

    def __init__(self, base: Path, record: Record) -> None:
        self._paths = Paths(base, (record.folder,))
        self._file = FileDigests(record).of
        self._modules = Modules(self._paths, self._file)

    def digest(self, kind: str, name: str) -> Digest | None:
        match kind:
            case "file":
                return self._file(self._paths.real(name))
            case "listing":
                return folder_digest(self._paths.real(name))
            case "exists":
                return existence(self._paths.real(name))
            case "env":
                return env_digest(name)
            case "place":
                return digest_text(self._paths.place(name))
            case "module":
                return self._modules.present(name)
            case _:
                return None


def outlook(notebook: Any, path: Path, record: Record) -> list[Forecast]:
    """Foresee what a repeat of this notebook would do."""
    cells = []
    for index, cell in enumerate(code_cells(notebook)):
        if cell.source.strip() and "skip-execution" not in cell.metadata.get("tags", []):
            code = read_cell(cell.source, TransformerManager().transform_cell)
            cells.append(PlannedCell(index, cell.id, code, "volatile" in cell.metadata.get("tags", [])))
    disk = _Disk(path.parent, record)
    rows = forecast(cells, disk, record.traces, last_runs(record, path.name))
    rows = [_as_trusted(row, record) for row in rows]
    known: dict[str, list[TaskRun]] = {}
    return [_with_tasks(row, record, disk, path.parent, known) for row in rows]


def _as_trusted(row: Forecast, record: Record) -> Forecast:
    """Say of a cell whose code is known that it runs for want of trust."""
    same = [reason.kind for reason in row.because] == ["code"] and not row.because[0].name
    if row.before is not None and same and record.is_barred(row.before.run):
        return evolve(row, because=(Reason("untrusted", run=row.before.run),))
    return row


def _with_tasks(
    row: Forecast, record: Record, disk: _Disk, base: Path, known: dict[str, list[TaskRun]]
) -> Forecast:
    """Say which of a cell's tasks would run."""
    before = row.before
    if row.verdict == "restored" or before is None or not (row.tasks.reused or row.tasks.submitted):
        return row
    before = origin_of(record, before)
    if before.run not in known:
        known[before.run] = list(tasks_behind(record, before.run))
    tasks = [task for task in known[before.run] if task.cell_id == before.cell_id]
    files = {
        seen.digest: seen.name
        for seen in before.evidence
        if seen.kind == "file" and seen.digest and disk.digest("file", seen.name) != seen.digest
    }
    observations = Observations(Paths(base))
    makers = variable_makers(record.cells(before.run))
    causes = foresee(
        tasks,
        row.unknown,
        files,
        distribution_version,
        lambda task: observations.changed(task.inputs),
        lambda name: makers.get(name, ""),
    )
    return evolve(row, task_causes=causes)


def last_runs(record: Record, notebook: str) -> dict[str, CellRun]:
    """The last recorded run of each cell of a notebook, by identifier."""
    found: dict[str, CellRun] = {}
    for run in record.runs():
        if run.notebook == notebook:
            found.update({cell.cell_id: cell for cell in record.cells(run.id) if cell.cell_id})
    return found
