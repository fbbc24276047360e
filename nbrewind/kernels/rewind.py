"""Going back to the state right after a recorded cell run: of this session, or of an earlier run of the notebook.

Only versions change hands at first. A value is read from its checkpoint when something needs it; what could not be
saved is made again by its cell, which `nbrewind.kernels.rebuild` runs where nobody sees it.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import takewhile
from typing import Any

from attrs import define, evolve, field, frozen

from nbrewind import hpc
from nbrewind.cells.ambient import INITIAL
from nbrewind.cells.code import CellCode
from nbrewind.cells.variables import Variables, Versions
from nbrewind.errors import NbrewindError, RebuildError, UsageError
from nbrewind.kernels.cells import Cell
from nbrewind.kernels.jumps import LISTS, WENT_ELSEWHERE
from nbrewind.kernels.rebuild import Rebuilder
from nbrewind.kernels.session import Session, Step
from nbrewind.kernels.settings import Settings
from nbrewind.record.model import CellRun, Covariable, Digest
from nbrewind.tasks.policies import Policy


@frozen
class Moment:
    """The state right after a cell run.

    `states` are ambient states by digest; `steps` are the cell runs that led here, where these are not of this
    session.
    """

    run: CellRun
    versions: Versions
    ambient: Mapping[str, Digest]
    states: Mapping[Digest, bytes] = field(factory=dict)
    steps: tuple[Step, ...] = ()


@define
class Arrival:
    """What going there means for each variable, by name.

    Parameters
    ----------
    kept
        In place already, and as it was then.
    saved
        Read when something needs it.
    remade
        Made again when something needs it; with the cell that does so.
    lost
        Neither saved nor made by a cell that is known.
    gone
        Deleted: it did not exist then.
    ambient_lost
        State of the interpreter that stays as it is.
    settled
        Whether all values are in place.
    earlier
        Whether the cell run is of an earlier run of the notebook.
    """

    run: CellRun
    kept: list[str] = field(factory=list)
    saved: list[str] = field(factory=list)
    remade: dict[str, str] = field(factory=dict)
    lost: list[str] = field(factory=list)
    gone: list[str] = field(factory=list)
    ambient_lost: list[str] = field(factory=list)
    settled: bool = False
    earlier: bool = False


class Rewinder:
    """Takes one session to other moments.

    Parameters
    ----------
    session
        Whose cell runs at the moment.
    rebuilder
        Makes again what cannot be saved.
    eager
        Bring all values in at once: for a kernel that cannot do so when something needs them.
    """

    def __init__(self, session: Session, rebuilder: Rebuilder, *, eager: bool = False) -> None:
        self._session, self._rebuilder, self._eager = session, rebuilder, eager

    @property
    def idle(self) -> bool:
        """Whether the cell runs only to make something again: it then starts from where it once went."""
        return self._session.rebuilding

    @property
    def settings(self) -> Settings:
        """Of the session; a cell that looks at them is not restored."""
        self._session.journal.effect(LISTS)
        return self._session.settings

    def set_fresh(self, fresh: bool) -> None:
        """Reuse nothing from here on, neither cells nor tasks, or reuse again."""
        self._session.settings = evolve(self._session.settings, fresh=fresh)
        self._session.journal.fresh = fresh

    def set_environments(self, policy: Policy) -> None:
        """Judge workers' environments like this from here on."""
        self._session.settings = evolve(self._session.settings, environments=policy)
        hpc.set_environments(policy)

    # -- finding

    def recorded(self) -> list[CellRun]:
        """The cell runs of this session or, where it has none yet, of the last run of the notebook."""
        self._session.journal.effect(LISTS)
        return next((cells for cells in self._runs() if cells), [])

    def _runs(self) -> Iterator[list[CellRun]]:
        """Cell runs of this session, then of each earlier run of the notebook, newest first."""
        record, own = self._session.recording.record, self._session.recording.run
        yield record.cells(own.id)
        for run in reversed(record.runs()):
            if run.id != own.id and run.notebook == own.notebook:
                yield record.cells(run.id)

    def find(self, name: str) -> CellRun:
        """The newest cell run of that name.

        Parameters
        ----------
        name
            A cell's identifier, its index among the code cells, its execution count (also as ``[3]``), or the number of
            the cell run in its run as ``#3``; after ``RUN/``, in that run alone.

        Raises
        ------
        UsageError
            There is none.
        """
        run, slash, cell = name.rpartition("/")
        runs = (
            [self._session.recording.record.cells(self._session.recording.record.run(run).id)]
            if slash
            else self._runs()
        )
        for cells in runs:
            for matches in (_identifier, _index, _count):
                found = [one for one in cells if matches(one, cell)]
                if found:
                    return found[-1]
        raise UsageError(f"no cell run {name!r} is recorded; %rewind lists those that are")

    def moment(self, run: CellRun) -> Moment:
        """The state right after a cell run."""
        session = self._session
        if run.run == session.recording.run.id and run.seq < len(session.steps):
            step = session.steps[run.seq]
            left = {**step.ambient_before, **{state.name: state.digest for state in run.ambient}}
            ambient = {name: digest for name, digest in left.items() if digest != INITIAL}
            return Moment(run, _after(step.before, run), ambient)
        if session.recording.record.is_barred(run.run):
            raise UsageError(
                f"the run {run.run} came in a container that is not trusted; %rewind goes to none of these"
            )
        return self._of_earlier(run)

    def _of_earlier(self, run: CellRun) -> Moment:
        """The same for a run that ended: follow its cell runs."""
        session = self._session
        versions, ambient = Versions({}, {}), dict[str, Digest]()
        states: dict[Digest, bytes] = {}
        steps = []
        for each in session.recording.record.cells(run.run):
            cell = Cell(each.source, each.cell_id, each.index)
            own = each.open != WENT_ELSEWHERE
            steps.append(Step(cell, session.read(cell), each, versions, dict(ambient), remakes=own))
            versions = _after(versions, each)
            for state in each.ambient:
                ambient[state.name] = state.digest
                if state.digest == INITIAL:  # it went back to that; here it is what this process began with
                    del ambient[state.name]
                    continue
                content = session.recording.read(state.blob, None)
                if content is not None:
                    states[state.digest] = content
            if each.seq == run.seq:
                break
        return Moment(run, versions, ambient, states, tuple(steps))

    # -- going

    def go(self, run: CellRun) -> Arrival:
        """Go to the state right after a cell run.

        Raises
        ------
        RebuildError
            The cell goes on with something that cannot be made again.
        """
        session = self._session
        session.recording.flush()
        moment = self.moment(run)
        before = session.variables.names()
        session.past = list(moment.steps) or session.past
        arrival = Arrival(run, settled=self._eager, earlier=bool(moment.steps))
        arrival.gone = sorted(before - moment.versions.current.keys())
        arrival.ambient_lost = session.jump(
            moment.versions, moment.ambient, moment.states, keep=self._is_first()
        )
        self._tell(arrival)
        self._bring(arrival)
        return arrival

    def _is_first(self) -> bool:
        """Whether the cell has done nothing else so far: it begins with as many magics as it has run."""
        code = self._session.reading
        lines = [line.strip() for line in code.source.splitlines()] if code is not None else []
        statements = [line for line in lines if line and line[0] != "#"]
        leading = sum(1 for _ in takewhile(lambda line: line.startswith("%rewind"), statements))
        return self._session.jumps < leading

    def _tell(self, arrival: Arrival) -> None:
        variables = self._session.variables
        lazy = variables.lazy()
        arrival.kept = sorted(variables.names() - lazy)
        for name in sorted(lazy):
            saved = variables.saved_version(name)
            if variables.is_saved(name):
                arrival.saved.append(name)
            elif (cell := self._maker_of(saved)) is not None:
                arrival.remade[name] = cell
            else:
                arrival.lost.append(name)

    def _maker_of(self, saved: Covariable) -> str | None:
        try:
            cell = self._rebuilder.maker(saved).cell
        except RebuildError:
            return None
        return cell.id or (f"cell {cell.index}" if cell.index is not None else "an earlier cell")

    def _bring(self, arrival: Arrival) -> None:
        """Put in place what the rest of the cell that asks for it may touch or, where that must be now, all."""
        session = self._session
        code: CellCode | None = session.reading
        if self._eager:
            for missing in session.variables.materialise(session.variables.names()):
                with suppress(NbrewindError):
                    _at_once(self._rebuilder.provide([missing]))
            still = session.variables.lazy()
            arrival.lost = sorted(still)
            arrival.remade = {name: cell for name, cell in arrival.remade.items() if name not in still}
        elif code is not None:
            missing_here = session.missing(code)
            if missing_here:
                _at_once(self._rebuilder.provide(missing_here))
        session.observer.begin_again()  # what was brought in is not what the cell left


def _identifier(cell: CellRun, name: str) -> bool:
    return name in (cell.cell_id, f"#{cell.seq}") and bool(name)


def _index(cell: CellRun, name: str) -> bool:
    return cell.index is not None and str(cell.index) == name


def _count(cell: CellRun, name: str) -> bool:
    return cell.execution_count is not None and name in (
        str(cell.execution_count),
        f"[{cell.execution_count}]",
    )


def _after(versions: Versions, run: CellRun) -> Versions:
    """Versions after a cell run that began with these."""
    state = Variables({}, {}, _NoValues(), _NoValues())
    state.go_to(versions, keep=False)
    state.assume(run.covariables, run.deleted)
    return state.versions()


class _NoValues:
    """Stands for analyser and loader where only versions are followed."""

    def covariables(self, names: Iterable[str]) -> list[Covariable]:
        return []

    def references(self, *names: str) -> frozenset[str]:
        return frozenset()

    def can_load(self, covariable: Covariable) -> bool:
        return False

    def load(self, covariable: Covariable) -> dict[str, Any]:
        return {}


def _at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine from within a cell that runs: it may not wait for anything."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RebuildError(
        "a cell that awaits something cannot be run again from within another cell; run them one by one"
    )
