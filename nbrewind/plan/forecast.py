"""What a repeat would do, before anything runs: one fold over the notebook's cells in order.

A cell whose recorded effects hold is *restored*. One that certainly differs is *executed*, and what it may write is not
known any more. One that reads such things *may run*: if they turn out as before, it is restored after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol

from attrs import frozen

from nbrewind.cells.code import CellCode, is_history
from nbrewind.cells.observer import ALL_VARIABLES, names_digest
from nbrewind.plan.decide import CANDIDATES, code_change, compare
from nbrewind.record.model import CellRun, Covariable, Digest, Reason, TaskCause, TaskCount

Verdict = Literal["restored", "executed", "may run"]
UNKNOWN: Digest = "unknown"


@frozen
class Forecast:
    """What would become of one cell.

    `seconds` is how long it took when it last ran (``None``: never seen), and `before` that run. `unknown` are
    variables that cells before it write anew. `task_causes` say which of its tasks would run.
    """

    index: int
    cell_id: str
    verdict: Verdict
    because: tuple[Reason, ...] = ()
    seconds: float | None = None
    tasks: TaskCount = TaskCount()
    before: CellRun | None = None
    unknown: frozenset[str] = frozenset()
    task_causes: tuple[TaskCause, ...] = ()


@frozen
class PlannedCell:
    """A cell of the notebook as it is now."""

    index: int
    cell_id: str
    code: CellCode
    volatile: bool = False


class World(Protocol):
    """What lies outside the notebook's own state."""

    def digest(self, kind: str, name: str) -> Digest | None:
        """Digest of a file, listing, environment variable or module, now."""


class _Imagined:
    """State as it would be: versions that restored cells would leave, and names that nobody can know yet."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._variables: dict[str, Covariable] = {}
        self._unknown: set[tuple[str, str]] = set()
        self._files: dict[str, Digest | None] = {}
        self._ambient: dict[str, Digest] = {}
        self._results: list[Digest] = []
        self._open = False

    def digest(self, kind: str, name: str) -> Digest | None:
        if (kind, name) in self._unknown or (
            self._open and kind in ("variable", "covariable", "ambient", "listing")
        ):
            return UNKNOWN
        if kind == "variable":
            if is_history(name):
                return UNKNOWN
            held = self._variables.get(name)
            return held.digests[name] if held else None
        if kind == "listing" and name == ALL_VARIABLES:
            return names_digest(self._variables)
        if kind == "ambient":
            return self._ambient.get(name, "initial")
        return self._files[name] if kind == "file" and name in self._files else self._world.digest(kind, name)

    def covariable(self, name: str) -> Covariable | None:
        if self._open or ("variable", name) in self._unknown:
            return Covariable((name,), {name: UNKNOWN}, UNKNOWN)
        return self._variables.get(name)

    def is_live_opaque(self, _name: str) -> bool:
        return False

    def unknown_variables(self) -> frozenset[str]:
        """Variables that nobody can know before cells have run."""
        return frozenset(name for kind, name in self._unknown if kind == "variable")

    def assume(self, trace: CellRun) -> None:
        for covariable in trace.covariables:
            for name in covariable.names:
                self._variables[name] = covariable
                self._unknown.discard(("variable", name))
        for name in trace.deleted:
            self._variables.pop(name, None)
        self._files.update({written.path: written.digest for written in trace.files})
        self._ambient.update({state.name: state.digest for state in trace.ambient})

    def forget(self, code: CellCode, before: CellRun | None) -> None:
        """A cell runs: whatever it wrote last time, and whatever its code binds, is unknown until it has run."""
        self._unknown |= {("variable", name) for name in code.names.stores | code.names.deletes}
        if before is not None:
            self._unknown |= {("variable", name) for made in before.covariables for name in made.names}
            self._unknown |= {("file", written.path) for written in before.files}
            self._unknown |= {("ambient", state.name) for state in before.ambient}
        else:
            touched = code.names.loads & self._variables.keys()
            self._unknown |= {("variable", n) for name in touched for n in self._variables[name].names}
        self._open = self._open or not code.valid


def forecast(
    cells: Iterable[PlannedCell],
    world: World,
    traces: Callable[[Digest], Iterable[CellRun]],
    last_runs: Mapping[str, CellRun],
) -> list[Forecast]:
    """Foresee a repeat.

    Parameters
    ----------
    cells
        The notebook's code cells, in order.
    world
        Files, modules and environment now.
    traces
        Recorded runs of a piece of code, newest first.
    last_runs
        The last recorded run of each cell, by its identifier.

    Returns
    -------
    list of Forecast
        One a cell.
    """
    state = _Imagined(world)
    result = []
    for cell in cells:
        known = list(_first(traces(cell.code.digest)))
        verdict, because, trace = _judge(cell, known, state, last_runs.get(cell.cell_id))
        before = trace or last_runs.get(cell.cell_id)
        unknown = state.unknown_variables()
        if verdict == "restored" and trace is not None:
            state.assume(trace)
        else:
            state.forget(cell.code, before)
        seconds = before.seconds if before else None
        result.append(
            Forecast(
                cell.index,
                cell.cell_id,
                verdict,
                because,
                seconds,
                before.tasks if before else TaskCount(),
                before,
                unknown,
            )
        )
    return result


def _first(traces: Iterable[CellRun]) -> Iterable[CellRun]:
    for count, trace in enumerate(traces):
        if count == CANDIDATES:
            return
        yield trace


def _judge(
    cell: PlannedCell, known: Sequence[CellRun], state: _Imagined, last: CellRun | None
) -> tuple[Verdict, tuple[Reason, ...], CellRun | None]:
    if cell.volatile:
        return "executed", (Reason("volatile"),), last
    if not known:
        return "executed", (code_change(last.source, cell.code.source) if last else Reason("new"),), last
    best: tuple[Verdict, tuple[Reason, ...], CellRun | None] = ("executed", (), None)
    fewest = None
    for trace in known:
        reasons = compare(trace, state)
        if not reasons:
            return "restored", (), trace
        certain = [reason for reason in reasons if reason.after != UNKNOWN]
        if fewest is None or len(certain) < fewest:
            fewest = len(certain)
            best = ("executed", tuple(certain), trace) if certain else ("may run", _upstream(reasons), trace)
    return best


def _upstream(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    return tuple(Reason("upstream", reason.name, run=reason.run) for reason in reasons)
