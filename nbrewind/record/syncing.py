"""Forcing to the disk what a run wrote, in the background: the user's cell does not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from nbrewind.errors import RecordUnwritable
from nbrewind.record.disk import sync_path, unwritable, writing
from nbrewind.record.log import LogWriter

SYNC_SECONDS = 2.0
_BEAT_SECONDS = 30.0


class Syncer:
    """Syncs a log and new files at most every `SYNC_SECONDS`, by a thread.

    Parameters
    ----------
    folder
        The record, for messages.
    log
        The log.
    chore
        Called before each turn of the thread.
    beat
        Whether turns are due although nothing was written, as signs of life.
    """

    def __init__(self, folder: Path, log: LogWriter, chore: Callable[[], None], *, beat: bool) -> None:
        self._folder, self._log, self._chore = folder, log, chore
        self._patience = _BEAT_SECONDS if beat else None
        self._paths: list[Path] = []
        self._lock = threading.Lock()
        self._dirty, self._stop = threading.Event(), threading.Event()
        self._failure: RecordUnwritable | None = None
        self._thread = threading.Thread(target=self._run, name="nbrewind-sync", daemon=True)
        self._thread.start()

    def wrote(self, path: Path | None = None) -> None:
        """Something was appended to the log, or a file made."""
        if path is not None:
            with self._lock:
                self._paths.append(path)
        self._dirty.set()

    def sync(self) -> None:
        """Do it now.

        Raises
        ------
        RecordUnwritable
            The disk did not take it, or somebody removed the record.
        """
        self._dirty.clear()
        with self._lock:
            paths, self._paths = self._paths, []
        with writing(self._folder):
            for path in paths:
                if path.exists():
                    sync_path(path)
            for folder in {path.parent for path in paths if path.exists()}:
                sync_path(folder)
            self._log.sync()

    def raise_failure(self) -> None:
        """Tell once what went wrong in the background."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _run(self) -> None:
        while not self._stop.is_set():
            self._dirty.wait(self._patience)
            if self._stop.wait(SYNC_SECONDS):
                return
            try:
                self._chore()
                self.sync()
            except RecordUnwritable as failure:
                self._failure = failure
            except OSError as cause:
                self._failure = unwritable(self._folder, cause)

    def stop(self) -> None:
        """End the thread. What was not synced yet is left to `sync`."""
        self._stop.set()
        self._dirty.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
