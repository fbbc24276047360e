"""The record: one folder that many processes read and, for different notebooks, write at the same time.

::

    NAME.nbrewind/
        record.json        {"schema": 1, "created": …, "nbrewind": …}
        runs/ID.log        all of a run: cells, tasks, content up to 1 MiB (format: `nbrewind.record.log`)
        objects/ab/cd…     content above 1 MiB, by digest
        checkpoints/*.h5   saved variables (format: `nbrewind.state`)
        index.sqlite       derived from the logs; may be deleted
        locks/             who writes
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from nbrewind.errors import RecordBroken, RecordBusy, RecordError, UsageError
from nbrewind.record import forks, layout
from nbrewind.record import log as logs
from nbrewind.record.catalog import Catalog
from nbrewind.record.content import Content
from nbrewind.record.digests import FileStamp
from nbrewind.record.disk import writing
from nbrewind.record.encoding import decode, from_json, pack_digest, unpack_digest
from nbrewind.record.entries import log_number, used_keys
from nbrewind.record.foreign import read_foreign
from nbrewind.record.index import Row
from nbrewind.record.layout import new_run_id
from nbrewind.record.locks import FileLock, NotebookLock, unsupported
from nbrewind.record.model import CellRun, Digest, Location, Run, TaskRun
from nbrewind.record.objects import Objects
from nbrewind.record.writer import RunWriter

if TYPE_CHECKING:
    from nbrewind.record.counts import Counts
    from nbrewind.record.gc import GcReport
    from nbrewind.record.portion import Chooser

_RECENT_RUNS = 16

__all__ = ["Record", "RunWriter", "new_run_id"]


class Record:
    """An open record; make one with `open`. Safe in several threads; a forked child may read.

    Attributes
    ----------
    folder
        Where it lies.
    dropped
        What was damaged and left out, a sentence each.
    foreign
        What came from elsewhere. Unless that is trusted, `traces`, `task` and `locate` find nothing of it.
    """

    def __init__(self, folder: Path, *, readonly: bool) -> None:
        self.folder, self.readonly = folder, readonly
        self._objects = Objects(folder / "objects")
        self._catalog = Catalog(folder, readonly=readonly, alive=self._alive)
        self._content = Content(folder, self._catalog, self._objects)
        self._writers: dict[RunWriter, FileLock | None] = {}
        self.foreign = read_foreign(folder)
        self._barred = frozenset() if self.foreign.trusted else frozenset(map(log_number, self.foreign.logs))
        self._closed = False
        forks.register(self)

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, create: bool = True, readonly: bool = False) -> Record:
        """Open the record in a folder, or make it.

        Parameters
        ----------
        folder
            Usually ``NAME.nbrewind`` beside the notebook.
        create
            Make it if it is missing.
        readonly
            Write nothing at all, for a folder that cannot be written.

        Raises
        ------
        RecordError
            There is no record, or the folder is something else.
        RecordTooNew
            A newer nbrewind wrote it.
        RecordBroken
            Its ``record.json`` is damaged.
        RecordUnwritable
            It cannot be made.
        """
        path = Path(os.path.abspath(folder))
        if not (path / "record.json").exists():
            layout.make(path, create=create and not readonly)
        layout.check(path)
        return cls(path, readonly=readonly)

    @property
    def dropped(self) -> list[str]:
        """What was damaged and left out, a sentence each."""
        return self._catalog.dropped

    # -- writing -----------------------------------------------------------------------------------

    def begin(self, run: Run) -> RunWriter:
        """Start recording a run; an empty ``run.id`` gets a new name.

        Raises
        ------
        RecordBusy
            Another live process records this notebook here, or is collecting garbage.
        RecordUnwritable
            The folder takes no files.
        RecordError
            It was opened read-only.
        UsageError
            The name is taken, or no name for a file.
        """
        if self.readonly:
            raise RecordError(f"{self.folder} was opened read-only")
        run = attrs.evolve(run, id=run.id or new_run_id(run.started))
        layout.check_run_id(run.id)
        if (self.folder / "runs" / f"{run.id}.log").exists():
            raise UsageError(f"{self.folder} already has a run {run.id}")
        layout.make_folders(self.folder)
        shared = self._share()
        lock = NotebookLock(self.folder / "locks", run.notebook)
        try:
            lock.acquire(run.id)
            writer = RunWriter(run, self.folder, self._catalog, self._objects, lock, self._released)
        except BaseException:
            lock.release()
            if shared is not None:
                shared.release()
            raise
        self._writers[writer] = shared
        return writer

    def _share(self) -> FileLock | None:
        """Keep garbage collection out."""
        shared = FileLock(self.folder / "locks" / "record.lock", exclusive=False)
        with writing(self.folder):
            try:
                taken = shared.acquire(patience=5.0)
            except OSError as error:
                if unsupported(error):
                    return None
                raise
        if not taken:
            raise RecordBusy(
                f"garbage is being collected in {self.folder}: try again when `nbrewind gc` has ended"
            )
        return shared

    def _released(self, writer: RunWriter) -> None:
        shared = self._writers.pop(writer, None)
        if shared is not None:
            shared.release()

    # -- runs --------------------------------------------------------------------------------------

    def _alive(self, run_json: bytes) -> bool:
        run = from_json(run_json)
        return NotebookLock(self.folder / "locks", run.get("notebook", "")).live_run() == run.get("id")

    def runs(self) -> list[Run]:
        """All runs, oldest first; one whose process died without ending it is ``interrupted``."""
        return sorted(map(self._run_of, self._catalog.runs_json()), key=lambda run: (run.started, run.id))

    def _run_of(self, run_json: bytes) -> Run:
        run = decode(Run, run_json)
        if run.ended is None and not self._alive(run_json):
            return attrs.evolve(run, status="interrupted")
        return run

    def run(self, prefix: str) -> Run:
        """The run whose id begins like that, or the newest for ``last``.

        Raises
        ------
        UsageError
            None or several do.
        """
        runs = self.runs()
        if prefix == "last":
            matching = runs[-1:]
        else:
            matching = [run for run in runs if run.id == prefix] or [
                r for r in runs if prefix and r.id.startswith(prefix)
            ]
        if len(matching) == 1:
            return matching[0]
        if not matching:
            raise UsageError(f"{self.folder} has no run {prefix!r}; `nbrewind runs` lists {len(runs)}")
        raise UsageError(
            f"{prefix!r} could be any of {', '.join(run.id for run in matching[:5])}: type more of it"
        )

    def is_barred(self, run_id: str) -> bool:
        """Whether a run came from elsewhere and is not trusted: it may be looked at, and nothing in it loaded."""
        return log_number(f"{run_id}.log") in self._barred

    # -- cells -------------------------------------------------------------------------------------

    def cells(self, run_id: str) -> list[CellRun]:
        """The cell runs of a run, in order."""
        rows = self._catalog.ask(lambda index: index.cells(run=run_id))
        found = (self._cell(row) for row in self._newest_of_each(rows))
        return sorted((cell for cell in found if cell is not None), key=lambda cell: cell.seq)

    def cell(self, run_id: str, seq: int) -> CellRun:
        """One cell run.

        Raises
        ------
        UsageError
            There is no such cell run.
        """
        rows = self._catalog.ask(lambda index: index.cells(run=run_id, seq=seq))
        for row in self._newest_of_each(rows):
            if cell := self._cell(row):
                return cell
        raise UsageError(f"{self.folder} has no cell run {run_id}/{seq}")

    def traces(self, code: Digest) -> Iterator[CellRun]:
        """Cell runs of that code that went well, newest first, decoded as they are taken."""
        rows = self._catalog.ask(lambda index: index.cells(code=code))
        for row in self._newest_of_each(rows):
            if row[6] and row[0] not in self._barred and (cell := self._cell(row)):
                yield cell

    def _newest_of_each(self, rows: list[Row]) -> list[Row]:
        """Rows of `cells`, newest first, one for each run and number."""
        newest: dict[tuple[str, int], Row] = {}
        for row in sorted(rows, key=lambda row: (row[5], self._catalog.shelf.name(row[0]), row[1])):
            newest.pop((row[2], row[3]), None)
            newest[row[2], row[3]] = row
        return list(reversed(newest.values()))

    def _cell(self, row: Row) -> CellRun | None:
        payload = self._catalog.read(row[0], row[1], logs.CELL)
        cell = None if payload is None else decode(CellRun, payload)
        asked = cell is not None and (cell.run, cell.seq, pack_digest(cell.code)) == row[2:5]
        return cell if asked else None

    # -- tasks -------------------------------------------------------------------------------------

    def task(self, key: Digest) -> TaskRun | None:
        """The newest finished task of that key."""
        rows = self._catalog.ask(lambda index: index.tasks(key=key))
        done = [row for row in rows if row[3] == "done" and row[0] not in self._barred]
        for row in sorted(
            done, key=lambda row: (row[4], self._catalog.shelf.name(row[0]), row[1]), reverse=True
        ):
            payload = self._catalog.read(row[0], row[1], logs.TASK)
            task = None if payload is None else decode(TaskRun, payload)
            if task is not None and task.key == key and task.status == "done":
                for writer in list(self._writers):
                    writer.used(key)
                return task
        return None

    def served(self, run_id: str) -> list[Digest]:
        """Keys of the tasks that a run was served from the record, in no order, each once."""
        try:
            frames = self._catalog.shelf.frames(log_number(f"{run_id}.log"))
            return list({k for frame in frames if frame.kind == logs.USED for k in used_keys(frame.payload)})
        except (KeyError, FileNotFoundError):
            return []  # it was collected

    def tasks(self, run_id: str | None = None, cell_id: str | None = None) -> Iterator[TaskRun]:
        """Task runs of any status, in the order they were recorded in each run."""
        self._catalog.ask(lambda index: None)
        names = {state.name: number for number, state in self._catalog.states.items()}
        if run_id is not None:
            names = {f"{run_id}.log": log_number(f"{run_id}.log")}
        for _, log in sorted(names.items()):
            yield from self._tasks_in(log, cell_id)

    def _tasks_in(self, log: int, cell_id: str | None) -> Iterator[TaskRun]:
        after, page = 0, [(0, 0)]
        while page:
            page = self._catalog.ask(lambda index: index.task_page(log, after, cell_id))  # noqa: B023 -- asked at once
            for _, after in page:
                payload = self._catalog.read(log, after, logs.TASK)
                if payload is not None:
                    yield decode(TaskRun, payload)

    def recent_tasks(
        self, cell_id: str, *, known: Iterable[Digest] = (), most: int = 10_000
    ) -> list[TaskRun]:
        """Tasks of a cell in its last runs, newest first.

        Parameters
        ----------
        known
            Keys that are left out, without being read.
        most
            How many are looked at.
        """
        skip = {pack_digest(key) for key in known}
        self._catalog.ask(lambda index: None)
        names = sorted(((state.name, number) for number, state in self._catalog.states.items()), reverse=True)
        found: list[TaskRun] = []
        for _, log in names[:_RECENT_RUNS]:
            rows = self._catalog.ask(lambda index: index.task_keys(log, cell_id, most))  # noqa: B023 -- asked at once
            for offset, key in rows:
                payload = None if key in skip else self._catalog.read(log, offset, logs.TASK)
                if payload is not None:
                    found.append(decode(TaskRun, payload))
            most -= len(rows)
            if most <= 0:
                break
        return found

    # -- content -----------------------------------------------------------------------------------

    def has_blob(self, digest: Digest) -> bool:
        """Whether that content is here."""
        return self._content.has(digest)

    def blob(self, digest: Digest) -> bytes:
        """Content by its digest, verified.

        Raises
        ------
        KeyError
            It is not here.
        RecordBroken
            It is damaged. The record then no longer claims to have it.
        """
        return self._content.get(digest)

    def blob_to_file(self, digest: Digest, path: str | os.PathLike[str], mode: int = 0o644) -> None:
        """Put content at a path in one step, as a copy that may be edited; a folder's content makes a folder.

        Parameters
        ----------
        mode
            Permission bits; a folder's files have their own.

        Raises
        ------
        KeyError, RecordBroken
            As for `blob`.
        RecordUnwritable
            It cannot be written there.
        """
        self._content.to_file(digest, Path(path), mode)

    # -- checkpoints -------------------------------------------------------------------------------

    def locate(self, digest: Digest) -> Location | None:
        """Where a saved co-variable or buffer lies in a checkpoint file that is there."""
        found = self._catalog.ask(lambda index: index.saved(digest))
        rows = [row for row in found if row[1] not in self._barred]
        for row in sorted(rows, key=lambda row: (self._catalog.shelf.name(row[1]), row[2]), reverse=True):
            payload = self._catalog.read(row[1], row[2], logs.SAVED)
            if payload is not None and from_json(payload)["digest"] == digest:
                location = decode(Location, payload)
                if self.checkpoint_path(location.file).exists():
                    return location
        return None

    def checkpoint_path(self, file: str) -> Path:
        """Path of a checkpoint file by its name in the record.

        Raises
        ------
        RecordBroken
            The name leads elsewhere.
        """
        if Path(file).name != file or not file:
            raise RecordBroken(f"{file!r} is no name of a checkpoint file")
        return self.folder / "checkpoints" / file

    # -- files' digests (see `FileDigests`) --------------------------------------------------------

    def recall_file(self, path: str) -> tuple[FileStamp, Digest] | None:
        """What was remembered of a file."""
        row = self._catalog.ask(lambda index: index.file(path))
        return None if row is None else (FileStamp(*row[1:6]), unpack_digest(row[6]))

    def remember_file(self, path: str, stamp: FileStamp, digest: Digest) -> None:
        """Keep a file's digest for the next session."""
        row = (path, *stamp, pack_digest(digest))
        if not self.readonly:
            self._catalog.ask(lambda index: index.add("files", row))

    # -- the whole ---------------------------------------------------------------------------------

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Keep garbage collection out while files of the record are read.

        Raises
        ------
        RecordBusy
            Garbage is being collected.
        """
        shared = None if self.readonly else self._share()
        try:
            yield
        finally:
            if shared is not None:
                shared.release()

    def chooser(self, scratch: Path) -> Chooser:
        """Works out which files some runs need; see `Chooser`. Hold the record `steady` meanwhile."""
        from nbrewind.record.portion import Chooser

        self._catalog.ask(lambda index: None)
        return Chooser(self.folder, self._catalog, scratch)

    def counts(self) -> Counts:
        """How much there is of what."""
        from nbrewind.record.counts import count

        return count(self.folder, self._catalog)

    def gc(
        self,
        *,
        keep_runs: int | None = None,
        older_than: float | None = None,
        max_bytes: int | None = None,
        pinned: set[str] | frozenset[str] = frozenset(),
        dry_run: bool = False,
    ) -> GcReport:
        """Remove runs, and all that no remaining run refers to.

        Parameters
        ----------
        keep_runs
            Keep that many of the newest runs.
        older_than
            Remove runs that ended more than that many seconds ago.
        max_bytes
            Remove the oldest runs until the rest is no larger; the newest stays.
        pinned
            Ids of runs, and digests, that stay in any case.
        dry_run
            Only say what would go.

        Raises
        ------
        RecordBusy
            Somebody records there.
        RecordUnwritable
            The folder cannot be written. Nothing was lost.
        """
        from nbrewind.record.gc import Policy, collect

        if self.readonly and not dry_run:
            raise RecordError(f"{self.folder} was opened read-only")

        policy = Policy(keep_runs, older_than, max_bytes, frozenset(pinned))
        return collect(self.folder, self._catalog, self.runs(), policy, dry_run=dry_run)

    def close(self) -> None:
        """Close the files; runs that were not ended count as interrupted. May be called again."""
        if self._closed:
            return
        self._closed = True
        forks.forget(self)
        try:
            for writer in list(self._writers):
                writer.abandon()
        finally:
            self._catalog.close()

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self) -> None:
        """Called before a fork."""
        for writer in list(self._writers):
            writer.hold()
        self._catalog.hold()

    def unhold(self) -> None:
        """Called after a fork, in the parent and in the child."""
        self._catalog.unhold()
        for writer in list(self._writers):
            writer.unhold()
