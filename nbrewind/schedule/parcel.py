"""How values travel from a lane to the spine: as streams with their memory beside them, in a file without a name.

The spine maps it: large arrays arrive without being copied.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from nbrewind.errors import Unsaveable
from nbrewind.record.model import CellRun, Covariable, Digest
from nbrewind.state.graph import Analyser
from nbrewind.state.guard import attempt, type_name, watching
from nbrewind.state.loading import Builder, Unpickler
from nbrewind.state.pickling import dump
from nbrewind.state.registry import REGISTRY
from nbrewind.state.trust import Trust

_PAGE = 4096
_HEAD = 16
FileState = tuple[int, int, int] | None
"""Size, time of change and inode of a file; ``None``: it was not there."""


@frozen
class Finished:
    """A cell that has run in a lane.

    Parameters
    ----------
    run
        What it read and left; nothing in it is stored yet.
    outputs
        Messages that it showed.
    shown
        The same as the record keeps them, as JSON.
    ambient
        State that it left: digest and content by provider.
    files
        Files that it wrote, with their digests.
    named
        The names that it used for them.
    looked
        Files that it looked at, as they were then; empty where that has been compared already.
    settled
        Whether its turn had come while it ran, so that all that it read from files is right.
    """

    run: CellRun
    outputs: list[dict[str, Any]]
    shown: bytes = b"[]"
    ambient: Mapping[str, tuple[Digest, bytes]] = field(factory=dict)
    files: Mapping[str, Digest | None] = field(factory=dict)
    named: Mapping[str, str] = field(factory=dict)
    looked: Mapping[str, FileState] = field(factory=dict)
    settled: bool = False


@frozen
class Packed:
    """A co-variable in a file: its stream, and where its memory lies."""

    names: tuple[str, ...]
    stream: bytes
    memory: tuple[tuple[int, int], ...]


class Packer:
    """Packs what cells left.

    Parameters
    ----------
    analyser
        The one that made the co-variables.
    """

    def __init__(self, analyser: Analyser) -> None:
        self._analyser = analyser
        self._trust = Trust(analyser)

    def pack(self, finished: Finished) -> int:
        """Put a finished cell into a file without a name; returns its descriptor.

        Raises
        ------
        Unsaveable
            A value cannot travel; says which and why.
        """
        parts: list[Packed] = []
        buffers: list[memoryview] = []
        alive: list[Any] = []
        end = 0
        with watching():
            for covariable in finished.run.covariables:
                stream, memory, held = self._streamed(covariable)
                alive += held
                places = []
                for view in memory:
                    places.append((end, view.nbytes))
                    buffers.append(view)
                    end += -(-view.nbytes // _PAGE) * _PAGE
                parts.append(Packed(covariable.names, stream, tuple(places)))
        head = pickle.dumps((finished, parts), protocol=5)
        return _written(head, buffers, [place for part in parts for place in part.memory])

    def _streamed(self, covariable: Covariable) -> tuple[bytes, list[memoryview], list[Any]]:
        names = ", ".join(covariable.names)
        if covariable.opaque or covariable.kin:
            why = covariable.opaque or "it shares objects with something that cannot be saved"
            raise Unsaveable(f"{names}: {why}")
        measure = self._analyser.measure(covariable)
        for kind in measure.types:
            entry = REGISTRY.of(kind)
            if entry is not None and entry.policy in ("never", "rebuild"):
                raise Unsaveable(f"{names} holds a {type_name(kind)}, which stays in its process")
        if measure.unshareable:
            raise Unsaveable(f"{names}: {measure.unshareable}")
        values = [self._analyser.value_of(name) for name in covariable.names]
        arrays = [[found for ref in group if (found := ref()) is not None] for group in measure.shared]
        stream = dump(values, self._analyser.namespace, arrays, pinned=measure.pinned)
        self._trust.verify(covariable, measure.types, stream)
        return stream.data, stream.memory, [stream.alive, stream.memory]


def _written(head: bytes, buffers: Sequence[memoryview], places: Sequence[tuple[int, int]]) -> int:
    start = -(-(_HEAD + len(head)) // _PAGE) * _PAGE
    file = os.memfd_create("nbrewind-parcel", os.MFD_CLOEXEC)
    _write_at(file, memoryview(len(head).to_bytes(8, "little") + start.to_bytes(8, "little") + head), 0)
    for view, (offset, _size) in zip(buffers, places, strict=True):
        _write_at(file, view, start + offset)
    return file


def _write_at(file: int, view: memoryview, offset: int) -> None:
    flat = view.cast("B") if view.nbytes else view
    while flat.nbytes:
        done = os.pwrite(file, flat, offset)
        offset, flat = offset + done, flat[done:]


class Parcel:
    """A finished cell as it arrived.

    Parameters
    ----------
    file
        Its descriptor; it is closed, the memory stays as long as values use it.
    """

    def __init__(self, file: int) -> None:
        try:
            size = os.fstat(file).st_size
            self._memory = memoryview(
                mmap.mmap(file, size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
            )
        finally:
            os.close(file)
        length = int.from_bytes(self._memory[:8], "little")
        self._start = int.from_bytes(self._memory[8:_HEAD], "little")
        self.size = size
        self.finished: Finished
        self._parts: list[Packed]
        self.finished, self._parts = pickle.loads(self._memory[_HEAD : _HEAD + length])

    def values(self, namespace: dict[str, Any]) -> dict[str, Any]:
        """Put all that the cell left into the namespace, and return it by name.

        If something does not load, the namespace is as it was.

        Raises
        ------
        HookError
            A value does not load here.
        """
        run = self.finished.run
        names = {name for part in self._parts for name in part.names} | set(run.deleted)
        before = {name: namespace.pop(name) for name in names if name in namespace}
        found: dict[str, Any] = {}
        waiting = {name: part for part in self._parts for name in part.names}

        def load(part: Packed) -> None:
            for name in part.names:
                waiting.pop(name, None)
            memory = [self._memory[self._start + at : self._start + at + size] for at, size in part.memory]
            builder = Builder(namespace, resolve)
            values = attempt(Unpickler(io.BytesIO(part.stream), builder, memory).load)
            loaded = dict(zip(part.names, values, strict=True))
            found.update(loaded)
            namespace.update({name: value for name, value in loaded.items() if ":" not in name})

        def resolve(name: str) -> None:
            if name in waiting:
                load(waiting[name])

        try:
            with watching():
                for part in self._parts:
                    if part.names[0] not in found:
                        load(part)
        except BaseException:
            for name in names:
                namespace.pop(name, None)
            namespace.update(before)
            raise
        return found


def file_state(path: str) -> FileState:
    """What tells that a file has been left alone."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def disturbed(looked: Mapping[str, FileState]) -> str:
    """A path that is not as it was looked at; empty if all are."""
    return next((path for path, state in looked.items() if file_state(path) != state), "")
