"""The log files of a record: which there are, and their entries by number and offset."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from nbrewind.errors import RecordBroken
from nbrewind.record.entries import log_number
from nbrewind.record.log import Frame, LogReader

SUFFIX = ".log"
_SETTLED_SECONDS = 2.5  # a folder changed longer ago shows a later change in its time
_AGAIN_SECONDS = 0.1
_OPEN_AT_ONCE = 64


class Shelf:
    """The folder ``runs/``; keeps the logs it was asked for open. Safe in several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: dict[int, str] = {}
        self._readers: dict[int, LogReader] = {}
        self._lock = threading.RLock()
        self._changed, self._looked = 0, 0.0

    def sizes(self) -> dict[str, int]:
        """Names and sizes of all logs now."""
        self._looked = time.time()
        try:
            self._changed = os.stat(self.folder).st_mtime_ns
            with os.scandir(self.folder) as found:
                sizes = {f.name: f.stat().st_size for f in found if _is_log(f.name)}
        except FileNotFoundError:
            sizes = {}
        self._names = {log_number(name): name for name in sizes}
        return sizes

    def news(self) -> set[str] | None:
        """Names of all logs, when some may have come or gone since the last time; else ``None``."""
        now = time.time()
        try:
            changed = os.stat(self.folder).st_mtime_ns
        except OSError:
            return None
        racy = changed / 1e9 > self._looked - _SETTLED_SECONDS
        if changed == self._changed and not (racy and now > self._looked + _AGAIN_SECONDS):
            return None
        self._changed, self._looked = changed, now
        names = {name for name in os.listdir(self.folder) if _is_log(name)}
        self._names = {log_number(name): name for name in names}
        return names

    def add(self, name: str) -> int:
        """Take up a log that this process makes; returns its number."""
        number = log_number(name)
        self._names[number] = name
        return number

    def name(self, number: int) -> str:
        """File name of a log; empty when there is none."""
        return self._names.get(number, "")

    def path(self, number: int) -> Path:
        """Path of a log.

        Raises
        ------
        KeyError
            There is none.
        """
        return self.folder / self._names[number]

    def reader(self, number: int) -> LogReader:
        """An open log; raises as `path` and `LogReader` do. Hold no more than one at a time."""
        with self._lock:
            reader = self._readers.get(number)
            if reader is None:
                if len(self._readers) >= _OPEN_AT_ONCE:
                    self.forget(next(iter(self._readers)))
                reader = self._readers[number] = LogReader(self.path(number))
            return reader

    def read(self, number: int, offset: int, kinds: bytes) -> bytes | None:
        """Payload of an entry; ``None`` when it is no longer there or not of these kinds."""
        with self._lock:
            try:
                frame = self.reader(number).read(offset)
            except (KeyError, RecordBroken, OSError):
                return None
        return frame.payload if frame.kind in kinds else None

    def frames(self, number: int) -> Iterator[Frame]:
        """The sound entries of a log, in order; content is cut to its digest."""
        reader = LogReader(self.path(number))
        try:
            for found in reader.scan():
                if isinstance(found, Frame):
                    yield found
        finally:
            reader.close()

    def forget(self, number: int) -> None:
        """Close a log."""
        with self._lock:
            if number in self._readers:
                self._readers.pop(number).close()

    def close(self) -> None:
        """Close all."""
        for number in list(self._readers):
            self.forget(number)


def _is_log(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")
