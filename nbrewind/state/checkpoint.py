"""One checkpoint file: HDF5 that any tool reads, with an index that lets us map it without HDF5.

Layout, schema 1. The file starts with a user block of 4096 bytes, which HDF5 leaves alone: a line that names the
format, and a JSON object with the place and digest of the index, the size of the file, and the time that the file was
given as its time of modification when it was finished (whoever changes the file later changes that). The index is a
JSON object, stored as the dataset ``/nbrewind``: the entries (one co-variable each) and the buffers with their offsets
and the hashes of their chunks. Each entry is a group, named after its variables, with a dataset ``pickle`` and one
dataset for each buffer, typed and shaped where that is known, contiguous and on a page boundary.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from xxhash import xxh3_128_digest

from nbrewind.errors import RecordBroken, RecordTooNew
from nbrewind.state.buffers import CHUNK, name_of
from nbrewind.state.index import BufferPlace, EntryPlace, Index, decode, encode

SCHEMA = 1
PAGE = 4096
_MAGIC = b"nbrewind checkpoint\n"


@define
class Dataset:
    """A dataset to be: its path in the file, size in bytes, and type and shape where they are known."""

    path: str
    size: int
    dtype: Any = None
    shape: tuple[int, ...] = ()
    attributes: dict[str, Any] = field(factory=dict)
    offset: int = -1


class CheckpointFile:
    """A checkpoint file that is being written.

    Parameters
    ----------
    path
        A temporary one; the record gives it its name when it is whole.
    datasets
        What it will hold; each learns its offset.
    groups
        Attributes of each group.
    label
        What it is a checkpoint of, for people.
    """

    def __init__(
        self, path: Path, datasets: Sequence[Dataset], groups: Mapping[str, Mapping[str, Any]], label: str
    ) -> None:
        from nbrewind.state.hdf5 import lay_out

        self._path = path
        self._room = _room_for_index(datasets, groups)
        index = Dataset("/nbrewind", self._room, attributes={"schema": SCHEMA, "label": label})
        lay_out(path, [*datasets, index], groups)
        self._index = index.offset
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes of a dataset."""
        view = memoryview(data)
        while view:
            done = os.pwrite(self._file, view, offset)
            offset, view = offset + done, view[done:]

    def finish(self, index: Index) -> int:
        """Write the index and the header; returns the size of the file."""
        data = encode(index).ljust(self._room)
        self.write(self._index, data)
        size = os.fstat(self._file).st_size
        moment = int(time.time()) - 1
        header = {"schema": SCHEMA, "index": [self._index, self._room, xxh3_128_digest(data).hex()]}
        header |= {"size": size, "modified": moment}
        self.write(0, _MAGIC + json.dumps(header).encode() + b"\n")
        os.fsync(self._file)
        os.utime(self._file, (moment, moment))
        self.close()
        return size

    def close(self) -> None:
        """Let go of the file, finished or not."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _room_for_index(datasets: Sequence[Dataset], groups: Mapping[str, Mapping[str, Any]]) -> int:
    """A bound of the size of the index, known before the offsets are."""
    text = sum(2 * len(json.dumps(each.path)) + 600 + 64 * (each.size // CHUNK + 2) for each in datasets)
    text += sum(len(json.dumps(key)) + len(json.dumps(dict(value))) for key, value in groups.items())
    return 4096 + text


class CheckpointReader:
    """An existing checkpoint file.

    Attributes
    ----------
    index
        What it holds.
    untouched
        Whether size and time of modification are those that it was finished with.

    Raises
    ------
    RecordBroken
        It is no checkpoint, cut short, or its index is damaged.
    RecordTooNew
        A newer version of nbrewind wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise RecordBroken(f"checkpoint {path.name} cannot be opened: {error.strerror}") from error
        try:
            self._read_header()
        except BaseException:
            os.close(self._file)
            self._file = -1
            raise

    def _read_header(self) -> None:
        head = os.pread(self._file, PAGE, 0)
        if not head.startswith(_MAGIC):
            raise self._broken("it does not start as one")
        try:
            header = json.loads(head[len(_MAGIC) :].partition(b"\n")[0])
            schema, whole, moment = int(header["schema"]), int(header["size"]), int(header["modified"])
            offset, size, hashed = header["index"]
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise self._broken("its header is damaged") from error
        if schema > SCHEMA:
            raise RecordTooNew(
                f"checkpoint {self.path.name} has schema {schema}; this nbrewind reads up to {SCHEMA}"
            )
        stat = os.fstat(self._file)
        if stat.st_size < whole:
            raise self._broken(f"it has {stat.st_size} of {whole} bytes")
        self.untouched = stat.st_size == whole and stat.st_mtime_ns == moment * 10**9
        try:
            data = self.read(offset, size)
        except (TypeError, ValueError, OverflowError, OSError, MemoryError) as error:
            raise self._broken("its header is damaged") from error
        if xxh3_128_digest(data).hex() != hashed:
            raise self._broken("its index is damaged")
        self.index = decode(data)

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the file."""
        data = os.pread(self._file, size, offset)
        if len(data) != size:
            raise self._broken("it is cut short")
        return data

    def stream(self, entry: EntryPlace) -> bytes:
        """The pickle of an entry; always verified."""
        data = self.read(entry.offset, entry.size)
        if xxh3_128_digest(data).hex() != entry.hash:
            raise self._broken(f"the values of {', '.join(entry.names)} are damaged")
        return data

    def verify(self, place: BufferPlace, content: memoryview) -> None:
        """Compare content with the hashes of its chunks.

        Raises
        ------
        RecordBroken
            It is not what was written.
        """
        chunks = place.chunks
        if not chunks.quick:
            good = name_of(content) == chunks.names[0]
        else:
            good = all(
                seen == xxh3_128_digest(part) for seen, part in zip(chunks.quick, cut(content), strict=True)
            )
        if not good:
            raise self._broken(f"{place.path} is damaged")

    def verify_chunks(self, place: BufferPlace, content: memoryview, numbers: Iterable[int]) -> None:
        """Compare some chunks of content.

        Raises
        ------
        RecordBroken
            One is not what was written.
        """
        quick = place.chunks.quick
        if any(quick[one] != xxh3_128_digest(content[one * CHUNK : (one + 1) * CHUNK]) for one in numbers):
            raise self._broken(f"{place.path} is damaged")

    def fileno(self) -> int:
        """The open file, for mapping."""
        return self._file

    def close(self) -> None:
        """Let go of the file; maps of it stay."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _broken(self, why: str) -> RecordBroken:
        return RecordBroken(f"checkpoint {self.path.name} cannot be used: {why}; its cells run again")


def settle(path: Path) -> None:
    """Give a file the time that it was finished with, as it states itself; its content was verified by other means."""
    with open(path, "rb") as file:
        head = file.read(PAGE)
    try:
        moment = int(json.loads(head[len(_MAGIC) :].partition(b"\n")[0])["modified"])
        os.utime(path, (moment, moment))
    except (ValueError, KeyError, TypeError, OverflowError, OSError, RecursionError):
        return  # what it holds is verified when it is read


def cut(view: memoryview) -> Iterator[memoryview]:
    """A buffer in chunks."""
    return (view[at : at + CHUNK] for at in range(0, view.nbytes, CHUNK))
