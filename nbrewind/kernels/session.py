"""One kernel's life, from the first cell to the last: decide, restore, prepare, observe, record.

The kernels and the extension drive it; it knows nothing of messages.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from nbrewind import hpc
from nbrewind.cells import distributions
from nbrewind.cells.ambient import Ambient, default_providers
from nbrewind.cells.code import CellCode, read_cell
from nbrewind.cells.modules import Modules
from nbrewind.cells.observer import Observation, Observer
from nbrewind.cells.paths import Paths
from nbrewind.cells.states import States
from nbrewind.cells.variables import Variables, Versions
from nbrewind.kernels import widgets
from nbrewind.kernels.cells import Cell
from nbrewind.kernels.checks import DIFFERED, Check
from nbrewind.kernels.deciding import Decider
from nbrewind.kernels.engines import engine_options
from nbrewind.kernels.history import History
from nbrewind.kernels.journal import CellJournal
from nbrewind.kernels.jumps import LISTS, Jump
from nbrewind.kernels.now import Now
from nbrewind.kernels.prompts import ASKS, watch_prompts
from nbrewind.kernels.recording import Recording
from nbrewind.kernels.settings import Settings
from nbrewind.plan.decide import Hit, Miss
from nbrewind.plan.task_differences import recorded_cause
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import (
    CellRun,
    Covariable,
    Digest,
    Evidence,
    Foresight,
    Reason,
    TaskCause,
    TaskCount,
)
from nbrewind.record.redaction import REDACTOR, found_in, is_secret
from nbrewind.state import STATE_OF, Analyser, Loader, describe
from nbrewind.state.describe import type_name
from nbrewind.tasks.memo import RecordMemo
from nbrewind.tasks.tally import Tally

if TYPE_CHECKING:
    from nbrewind.kernels.verifying import Verifier

_NO_OUTPUTS: bytes = b"[]"


@frozen
class Step:
    """What one cell did in this session.

    `before` are the versions that it started from, `ambient_before` the state of the interpreter. Only one that
    `remakes` its values may run again for them.
    """

    cell: Cell
    code: CellCode
    run: CellRun
    before: Versions
    ambient_before: Mapping[str, Digest]
    remakes: bool = True

    @property
    def changed_before(self) -> frozenset[str]:
        """Variables that were there before and that it left in another version."""
        return frozenset(
            name for made in self.run.covariables for name in made.names if name in self.before.current
        )


@define
class Report:
    """What became of one cell, for the front end and the command line."""

    action: str
    because: tuple[Reason, ...] = ()
    seconds: float = 0.0
    saved: float = 0.0
    tasks: TaskCount = TaskCount()
    by_cell: dict[str, TaskCount] = field(factory=dict)
    rebuilt: list[tuple[str, float]] = field(factory=list)
    causes: tuple[TaskCause, ...] = ()
    check: Check | None = None


class Session:
    """Records the cells of one kernel, and restores those whose recorded effects hold.

    Parameters
    ----------
    shell
        IPython's shell.
    settings
        Of this kernel.
    notify
        Shows one line to the user.
    progress
        Shows how tasks stand.

    Raises
    ------
    NbrewindError
        The record cannot be used.
    """

    def __init__(
        self,
        shell: Any,
        settings: Settings,
        notify: Callable[[str], None],
        progress: Callable[[Sequence[Tally]], None] = lambda tallies: None,
    ) -> None:
        self.shell = shell
        self.settings = settings
        self.recording = Recording(settings, notify)
        paths = Paths(settings.notebook.parent, (Path(settings.record),))
        modules = Modules(paths, self.recording.files.of)
        ambient = Ambient(default_providers(paths, shell))
        states = States(shell.user_ns, ambient.hints, modules.local_modules)
        self.analyser = Analyser(shell.user_ns, states)
        self.analyser.places = paths.places
        states.refused = lambda value: self.analyser.value(value).opaque
        loader = Loader(self.recording.record, shell.user_ns)
        self.variables = Variables(shell.user_ns, dict(shell.user_ns_hidden), self.analyser, loader, states)
        self.observer = Observer(self.variables, paths, self.recording.files, modules, ambient, states)
        self.journal = CellJournal(shell.user_ns, self.observer.files, notify, progress, fresh=settings.fresh)
        self.steps: list[Step] = []
        self.history = History(shell)
        self.now = Now(self.observer, self.history.digest)
        self._before: Versions = Versions({}, {})
        self._ambient_before: Mapping[str, Digest] = {}
        self._started = 0.0
        self._previews: dict[Digest, str] = {}
        self._failed = False
        self._jump: Jump | None = None
        self.reading: CellCode | None = None
        self.past: list[Step] = []
        self.launched: set[Digest] = set()
        self._against: CellRun | None = None
        self._verifier: Verifier | None = None
        if settings.verify:
            from nbrewind.kernels.verifying import Verifier

            run = self.recording.run.id
            self._verifier = Verifier(self.recording.record, loader, run, settings.verify, settings.tolerance)
        self._decider = Decider(self.recording, self.now, self._previews, self._verifier)
        self.rebuilding = False
        hdf5 = "nbrewind.state.hdf5"
        self._warming = Thread(target=import_module, args=(hdf5,), name="nbrewind-hdf5", daemon=True)
        self.pid = os.getpid()

    def install(self) -> None:
        """Hook into the interpreter."""
        self._warming.start()
        Thread(target=distributions.prepare, name="nbrewind-distributions", daemon=True).start()
        self.recording.start_environment()
        self.observer.install()
        watch_prompts(self.shell, self.journal.effect)
        self.recording.start_saver(self.analyser)
        options = engine_options(self.settings, self.journal.notice)
        hpc.install(RecordMemo(self.recording.record, self.recording.writer), self.journal, options)

    # -- deciding

    def catch_up(self) -> None:
        """Notice variables that were bound or deleted outside any cell since the last one."""
        change = self.variables.drifted(stirred=self.observer.stirred())
        if change is not None:
            key = digest_bytes(secrets.token_bytes(16))
            self.variables.adopt([derived(covariable, key) for covariable in change.written], change.deleted)

    def read(self, cell: Cell) -> CellCode:
        """Analyse a cell's code as this shell would run it."""
        with self.variables.seeming_present(cell.source):
            code = read_cell(cell.source, self.shell.transform_cell)
        self.observer.states.read(code)
        return code

    def decide(self, cell: Cell, code: CellCode) -> Hit | Miss:
        """Whether the recorded effects of this cell hold."""
        decision = self._decider.decide(cell, code, self.settings, self.observer.beside)
        if isinstance(decision, Miss) and [reason.kind for reason in decision.because] == ["verify"]:
            self._against, self.journal.fresh = decision.nearest, True
        return decision

    # -- restoring

    def restore(self, cell: Cell, code: CellCode, trace: CellRun) -> tuple[Report, list[dict[str, Any]]]:
        """Take over what a recorded run left; returns its output messages."""
        started = time.perf_counter()
        before, ambient_before = self.variables.versions(), self.observer.ambient.digests
        self.take_over(cell, trace)
        self._restore_files(trace)
        outputs = json.loads(self.recording.record.blob(trace.outputs)) if trace.outputs else []
        if shows_result(outputs):
            self.history.add(trace.key, len(self.steps), self.shell.execution_count, live=False)
        seconds = time.perf_counter() - started
        run = evolve(
            trace,
            run=self.recording.run.id,
            seq=len(self.steps),
            cell_id=cell.id,
            index=cell.index,
            source=cell.source,
            started=time.time(),
            action="restored",
            origin=trace.origin or f"{trace.run}/{trace.seq}",
            because=(),
            task_causes=(),
        )
        self.recording.add(run)
        self.steps.append(Step(cell, code, run, before, ambient_before))
        return Report("restored", seconds=seconds, saved=trace.seconds, tasks=trace.tasks), outputs

    def take_over(self, cell: Cell, trace: CellRun) -> None:
        """Take on the state that a recorded run left, but for its files."""
        self.known_code(cell)
        self.variables.assume(trace.covariables, trace.deleted)
        for state in trace.ambient:
            self.observer.ambient.assume(state.name, state.digest, self.recording.record.blob(state.blob))
        self.note_previews(trace)

    def known_code(self, cell: Cell) -> None:
        """Let tracebacks and warnings show the code of functions of a cell that does not run here."""
        self.shell.compile.cache(
            self.shell.transform_cell(cell.source), self.shell.execution_count, cell.source
        )

    def _restore_files(self, trace: CellRun) -> None:
        for written in trace.files:
            real = Path(self.observer.paths.real(written.path))
            if self.now.digest("file", written.path) == written.digest:
                continue
            if written.digest is None:
                real.unlink(missing_ok=True)
            else:
                real.parent.mkdir(parents=True, exist_ok=True)
                self.recording.record.blob_to_file(written.digest, real, written.mode)

    def note_previews(self, run: CellRun) -> None:
        """Remember in a few words what a cell left."""
        for covariable in run.covariables:
            for name, digest in covariable.digests.items():
                self._previews[digest] = run.previews.get(f"={name}", "")

    # -- running

    def missing(self, code: CellCode, also: Iterable[str] = ()) -> list[Covariable]:
        """Put in place what a cell may touch; returns versions that only their cells can make again."""
        return self.variables.materialise({*self.observer.reachable(code), *also})

    def unlaunched(self, cell: Cell, miss: Miss) -> list[Step]:
        """Restored cells that started workers by a command, which a cell that drives tasks needs to have run."""
        steps = [
            step
            for step in self.steps
            if step.run.launches and step.run.action == "restored" and step.run.key not in self.launched
        ]
        return steps if steps and (hpc.drives() or self._decider.drove(cell, miss)) else []

    def get_ready(self) -> None:
        """Wait for what must not go on while this process forks: h5py prepares for forks when it is imported."""
        self._warming.join()

    def begin(self, cell: Cell, code: CellCode) -> None:
        """The cell is about to run."""
        self.get_ready()
        self.journal.enter(cell.id, cell.source)
        self._before, self._ambient_before = self.variables.versions(), self.observer.ambient.digests
        own_file = self.shell.compile.get_code_name(
            cell.source, self.shell.transform_cell(cell.source), self.shell.execution_count
        )
        self._started = time.time()
        self._jump, self.reading = None, code
        self.observer.begin(code, own_file)

    @property
    def jumps(self) -> int:
        """How often the running cell has gone elsewhere."""
        return 0 if self._jump is None else self._jump.count

    def jump(
        self, to: Versions, ambient: Mapping[str, Digest], states: Mapping[Digest, bytes], *, keep: bool
    ) -> list[str]:
        """Take on the state of another moment while a cell runs; returns what of the ambient state is not known.

        Parameters
        ----------
        to, ambient
            Versions and digests of that moment.
        states
            Ambient states by digest.
        keep
            Whether values with the same version there may stay in place: the cell has changed none so far.
        """
        jump = self._jump or Jump(self._before, self._ambient_before)
        self._jump = jump.once_more(leading=keep)
        self.variables.go_to(to, keep=keep)
        lost = self.observer.ambient.go_to(ambient, states)
        self.observer.begin_again()
        self._before, self._ambient_before = self.variables.versions(), self.observer.ambient.digests
        return lost

    def finish(
        self,
        cell: Cell,
        code: CellCode,
        because: tuple[Reason, ...],
        *,
        ok: bool,
        outputs: list[dict[str, Any]],
        foresight: Foresight | None = None,
    ) -> Report:
        """The cell has run: record what it read and left."""
        REDACTOR.take()
        outputs = REDACTOR.message(outputs)
        shown = json.dumps(outputs).encode()
        run, observation = self.left(cell, code, because, shown, ok=ok)
        run = evolve(run, foresight=foresight)
        if ok:
            self.recording.save_values(run.covariables, cell.id or f"cell {len(self.steps)}", run.seconds)
            run = evolve(
                run,
                files=self.kept_files(observation.files, observation.named),
                ambient=self.recording.keep_ambient(observation.ambient),
            )
        self._failed = self._failed or not ok
        if shows_result(outputs):
            self.history.add(run.key, len(self.steps), self.shell.execution_count - 1, live=True)
        blob = self.recording.put(shown) if outputs else ""
        redacted = (*REDACTOR.take(), *kept_secret(run))
        run = evolve(run, outputs=blob, open=run.open or unrepeatable(outputs, blob), redacted=redacted)
        check = None
        with self.recording.guarded("a cell could not be verified"):
            check = self._verified(run, outputs)
        if check is not None and check.findings:  # what the record has stays what later runs go by
            run = evolve(run, open=run.open or DIFFERED)
        self.recording.add(self._whole(run))
        self.reading = None
        remakes = self._jump is None or self._jump.leading
        self.steps.append(Step(cell, code, run, self._before, self._ambient_before, remakes))
        self.observer.rest()
        return Report(run.action, because, run.seconds, tasks=run.tasks, causes=run.task_causes, check=check)

    def left(
        self, cell: Cell, code: CellCode, because: tuple[Reason, ...], shown: bytes, *, ok: bool
    ) -> tuple[CellRun, Observation]:
        """The cell has run, and has `shown` this: find out what it read and left. Nothing is stored."""
        seconds = time.time() - self._started
        observation = self.observer.end(shown)
        hpc.cell_finished()
        run = self._describe(cell, code, observation, seconds, because, ok=ok)
        self.variables.adopt(run.covariables, run.deleted)
        self.note_previews(run)
        return run, observation

    def _verified(self, run: CellRun, outputs: list[dict[str, Any]]) -> Check | None:
        """Compare a cell that ran to be verified, and go on from what the record says: the next cell is on its own."""
        trace, self._against = self._against, None
        if trace is None or self._verifier is None:
            return None
        self.journal.fresh = self.settings.fresh
        check = self._verifier.compare(trace, run, outputs, self.variables.namespace)
        if check.findings:
            savable = [made for made in trace.covariables if self.variables.can_load(made)]
            self.variables.assume(savable, trace.deleted)
            for state in trace.ambient:
                self.observer.ambient.assume(state.name, state.digest, self.recording.record.blob(state.blob))
            self._restore_files(trace)
        return check

    def _whole(self, run: CellRun) -> CellRun:
        """What the record keeps of a cell run: with what it left by going elsewhere."""
        if self._jump is None:
            return run
        return self._jump.whole(run, self.variables.versions(), self.observer.ambient, self.recording.put)

    def kept_files(self, files: Mapping[str, Digest | None], named: Mapping[str, str]) -> tuple[Any, ...]:
        """Keep copies of files that a cell wrote, given by real path; `named` has the names that it used."""
        return self.recording.keep_files((path, named[path], digest) for path, digest in files.items())

    def _describe(
        self,
        cell: Cell,
        code: CellCode,
        observation: Observation,
        seconds: float,
        because: tuple[Reason, ...],
        *,
        ok: bool,
    ) -> CellRun:
        evidence = (*observation.evidence, *self.history.evidence(code.history))
        key = trace_key(code.digest, evidence)
        written = tuple(derived(covariable, key) for covariable in observation.change.written)
        count = self.journal.count(cell.id)
        return CellRun(
            run=self.recording.run.id,
            seq=len(self.steps),
            cell_id=cell.id,
            index=cell.index,
            code=code.digest,
            source=cell.source,
            started=self._started,
            seconds=seconds,
            action="executed" if ok else "failed",
            status="ok" if ok else "error",
            key=key,
            because=because,
            evidence=evidence,
            covariables=written,
            deleted=observation.change.deleted,
            execution_count=self.shell.execution_count - 1,
            carried=observation.change.carried,
            tasks=count,
            open=observation.open or ", ".join(sorted({ASKS, LISTS} & self.journal.effects)),
            volatile="volatile" in cell.tags,
            launches=self.journal.launches,
            previews=self._make_previews(evidence, written),
            task_causes=tuple(recorded_cause(cause, self._maker) for cause in self.journal.take_causes()),
            types={
                name: type_name(self.variables.namespace[name])
                for covariable in written
                for name in covariable.names
                if name in self.variables.namespace
            },
        )

    def _maker(self, name: str) -> str:
        """Which cell made a variable, in words."""
        for step in reversed(self.steps):
            if any(name in made.names for made in step.run.covariables):
                cell = step.cell
                return f"in cell {cell.index if cell.index is not None else cell.id or f'#{step.run.seq}'}"
        return ""

    def _make_previews(self, evidence: Iterable[Evidence], written: Iterable[Covariable]) -> dict[str, str]:
        previews = {}
        for seen in evidence:
            if (
                seen.kind == "variable"
                and seen.digest is not None
                and (text := self._previews.get(seen.digest))
            ):
                previews[seen.name] = text
        for covariable in written:
            for name in covariable.names:
                if not name.startswith(STATE_OF):
                    previews[f"={name}"] = REDACTOR.text(describe(self.variables.namespace.get(name)))
        return previews

    # -- ending

    def report_counts(self, report: Report) -> Report:
        """Add the task counts of all cells since the last report."""
        report.by_cell = self.journal.take_counts()
        return report

    def flush(self) -> None:
        """Make everything recorded so far durable."""
        self.recording.flush()

    def close(self) -> None:
        """The kernel ends."""
        hpc.shutdown()
        self.recording.close("failed" if self._failed else "ok")


def trace_key(code: Digest, evidence: Iterable[Evidence]) -> Digest:
    """Name of a trace: its code and all that it saw."""
    rows = sorted([seen.kind, seen.name, seen.digest or ""] for seen in evidence)
    return digest_bytes(json.dumps([code, rows], ensure_ascii=True).encode())


def derived(covariable: Covariable, key: Digest) -> Covariable:
    """Identify a version that cannot be saved by how it was made: same code and same reads, same value."""
    if not covariable.opaque:
        return covariable
    digests = {name: digest_bytes(f"{key} {name}".encode()) for name in covariable.names}
    return evolve(
        covariable, digests=digests, digest=digest_bytes(f"{key} {' '.join(covariable.names)}".encode())
    )


def kept_secret(run: CellRun) -> tuple[str, ...]:
    """What else there is to say of secrets: those of which a keyed digest is kept, and those that stay in the code."""
    named = [one.name for one in run.evidence if one.kind == "env" and one.digest and is_secret(one.name)]
    kept = [f"the value of {name}, of which a keyed digest is kept" for name in named]
    return (*kept, *(f"{label} stays in the code of the cell" for label in found_in(run.source)))


def unrepeatable(outputs: list[dict[str, Any]], blob: Digest) -> str:
    """Why outputs cannot be shown again; empty if they can."""
    if outputs and not blob:
        return "its output is not saved"
    return widgets.CONTROLS if widgets.controls(outputs) else ""


def shows_result(outputs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the cell has a result, which IPython keeps in its history."""
    return any(message["type"] == "execute_result" for message in outputs)
