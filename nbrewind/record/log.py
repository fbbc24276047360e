r"""One append-only file a run: the source of truth of the record.

Format, little-endian::

    file   = "nbrewind log 1\n\0"  salt[8]  entry*
    entry  = f5 "nbr"  kind[1]  00 00 00  length[u32]  check[u64]  payload[length]
    check  = XXH3-64 of the payload, seeded with salt ^ (length << 8 | kind)

The salt keeps the copy of a log that lies inside a blob from being taken for entries of its own. Payloads are
JSON but for blobs (20 bytes of digest, then the content) and used keys. A reader stops at a torn tail, and
steps over damage in the middle.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import xxhash

from nbrewind.errors import RecordBroken, RecordTooNew
from nbrewind.record.disk import remove

MAGIC = b"nbrewind log 1\n\0"
FAMILY = b"nbrewind log "
START = len(MAGIC) + 8
MARKER = b"\xf5nbr"
HEADER = struct.Struct("<4scxxxIQ")
DIGEST_SIZE = 20

RUN, END, CELL, TASK, BLOB, TREE, SAVED, USED, PACK = (bytes([c]) for c in b"RECTBDSUP")
"""Kinds of entries: a run begins, ends; a cell; a task; content; a folder's; a place; used keys; a pack."""
CONTENT = (BLOB, TREE)

_WINDOW = 1 << 20
_VERIFIED_TAIL = 8 << 20  # content further from the end than this was synced long ago


class Frame(NamedTuple):
    """An entry as found; the payload of content is cut to its digest unless it was asked for."""

    offset: int
    kind: bytes
    size: int
    payload: bytes

    @property
    def end(self) -> int:
        """Offset of what follows."""
        return self.offset + HEADER.size + self.size


class Damage(NamedTuple):
    """Bytes that are no entry; a torn tail when nothing follows."""

    offset: int
    end: int
    torn: bool


def _check(salt: int, kind: bytes, payload: bytes) -> int:
    seed = salt ^ (len(payload) << 8 | kind[0])
    return int(xxhash.xxh3_64_intdigest(payload, seed=seed))


def _pread(fd: int, size: int, offset: int) -> bytes:
    data = os.pread(fd, size, offset)
    while 0 < len(data) < size:
        more = os.pread(fd, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


class LogReader:
    """Reads entries of one log, by offset or in order; safe in several threads and after a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._salt = self._read_salt()
        except BaseException:
            os.close(self._fd)
            raise

    def _read_salt(self) -> int:
        start = _pread(self._fd, START, 0)
        if start[: len(MAGIC)] != MAGIC:
            if len(start) >= len(MAGIC) and start.startswith(FAMILY):
                word = start[len(FAMILY) : len(MAGIC)].split(b"\n")[0].decode("ascii", "replace")
                raise RecordTooNew(
                    f"{self.path} has log format {word}, and this nbrewind reads format 1: update nbrewind"
                )
            raise RecordBroken(f"{self.path} does not begin as a log of nbrewind does")
        return int.from_bytes(start[len(MAGIC) :].ljust(8, b"\0"), "little")

    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int) -> Frame:
        """The whole entry at `offset`, verified.

        Raises
        ------
        RecordBroken
            There is no sound entry at that place.
        """
        frame = self._frame(offset, _pread(self._fd, HEADER.size + 4096, offset), self.size(), verify=True)
        if frame is None:
            raise RecordBroken(f"{self.path} holds no sound entry at byte {offset}")
        return frame

    def _frame(self, offset: int, data: bytes, end: int, *, verify: bool) -> Frame | None:
        if len(data) < HEADER.size:
            return None
        marker, kind, size, check = HEADER.unpack_from(data)
        if marker != MARKER or offset + HEADER.size + size > end:
            return None
        if kind in CONTENT and not verify:
            return Frame(offset, kind, size, data[HEADER.size : HEADER.size + DIGEST_SIZE])
        payload = data[HEADER.size : HEADER.size + size]
        if len(payload) < size:
            payload = _pread(self._fd, size, offset + HEADER.size)
        if len(payload) != size or _check(self._salt, kind, payload) != check:
            return None
        return Frame(offset, kind, size, payload)

    def scan(self, start: int = START) -> Iterator[Frame | Damage]:
        """Entries from `start` to the end as it is now; a last `Damage` is a torn tail."""
        position, end = start, self.size()
        base, window = position, b""
        while position < end:
            if position + HEADER.size + 256 > base + len(window):
                base, window = position, _pread(self._fd, min(_WINDOW, end - position), position)
            frame = self._frame_in(window, base, position, end)
            if frame is None:
                damage = Damage(position, *self._next_sound(position + 1, end))
                yield damage
                position = damage.end
            else:
                yield frame
                position = frame.end

    def _frame_in(self, window: bytes, base: int, position: int, end: int) -> Frame | None:
        at = position - base
        header = window[at : at + HEADER.size]
        if len(header) < HEADER.size:
            return None
        size = HEADER.unpack(header)[2]
        needed = window[at : at + HEADER.size + size]
        return self._frame(position, needed, end, verify=end - position < _VERIFIED_TAIL)

    def _next_sound(self, position: int, end: int) -> tuple[int, bool]:
        """Where the next sound entry begins, or the end; and whether none follows."""
        while position < end:
            window = _pread(self._fd, _WINDOW, position)
            at = window.find(MARKER)
            while at >= 0:
                head = window[at : at + HEADER.size + 4096]
                if len(head) < HEADER.size:
                    head = _pread(self._fd, HEADER.size, position + at)
                if self._frame(position + at, head, end, verify=True):
                    return position + at, False
                at = window.find(MARKER, at + 1)
            position += max(len(window) - len(MARKER) + 1, 1)
        return end, True

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class LogWriter:
    """Appends entries to a new log; one writer a log, and its caller serialises the calls.

    `salt` (8 bytes, random where none is given) must not be one that whoever makes the content can foresee.
    """

    def __init__(self, path: Path, salt: bytes = b"") -> None:
        self.path = path
        salt = salt or os.urandom(8)
        self._salt = int.from_bytes(salt, "little")
        self.end = START
        self._torn = False
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._write([MAGIC + salt], 0)
        except BaseException:
            self.close()
            remove(path)
            raise

    def append(self, kind: bytes, *parts: bytes) -> int:
        """Write one entry in one go, and return its offset.

        Raises
        ------
        OSError
            It was not written; the log is as before.
        """
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        header = HEADER.pack(MARKER, kind, len(payload), _check(self._salt, kind, payload))
        if self._torn:
            self._truncate()
        offset = self.end
        try:
            self._write([header, payload], offset)
        except OSError:
            self._torn = True
            self._forget_torn()
            raise
        self.end = offset + len(header) + len(payload)
        return offset

    def _write(self, parts: list[bytes], offset: int) -> None:
        written = os.pwritev(self._fd, parts, offset)
        total = sum(map(len, parts))
        if written < total:
            rest = memoryview(b"".join(parts))
            while written < total:
                written += os.pwrite(self._fd, rest[written:], offset + written)

    def _truncate(self) -> None:
        os.ftruncate(self._fd, self.end)
        self._torn = False

    def _forget_torn(self) -> None:
        try:
            self._truncate()
        except OSError:
            return  # tried again before the next entry

    def sync(self) -> None:
        """Force what was appended to the disk.

        Raises
        ------
        OSError
            It failed, or somebody removed the file.
        """
        os.fsync(self._fd)
        if os.fstat(self._fd).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))

    def close(self) -> None:
        """Give the descriptor back; the file stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
