"""What engines tell a session, kept per cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import evolve

from nbrewind.record.model import TaskCount, TaskRun
from nbrewind.tasks.missed import MissedTasks
from nbrewind.tasks.tally import Tally


class FileNotes(Protocol):
    """Takes down which files tasks read and write (`nbrewind.cells.files.FilesWatch`)."""

    def note_read(self, path: str) -> None:
        """Something reads this."""

    def note_write(self, path: str) -> None:
        """Something wrote this."""


class CellJournal:
    """Implements `nbrewind.tasks.memo.Journal`: counts tasks by the cell that runs.

    Parameters
    ----------
    namespace
        The notebook's variables.
    files
        Where files that tasks read and write are noted.
    notify
        Shows one line to the user.
    progress
        Shows how tasks stand.
    fresh
        Whether tasks run although the record holds them.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        files: FileNotes,
        notify: Callable[[str], None],
        progress: Callable[[Sequence[Tally]], None],
        *,
        fresh: bool,
    ) -> None:
        self.fresh = fresh
        self._namespace = namespace
        self._files = files
        self._notify = notify
        self._progress = progress
        self._cell = self._source = ""
        self._launches: list[str] = []
        self._counts: dict[str, TaskCount] = {}
        self._effects: set[str] = set()
        self._causes: Sequence[MissedTasks] = ()

    def enter(self, cell_id: str, source: str = "") -> tuple[str, str]:
        """Name the cell that runs from here, with its code; returns the one before."""
        before = self._cell, self._source
        self._cell, self._source = cell_id, source
        self._effects, self._launches = set(), []
        return before

    def take_counts(self) -> dict[str, TaskCount]:
        """Counts by cell since they were last taken."""
        counts, self._counts = self._counts, {}
        return counts

    def count(self, cell_id: str) -> TaskCount:
        """Count of one cell since counts were last taken."""
        return self._counts.get(cell_id, TaskCount())

    def take_causes(self) -> Sequence[MissedTasks]:
        """Why tasks were submitted since this was last asked."""
        causes, self._causes = self._causes, ()
        return causes

    @property
    def effects(self) -> frozenset[str]:
        """What the cell does outside the notebook."""
        return frozenset(self._effects)

    @property
    def launches(self) -> tuple[str, ...]:
        """The commands by which the cell started workers."""
        return tuple(self._launches)

    def cell_id(self) -> str:
        """The cell that runs now."""
        return self._cell

    def cell_source(self) -> str:
        """The code of the cell that runs now."""
        return self._source

    def namespace(self) -> dict[str, Any]:
        """The notebook's variables."""
        return self._namespace

    def file_read(self, path: str) -> None:
        """The cell declared this local file as a task's input."""
        self._files.note_read(path)

    def file_written(self, path: str) -> None:
        """A task left this local file."""
        self._files.note_write(path)

    def task_reused(self, task_run: TaskRun) -> None:
        """The record served a task."""
        self._add(reused=1)

    def task_submitted(self, name: str) -> None:
        """A task went to the engine."""
        self._add(submitted=1)

    def task_finished(self, task_run: TaskRun) -> None:
        """A task came back from the engine."""
        if task_run.status == "failed":
            self._add(failed=1)

    def refuse_tasks(self, refuse: Callable[[], object]) -> None:
        """Call this instead of taking down what happens to tasks: this process may not have any."""
        for name in ("task_reused", "task_finished", "task_submitted"):
            setattr(self, name, lambda _what: refuse())

    def effect(self, what: str) -> None:
        """The cell acts outside the notebook."""
        self._effects.add(what)

    def launched(self, command: str) -> None:
        """The cell started workers by this command."""
        self._launches.append(command)

    def notice(self, text: str) -> None:
        """One readable line for the user."""
        self._notify(text)

    def task_causes(self, causes: Sequence[MissedTasks]) -> None:
        """Why tasks of the cell went to the engine."""
        self._causes = causes

    def progress(self, tallies: Sequence[Tally]) -> None:
        """How the tasks of the cell's managers stand."""
        self._progress(tallies)

    def _add(self, **more: int) -> None:
        count = self._counts.get(self._cell, TaskCount())
        self._counts[self._cell] = evolve(
            count, **{key: getattr(count, key) + value for key, value in more.items()}
        )
