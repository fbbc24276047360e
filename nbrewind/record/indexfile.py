"""Opening the index, whatever state its file is in: it is derived, so nothing about it may stop anybody."""

from __future__ import annotations

from pathlib import Path

from nbrewind.record.disk import remove
from nbrewind.record.index import Index, IndexFailedError, Remedy
from nbrewind.record.locks import FileLock


class IndexFile:
    """The file ``index.sqlite`` of a record.

    Who uses it holds a shared lock, so that a damaged one is only replaced when nobody else does: SQLite must not find
    another's journal beside a new file. Where the file cannot be used, the index is private.
    """

    def __init__(self, folder: Path, *, readonly: bool) -> None:
        self.readonly = readonly
        self._path, self._guard_path = folder / "index.sqlite", folder / "locks" / "index.lock"
        self._guard: FileLock | None = None

    def open(self, remedy: Remedy = "reopen") -> Index:
        """An index; `remedy` is what the last one asked for."""
        if remedy == "avoid" or (self.readonly and not self._path.exists()):
            return self._readable()
        if remedy == "replace":
            return self._readable() if self.readonly else self._replaced()
        self._guard = self._guard or self._shared()
        try:
            index = Index(self._path, readonly=self.readonly)
        except IndexFailedError as failure:
            return self.open(failure.remedy if failure.remedy != "reopen" else "avoid")
        if index.unclean and not self.readonly:
            return self._replaced(index)
        return index

    def _readable(self) -> Index:
        """The file as it is if it can be read, else a private index."""
        if self._path.exists():
            try:
                return Index(self._path, readonly=True)
            except IndexFailedError:
                pass
        return Index(None)

    def _replaced(self, doubtful: Index | None = None) -> Index:
        """A new file, if nobody uses the old one; else the one that is in doubt, or a private one."""
        self.release()
        sole = FileLock(self._guard_path, exclusive=True)
        try:
            if not sole.acquire():
                return doubtful or Index(None)
            if doubtful is not None:
                doubtful.close()
            for name in (self._path.name, self._path.name + "-journal"):
                remove(self._path.with_name(name))
            return Index(self._path)
        except (OSError, IndexFailedError):
            return Index(None)
        finally:
            sole.release()
            self._guard = self._shared()

    def _shared(self) -> FileLock | None:
        guard = FileLock(self._guard_path, exclusive=False, create=not self.readonly)
        try:
            return guard if guard.acquire(0.2) else None
        except OSError:
            return None

    def release(self) -> None:
        """Let others replace the file."""
        if self._guard is not None:
            self._guard.release()
            self._guard = None
