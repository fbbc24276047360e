"""Bringing co-variables back: the stream is read and verified, large memory is mapped and read when touched.

Maps are private and copied on write: the user may change a restored array, and the file never sees it.

What is verified. The index and every stream, always. Memory that is copied (below `MAPPED_FROM`), always. Mapped
memory: if the file is not exactly as it was finished (size and time of modification, which the file itself states), or
if `verify` asks for it. So a file that was cut short, edited or copied is read in full and compared before any value of
it is used; one that lay untouched where we wrote it is not read for nothing.
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from nbrewind.errors import RecordBroken, RecordError, Unsaveable
from nbrewind.record.model import Covariable, Digest, Location
from nbrewind.state.buffers import CHUNK, Base, BufferDigests, Slot
from nbrewind.state.checkpoint import CheckpointReader
from nbrewind.state.graph import Analyser
from nbrewind.state.guard import HookError, attempt, watching
from nbrewind.state.index import BufferPlace
from nbrewind.state.loading import Builder, Unpickler
from nbrewind.state.saver import DELTA_FROM, address_of, unfit

MAPPED_FROM = 256 << 10
"""Smaller memory is read at once."""


class Shelf(Protocol):
    """What a loader needs of `nbrewind.record.Record`."""

    def locate(self, digest: Digest) -> Location | None:
        """Where content lies."""

    def checkpoint_path(self, file: str) -> Path:
        """Path of a checkpoint file."""


class Loader:
    """Loads co-variables into a notebook.

    Parameters
    ----------
    record
        Where they were saved.
    namespace
        The notebook's variables; restored functions look their globals up in it.
    verify
        Read and compare all memory before it is used.
    analyser
        The one of this notebook: it learns the hashes of what is mapped, so that looking at it again is quick, and
        so that a changed array is saved as its changes.
    """

    def __init__(
        self,
        record: Shelf,
        namespace: dict[str, Any],
        *,
        verify: bool = False,
        analyser: Analyser | None = None,
    ) -> None:
        self._record, self._namespace, self._verify = record, namespace, verify
        self._known = analyser.buffers if analyser is not None else BufferDigests()
        self._files: dict[str, CheckpointReader] = {}
        self._loading: list[Digest] = []

    def can_load(self, covariable: Covariable) -> bool:
        """Whether it was saved, where this version of Python can load it."""
        if covariable.opaque or not covariable.digest:
            return False
        location = self._record.locate(covariable.digest)
        return location is not None and not unfit(location)

    def load(self, covariable: Covariable, resolve: Callable[[str], Any] | None = None) -> dict[str, Any]:
        """The values of a co-variable, by name, sharing what they shared.

        Parameters
        ----------
        covariable
            What to load; only its digest and names count.
        resolve
            Called with the name of a variable that must be in the namespace first, and is not: it puts it there.

        Raises
        ------
        RecordError
            It was not saved, or what was saved is damaged.
        Unsaveable
            It was saved, and does not load here.
        """
        names = ", ".join(covariable.names)
        if covariable.digest in self._loading:
            raise RecordError(f"{names} is needed to load itself; its cell must run again")
        self._loading.append(covariable.digest)
        try:
            return self._load(covariable, names, resolve)
        finally:
            self._loading.pop()

    def _load(
        self, covariable: Covariable, names: str, resolve: Callable[[str], Any] | None
    ) -> dict[str, Any]:
        location = self._record.locate(covariable.digest) if covariable.digest else None
        if location is None:
            raise RecordError(f"{names} was not saved; its cell must run again")
        if why := unfit(location):
            raise RecordError(f"{names} was saved by {why}; its cell must run again")
        reader = self._reader(location.file)
        entry = reader.index.entries.get(location.entry.partition(":")[2])
        if entry is None or entry.digest != covariable.digest:
            raise RecordBroken(f"checkpoint {location.file} does not hold {names}; its cell must run again")
        stream = reader.stream(entry)
        buffers = _Buffers(self._find, self._verify).load(entry.buffers)
        for number, (digest, memory) in enumerate(zip(entry.buffers, buffers, strict=True)):
            self._remember((covariable.names, number, memory.nbytes), digest, memory)
        builder = Builder(self._namespace, resolve)
        try:
            with watching():
                values = attempt(Unpickler(io.BytesIO(stream), builder, buffers).load)
        except HookError as error:
            if isinstance(error.__cause__, RecordError):
                raise error.__cause__ from None
            raise Unsaveable(f"{names} does not load: {error}") from error
        return dict(zip(covariable.names, values, strict=True))

    def _remember(self, slot: Slot, digest: Digest, memory: memoryview) -> None:
        if memory.nbytes < DELTA_FROM:
            return
        place = self._find(digest)[1]
        self._known.seed((address_of(memory), memory.nbytes), place.chunks)
        base = place.base or digest
        self._known.bases[slot] = Base(base, self._find(base)[1].chunks)

    def _find(self, digest: Digest) -> tuple[CheckpointReader, BufferPlace]:
        location = self._record.locate(digest)
        if location is None:
            raise RecordError(f"memory {digest} was not saved; its cell must run again")
        reader = self._reader(location.file)
        place = reader.index.buffers.get(digest)
        if place is None:
            raise RecordBroken(f"checkpoint {location.file} does not hold {digest}; its cell must run again")
        return reader, place

    def _reader(self, file: str) -> CheckpointReader:
        reader = self._files.get(file)
        if reader is None:
            reader = self._files[file] = CheckpointReader(self._record.checkpoint_path(file))
            while len(self._files) > 64:
                self._files.pop(next(iter(self._files))).close()
        return reader

    def close(self) -> None:
        """Let go of the files; restored memory stays."""
        while self._files:
            self._files.popitem()[1].close()


Find = Callable[[Digest], tuple[CheckpointReader, BufferPlace]]


class _Buffers:
    """The memory of one co-variable. Each buffer gets memory of its own, also where two have the same content."""

    def __init__(self, find: Find, verify: bool) -> None:
        self._find, self._verify = find, verify
        self._maps: dict[Path, mmap.mmap] = {}
        self._taken: set[tuple[Path, int]] = set()

    def load(self, digests: tuple[Digest, ...]) -> list[memoryview]:
        return [self._one(digest) for digest in digests]

    def _one(self, digest: Digest) -> memoryview:
        reader, place = self._find(digest)
        if place.base:
            return self._changed(reader, place)
        if place.size < MAPPED_FROM:
            data = memoryview(bytearray(reader.read(place.offset, place.size)))
            reader.verify(place, data)
            return data
        view = self._mapped(reader, place)
        if self._verify or not reader.untouched:
            reader.verify(place, view)
        return view

    def _mapped(self, reader: CheckpointReader, place: BufferPlace) -> memoryview:
        """A private map of the file; a second one for content that this co-variable holds twice."""
        key = (reader.path, place.offset)
        whole = self._maps.get(reader.path)
        if whole is None or key in self._taken:
            whole = mmap.mmap(reader.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
            self._maps.setdefault(reader.path, whole)
        self._taken.add(key)
        return memoryview(whole)[place.offset : place.offset + place.size]

    def _changed(self, reader: CheckpointReader, place: BufferPlace) -> memoryview:
        """Lay the chunks that changed over the base."""
        content = self._one(place.base)
        if content.nbytes != place.size:
            raise RecordBroken(f"{place.path} and its base differ in size; its cell must run again")
        data = memoryview(reader.read(place.offset, place.stored))
        at = 0
        for number in place.changed:
            start, end = number * CHUNK, min((number + 1) * CHUNK, place.size)
            content[start:end] = data[at : at + end - start]
            at += end - start
        chunks = place.chunks
        if self._verify or not reader.untouched:
            reader.verify(place, content)
        elif chunks.quick:
            reader.verify_chunks(place, content, place.changed)
        return content
