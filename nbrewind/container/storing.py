"""Writing containers: a zip or a folder, the same bytes each time, under its name only when it is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from attrs import frozen
from blake3 import blake3

from nbrewind.container.archive import PAYLOAD, PIECE
from nbrewind.container.manifest import MANIFEST, SIGNATURE, Manifest, Member, Role
from nbrewind.errors import ContainerError, UsageError
from nbrewind.record.disk import temporary_beside, writing

ALIGNED_FROM = 64 << 10
PAGE = 4096
"""Content of members from `ALIGNED_FROM` bytes on begins on a page, so that it can be mapped inside the zip."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PADDING = b"\x35\xd9"  # the extra field that zipalign uses


@frozen
class Item:
    """What is to become a member: its bytes, or the file that they come from (only the first `size` of it)."""

    path: str
    role: Role
    content: bytes | Path
    size: int
    executable: bool = False

    @classmethod
    def of_bytes(cls, path: str, role: Role, content: bytes) -> Item:
        """A member made here."""
        return cls(path, role, content, len(content))

    def pieces(self) -> Iterator[memoryview]:
        """Its content; a file that was cut meanwhile raises `ContainerError`."""
        if isinstance(self.content, bytes):
            yield memoryview(self.content)
            return
        buffer, left = memoryview(bytearray(PIECE)), self.size
        with open(self.content, "rb", buffering=0) as file:
            while left:
                count = file.readinto(buffer[: min(left, PIECE)])
                if not count:
                    raise ContainerError(f"{self.content}: it became shorter while it was packed; pack again")
                yield buffer[:count]
                left -= count


class Target(Protocol):
    """Where members go."""

    def begin(self, path: str, size: int, *, executable: bool) -> None:
        """A member of that size follows."""
        ...

    def write(self, piece: memoryview) -> None:
        """Some of its content."""
        ...

    def end(self) -> None:
        """That was all of it."""
        ...


class ZipTarget:
    """A zip of stored members, with no times in it."""

    def __init__(self, file: Path) -> None:
        self._zip = zipfile.ZipFile(file, "x", zipfile.ZIP_STORED, allowZip64=True)

    def begin(self, path: str, size: int, *, executable: bool) -> None:
        """See `Target`."""
        info = zipfile.ZipInfo(path, _EPOCH)
        info.create_system = 3
        info.external_attr = (0o100755 if executable else 0o100644) << 16
        info.file_size = size
        large = size >= zipfile.ZIP64_LIMIT
        if size >= ALIGNED_FROM:
            info.extra = self._padding(30 + len(path.encode()) + (20 if large else 0))
        self._info = info
        self._member = self._zip.open(info, "w", force_zip64=large)

    def _padding(self, header: int) -> bytes:
        room = -(self._place() + header + 4) % PAGE
        return _PADDING + room.to_bytes(2, "little") + bytes(room)

    def _place(self) -> int:
        file = self._zip.fp
        assert file is not None
        return file.tell()

    def write(self, piece: memoryview) -> None:
        """See `Target`."""
        self._member.write(piece)

    def end(self) -> None:
        """See `Target`."""
        self._member.close()
        self._info.extra = b""  # the directory need not repeat the padding

    def close(self) -> None:
        """Write the directory."""
        self._zip.close()


class FolderTarget:
    """A folder of plain files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, path: str, size: int, *, executable: bool) -> None:
        """See `Target`."""
        place = self._folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o755 if executable else 0o644
        self._file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def write(self, piece: memoryview) -> None:
        """See `Target`."""
        while piece:
            piece = piece[os.write(self._file, piece) :]

    def end(self) -> None:
        """See `Target`."""
        os.close(self._file)

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def target(place: Path, *, folder: bool) -> Iterator[ZipTarget | FolderTarget]:
    """A zip or folder that gets its name when the block ends well, and goes away when it does not.

    Raises
    ------
    UsageError
        Something is there that would be overwritten.
    RecordUnwritable
        It cannot be written.
    """
    check_free(place, folder=folder)
    temporary = temporary_beside(place)
    try:
        with writing(place.parent):
            if folder:
                temporary.mkdir()
            made = FolderTarget(temporary) if folder else ZipTarget(temporary)
            try:
                yield made
            finally:
                made.close()
            if folder:
                with suppress(OSError):
                    place.rmdir()
            temporary.replace(place)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def check_free(place: Path, *, folder: bool) -> None:
    """Raise `UsageError` where a container cannot be written without overwriting what is none."""
    if not place.parent.is_dir():
        raise UsageError(f"{place}: the folder {place.parent} does not exist; create it or choose another -o")
    if folder and place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise UsageError(f"{place}: something is there already; choose another -o")
    if not folder and place.is_dir():
        raise UsageError(f"{place}: this is a folder; name a file, as in -o {place.name}.zip")


def store(items: Iterable[Item], place: Target, prefix: str = "") -> Iterator[tuple[Member, str]]:
    """Write members one after the other, and tell of each what the manifest says, and its SHA-256 for a bag.

    Parameters
    ----------
    prefix
        Folder for all of them; with one, SHA-256 is worked out too.
    """
    for item in items:
        blake, sha = blake3(), hashlib.sha256() if prefix else None
        place.begin(prefix + item.path, item.size, executable=item.executable)
        for piece in item.pieces():
            blake.update(piece)
            if sha is not None:
                sha.update(piece)
            place.write(piece)
        place.end()
        digest = "blake3:" + blake.hexdigest()
        member = Member(item.path, item.size, digest, item.role, item.executable)
        yield member, sha.hexdigest() if sha is not None else ""


def store_bytes(place: Target, path: str, content: bytes) -> None:
    """Write one file that no manifest lists: the manifest itself, its signature, what makes a bag."""
    place.begin(path, len(content), executable=False)
    place.write(memoryview(content))
    place.end()


def finish(place: Target, manifest: Manifest, signature: bytes, sums: dict[str, str]) -> None:
    """Write the manifest and signature, and around them a bag (RFC 8493) where there are SHA-256 `sums` of members."""
    prefix = PAYLOAD if sums else ""
    last = {MANIFEST: manifest.encode()} | ({SIGNATURE: signature} if signature else {})
    for path, content in last.items():
        store_bytes(place, prefix + path, content)
    if not sums:
        return
    sums = sums | {path: hashlib.sha256(content).hexdigest() for path, content in last.items()}
    size = manifest.size + sum(map(len, last.values()))
    tags = {
        "bagit.txt": "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n",
        "bag-info.txt": f"Bag-Software-Agent: nbrewind {manifest.nbrewind}\nPayload-Oxum: {size}.{len(sums)}\n",
        "manifest-sha256.txt": "".join(f"{sums[path]}  {PAYLOAD}{_escaped(path)}\n" for path in sorted(sums)),
    }
    tags["tagmanifest-sha256.txt"] = "".join(
        f"{hashlib.sha256(tags[name].encode()).hexdigest()}  {name}\n" for name in sorted(tags)
    )
    for name, text in tags.items():
        store_bytes(place, name, text.encode())


def _escaped(path: str) -> str:
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
