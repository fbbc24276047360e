"""Running recorded cells again to see whether they give here what the record says: ``repeat --verify``."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nbrewind.errors import NbrewindError
from nbrewind.kernels.checks import Check
from nbrewind.plan import alike
from nbrewind.plan.alike import Alike
from nbrewind.plan.decide import short
from nbrewind.record.model import CellRun, Covariable, Digest, TaskRun
from nbrewind.record.store import Record
from nbrewind.report.found import tasks_behind
from nbrewind.state import Loader


class Verifier:
    """Compares cells of one session with the record.

    Parameters
    ----------
    record
        Holds what is compared with.
    loader
        Brings recorded values back.
    run
        Identifier of this session's run: it decides which cells are taken.
    share
        Share of the cells that are taken.
    tolerance
        Relative difference of floating-point numbers up to which they are close.
    """

    def __init__(self, record: Record, loader: Loader, run: str, share: float, tolerance: float) -> None:
        self._record, self._loader, self._run = record, loader, run
        self._share, self._tolerance = share, tolerance

    def takes(self, cell: str) -> bool:
        """Whether this cell is one of those that run again."""
        return random.Random(f"{self._run} {cell}").random() < self._share

    def compare(
        self, trace: CellRun, run: CellRun, outputs: Sequence[Mapping[str, Any]], namespace: Mapping[str, Any]
    ) -> Check:
        """Compare what a cell did now with what the record says.

        Parameters
        ----------
        trace
            The recorded cell run.
        run
            The one of now.
        outputs
            What it showed now.
        namespace
            The notebook's variables now.
        """
        check = Check(f"{trace.run}/{trace.seq}")
        recorded = json.loads(self._record.blob(trace.outputs)) if trace.outputs else []
        check.add("output", "output", alike.shown(recorded, list(outputs), self._tolerance))
        for name, found in self._variables(trace, run, namespace):
            check.add("variable", name, found)
        for name, found in self._files(trace, run):
            check.add("file", name, found)
        states = [{state.name: state.digest for state in one.ambient} for one in (trace, run)]
        for name in sorted(states[0].keys() | states[1].keys()):
            check.add("ambient", name, _by_digest(states[0].get(name), states[1].get(name)))
        for task, found in self._tasks(trace, run):
            check.add("task", f"{task.name} ({task.key.partition(':')[2][:10]})", found)
        return check

    def _variables(
        self, trace: CellRun, run: CellRun, namespace: Mapping[str, Any]
    ) -> Iterator[tuple[str, Alike]]:
        before, after = (
            {name: made for made in one.covariables for name in made.names} for one in (trace, run)
        )
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            if old is None or new is None or name not in namespace:
                yield (
                    name,
                    Alike("different", name, "made" if old else "not made", "made" if new else "not made"),
                )
            elif old.digests[name] == new.digests[name]:
                yield name, alike.SAME
            else:
                yield name, self._values(old, name, namespace[name], trace, run)

    def _values(self, old: Covariable, name: str, value: Any, trace: CellRun, run: CellRun) -> Alike:
        words = trace.previews.get(f"={name}", ""), run.previews.get(f"={name}", "")
        try:
            recorded = self._loader.load(old)[name]
        except (NbrewindError, OSError, KeyError):
            return Alike("different", name, f"{words[0]} (not saved)", words[1])
        found = alike.values(recorded, value, self._tolerance, name)
        # equal in all parts that can be looked at, and yet another digest: something else in it differs
        return found if found.verdict != "identical" else Alike("different", name, *words)

    def _files(self, trace: CellRun, run: CellRun) -> Iterator[tuple[str, Alike]]:
        before, after = ({written.path: written.digest for written in one.files} for one in (trace, run))
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path), after.get(path)
            texts = [self._text(digest) for digest in (old, new)]
            if old != new and texts[0] is not None and texts[1] is not None:
                yield path, alike.texts(texts[0], texts[1], self._tolerance, path)
            else:
                yield path, _by_digest(old, new)

    def _text(self, digest: Digest | None) -> str | None:
        try:
            return self._record.blob(digest).decode() if digest else None
        except (KeyError, NbrewindError, OSError, UnicodeDecodeError):
            return None

    def _tasks(self, trace: CellRun, run: CellRun) -> Iterator[tuple[TaskRun, Alike]]:
        """Tasks that ran again, each beside the one of the same key that the record had."""
        now = {
            task.key: task
            for task in self._record.tasks(run.run, run.cell_id)
            if task.key and task.kind != "content"
        }
        if not now:
            return
        before = {task.key: task for task in tasks_behind(self._record, trace.run) if task.run != run.run}
        for key, task in now.items():
            if key in before:
                yield task, self._task(before[key], task)

    def _task(self, old: TaskRun, new: TaskRun) -> Alike:
        if old.status != new.status:
            return Alike("different", "", old.status, new.status)
        for path, digest in {written.path: written.digest for written in new.files}.items():
            then = next((written.digest for written in old.files if written.path == path), None)
            if then != digest:
                return Alike("different", path, short(then), short(digest))
        if old.output == new.output or self._record.is_barred(old.run):
            return _by_digest(old.output, new.output)
        try:
            results = [pickle.loads(self._record.blob(one.output)) for one in (old, new)]
        except Exception:  # noqa: BLE001 - a result that cannot be read here can only be told apart by its bytes
            return _by_digest(old.output, new.output)
        return alike.values(results[0], results[1], self._tolerance, new.name)


def _by_digest(old: Digest | None, new: Digest | None) -> Alike:
    return alike.SAME if old == new else Alike("different", "", short(old), short(new))
