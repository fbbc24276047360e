"""The pen of one run: appends to its log and stores content."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from nbrewind.errors import RecordError, RecordUnwritable
from nbrewind.record import log as logs
from nbrewind.record.catalog import FLUSH_ROWS, Catalog
from nbrewind.record.digests import digest_bytes, digest_file
from nbrewind.record.disk import make_folder, remove, sync_path, writing
from nbrewind.record.encoding import converter, to_dict, to_json
from nbrewind.record.entries import (
    blob_row,
    cell_row,
    raw_digest,
    saved_entry,
    saved_row,
    task_row,
    used_entry,
)
from nbrewind.record.index import Row
from nbrewind.record.locks import NotebookLock
from nbrewind.record.log import LogWriter
from nbrewind.record.model import CellRun, Digest, Location, Run, TaskRun
from nbrewind.record.objects import INLINE_LIMIT, Objects
from nbrewind.record.syncing import Syncer
from nbrewind.record.trees import Entry, is_tree, manifest, walk

if TYPE_CHECKING:
    from typing_extensions import Buffer


_TINY = 1 << 10


class RunWriter:
    """Writes one run; made by `Record.begin`. Safe in several threads, useless in a forked child.

    Each entry is one system call: what a method wrote survives the end of the process, however it comes. `sync` makes
    it survive the machine's; a thread does so every two seconds. Every method raises `RecordUnwritable` when the disk
    takes no more; what was recorded before is sound then, and later calls may succeed.

    Attributes
    ----------
    run
        The run, as it was begun or ended.
    """

    def __init__(
        self,
        run: Run,
        folder: Path,
        catalog: Catalog,
        objects: Objects,
        lock: NotebookLock,
        release: Callable[[RunWriter], None],
    ) -> None:
        self.run = run
        self._folder, self._catalog, self._objects = folder, catalog, objects
        self._notebook_lock, self._release = lock, release
        self._lock = threading.RLock()
        self._pid, self._closed = os.getpid(), False
        self._used: list[Digest] = []
        self._checkpoints = 0
        begun = to_json(to_dict(run))
        with writing(folder):
            self._log = LogWriter(catalog.shelf.folder / f"{run.id}.log")
            self._log.append(logs.RUN, begun)
        self._number = catalog.adopt(self._log.path.name, begun, self._log.end)
        self._syncer = Syncer(folder, self._log, self._chore, beat=lock.soft)
        self._syncer.wrote()
        threading.Thread(target=converter, name="nbrewind-warm-up", daemon=True).start()

    @property
    def id(self) -> str:
        """Name of the run."""
        return self.run.id

    # -- entries -----------------------------------------------------------------------------------

    def describe(self, environment: Digest) -> None:
        """Say what the run runs in; the end of the run keeps it."""
        with self._lock:
            self.run = attrs.evolve(self.run, environment=environment)

    def cell(self, cell_run: CellRun) -> None:
        """Record a cell run; one of the same number replaces an earlier one."""
        self._note_used()
        plain = to_dict(cell_run)
        self._append(
            logs.CELL, to_json(plain), table="cells", row=lambda at: cell_row(self._number, at, plain)
        )

    def task(self, task_run: TaskRun) -> None:
        """Record a task; it survives the end of the process at once."""
        plain = to_dict(task_run)
        self._append(
            logs.TASK, to_json(plain), table="tasks", row=lambda at: task_row(self._number, at, plain)
        )

    def saved(self, digest: Digest, location: Location) -> None:
        """Record where a co-variable or buffer was saved; the checkpoint file must have been committed."""
        plain = saved_entry(digest, location)
        self._append(
            logs.SAVED, to_json(plain), table="saved", row=lambda at: saved_row(self._number, at, plain)
        )

    def used(self, key: Digest) -> None:
        """Note that this run was served a task from the record, so that `Record.gc` keeps it."""
        with self._lock:
            self._used.append(key)

    def _note_used(self) -> None:
        with self._lock:
            if self._used:
                self._append(logs.USED, used_entry(list(dict.fromkeys(self._used))))
                self._used.clear()

    def _append(
        self, kind: bytes, *parts: bytes, table: str = "", row: Callable[[int], Row] | None = None
    ) -> None:
        with self._lock:
            self._check_usable()
            with writing(self._folder):
                offset = self._log.append(kind, *parts)
            self._catalog.add(self._number, self._log.end, table, row(offset) if row else ())
        self._syncer.wrote()

    def _check_usable(self) -> None:
        if self._closed:
            raise RecordError(f"run {self.run.id} has ended and takes no more entries")
        if self._pid != os.getpid():
            raise RecordError(
                f"run {self.run.id} is recorded by process {self._pid}; a forked child cannot write it"
            )
        self._syncer.raise_failure()

    # -- content -----------------------------------------------------------------------------------

    def put(self, data: Buffer) -> Digest:
        """Store content, once across the record.

        Returns
        -------
        Digest
            As `digest_bytes` gives.
        """
        content = data if isinstance(data, bytes) else bytes(data)
        digest, tree = digest_bytes(content), is_tree(content)
        if len(content) > INLINE_LIMIT and not tree:
            self._check_usable()
            self._stored(self._objects.put(digest, content))
        elif not self._has(digest, len(content)):
            self._append(
                logs.TREE if tree else logs.BLOB,
                raw_digest(digest),
                content,
                table="blobs",
                row=lambda at: blob_row(self._number, at, digest, len(content), tree=tree),
            )
        return digest

    def _has(self, digest: Digest, size: int) -> bool:
        """Whether content is in the record; asking about what earlier runs put costs more than a few bytes twice."""
        if self._catalog.index.is_recent(digest):
            return True
        return size > _TINY and bool(self._catalog.ask(lambda index: index.blobs(digest)))

    def put_file(self, path: str | os.PathLike[str]) -> Digest:
        """Store a file, or a folder with all that is in it.

        Returns
        -------
        Digest
            As `digest_file` gives.

        Raises
        ------
        OSError
            The file cannot be read.
        """
        source = Path(path)
        if source.is_dir():
            return self.put(manifest(walk(source), self._put_entry))
        if source.stat().st_size <= INLINE_LIMIT:
            return self.put(source.read_bytes())
        self._check_usable()
        digest = digest_file(source)
        if not self._objects.has(digest):
            digest, stored = self._objects.put_file(source)
            self._stored(stored)
        return digest

    def _put_entry(self, entry: Entry) -> Digest:
        return self.put_file(entry.path)

    def _stored(self, path: Path | None) -> None:
        if path is not None:
            self._syncer.wrote(path)

    # -- checkpoints -------------------------------------------------------------------------------

    def new_checkpoint(self) -> tuple[str, Path]:
        """Name of a new checkpoint file in the record, and the temporary path to write it at."""
        self._check_usable()
        with self._lock:
            self._checkpoints += 1
            name = f"{self.run.id}-{self._checkpoints:04d}.h5"
        with writing(self._folder):
            make_folder(self._folder / "checkpoints")
        return name, self._temporary(name)

    def commit_checkpoint(self, name: str) -> None:
        """Sync the file that was written at the temporary path, and give it its name."""
        self._check_usable()
        path = self._folder / "checkpoints" / name
        with writing(self._folder):
            sync_path(self._temporary(name))
            self._temporary(name).replace(path)
        self._stored(path)

    def discard_checkpoint(self, name: str) -> None:
        """Remove a temporary checkpoint that will not be committed."""
        remove(self._temporary(name))

    def _temporary(self, name: str) -> Path:
        return self._folder / "checkpoints" / f".{name}.tmp"

    # -- the disk ----------------------------------------------------------------------------------

    def sync(self) -> None:
        """Force all that was written to the disk."""
        self._check_usable()
        self._note_used()
        self._syncer.sync()

    def _chore(self) -> None:
        """Called by the syncer's thread."""
        self._notebook_lock.beat()
        with suppress(RecordError):  # it ended this moment
            self._note_used()
        self._catalog.flush(above=FLUSH_ROWS)

    def hold(self) -> None:
        """Called before a fork."""
        self._lock.acquire()

    def unhold(self) -> None:
        """Called after a fork, in parent and child."""
        self._lock.release()

    # -- the end -----------------------------------------------------------------------------------

    def end(self, status: str) -> None:
        """End the run, sync, and give the lock back. Calling it again changes nothing."""
        if self._closed or self._pid != os.getpid():
            return
        run = attrs.evolve(self.run, ended=time.time(), status=status)
        try:
            with suppress(RecordUnwritable):  # told by what follows, if it lasts
                self._check_usable()
            self._note_used()
            ended = to_json(to_dict(run))
            self._append(logs.END, ended)
            self.run = run
            self._catalog.ended(self._number, ended)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Stop writing without an end: the run counts as interrupted."""
        with self._lock:
            if self._closed or self._pid != os.getpid():
                return
            self._closed = True
        self._syncer.stop()
        try:
            self._syncer.sync()
            self._catalog.flush()
        finally:
            self._log.close()
            self._catalog.let_go(self._number)
            self._notebook_lock.release()
            self._release(self)
