"""Removing runs from a record, and all that no remaining run refers to.

A log is never rewritten. What stays of removed runs (content that later runs share, cells they were restored from,
tasks they were served) moves to a *pack*, a log without a run; then the old logs go. A crash in between leaves things
twice, never nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from nbrewind.errors import RecordBusy
from nbrewind.record import log as logs
from nbrewind.record.catalog import Catalog
from nbrewind.record.counts import files_below
from nbrewind.record.disk import remove, sync_path, writing
from nbrewind.record.encoding import to_json
from nbrewind.record.entries import log_number
from nbrewind.record.foreign import add_foreign, read_foreign
from nbrewind.record.locks import FileLock, holders, unsupported
from nbrewind.record.log import LogWriter
from nbrewind.record.marks import Holdings, Marks, Place, mark_of
from nbrewind.record.model import Run


@frozen
class Policy:
    """Which runs go.

    Those beyond the newest `keep_runs`, those that ended more than `older_than` seconds ago, and the oldest
    until the rest is within `max_bytes` (the newest stays). `pinned` names runs and digests that stay.
    """

    keep_runs: int | None = None
    older_than: float | None = None
    max_bytes: int | None = None
    pinned: frozenset[str] = frozenset()

    def admits(self, rank: int, run: Run, now: float) -> bool:
        """Whether a run may stay, which is the `rank`-th newest, as far as number and age go."""
        recent = self.older_than is None or now - (run.ended or run.started) <= self.older_than
        return recent and (self.keep_runs is None or rank < self.keep_runs)


@frozen
class GcReport:
    """What was removed, or with `dry_run` would be; bytes are of the whole record without its index."""

    runs: tuple[str, ...]
    kept: tuple[str, ...]
    objects: int
    checkpoints: int
    bytes_before: int
    bytes_after: int
    dry_run: bool

    @property
    def freed(self) -> int:
        """Bytes given back."""
        return self.bytes_before - self.bytes_after


def collect(folder: Path, catalog: Catalog, runs: list[Run], policy: Policy, *, dry_run: bool) -> GcReport:
    """Collect garbage; `runs` are all runs, oldest first.

    Raises
    ------
    RecordBusy
        Somebody records there.
    RecordUnwritable
        The disk is full. Nothing was lost.
    """
    if dry_run:
        return _Collection(folder, catalog, runs, policy).report(dry_run=True)
    with _alone(folder):
        collection = _Collection(folder, catalog, runs, policy)
        report = collection.report(dry_run=False)
        with writing(folder):
            collection.sweep()
    return report


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep writers out."""
    sole = FileLock(folder / "locks" / "record.lock", exclusive=True)
    with writing(folder):
        try:
            taken = sole.acquire(patience=0.5)
        except OSError as error:
            if not unsupported(error):
                raise
            taken = True
    try:
        live = holders(folder / "locks")
        if live or not taken:
            who = live[0] if live else "another process"
            raise RecordBusy(
                f"{folder} is being written by {who}: collect garbage when that kernel is shut down"
            )
        yield
    finally:
        sole.release()


class _Collection:
    def __init__(self, folder: Path, catalog: Catalog, runs: list[Run], policy: Policy) -> None:
        self._folder, self._catalog = folder, catalog
        self._holdings = Holdings(folder, catalog)
        self._marks = Marks(catalog, self._holdings)
        self._marks.keep(mark_of(digest) for digest in policy.pinned if ":" in digest)
        self._all = [run.id for run in runs]
        self._kept: set[str] = set()
        self._choose(list(reversed(runs)), policy)

    def _choose(self, newest_first: list[Run], policy: Policy) -> None:
        now = time.time()
        for run in newest_first:
            if run.id in policy.pinned:
                self._keep(self._marks, run)
        for rank, run in enumerate(newest_first):
            if run.id in self._kept or not policy.admits(rank, run, now):
                continue
            trial = self._marks if policy.max_bytes is None else self._marks.copy()
            trial.keep_run(log_number(f"{run.id}.log"))
            if policy.max_bytes is not None and rank and trial.total_bytes() > policy.max_bytes:
                return
            self._marks = trial
            self._kept.add(run.id)

    def _keep(self, marks: Marks, run: Run) -> None:
        marks.keep_run(log_number(f"{run.id}.log"))
        self._kept.add(run.id)

    def report(self, *, dry_run: bool) -> GcReport:
        """What goes and what stays."""
        folders = ("runs", "objects", "checkpoints")
        return GcReport(
            runs=tuple(run for run in self._all if run not in self._kept),
            kept=tuple(run for run in self._all if run in self._kept),
            objects=sum(mark not in self._marks.live for mark in self._holdings.objects),
            checkpoints=sum(name not in self._marks.files for name in self._holdings.checkpoints),
            bytes_before=sum(size for name in folders for _, size in files_below(self._folder / name)),
            bytes_after=self._marks.total_bytes(),
            dry_run=dry_run,
        )

    def sweep(self) -> None:
        """Move what must stay, and remove the rest."""
        carried = self._marks.carried()
        going = [state for state in self._catalog.states.values() if state.number not in self._marks.logs]
        going = [state for state in going if not self._is_full_pack(state.number, carried)]
        numbers = {state.number for state in going}
        self._write_pack({place: kind for place, kind in carried.items() if place.log in numbers})
        for state in going:
            self._catalog.shelf.forget(state.number)
            (self._catalog.shelf.folder / state.name).unlink(missing_ok=True)
        for mark, (path, _) in self._holdings.objects.items():
            if mark not in self._marks.live:
                remove(path)
        for name in self._holdings.checkpoints:
            if name not in self._marks.files:
                remove(self._folder / "checkpoints" / name)
        self._remove_leftovers()
        self._catalog.reload()

    def _is_full_pack(self, log: int, carried: dict[Place, bytes]) -> bool:
        """Whether a pack of an earlier collection holds nothing but what stays."""
        if self._catalog.states[log].run:
            return False
        offsets = {place.offset for place in carried if place.log == log}
        return all(f.offset in offsets for f in self._catalog.shelf.frames(log) if f.kind != logs.PACK)

    def _write_pack(self, carried: dict[Place, bytes]) -> None:
        if not carried:
            return
        name = f"pack-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09d}.log"
        temporary = self._catalog.shelf.folder / f".{name}.tmp"
        writer = LogWriter(temporary)
        try:
            writer.append(logs.PACK, to_json({"created": time.time()}))
            for place in sorted(carried):
                payload = self._catalog.read(place.log, place.offset, carried[place])
                if payload is not None:
                    writer.append(carried[place], payload)
            writer.sync()
            if {self._catalog.shelf.name(place.log) for place in carried} & set(
                read_foreign(self._folder).logs
            ):
                add_foreign(self._folder, [name])
            temporary.replace(self._catalog.shelf.folder / name)
        finally:
            writer.close()
            remove(temporary)
        sync_path(self._catalog.shelf.folder)

    def _remove_leftovers(self) -> None:
        """Temporary files of processes that died: nobody writes now."""
        for folder in ("runs", "objects", "checkpoints"):
            for path, _ in files_below(self._folder / folder):
                if path.name.startswith(".") and path.suffix == ".tmp":
                    remove(path)
