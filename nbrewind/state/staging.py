"""What waits to be written: co-variables, their memory, and the files that they go to."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import define, field

from nbrewind.record.model import Covariable, Digest
from nbrewind.state.buffers import CHUNK, Chunks

if TYPE_CHECKING:
    from nbrewind.state.array_reducer import Typed

BLOCK = 8 * CHUNK
"""How much is copied to the stage at a time."""


@define(eq=False)
class Buffer:
    """Memory to be saved. `stored` are the numbers of the chunks to write: all (``None``), or those that differ."""

    digest: Digest
    chunks: Chunks
    view: memoryview
    typed: Typed | None = None
    base: Digest = ""
    stored: tuple[int, ...] | None = None

    @property
    def is_new(self) -> bool:
        """Whether anything is written of it."""
        return self.stored is None or bool(self.stored) or bool(self.base)

    def extents(self) -> list[tuple[int, int]]:
        """Start and end of each piece of memory to write, in order."""
        if self.stored is None:
            return [(at, min(at + BLOCK, self.chunks.size)) for at in range(0, self.chunks.size, BLOCK)]
        return [(one * CHUNK, min((one + 1) * CHUNK, self.chunks.size)) for one in self.stored]

    @property
    def size(self) -> int:
        """Bytes to write."""
        return sum(end - start for start, end in self.extents())


@define(eq=False)
class Entry:
    """A co-variable to be saved: its stream and memory. `python` is empty when any version can load it."""

    covariable: Covariable
    python: str
    stream: bytes
    alive: list[Any]
    buffers: list[Buffer] = field(factory=list)


class Blocks:
    """Memory for pieces, used again: the first touch of fresh memory takes three times as long as the copy."""

    def __init__(self) -> None:
        self._free: list[bytearray] = []

    def copy(self, view: memoryview) -> memoryview:
        """A copy of some bytes, to be given back with `release`."""
        if view.nbytes < CHUNK:
            return memoryview(bytes(view))
        try:
            block = self._free.pop()
        except IndexError:
            block = bytearray(BLOCK)
        copied = memoryview(block)[: view.nbytes]
        copied[:] = view
        return copied

    def release(self, copied: memoryview) -> None:
        """Take the memory of a copy back."""
        block = copied.obj
        copied.release()
        if isinstance(block, bytearray):
            self._free.append(block)

    def clear(self) -> None:
        """Give the memory that is not in use back to the system."""
        self._free.clear()


@define(eq=False)
class Job:
    """One checkpoint file to be written."""

    label: str
    entries: list[Entry] = field(factory=list)
    staged: deque[tuple[Buffer, int, memoryview]] = field(factory=deque)
    complete: bool = False
    aborted: bool = False

    def new_buffers(self) -> Iterator[Buffer]:
        """Each buffer to write, once."""
        seen: set[Digest] = set()
        for entry in self.entries:
            for buffer in entry.buffers:
                if buffer.is_new and buffer.digest not in seen:
                    seen.add(buffer.digest)
                    yield buffer
