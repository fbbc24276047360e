"""Digests of memory in two tiers: xxh3 notices a change, blake3 names the content.

A buffer is cut into chunks of 1 MiB. Its name is made of the chunks' names, so that changing one element of a
large array costs one chunk of blake3, and a checkpoint can tell which chunks are new. The cache goes by
address, but an entry only counts where xxh3 of what lies there *now* agrees: nothing is concluded from an
address alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from attrs import frozen
from blake3 import blake3
from xxhash import xxh3_128_digest

CHUNK = 1 << 20
NAME_BYTES = 20
_SMALL = 16 << 10
"""Below this blake3 alone is as quick as the two tiers."""


@frozen
class Base:
    """A whole buffer in the record, against which changes can be saved: its digest, and the hashes of its chunks."""

    digest: str
    chunks: Chunks


Slot = tuple[tuple[str, ...], int, int]
"""A place that buffers follow each other in: the names of a co-variable, the buffer's number in it, its size."""


@frozen
class Chunks:
    """Content of one buffer: its `size`, and of each chunk the quick hash and the name."""

    size: int
    quick: tuple[bytes, ...]
    names: tuple[bytes, ...]

    @property
    def name(self) -> bytes:
        """The name of the whole; that of the only chunk where there is one."""
        return chunks_name(self.size, self.names)


def chunks_name(size: int, names: tuple[bytes, ...]) -> bytes:
    """Name of a buffer of `size` bytes whose chunks have these names."""
    if len(names) == 1:
        return names[0]
    return blake3(b"chunks" + size.to_bytes(8, "little") + b"".join(names)).digest(NAME_BYTES)


def name_of(data: bytes | bytearray | memoryview) -> bytes:
    """Name of one chunk."""
    return blake3(data).digest(NAME_BYTES)


class BufferDigests:
    """Names buffers, and remembers them for as long as their content stays.

    Parameters
    ----------
    entries
        How many buffers are remembered; the least recently used goes first.

    Attributes
    ----------
    bases
        What was saved or loaded last for each slot.
    """

    def __init__(self, entries: int = 8192) -> None:
        self._known: OrderedDict[tuple[int, int], Chunks] = OrderedDict()
        self._entries = entries
        self._now: set[tuple[int, int]] = set()
        self.bases: dict[Slot, Base] = {}

    def begin(self) -> None:
        """A new look at the values begins."""
        self._now.clear()

    def seen(self, view: memoryview, address: int) -> Chunks:
        """The hashes from the last look at memory that has been the user's all the time since."""
        known = self._known.get((address, view.nbytes)) if (address, view.nbytes) in self._now else None
        return known or self.at(view, address)

    def at(self, view: memoryview, address: int) -> Chunks:
        """Name a contiguous buffer of bytes that lies at `address`."""
        if view.nbytes <= _SMALL:
            return Chunks(view.nbytes, (), (name_of(view),))
        return self.pieces(_cut(view), (address, view.nbytes))

    def pieces(self, pieces: Iterable[memoryview], key: tuple[int, int]) -> Chunks:
        """Name content that comes in pieces of `CHUNK` bytes, the last one shorter.

        Parameters
        ----------
        key
            Something that content from the same place has again; it only saves work.
        """
        before = self._known.pop(key, None)
        quick: list[bytes] = []
        names: list[bytes] = []
        size = 0
        for number, piece in enumerate(pieces):
            seen = xxh3_128_digest(piece)
            same = before is not None and number < len(before.quick) and before.quick[number] == seen
            names.append(before.names[number] if before is not None and same else name_of(piece))
            quick.append(seen)
            size += piece.nbytes
        chunks = Chunks(size, tuple(quick), tuple(names) or (name_of(b""),))
        self._remember(key, chunks)
        self._now.add(key)
        return chunks

    def seed(self, key: tuple[int, int], chunks: Chunks) -> None:
        """Say what was written or mapped there; it is still compared before it counts."""
        if chunks.size > _SMALL:
            self._known.pop(key, None)
            self._remember(key, chunks)

    def _remember(self, key: tuple[int, int], chunks: Chunks) -> None:
        self._known[key] = chunks
        if len(self._known) > self._entries:
            self._known.popitem(last=False)


def _cut(view: memoryview) -> Iterable[memoryview]:
    return (view[start : start + CHUNK] for start in range(0, view.nbytes, CHUNK))
