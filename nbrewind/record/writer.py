"""The pen of one run: appends to its log, stores content, and syncs in the background."""

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
from nbrewind.record.disk import make_folder, remove, sync_path, unwritable, writing
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
from nbrewind.record.trees import Entry, is_tree, manifest, walk

if TYPE_CHECKING:
    from typing_extensions import Buffer

SYNC_SECONDS = 2.0
_USED_BATCH = 512


class RunWriter:
    """Writes one run; made by `Record.begin`. Safe in several threads, useless in a forked child.

    Each entry is one system call: what a method wrote survives the end of the process, however it
    comes. `sync` makes it survive the machine's; a thread does so every two seconds.
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
        self._pid = os.getpid()
        self._unsynced: list[Path] = []
        self._used: list[Digest] = []
        self._checkpoints = 0
        self._failure: RecordUnwritable | None = None
        self._dirty, self._closing = threading.Event(), threading.Event()
        with writing(folder):
            self._log = LogWriter(catalog.runs / f"{run.id}.log")
            begun = to_json(to_dict(run))
            self._log.append(logs.RUN, begun)
        self._number = catalog.adopt(f"{run.id}.log", begun, self._log.end)
        self._thread = threading.Thread(target=self._sync_now_and_then, name="nbrewind-sync", daemon=True)
        self._dirty.set()
        self._thread.start()

    @property
    def id(self) -> str:
        """Name of the run."""
        return self.run.id

    # -- entries -----------------------------------------------------------------------------------

    def _append(
        self, kind: bytes, *parts: bytes, table: str = "", row: Callable[[int], Row] | None = None
    ) -> None:
        with self._lock:
            self._check_usable()
            with writing(self._folder):
                offset = self._log.append(kind, *parts)
            self._catalog.add(self._number, self._log.end, table, row(offset) if row else ())
        self._dirty.set()

    def _check_usable(self) -> None:
        if self._closing.is_set():
            raise RecordError(f"run {self.run.id} has ended and takes no more entries")
        if self._pid != os.getpid():
            raise RecordError(
                f"run {self.run.id} is recorded by process {self._pid}; a forked child cannot write it"
            )
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def cell(self, cell_run: CellRun) -> None:
        """Record a cell run; one of the same number replaces an earlier one.

        Raises
        ------
        RecordUnwritable
            As every method of the writer: it was not recorded; what was recorded before is sound.
        """
        self._note_used()
        plain = to_dict(cell_run)
        self._append(
            logs.CELL, to_json(plain), table="cells", row=lambda offset: cell_row(self._number, offset, plain)
        )

    def task(self, task_run: TaskRun) -> None:
        """Record a task; it survives the end of the process at once."""
        plain = to_dict(task_run)
        self._append(
            logs.TASK, to_json(plain), table="tasks", row=lambda offset: task_row(self._number, offset, plain)
        )

    def saved(self, digest: Digest, location: Location) -> None:
        """Record where a co-variable or buffer was saved; the checkpoint file must have been committed."""
        plain = saved_entry(digest, location)
        self._append(
            logs.SAVED,
            to_json(plain),
            table="saved",
            row=lambda offset: saved_row(self._number, offset, plain),
        )

    def used(self, key: Digest) -> None:
        """Note that this run was served a task from the record, so that `Record.gc` keeps it."""
        with self._lock:
            self._used.append(key)
            full = len(self._used) >= _USED_BATCH
        if full:
            self._note_used()

    def _note_used(self) -> None:
        with self._lock:
            keys, self._used = self._used, []
            if keys:
                self._append(logs.USED, used_entry(keys))

    # -- content -----------------------------------------------------------------------------------

    def put(self, data: Buffer) -> Digest:
        """Store content, once across the record.

        Returns
        -------
        Digest
            As `digest_bytes` gives.
        """
        content = data if isinstance(data, bytes) else bytes(data)
        digest = digest_bytes(content)
        tree = is_tree(content)
        if len(content) > INLINE_LIMIT and not tree:
            self._check_usable()
            self._stored(self._objects.put(digest, content))
        elif not self._catalog.ask(lambda index: index.blobs(digest)):
            self._append(
                logs.TREE if tree else logs.BLOB,
                raw_digest(digest),
                content,
                table="blobs",
                row=lambda offset: blob_row(self._number, offset, digest, len(content), tree=tree),
            )
        return digest

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
        RecordUnwritable
            The record cannot be written.
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
            with self._lock:
                self._unsynced.append(path)
            self._dirty.set()

    # -- checkpoints -------------------------------------------------------------------------------

    def new_checkpoint(self) -> tuple[str, Path]:
        """Name of a new checkpoint file in the record, and the temporary path to write it at."""
        self._check_usable()
        with self._lock:
            self._checkpoints += 1
            name = f"{self.run.id}-{self._checkpoints:04d}.h5"
        folder = self._folder / "checkpoints"
        with writing(folder):
            make_folder(folder)
        return name, folder / f".{name}.tmp"

    def commit_checkpoint(self, name: str) -> None:
        """Sync the file that was written at the temporary path, and give it its name."""
        self._check_usable()
        folder = self._folder / "checkpoints"
        with writing(folder):
            sync_path(folder / f".{name}.tmp")
            (folder / f".{name}.tmp").replace(folder / name)
        self._stored(folder / name)

    def discard_checkpoint(self, name: str) -> None:
        """Remove a temporary checkpoint that will not be committed."""
        remove(self._folder / "checkpoints" / f".{name}.tmp")

    # -- the disk ----------------------------------------------------------------------------------

    def sync(self) -> None:
        """Force all that was written to the disk."""
        self._check_usable()
        self._note_used()
        self._sync()

    def _sync(self) -> None:
        self._dirty.clear()
        with self._lock:
            paths, self._unsynced = self._unsynced, []
        with writing(self._folder):
            for path in paths:
                with suppress(FileNotFoundError):
                    sync_path(path)
            for folder in {path.parent for path in paths} | {self._log.path.parent}:
                sync_path(folder)
            self._log.sync()

    def _sync_now_and_then(self) -> None:
        converter()  # warms it up beside the kernel's start
        while not self._closing.is_set():
            self._dirty.wait(timeout=30 if self._notebook_lock.soft else None)
            if self._closing.wait(SYNC_SECONDS):
                return
            self._notebook_lock.beat()
            try:
                self._sync()
                self._catalog.flush(above=FLUSH_ROWS)
            except RecordUnwritable as failure:
                self._failure = failure  # told by the next call
            except OSError as cause:
                self._failure = unwritable(self._folder, cause)

    def hold(self) -> None:
        """Called before a fork."""
        self._lock.acquire()

    def unhold(self) -> None:
        """Called after a fork, in parent and child."""
        self._lock.release()

    # -- the end -----------------------------------------------------------------------------------

    def end(self, status: str) -> None:
        """End the run, sync, and give the lock back. Calling it again changes nothing."""
        if self._closing.is_set() or self._pid != os.getpid():
            return
        self._failure = None
        run = attrs.evolve(self.run, ended=time.time(), status=status)
        try:
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
            if self._closing.is_set() or self._pid != os.getpid():
                return
            self._closing.set()
            self._dirty.set()
        self._thread.join()
        try:
            self._sync()
            self._catalog.flush()
        finally:
            self._log.close()
            self._catalog.let_go(self._number)
            self._notebook_lock.release()
            self._release(self)
