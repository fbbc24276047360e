"""All logs of a record and the index over them, kept in step.

The logs are the truth. Every question first looks whether logs of live runs grew (their sizes are compared,
and only what is new is read), so that what one process records, another sees at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from attrs import define

from nbrewind.errors import RecordBroken
from nbrewind.record import log as logs
from nbrewind.record.disk import remove
from nbrewind.record.encoding import from_json
from nbrewind.record.entries import index_row, log_number
from nbrewind.record.index import Index, IndexFailedError, Progress, Remedy, Row
from nbrewind.record.locks import FileLock
from nbrewind.record.log import Damage, Frame, LogReader

T = TypeVar("T")

FLUSH_ROWS = 8192
_SETTLED_NS = 2_500_000_000
_SUFFIX = ".log"


@define
class LogState:
    """How far a log is known; `growing`: somebody may append to it."""

    name: str
    number: int
    offset: int = logs.START
    torn: int = 0
    run: bytes = b""
    growing: bool = True

    def progress(self) -> Progress:
        """What the index remembers."""
        return Progress(self.number, self.name, self.offset, self.torn, self.run)


class Catalog:
    """Logs and index of one record.

    Parameters
    ----------
    folder
        The record.
    readonly
        Write nothing.
    alive
        Tells of a run's JSON whether its process still writes.
    """

    def __init__(self, folder: Path, *, readonly: bool, alive: Callable[[bytes], bool]) -> None:
        self.runs = folder / "runs"
        self._path, self._guard_path = folder / "index.sqlite", folder / "locks" / "index.lock"
        self._readonly, self._alive = readonly, alive
        self._lock = threading.RLock()
        self._guard: FileLock | None = None
        self._readers: dict[int, LogReader] = {}
        self._own: set[int] = set()
        self._listed_at = 0
        self._pid = os.getpid()
        self.states: dict[int, LogState] = {}
        self.dropped: list[str] = []
        self.index = self._open_index()
        try:
            self._load()
        except IndexFailedError as failure:
            self.rebuild(failure.remedy)

    # -- index -------------------------------------------------------------------------------------

    def _open_index(self) -> Index:
        if self._readonly and not self._path.exists():
            return Index(None)
        self._guard = self._guard or self._hold_guard()
        try:
            return Index(self._path, readonly=self._readonly)
        except IndexFailedError as failure:
            return self._open_instead(failure.remedy)

    def _hold_guard(self) -> FileLock | None:
        guard = FileLock(self._guard_path, exclusive=False, create=not self._readonly)
        try:
            return guard if guard.acquire(0.2) else None
        except OSError:
            return None

    def _replace_index(self) -> Index:
        """A new index file, unless another process uses the damaged one: then a private index."""
        if self._guard is not None:
            self._guard.release()
            self._guard = None
        sole = FileLock(self._guard_path, exclusive=True)
        try:
            if not sole.acquire():
                return Index(None)
            for name in (self._path.name, self._path.name + "-journal"):
                remove(self._path.with_name(name))
            return Index(self._path)
        except (OSError, IndexFailedError):
            return Index(None)
        finally:
            sole.release()
            self._guard = self._hold_guard()

    def rebuild(self, remedy: Remedy) -> None:
        """Start anew from the index file, or from the logs alone."""
        with self._lock:
            self.index.close()
            self.index = self._open_index() if remedy == "reopen" else self._open_instead(remedy)
            try:
                self._load()
            except IndexFailedError:
                self.index.close()
                self.index = Index(None)
                self._load()

    def _open_instead(self, remedy: Remedy) -> Index:
        return self._replace_index() if remedy == "replace" and not self._readonly else Index(None)

    def reload(self) -> None:
        """Take up that logs came and went, and give unused space of the index back."""
        self.rebuild("reopen")
        with self._lock, suppress(IndexFailedError):
            self.index.shrink()

    def _reopen_after_fork(self) -> None:
        """A connection must not be used on both sides of a fork; the child only reads."""
        self._pid, self._readonly, self._own = os.getpid(), True, set()
        self.index = self._open_index()
        self._load()

    def ask(self, question: Callable[[Index], T]) -> T:
        """Put a question to the index after what is new; a failing index is rebuilt once."""
        with self._lock:
            if self._pid != os.getpid():
                self._reopen_after_fork()
            try:
                self.refresh()
                return question(self.index)
            except IndexFailedError as failure:
                self.rebuild(failure.remedy)
            return question(self.index)

    def add(self, number: int, end: int, table: str = "", row: Row = ()) -> None:
        """Index an entry that this process appended to a log, which now reaches to `end`."""
        with self._lock:
            try:
                if table:
                    self.index.add(table, row)
                self.states[number].offset = end
            except IndexFailedError as failure:
                self.rebuild(failure.remedy)

    def flush(self, *, above: int = 0) -> None:
        """Move new rows into the index file, when there are more than `above`."""
        with self._lock:
            if self.index.pending <= above:
                return
            try:
                self.index.flush([state.progress() for state in self.states.values()])
            except IndexFailedError as failure:
                self.rebuild(failure.remedy)

    # -- logs --------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Take up what the index file knows, forget logs that are gone, and read what is new."""
        self.states.clear()
        known = {row.log: row for row in self.index.progress()}
        sizes = self._list()
        gone = [n for n, row in known.items() if row.name not in sizes or sizes[row.name] < row.offset]
        if gone and self.index.readonly:
            self.index.close()
            self.index = Index(None)
            known = {}
        elif gone:
            self.index.forget(gone)
        for name in sorted(sizes):
            number = log_number(name)
            state = self.states[number] = LogState(name, number)
            row = known.get(number)
            if row is not None and number not in gone:
                state.offset, state.torn, state.run = row.offset, row.torn, bytes(row.run)
            state.growing = not self._has_ended(state)
            if sizes[name] > max(state.offset, state.torn):
                self._catch_up(state)
        self.flush(above=FLUSH_ROWS // 4)

    @staticmethod
    def _has_ended(state: LogState) -> bool:
        return bool(state.run) and from_json(state.run).get("ended") is not None

    def _list(self) -> dict[str, int]:
        try:
            self._listed_at = os.stat(self.runs).st_mtime_ns
            with os.scandir(self.runs) as found:
                return {
                    f.name: f.stat().st_size for f in found if f.name.endswith(_SUFFIX) and f.name[0] != "."
                }
        except FileNotFoundError:
            return {}

    def refresh(self) -> None:
        """Read what other processes recorded since the last time."""
        with self._lock:
            self._notice_logs()
            for state in self.states.values():
                if state.growing and state.number not in self._own:
                    self._catch_up(state)

    def _notice_logs(self) -> None:
        """Take up logs that came, and start anew when some went."""
        try:
            changed = os.stat(self.runs).st_mtime_ns
        except OSError:
            return
        if changed == self._listed_at and time.time_ns() - changed > _SETTLED_NS:
            return
        names = self._list().keys()
        if any(state.name not in names for state in self.states.values() if state.number not in self._own):
            self.rebuild("reopen")
        for name in names:
            number = log_number(name)
            if number not in self.states:
                self.states[number] = LogState(name, number)

    def _catch_up(self, state: LogState) -> None:
        try:
            reader = self.reader(state.number)
            size = reader.size()
            if size <= max(state.offset, state.torn):
                return
            live = self._is_live(state)
            for found in reader.scan(state.offset):
                self._take(state, found, live=live)
        except (RecordBroken, FileNotFoundError) as error:
            state.growing = False
            self._drop(
                state, size=0, sentence=f"run {state.name.removesuffix(_SUFFIX)} was left out: {error}"
            )

    def _is_live(self, state: LogState) -> bool:
        if state.number in self._own or not state.growing:
            return state.number in self._own
        if not state.run:
            first = next(self.reader(state.number).scan(), None)
            if isinstance(first, Frame) and first.kind == logs.RUN:
                state.run = first.payload
        state.growing = bool(state.run) and self._alive(state.run)
        return state.growing

    def _take(self, state: LogState, found: Frame | Damage, *, live: bool) -> None:
        if isinstance(found, Damage):
            self._step_over(state, found, live=live)
            return
        if found.kind in (logs.RUN, logs.END):
            state.run = found.payload
            state.growing = state.growing and found.kind == logs.RUN
        entry = index_row(state.number, found)
        if entry is not None:
            self.index.add(*entry)
        state.offset = found.end
        if self.index.pending >= 4 * FLUSH_ROWS:
            self.flush()

    def _step_over(self, state: LogState, damage: Damage, *, live: bool) -> None:
        if damage.torn and live:
            return  # somebody is writing it this moment
        count, name = damage.end - damage.offset, state.name.removesuffix(_SUFFIX)
        what = "a partly written entry at the end" if damage.torn else f"damage at byte {damage.offset}"
        self._drop(state, damage.end, f"run {name}: {what} ({count} bytes) was dropped")
        if not damage.torn:
            state.offset = damage.end

    def _drop(self, state: LogState, size: int, sentence: str) -> None:
        state.torn = max(state.torn, size)
        if sentence not in self.dropped:
            self.dropped.append(sentence)

    # -- entries -----------------------------------------------------------------------------------

    def reader(self, number: int) -> LogReader:
        """An open log, by its number."""
        with self._lock:
            reader = self._readers.get(number)
            if reader is None:
                if len(self._readers) >= 64:
                    self._readers.pop(next(iter(self._readers))).close()
                reader = self._readers[number] = LogReader(self.runs / self.states[number].name)
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
        with self._lock:
            path = self.runs / self.states[number].name
        reader = LogReader(path)
        try:
            for found in reader.scan():
                if isinstance(found, Frame):
                    yield found
        finally:
            reader.close()

    def name(self, number: int) -> str:
        """File name of a log; empty when there is none."""
        state = self.states.get(number)
        return state.name if state else ""

    def forget_reader(self, number: int) -> None:
        """Close a log that is about to go."""
        with self._lock:
            if number in self._readers:
                self._readers.pop(number).close()

    def adopt(self, name: str, run: bytes, end: int) -> int:
        """Take up a log that this process just made and goes on to write; returns its number."""
        number = log_number(name)
        with self._lock:
            self._own.add(number)
            self.states[number] = LogState(name, number, end, run=run)
        return number

    def ended(self, number: int, run: bytes) -> None:
        """Take down the last JSON of a run of this process."""
        with self._lock:
            self.states[number].run = run

    def let_go(self, number: int) -> None:
        """Take down that this process writes a log no more."""
        with self._lock:
            self._own.discard(number)
            self.states[number].growing = False

    def runs_json(self) -> list[bytes]:
        """The newest JSON of each run."""
        self.ask(lambda index: None)
        with self._lock:
            return [state.run for state in self.states.values() if state.run]

    def hold(self) -> None:
        """Called before a fork: no transaction may be open in the child's copy."""
        self._lock.acquire()

    def unhold(self) -> None:
        """Called after a fork, in the parent and in the child."""
        self._lock.release()

    def close(self) -> None:
        """Move what is new into the index file, and close all."""
        with self._lock:
            self.flush()
            self.index.close()
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()
            if self._guard is not None:
                self._guard.release()
                self._guard = None
