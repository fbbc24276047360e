"""All logs of a record and the index over them, kept in step.

The logs are the truth. Every question first looks whether logs of live runs grew (their sizes are compared, and only
what is new is read), so that what one process records, another sees at once.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

from attrs import define

from nbrewind.errors import RecordBroken
from nbrewind.record import log as logs
from nbrewind.record.encoding import from_json
from nbrewind.record.entries import index_row, log_number
from nbrewind.record.index import Index, IndexFailedError, Progress, Remedy, Row
from nbrewind.record.indexfile import IndexFile
from nbrewind.record.log import Damage, Frame
from nbrewind.record.shelf import SUFFIX, Shelf

T = TypeVar("T")

FLUSH_ROWS = 8192
_BATCH = 1024
_BEGINNING_SECONDS = 60.0
_left_to_the_parent: list[Index] = []


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

    @property
    def ended(self) -> bool:
        """Whether the run was ended."""
        return bool(self.run) and from_json(self.run).get("ended") is not None


class Catalog:
    """Logs and index of one record; safe in several threads.

    Parameters
    ----------
    folder
        The record.
    readonly
        Write nothing.
    alive
        Tells of a run's JSON whether its process still writes.

    Attributes
    ----------
    shelf
        The logs.
    states
        How far each is known, by number.
    dropped
        What was damaged and left out, a sentence each.
    """

    def __init__(self, folder: Path, *, readonly: bool, alive: Callable[[bytes], bool]) -> None:
        self.shelf = Shelf(folder / "runs")
        self.states: dict[int, LogState] = {}
        self.dropped: list[str] = []
        self._file, self._alive = IndexFile(folder, readonly=readonly), alive
        self._lock = threading.RLock()
        self._own: set[int] = set()
        self._pid = os.getpid()
        self.index = self._file.open()
        try:
            self._load()
        except IndexFailedError as failure:
            self._rebuild(failure.remedy)

    # -- asking ------------------------------------------------------------------------------------

    def ask(self, question: Callable[[Index], T]) -> T:
        """Put a question to the index after what is new; a failing index is rebuilt once."""
        with self._lock:
            self._mind_the_fork()
            try:
                self._refresh()
                return question(self.index)
            except IndexFailedError as failure:
                self._rebuild(failure.remedy)
            return question(self.index)

    def read(self, number: int, offset: int, kinds: bytes) -> bytes | None:
        """Payload of an entry that the index named; ``None`` when it is gone."""
        return self.shelf.read(number, offset, kinds)

    def runs_json(self) -> list[bytes]:
        """The newest JSON of each run."""
        self.ask(lambda index: None)
        with self._lock:
            return [state.run for state in self.states.values() if state.run]

    # -- this process's own logs -------------------------------------------------------------------

    def adopt(self, name: str, run: bytes, end: int) -> int:
        """Take up a log that this process just made and goes on to write; returns its number."""
        with self._lock:
            number = self.shelf.add(name)
            self._own.add(number)
            self.states[number] = LogState(name, number, end, run=run)
        return number

    def add(self, number: int, end: int, table: str = "", row: Row = ()) -> None:
        """Index an entry that this process appended to a log, which now reaches to `end`."""
        with self._lock:
            try:
                if table:
                    self.index.add(table, row)
                self.states[number].offset = end
            except IndexFailedError as failure:
                self._rebuild(failure.remedy)

    def ended(self, number: int, run: bytes) -> None:
        """Take down the last JSON of a run of this process."""
        with self._lock:
            self.states[number].run = run

    def let_go(self, number: int) -> None:
        """Take down that this process writes a log no more."""
        with self._lock:
            self._own.discard(number)
            self.states[number].growing = False

    # -- the index file ----------------------------------------------------------------------------

    def flush(self, *, above: int = 0) -> None:
        """Move new rows into the index file, when there are more than `above`."""
        with self._lock:
            if self.index.pending <= above:
                return
            try:
                self.index.flush([state.progress() for state in self.states.values()])
            except IndexFailedError as failure:
                self._rebuild(failure.remedy)

    def reload(self) -> None:
        """Take up that logs came and went, and give unused space of the index back."""
        with self._lock:
            self._rebuild("reopen")
            with suppress(IndexFailedError):
                self.index.shrink()

    def _rebuild(self, remedy: Remedy) -> None:
        """Start anew from the index file, or from the logs alone."""
        self.index.close()
        self.index = self._file.open(remedy)
        try:
            self._load()
        except IndexFailedError:
            self.index.close()
            self.index = Index(None)
            self._load()

    def _mind_the_fork(self) -> None:
        """A connection must not be used on both sides of a fork; the child only reads."""
        if self._pid != os.getpid():
            self._pid, self._file.readonly, self._own = os.getpid(), True, set()
            _left_to_the_parent.append(self.index)
            self.index = self._file.open()
            self._load()

    def _load(self) -> None:
        """Take up what the index file knows, forget logs that are gone, and read what is new."""
        self.states.clear()
        sizes = self.shelf.sizes()
        known = {row.log: row for row in self.index.progress()}
        gone = [n for n, row in known.items() if row.name not in sizes or sizes[row.name] < row.offset]
        if gone and self.index.readonly:
            self.index.close()
            self.index, known, gone = Index(None), {}, []
        self.index.forget(gone)
        for name in sorted(sizes):
            number = log_number(name)
            row = None if number in gone else known.get(number)
            self.states[number] = self._resume(name, number, row)
            self._catch_up(self.states[number])
        self.flush(above=FLUSH_ROWS // 4)

    def _resume(self, name: str, number: int, row: Progress | None) -> LogState:
        if row is None:
            return LogState(name, number)
        state = LogState(name, number, row.offset, row.torn, bytes(row.run))
        state.growing = (
            bool(state.run) and not state.ended and (number in self._own or self._alive(state.run))
        )
        return state

    # -- what is new -------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Read what other processes recorded since the last time."""
        names = self.shelf.news()
        if names is not None:
            self._take_up(names)
        for state in list(self.states.values()):
            if state.growing and state.number not in self._own:
                self._catch_up(state)

    def _take_up(self, names: set[str]) -> None:
        """Take up logs that came, and start anew when some went."""
        if any(state.name not in names for state in self.states.values() if state.number not in self._own):
            self._rebuild("reopen")
        for name in names:
            number = log_number(name)
            self.states.setdefault(number, LogState(name, number))

    def _catch_up(self, state: LogState) -> None:
        try:
            reader = self.shelf.reader(state.number)
            if reader.size() > max(state.offset, state.torn):
                live = self._is_live(state)
                self._take_all(state, reader.scan(state.offset), live=live)
        except (KeyError, FileNotFoundError):
            state.growing = False  # it went this moment
        except RecordBroken as error:
            size, state.growing = self._size_if_new(state)
            if size >= logs.START:
                state.growing = False
                self._drop(f"run {state.name.removesuffix(SUFFIX)} was left out: {error}")

    def _size_if_new(self, state: LogState) -> tuple[int, bool]:
        """Size of a log, and whether somebody may be writing its first entry."""
        try:
            found = self.shelf.path(state.number).stat()
        except (KeyError, OSError):
            return 0, False
        return found.st_size, time.time() - found.st_mtime < _BEGINNING_SECONDS

    def _is_live(self, state: LogState) -> bool:
        if state.number in self._own:
            return True
        if state.growing and not state.run:
            first = next(self.shelf.reader(state.number).scan(), None)
            if not isinstance(first, Frame):
                state.growing = self._size_if_new(state)[1]
                return state.growing
            state.run = first.payload if first.kind == logs.RUN else b""
        state.growing = state.growing and bool(state.run) and self._alive(state.run)
        return state.growing

    def _take_all(self, state: LogState, found: Iterator[Frame | Damage], *, live: bool) -> None:
        while batch := list(islice(found, _BATCH)):
            tables: dict[str, list[Row]] = {}
            for one in batch:
                if isinstance(one, Damage):
                    self._step_over(state, one, live=live)
                elif entry := self._take(state, one):
                    tables.setdefault(entry[0], []).append(entry[1])
            for table, rows in tables.items():
                self.index.add(table, *rows)
            if self.index.pending >= 4 * FLUSH_ROWS:
                self.flush()

    @staticmethod
    def _take(state: LogState, frame: Frame) -> tuple[str, Row] | None:
        if frame.kind in (logs.RUN, logs.END):
            state.run = frame.payload
            state.growing = state.growing and frame.kind == logs.RUN
        state.offset = frame.end
        return index_row(state.number, frame)

    def _step_over(self, state: LogState, damage: Damage, *, live: bool) -> None:
        if damage.torn and live:
            return  # somebody is writing it this moment
        count, name = damage.end - damage.offset, state.name.removesuffix(SUFFIX)
        what = "a partly written entry at the end" if damage.torn else f"damage at byte {damage.offset}"
        self._drop(f"run {name}: {what} ({count} bytes) was dropped")
        state.torn = damage.end
        if not damage.torn:
            state.offset = damage.end

    def _drop(self, sentence: str) -> None:
        if sentence not in self.dropped:
            self.dropped.append(sentence)

    # -- the end -----------------------------------------------------------------------------------

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
            self.shelf.close()
            self._file.release()
