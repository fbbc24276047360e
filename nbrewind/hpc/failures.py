"""Tell the user of failed tasks in one readable summary a cell, never a line a task."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import frozen

from nbrewind.tasks.failures import kind_of, remedy_of

if TYPE_CHECKING:
    from nbrewind.hpc.fitness import Unfit
    from nbrewind.record.model import TaskRun
    from nbrewind.tasks.memo import Journal

SHOWN = 3


@frozen
class Failure:
    """One failed task, as it is shown."""

    name: str
    kind: str
    host: str
    tail: str
    attempts: int = 1


class Failures:
    """The failed tasks of the cell that runs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kinds: Counter[str] = Counter()
        self._first: list[Failure] = []
        self._explained: set[str] = set()
        self._unfit: dict[str, Unfit] = {}

    def add(self, run: TaskRun, stdout: str, unfit: Unfit | None = None, detail: str = "") -> None:
        """Note a failed task, and what will make all the others fail too; `detail` speaks where it said nothing."""
        kind = kind_of(run)
        self._kinds[kind] += 1
        if len(self._first) < SHOWN:
            self._first.append(Failure(run.name, kind, run.host, last_line(stdout) or detail, run.attempts))
        if unfit is not None:
            self._unfit.setdefault(unfit.why, unfit)
            return
        remedy = remedy_for(stdout)
        if remedy and remedy not in self._explained:
            self._explained.add(remedy)
            self._journal.notice(remedy)

    def told(self, unfit: Unfit) -> None:
        """Know that the user has been told of this."""
        self._explained.add(unfit.why)

    def flush(self) -> None:
        """Show the summary of what failed since the last one."""
        for why, unfit in self._unfit.items():
            if why not in self._explained:
                self._explained.add(why)
                self._journal.notice(str(unfit))
        self._unfit.clear()
        if not self._kinds:
            return
        total = self._kinds.total()
        counts = ", ".join(f"{count} × {kind}" for kind, count in self._kinds.most_common())
        lines = [f"{total} task{'s' if total > 1 else ''} failed ({counts})"]
        for failure in self._first:
            where = f" on {failure.host}" if failure.host else ""
            where += f" at attempt {failure.attempts}" if failure.attempts > 1 else ""
            said = f": {failure.tail}" if failure.tail else ""
            lines.append(f"  {failure.name}{where}: {failure.kind}{said}")
        if total > len(self._first):
            lines.append(f"  … and {total - len(self._first)} more: nbrewind show --tasks")
        lines += [f"  {kind}: {remedy}" for kind in self._kinds if (remedy := remedy_of(kind))]
        self._journal.notice("\n".join(lines))
        self._kinds.clear()
        self._first.clear()


def last_line(text: str, width: int = 160) -> str:
    """Return the last line that says something, cut to a width."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:width] if lines else ""


def remedy_for(stdout: str) -> str:
    """Recognise, from what a task printed, a worker that cannot run Python tasks, and say what to do."""
    if "No module named 'cloudpickle'" in stdout:
        return (
            "the workers' python3 has no cloudpickle, so no Python task can run there: install cloudpickle "
            "for the python3 that is first on the workers' PATH, or start the workers with another PATH "
            '(factory.wrapper = "env PATH=…")'
        )
    if "python3: not found" in stdout or "python3: command not found" in stdout:
        return "the workers have no python3 on their PATH, so no Python task can run there"
    return ""
