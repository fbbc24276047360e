"""What the runs that stay refer to. Any digest anywhere in their entries counts: nothing is missed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from nbrewind.record import log as logs
from nbrewind.record.catalog import Catalog
from nbrewind.record.counts import files_below
from nbrewind.record.encoding import from_json, pack_digest, unpack_digest
from nbrewind.record.entries import used_keys
from nbrewind.record.index import Row
from nbrewind.record.model import Digest

_DIGEST = re.compile(rb"b[23]:[0-9a-f]{40}")

Wanted = Callable[[logs.Frame], bool]
"""Chooses entries."""

Mark = int
"""First 64 bits of a digest: a third of the memory, and two that coincide keep a little too much."""


class Place(NamedTuple):
    """An entry: number of its log, offset in it, and size on disk."""

    log: int
    offset: int
    size: int


class Saved(NamedTuple):
    """A saved co-variable or buffer: its entry, its checkpoint file, and what it needs."""

    place: Place
    file: str
    needs: tuple[Mark, ...]


def mark_of(digest: Digest) -> Mark:
    """The mark of a digest; of anything else, a hash."""
    packed = pack_digest(digest)
    return int.from_bytes(packed[1:9], "big") if isinstance(packed, bytes) else hash(packed)


def marks_in(payload: bytes) -> set[Mark]:
    """Marks of all digests in a JSON text."""
    return {int(found[3:19], 16) for found in _DIGEST.findall(payload)}


class Holdings:
    """All that a record holds, by mark.

    Attributes
    ----------
    blobs, trees
        Content in logs, and which of it are folders' manifests.
    objects, checkpoints
        Sizes of files.
    saved
        For each mark the entry that `Record.locate` would choose.
    """

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._catalog = catalog
        rows = catalog.ask(lambda index: index.everything("blobs"))
        self.blobs = {_mark(row[0]): Place(row[1], row[2], row[3] + _OVERHEAD) for row in rows}
        self.trees = {_mark(row[0]): Place(row[1], row[2], row[3]) for row in rows if row[4]}
        self.objects = {
            _mark_of_object(p): (p, size) for p, size in files_below(folder / "objects") if _is_object(p)
        }
        self.checkpoints = {
            p.name: size for p, size in files_below(folder / "checkpoints") if p.suffix == ".h5"
        }
        self.saved = self._all_saved()

    def _all_saved(self) -> dict[Mark, Saved]:
        found: dict[Mark, Saved] = {}
        rows = self._catalog.ask(lambda index: index.everything("saved"))
        for row in sorted(rows, key=lambda row: (self._catalog.shelf.name(row[1]), row[2])):
            payload = self._catalog.read(row[1], row[2], logs.SAVED) if row[3] in self.checkpoints else None
            if payload is not None:
                place = Place(row[1], row[2], len(payload) + logs.HEADER.size)
                needs = map(mark_of, from_json(payload).get("needs", ()))
                found[_mark(row[0])] = Saved(place, row[3], tuple(needs))
        return found

    def knows(self, mark: Mark) -> bool:
        """Whether there is anything of that mark."""
        return mark in self.blobs or mark in self.objects or mark in self.saved


_OVERHEAD = logs.HEADER.size + logs.DIGEST_SIZE


def _mark(packed: bytes | str) -> Mark:
    return mark_of(unpack_digest(packed))


def _is_object(path: Path) -> bool:
    return len(path.name) == 38 and len(path.parent.name) == 2


def _mark_of_object(path: Path) -> Mark:
    return int((path.parent.name + path.name)[:16], 16)


class Marks:
    """Grows run by run; `copy` allows to try one.

    Attributes
    ----------
    live
        Marks of content and saved values to keep.
    entries
        Cells and tasks to keep although their runs may go: what later runs were restored from.
    files
        Checkpoint files to keep.
    logs
        Runs' logs that stay whole.
    """

    def __init__(self, catalog: Catalog, holdings: Holdings) -> None:
        self._catalog, self._holdings = catalog, holdings
        self.live: set[Mark] = set()
        self.entries: dict[Place, bytes] = {}
        self.files: set[str] = set()
        self.logs: dict[int, int] = {}
        self._used_of: set[int] = set()
        self._wanted: Wanted = lambda frame: True

    def copy(self) -> Marks:
        """An independent copy."""
        other = Marks(self._catalog, self._holdings)
        other.live, other.entries, other.files = set(self.live), dict(self.entries), set(self.files)
        other.logs, other._used_of = dict(self.logs), set(self._used_of)
        return other

    def keep_run(self, log: int, wanted: Wanted = lambda frame: True) -> None:
        """Keep a run, and all that those of its entries refer to which are `wanted`."""
        self.logs[log] = self._catalog.shelf.reader(log).size()
        self._wanted = wanted
        origins: set[tuple[str, int]] = set()
        for frame in self._catalog.shelf.frames(log):
            if frame.kind in (logs.RUN, logs.END, logs.CELL, logs.TASK) and wanted(frame):
                self.keep(marks_in(frame.payload))
            if frame.kind == logs.CELL and (origin := from_json(frame.payload).get("origin")):
                run, _, seq = origin.rpartition("/")
                origins.add((run, int(seq)))
        self._keep_used_by(log)
        for run, seq in sorted(origins):
            self._keep_origin(run, seq)

    def keep(self, marks: Iterable[Mark]) -> None:
        """Keep content, and what it needs in turn."""
        todo = [mark for mark in marks if mark not in self.live]
        while todo:
            mark = todo.pop()
            if mark in self.live or not self._holdings.knows(mark):
                continue
            self.live.add(mark)
            saved = self._holdings.saved.get(mark)
            if saved is not None:
                self.files.add(saved.file)
                todo.extend(saved.needs)
            if (tree := self._holdings.trees.get(mark)) is not None:
                todo.extend(marks_in(self._catalog.read(tree.log, tree.offset, logs.TREE) or b""))

    def _keep_origin(self, run: str, seq: int) -> None:
        """Keep a cell run that a later one was restored from, and the tasks for when it runs again."""
        rows = self._catalog.ask(lambda index: index.cells(run=run, seq=seq))
        for row in rows:
            payload = self._keep_entry(row[0], row[1], logs.CELL)
            if payload is not None:
                cell = from_json(payload)["cell_id"]
                self._keep_rows(self._tasks(log=row[0], cell=cell))
                self._keep_used_by(row[0])

    def _keep_used_by(self, log: int) -> None:
        """Keep the tasks that the record served to a run."""
        if log in self._used_of:
            return
        self._used_of.add(log)
        frames = (frame for frame in self._catalog.shelf.frames(log) if frame.kind == logs.USED)
        for key in {key for frame in frames for key in used_keys(frame.payload)}:
            done = [row for row in self._tasks(key=key) if row[3] == "done"]
            self._keep_rows(sorted(done, key=lambda row: (row[4], row[1]))[-1:])

    def _tasks(
        self, *, key: Digest | None = None, log: int | None = None, cell: str | None = None
    ) -> list[Row]:
        return self._catalog.ask(lambda index: index.tasks(key=key, log=log, cell=cell))

    def _keep_rows(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row[3] == "done":
                self._keep_entry(row[0], row[1], logs.TASK)

    def _keep_entry(self, log: int, offset: int, kind: bytes) -> bytes | None:
        payload = self._catalog.read(log, offset, kind)
        if payload is not None and not self._wanted(logs.Frame(offset, kind, len(payload), payload)):
            return None
        if payload is not None:
            self.entries[Place(log, offset, len(payload) + logs.HEADER.size)] = kind
            self.keep(marks_in(payload))
        return payload

    def carried(self) -> dict[Place, bytes]:
        """Entries outside the logs that stay, which must move to a pack; with their kinds."""
        found = {place: kind for place, kind in self.entries.items() if place.log not in self.logs}
        for mark in self.live:
            blob, saved = self._holdings.blobs.get(mark), self._holdings.saved.get(mark)
            if blob is not None and blob.log not in self.logs:
                found[blob] = logs.TREE if mark in self._holdings.trees else logs.BLOB
            if saved is not None and saved.place.log not in self.logs:
                found[saved.place] = logs.SAVED
        return found

    def total_bytes(self) -> int:
        """Size of the record if no more is kept, without its index."""
        objects = sum(size for mark, (_, size) in self._holdings.objects.items() if mark in self.live)
        checkpoints = sum(size for name, size in self._holdings.checkpoints.items() if name in self.files)
        return objects + checkpoints + sum(self.logs.values()) + sum(place.size for place in self.carried())
