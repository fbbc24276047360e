"""Names for content: BLAKE3 cut to 160 bits, of bytes, files and folders."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from blake3 import blake3

from nbrewind.record.model import Digest
from nbrewind.record.trees import Entry, manifest, walk

if TYPE_CHECKING:
    from typing_extensions import Buffer

    StrPath = str | os.PathLike[str]

DIGEST_BYTES = 20
CHUNK = 1 << 20
FRESH_SECONDS = 2.5
"""A file changed less than this before it was digested may change again without its times telling: FAT counts
in 2 s, NFS 2 and ext3 in 1 s, today's Linux file systems in 4 ms; the rest is for a file server's clock."""
_PERSISTENT_FROM = 64 << 10  # reading less is as quick as asking


def digest_bytes(data: Buffer) -> Digest:
    """``b3:`` and 40 hexadecimal digits.

    Examples
    --------
    >>> digest_bytes(b"abc")
    'b3:6437b3ac38465133ffb63b75273a8db548c55846'
    """
    view = memoryview(data)
    content = view if view.c_contiguous else view.tobytes()
    return "b3:" + blake3(content).hexdigest(DIGEST_BYTES)


def digest_text(value: str | None) -> Digest | None:
    """Digest of a text, `None` where there is none."""
    return None if value is None else digest_bytes(value.encode("utf-8", "surrogateescape"))


def digest_file(path: StrPath) -> Digest:
    """Digest of a file's content, or of a folder's `manifest`.

    Read in chunks: a map of a file that somebody truncates meanwhile would kill the process.

    Raises
    ------
    OSError
        It cannot be read.
    """
    if stat.S_ISDIR(os.stat(path).st_mode):
        return digest_bytes(manifest(walk(Path(path)), digest_entry))
    with open(path, "rb", buffering=0) as file:
        return digest_stream(file.fileno())


def digest_stream(source: int, sink: Callable[[memoryview], object] | None = None) -> Digest:
    """Digest of an open file from its start to the end it has now, with each piece given to `sink` too.

    A file that grows meanwhile is cut there; one that tells no size (below ``/proc``) is read as far as it goes.
    """
    hasher, buffer = blake3(), memoryview(bytearray(CHUNK))
    left = os.fstat(source).st_size or sys.maxsize
    while left and (read := os.readv(source, [buffer[: min(left, CHUNK)]])):
        hasher.update(buffer[:read])
        if sink is not None:
            sink(buffer[:read])
        left -= read
    return "b3:" + hasher.hexdigest(DIGEST_BYTES)


def digest_entry(entry: Entry) -> Digest:
    """Digest of one file of a folder."""
    return digest_file(entry.path)


class FileStamp(NamedTuple):
    """What the file system says of a file, and what `time` it was when that was read."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    taken: float

    @classmethod
    def of(cls, path: StrPath) -> tuple[FileStamp, int]:
        """The stamp, and the type bits of the mode."""
        found = os.stat(path)
        taken = time.time()
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, taken), found.st_mode

    def same_file(self, other: FileStamp) -> bool:
        """Whether nothing but the time of looking differs."""
        return self[:4] == other[:4]

    @property
    def settled(self) -> bool:
        """Whether a later change must show in the times."""
        return max(self.mtime_ns, self.ctime_ns) / 1e9 + FRESH_SECONDS < self.taken


class FileMemory(Protocol):
    """Where digests of files outlive the process; the record is one."""

    def recall_file(self, path: str) -> tuple[FileStamp, Digest] | None:
        """What was remembered of that path."""

    def remember_file(self, path: str, stamp: FileStamp, digest: Digest) -> None:
        """Keep it; losing it costs time alone."""


class FileDigests:
    """Digests of files, read again only when size, times or inode differ, or when they are too fresh to tell.

    Parameters
    ----------
    memory
        A `Record`, so that big files that did not change are not read again in the next session either.
    """

    def __init__(self, memory: FileMemory | None = None) -> None:
        self._memory = memory
        self._known: dict[str, tuple[FileStamp, Digest]] = {}
        self._lock = threading.Lock()

    def of(self, path: StrPath) -> Digest | None:
        """Digest of the file or folder; ``None`` when it is absent or neither of both.

        Raises
        ------
        OSError
            It is there and cannot be read.
        """
        name = os.path.abspath(path)
        try:
            stamp, mode = FileStamp.of(name)
            if stat.S_ISDIR(mode):
                return digest_bytes(manifest(walk(Path(name)), self._of_entry))
            return self._of_file(name, stamp) if stat.S_ISREG(mode) else None
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _of_entry(self, entry: Entry) -> Digest:
        return self._of_file(str(entry.path), FileStamp.of(entry.path)[0])

    def _of_file(self, name: str, stamp: FileStamp) -> Digest:
        known = self._recall(name, stamp.size)
        if known and known[0].same_file(stamp) and known[0].settled:
            return known[1]
        return self._read(name, stamp)

    def _recall(self, name: str, size: int) -> tuple[FileStamp, Digest] | None:
        with self._lock:
            known = self._known.get(name)
        if known is None and self._memory is not None and size >= _PERSISTENT_FROM:
            known = self._memory.recall_file(name)
        return known

    def _read(self, name: str, before: FileStamp) -> Digest:
        for _ in range(3):
            digest = digest_file(name)
            after, _mode = FileStamp.of(name)
            if after.same_file(before):
                self._remember(name, before, digest)
                break
            before = after
        return digest

    def _remember(self, name: str, stamp: FileStamp, digest: Digest) -> None:
        with self._lock:
            self._known[name] = (stamp, digest)
        if self._memory is not None and stamp.size >= _PERSISTENT_FROM and stamp.settled:
            self._memory.remember_file(name, stamp, digest)
