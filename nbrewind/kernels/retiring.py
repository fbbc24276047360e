"""Taking over what a lane brought: the spine goes on as if the cell had run here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from nbrewind.cells.code import CellCode
from nbrewind.kernels.cells import Cell
from nbrewind.kernels.session import Report, Session, Step, shows_result, unrepeatable
from nbrewind.record.model import Foresight, Reason
from nbrewind.schedule.parcel import Finished


def retire(
    session: Session,
    cell: Cell,
    code: CellCode,
    finished: Finished,
    values: Mapping[str, Any],
    because: tuple[Reason, ...],
    foresight: Foresight | None,
) -> Report:
    """Make what a cell left in a lane the notebook's state, and record it.

    Parameters
    ----------
    session
        The spine's.
    cell, code
        The cell, whose turn it is.
    finished
        What it read and left; compared with what is here.
    values
        All that it left, by name.
    because
        Why it had to run.
    foresight
        What was expected of it.
    """
    run = evolve(
        finished.run,
        run=session.recording.run.id,
        seq=len(session.steps),
        cell_id=cell.id,
        index=cell.index,
        because=because,
        foresight=foresight,
        execution_count=session.shell.execution_count,
    )
    before, ambient_before = session.variables.versions(), session.observer.ambient.digests
    session.known_code(cell)
    session.variables.assume(run.covariables, run.deleted)
    for covariable in run.covariables:
        session.variables.provide(covariable, values)
    for name, (digest, state) in finished.ambient.items():
        session.observer.ambient.assume(name, digest, state)
    session.note_previews(run)
    session.recording.save_values(run.covariables, cell.id or f"cell {len(session.steps)}", run.seconds)
    blob = session.recording.put(finished.shown) if finished.outputs else ""
    run = evolve(
        run,
        files=session.kept_files(finished.files, finished.named),
        ambient=session.recording.keep_ambient_states(finished.ambient),
        outputs=blob,
        open=run.open or unrepeatable(finished.outputs, blob),
    )
    if shows_result(finished.outputs):
        session.history.add(run.key, len(session.steps), session.shell.execution_count, live=False)
    session.recording.add(run)
    session.steps.append(Step(cell, code, run, before, ambient_before))
    return Report(run.action, because, run.seconds)
