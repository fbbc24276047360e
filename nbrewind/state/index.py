"""The index of a checkpoint file: what it holds, and where."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping

from attrs import asdict, frozen

from nbrewind.record.model import Digest
from nbrewind.state.buffers import Chunks


@frozen
class BufferPlace:
    """A buffer in a file.

    Parameters
    ----------
    offset, stored
        Where its bytes lie, and how many: all of it, or the chunks that differ from the base.
    size
        How large it is.
    quick, names
        The hashes of its chunks (see `Chunks`), joined.
    base
        The buffer that it is a change of, else empty.
    changed
        Numbers of the chunks that are stored, when it has a base.
    """

    path: str
    offset: int
    stored: int
    size: int
    quick: bytes
    names: bytes
    base: Digest = ""
    changed: tuple[int, ...] = ()

    @property
    def chunks(self) -> Chunks:
        """The hashes of the content."""
        cut = [self.quick[at : at + 16] for at in range(0, len(self.quick), 16)]
        return Chunks(
            self.size, tuple(cut), tuple(self.names[at : at + 20] for at in range(0, len(self.names), 20))
        )


@frozen
class EntryPlace:
    """A co-variable in a file: its stream, and the digests of the buffers that the stream refers to, in order."""

    digest: Digest
    names: tuple[str, ...]
    python: str
    offset: int
    size: int
    hash: str
    buffers: tuple[Digest, ...] = ()


@frozen
class Index:
    """What a checkpoint file holds."""

    entries: Mapping[str, EntryPlace]
    buffers: Mapping[Digest, BufferPlace]


def encode(index: Index) -> bytes:
    """The index as JSON; hashes as base64."""
    entries = {name: asdict(entry) for name, entry in index.entries.items()}
    buffers = {digest: asdict(place) for digest, place in index.buffers.items()}
    for place in buffers.values():
        place["quick"], place["names"] = (
            b64encode(place["quick"]).decode(),
            b64encode(place["names"]).decode(),
        )
    return json.dumps({"entries": entries, "buffers": buffers}, separators=(",", ":")).encode()


def decode(data: bytes) -> Index:
    """The inverse of `encode`."""
    found = json.loads(data)
    entries = {}
    for name, entry in found["entries"].items():
        entry["names"], entry["buffers"] = tuple(entry["names"]), tuple(entry["buffers"])
        entries[name] = EntryPlace(**entry)
    buffers = {}
    for digest, place in found["buffers"].items():
        place["quick"], place["names"] = b64decode(place["quick"]), b64decode(place["names"])
        place["changed"] = tuple(place["changed"])
        buffers[digest] = BufferPlace(**place)
    return Index(entries, buffers)
