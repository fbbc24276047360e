"""Whether a cell's recorded effects hold in a live session, and if not, why, in words that name values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from nbrewind.cells.code import CellCode
from nbrewind.errors import CannotTravel
from nbrewind.kernels.cells import Cell
from nbrewind.kernels.now import Now
from nbrewind.kernels.recording import Recording
from nbrewind.kernels.settings import Settings
from nbrewind.plan.decide import Hit, Miss, code_change, decide
from nbrewind.record.model import CellRun, Digest, Reason

if TYPE_CHECKING:
    from nbrewind.kernels.verifying import Verifier


class Decider:
    """Decides about the cells of one session.

    Parameters
    ----------
    recording
        The record.
    now
        What things are at the moment.
    previews
        Values in a few words, by digest, as far as the session knows them.
    verifier
        Takes cells that run although their effects hold.
    """

    def __init__(
        self, recording: Recording, now: Now, previews: Mapping[Digest, str], verifier: Verifier | None
    ) -> None:
        self._recording, self._now, self._previews, self._verifier = recording, now, previews, verifier

    def decide(self, cell: Cell, code: CellCode, settings: Settings, beside: str) -> Hit | Miss:
        """Whether the recorded effects of this cell hold; a miss to be verified has ``verify`` as its only reason.

        Parameters
        ----------
        cell, code
            The cell.
        settings
            Of the session, as they are now.
        beside
            What runs beside the cells and could meddle with this one; empty: nothing.
        """
        if cell.take:
            return Hit(self._taken(cell))
        if settings.kind == "audit":
            return Miss((Reason("fresh"),) if settings.fresh else (Reason("audit"),))
        if settings.fresh:
            return Miss((Reason("fresh"),))
        if {cell.id, str(cell.index)} & set(settings.rerun):
            return Miss((Reason("asked"),))
        if "volatile" in cell.tags:
            return Miss((Reason("volatile"),))
        if beside:
            return Miss((Reason("beside", beside),))
        decision: Hit | Miss = Miss(())
        with self._recording.guarded("the record cannot be searched"):
            decision = decide(self._recording.record.traces(code.digest), self._now, self._usable)
        if self._verifier is not None and self._verifier.takes(cell.id or cell.source):
            trace = self._to_verify(decision)
            if trace is not None:
                return Miss((Reason("verify", run=trace.run),), trace)
        if isinstance(decision, Miss):
            return evolve(decision, because=self._explained(cell, decision))
        return decision

    def _taken(self, cell: Cell) -> CellRun:
        """The run whose effects a front end wants taken over.

        Raises
        ------
        CannotTravel
            They cannot be put back here.
        """
        run, _, seq = cell.take.rpartition("/")
        trace = self._recording.record.cell(run, int(seq))
        problem = self._usable(trace)
        if problem is not None:
            raise CannotTravel(
                f"{problem.name} as cell {cell.index} left it cannot travel to another interpreter: "
                "the record does not keep it; repeat without --isolated"
            )
        return trace

    def _to_verify(self, decision: Hit | Miss) -> CellRun | None:
        """The recorded run that a cell can be compared with: it saw the same, be it that this acts on living things."""
        if isinstance(decision, Hit):
            return decision.trace
        trace, living = (
            decision.nearest,
            {reason.name for reason in decision.because if reason.kind == "live"},
        )
        if trace is None or len(living) != len(decision.because):
            return None
        seen = {one.name: one.digest for one in trace.evidence if one.kind == "variable"}
        same = all(name in seen and self._now.digest("variable", name) == seen[name] for name in living)
        return trace if same else None

    def _usable(self, trace: CellRun) -> Reason | None:
        """Whether the outputs and files of a matching trace can be put back."""
        record = self._recording.record
        if trace.outputs and not record.has_blob(trace.outputs):
            return Reason("unsaved", "its output", run=trace.run)
        for written in trace.files:
            same = self._now.digest("file", written.path) == written.digest
            if not same and written.digest is not None and not record.has_blob(written.digest):
                return Reason("unsaved", f"the file {written.path}", run=trace.run)
        for state in trace.ambient:
            if not record.has_blob(state.blob) or not self._now.fits(state.name, record.blob(state.blob)):
                return Reason("unsaved", f"the {state.name} state", run=trace.run)
        return None

    def _explained(self, cell: Cell, miss: Miss) -> tuple[Reason, ...]:
        """Reasons with the values' short descriptions; where no trace has this code, what the cell was before."""
        if miss.nearest is None:
            return (self._code_reason(cell),)
        previews = miss.nearest.previews
        explained = []
        for reason in miss.because:
            if reason.kind == "variable":
                now = self._previews.get(self._now.digest("variable", reason.name) or "", "")
                before = previews.get(reason.name, "")
                if before and now and before != now:
                    reason = evolve(reason, before=before, after=now)
            explained.append(reason)
        return tuple(explained)

    def _code_reason(self, cell: Cell) -> Reason:
        last = None
        with self._recording.guarded("the record cannot be searched"):
            last = self._last_run_of(cell)
        if last is None:
            return Reason("new")
        if self._recording.record.is_barred(last.run) and last.source == cell.source:
            return Reason("untrusted", run=last.run)
        if last.status != "ok":
            return (
                Reason("failed", run=last.run)
                if last.source == cell.source
                else code_change(last.source, cell.source)
            )
        return evolve(code_change(last.source, cell.source), run=last.run)

    def drove(self, cell: Cell, miss: Miss) -> bool:
        """Whether a cell had tasks when it ran before."""
        last = miss.nearest
        if last is None:
            with self._recording.guarded("the record cannot be searched"):
                last = self._last_run_of(cell)
        return last is not None and bool(last.tasks.submitted or last.tasks.reused)

    def _last_run_of(self, cell: Cell) -> CellRun | None:
        if not cell.id:
            return None
        for run in reversed(self._recording.record.runs()):
            if run.id != self._recording.run.id and run.notebook == self._recording.run.notebook:
                found = [seen for seen in self._recording.record.cells(run.id) if seen.cell_id == cell.id]
                if found:
                    return found[-1]
        return None
