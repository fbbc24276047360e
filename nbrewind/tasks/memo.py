"""What engines need of the record, and what they tell the session that runs cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from nbrewind.errors import RecordBroken
from nbrewind.record.model import Digest, Run, TaskRun
from nbrewind.tasks.missed import MissedTasks
from nbrewind.tasks.tally import Tally


class Memo(Protocol):
    """Finished tasks and their payloads, by content."""

    @property
    def run(self) -> str:
        """Identity of the run that records now."""
        ...

    def find(self, key: Digest) -> TaskRun | None:
        """Return the last finished run of the task with this key, if it may be reused."""
        ...

    def recent(self, cell_id: str, known: Iterable[Digest]) -> list[TaskRun]:
        """Return tasks of a cell in earlier runs, newest first, without those with these keys."""
        ...

    def add(self, task_run: TaskRun) -> None:
        """Record a task that came back; it is durable when this returns."""
        ...

    def put(self, data: bytes) -> Digest:
        """Store bytes under their digest."""
        ...

    def put_file(self, path: str) -> Digest:
        """Store the content of a local file under its digest."""
        ...

    def get(self, digest: Digest) -> bytes:
        """Return stored bytes, verified; raise `NbrewindError` or `OSError` where they are gone."""
        ...

    def get_file(self, digest: Digest, path: str, mode: int) -> None:
        """Put stored bytes at `path`, atomically, verified; raise as `get` does."""
        ...


class Journal(Protocol):
    """The session that runs cells, as engines see it: where a task belongs, and who is told about it."""

    fresh: bool
    """Look nothing up; still record."""

    def cell_id(self) -> str:
        """Return the cell that runs now."""
        ...

    def cell_source(self) -> str:
        """Return the code of the cell that runs now."""
        ...

    def namespace(self) -> dict[str, Any]:
        """Return the notebook's variables."""
        ...

    def file_read(self, path: str) -> None:
        """Note a local file that the cell declared as a task's input."""
        ...

    def file_written(self, path: str) -> None:
        """Note a local file that a task left."""
        ...

    def task_reused(self, task_run: TaskRun) -> None:
        """Note a task that the record served."""
        ...

    def task_submitted(self, name: str) -> None:
        """Note a task that went to the engine."""
        ...

    def task_finished(self, task_run: TaskRun) -> None:
        """Note a task that came back from the engine: done, failed or cancelled."""
        ...

    def effect(self, what: str) -> None:
        """Note that the cell acts outside the notebook, e.g. drives a manager."""
        ...

    def launched(self, command: str) -> None:
        """Note a command by which the cell started workers."""
        ...

    def task_causes(self, causes: Sequence[MissedTasks]) -> None:
        """Note why tasks of the cell that ends went to the engine."""
        ...

    def notice(self, text: str) -> None:
        """Show one readable line to the user."""
        ...

    def progress(self, tallies: Sequence[Tally]) -> None:
        """Show how the tasks of the cell's managers stand, in place of what was shown before."""
        ...


class RecordStore(Protocol):
    """The part of `nbrewind.record.Record` that a memo reads."""

    def task(self, key: Digest) -> TaskRun | None:
        """Return the last finished run of a task."""
        ...

    def recent_tasks(self, cell_id: str, *, known: Iterable[Digest]) -> list[TaskRun]:
        """Return tasks of a cell in its last runs."""
        ...

    def blob(self, digest: Digest) -> bytes:
        """Return stored bytes."""
        ...

    def blob_to_file(self, digest: Digest, path: str, mode: int) -> None:
        """Put stored bytes at a path."""
        ...


class RunStore(Protocol):
    """The part of `nbrewind.record.RunWriter` that a memo writes."""

    @property
    def run(self) -> Run:
        """The run."""
        ...

    def task(self, task_run: TaskRun) -> None:
        """Record a task that came back."""
        ...

    def put(self, data: bytes) -> Digest:
        """Store bytes."""
        ...

    def put_file(self, path: str) -> Digest:
        """Store a file's content."""
        ...


class RecordMemo:
    """A `Memo` over the project's own record.

    Parameters
    ----------
    record
        What earlier runs left, and this one.
    writer
        The run that records now.
    """

    def __init__(self, record: RecordStore, writer: RunStore) -> None:
        self._record = record
        self._writer = writer

    @property
    def run(self) -> str:
        """Identity of the run that records now."""
        return self._writer.run.id

    def find(self, key: Digest) -> TaskRun | None:
        """Return the last finished run of the task with this key, if it may be reused."""
        found = self._record.task(key)
        return found if found is not None and found.status == "done" else None

    def recent(self, cell_id: str, known: Iterable[Digest]) -> list[TaskRun]:
        """Return tasks of a cell in earlier runs, newest first, without those with these keys."""
        return self._record.recent_tasks(cell_id, known=known)

    def add(self, task_run: TaskRun) -> None:
        """Record a task that came back."""
        self._writer.task(task_run)

    def put(self, data: bytes) -> Digest:
        """Store bytes under their digest."""
        return self._writer.put(data)

    def put_file(self, path: str) -> Digest:
        """Store the content of a local file under its digest."""
        return self._writer.put_file(path)

    def get(self, digest: Digest) -> bytes:
        """Return stored bytes."""
        with _present(digest):
            return self._record.blob(digest)

    def get_file(self, digest: Digest, path: str, mode: int) -> None:
        """Put stored bytes at `path`."""
        with _present(digest):
            self._record.blob_to_file(digest, path, mode)


@contextmanager
def _present(digest: Digest) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise RecordBroken(f"the content {digest} is not in the record any more") from error
