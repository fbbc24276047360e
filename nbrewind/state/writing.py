"""The thread that writes checkpoints, and the bounded stage between it and the notebook."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_digest

from nbrewind.errors import NbrewindError, RecordError
from nbrewind.record.model import Covariable, Digest, Location
from nbrewind.state.buffers import CHUNK, name_of
from nbrewind.state.checkpoint import CheckpointFile, Dataset
from nbrewind.state.guard import sentence
from nbrewind.state.index import BufferPlace, EntryPlace, Index
from nbrewind.state.staging import BLOCK, Blocks, Buffer, Entry, Job

if TYPE_CHECKING:
    from nbrewind.state.saver import Pen


_IDLE_SECONDS = 10.0


class WriterThread:
    """Writes jobs in order.

    Parameters
    ----------
    pen
        Names files, and records what is durable.
    room
        Bytes that may wait.
    failed
        Called with the entries that were not written, why, and what to do.
    """

    def __init__(self, pen: Pen, room: int, failed: Callable[[Sequence[Entry], str, str], None]) -> None:
        self._pen, self._room, self._failed = pen, max(room, BLOCK), failed
        self._jobs: deque[Job] = deque()
        self._staged = 0
        self._blocks = Blocks()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def write(self, job: Job) -> None:
        """Copy the job's memory to the stage, waiting for room, and leave the rest to the thread."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="nbrewind-saver", daemon=True)
                self._thread.start()
            self._staged += sum(len(entry.stream) for entry in job.entries)
            self._jobs.append(job)
            self._changed.notify_all()
        try:
            for buffer in job.new_buffers():
                for start, end in buffer.extents():
                    self._stage(job, buffer, start, end)
        except BaseException:  # an interrupt: what is staged is not all
            job.aborted = True
            raise
        finally:
            for entry in job.entries:
                entry.alive.clear()
            with self._changed:
                job.complete = True
                self._changed.notify_all()

    def _stage(self, job: Job, buffer: Buffer, start: int, end: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._staged + end - start <= self._room or not job.staged)
            self._staged += end - start
        data = self._blocks.copy(buffer.view[start:end])
        with self._changed:
            job.staged.append((buffer, start, data))
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing waits to be written."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, timeout)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._jobs or self._closing, _IDLE_SECONDS):
                    self._blocks.clear()
                    self._changed.wait_for(lambda: self._jobs or self._closing)
                if not self._jobs:
                    return
                job = self._jobs[0]
            try:
                _Writing(self._pen, job, self._take, self._blocks.release).run(self._failed)
            except Exception as error:  # noqa: BLE001 - the thread lives on, and `flush` tells
                why = str(error) if isinstance(error, NbrewindError | OSError) else sentence(error)
                self._failed(job.entries, why, "make room, or check the folder of the record")
                self._drain(job)
            with self._changed:
                self._staged -= sum(len(entry.stream) for entry in job.entries)
                self._jobs.popleft()
                self._changed.notify_all()

    def _take(self, job: Job) -> tuple[Buffer, int, memoryview] | None:
        """The next piece of a job's memory; ``None`` when all of it was taken."""
        with self._changed:
            self._changed.wait_for(lambda: job.staged or job.complete)
            if not job.staged:
                return None
            piece = job.staged.popleft()
            self._staged -= piece[2].nbytes
            self._changed.notify_all()
            return piece

    def _drain(self, job: Job) -> None:
        while (piece := self._take(job)) is not None:
            self._blocks.release(piece[2])


class _Writing:
    """One checkpoint file, from the job to the record."""

    def __init__(
        self,
        pen: Pen,
        job: Job,
        take: Callable[[Job], tuple[Buffer, int, memoryview] | None],
        release: Callable[[memoryview], None],
    ) -> None:
        self._pen, self._job, self._take, self._release = pen, job, take, release
        self._streams: list[Dataset] = []
        self._datasets: dict[Digest, Dataset] = {}
        self._wrong: set[Digest] = set()

    def run(self, failed: Callable[[Sequence[Entry], str, str], None]) -> None:
        name, path = self._pen.new_checkpoint()
        try:
            index = self._write(path)
            self._pen.commit_checkpoint(name)
        except BaseException:
            self._pen.discard_checkpoint(name)
            raise
        self._record(name, index)
        wrong = [entry for entry in self._job.entries if self._is_wrong(entry)]
        if wrong:
            failed(wrong, "it changed while it was saved", "keep threads from changing it when the cell ends")

    def _is_wrong(self, entry: Entry) -> bool:
        return any(buffer.digest in self._wrong for buffer in entry.buffers)

    def _write(self, path: Path) -> Index:
        file = CheckpointFile(path, *self._layout(), self._job.label)
        try:
            for entry, dataset in zip(self._job.entries, self._streams, strict=True):
                file.write(dataset.offset, entry.stream)
            while (piece := self._take(self._job)) is not None:
                self._write_piece(file, *piece)
                self._release(piece[2])
            if self._job.aborted:
                raise RecordError("saving was interrupted")
            index = self._index()
            file.finish(index)
        finally:
            file.close()
        return index

    def _write_piece(self, file: CheckpointFile, buffer: Buffer, start: int, data: memoryview) -> None:
        """Write memory where it belongs, unless it is no longer what was digested."""
        first = start // CHUNK
        for number in range(0, len(data), CHUNK):
            piece = data[number : number + CHUNK]
            at = first + number // CHUNK
            quick = buffer.chunks.quick
            good = quick[at] == xxh3_128_digest(piece) if quick else buffer.chunks.names[at] == name_of(piece)
            if not good:
                self._wrong.add(buffer.digest)
        at = start if buffer.stored is None else buffer.stored.index(first) * CHUNK
        file.write(self._datasets[buffer.digest].offset + at, data)

    def _layout(self) -> tuple[list[Dataset], dict[str, dict[str, Any]]]:
        groups = {}
        for entry in self._job.entries:
            covariable = entry.covariable
            groups[group_of(covariable)] = {
                "names": json.dumps(covariable.names),
                "digest": covariable.digest,
            }
            self._streams.append(Dataset(f"/{group_of(covariable)}/pickle", len(entry.stream)))
            for number, buffer in enumerate(entry.buffers):
                if buffer.is_new and buffer.digest not in self._datasets:
                    self._datasets[buffer.digest] = _dataset(covariable, number, buffer, len(entry.buffers))
        return [*self._streams, *self._datasets.values()], groups

    def _index(self) -> Index:
        entries = {}
        for entry, dataset in zip(self._job.entries, self._streams, strict=True):
            if not self._is_wrong(entry):
                entries[group_of(entry.covariable)] = EntryPlace(
                    entry.covariable.digest,
                    entry.covariable.names,
                    entry.python,
                    dataset.offset,
                    len(entry.stream),
                    xxh3_128_digest(entry.stream).hex(),
                    tuple(buffer.digest for buffer in entry.buffers),
                )
        buffers = {
            each.digest: self._place(each)
            for each in self._job.new_buffers()
            if each.digest not in self._wrong
        }
        return Index(entries, buffers)

    def _place(self, buffer: Buffer) -> BufferPlace:
        dataset = self._datasets[buffer.digest]
        quick, names = b"".join(buffer.chunks.quick), b"".join(buffer.chunks.names)
        return BufferPlace(
            dataset.path,
            dataset.offset,
            dataset.size,
            buffer.chunks.size,
            quick,
            names,
            buffer.base,
            buffer.stored if buffer.base and buffer.stored is not None else (),
        )

    def _record(self, name: str, index: Index) -> None:
        for digest, place in index.buffers.items():
            needs: tuple[Digest, ...] = (place.base,) if place.base else ()
            self._pen.saved(digest, Location(name, place.path, place.stored, needs))
        for entry, found in index.entries.items():
            needs = tuple(dict.fromkeys(found.buffers))
            self._pen.saved(found.digest, Location(name, f"{found.python}:{entry}", found.size, needs))


def group_of(covariable: Covariable) -> str:
    """Name of a co-variable's group: its names, cut to what one can read."""
    name = ",".join(covariable.names)
    return name if len(name) <= 80 else f"{name[:60]},… {covariable.digest[3:11]}"


def _dataset(covariable: Covariable, number: int, buffer: Buffer, count: int) -> Dataset:
    group = group_of(covariable)
    if buffer.base:
        return Dataset(f"/{group}/changes{number}", buffer.size, attributes={"base": buffer.base})
    name = covariable.names[0] if count == 1 and len(covariable.names) == 1 else f"buffer{number}"
    typed = buffer.typed
    if typed is None:
        return Dataset(f"/{group}/{name}", buffer.size)
    return Dataset(f"/{group}/{name}", buffer.size, typed.dtype, typed.shape, {"order": typed.order})
