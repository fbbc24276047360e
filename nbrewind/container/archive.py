"""Reading containers: a zip, a folder, or a zip on the web. What is read is hostile until its digest is right.

A zip is read by its directory alone, and each member where the directory says; members are stored, never compressed, so
nothing can unfold into more than is there.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from attrs import frozen

from nbrewind.container.manifest import LARGEST, MANIFEST
from nbrewind.container.names import check_distinct, check_name
from nbrewind.errors import ContainerError, NbrewindError

PIECE = 1 << 20
"""Bytes that are in memory at once."""
LARGEST_DIRECTORY = 32 << 20
"""Bytes of a zip's directory that are read: some 300,000 members."""
BAG, PAYLOAD = "bagit.txt", "data/"
_LOCAL = struct.Struct("<4s5H3L2H")
_END, _END64_PLACE, _END64 = b"PK\5\6", b"PK\6\7", b"PK\6\6"


class Source(Protocol):
    """Where members come from.

    Attributes
    ----------
    where
        Its name, for messages.
    sizes
        Bytes of each member, by name; names were checked.
    strict
        Whether all that is there must be in the manifest: a folder may have been worked in.
    """

    where: str
    sizes: Mapping[str, int]
    strict: bool

    def pieces(self, name: str) -> Iterator[memoryview]:
        """The content of a member, in pieces that are valid until the next; as many bytes as `sizes` says.

        Raises
        ------
        ContainerError
            It is cut short, or is not what the directory says.
        """
        ...

    def check(self, name: str) -> None:
        """Raise `ContainerError` if something other than a file is where a member should be."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def read(source: Source, name: str, most: int = LARGEST) -> bytes:
    """A small member as a whole.

    Raises
    ------
    ContainerError
        There is none, or it is larger than it may be.
    """
    size = source.sizes.get(name)
    if size is None:
        raise ContainerError(f"{source.where}: there is no {name} in it; it is no container of nbrewind")
    if size > most:
        raise ContainerError(f"{source.where}: the member {name!r} is too large ({size} bytes)")
    return b"".join(map(bytes, source.pieces(name)))


# -- folders


class FolderSource:
    """A container that is a folder. Links, devices and the like are refused where a member should be."""

    strict = False

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder
        self._odd: dict[str, str] = {}
        found = dict(self._walk(""))
        bag = BAG in found and PAYLOAD + MANIFEST in found
        self._prefix = PAYLOAD if bag else ""
        self.sizes: Mapping[str, int] = {
            name[len(self._prefix) :]: size for name, size in found.items() if name.startswith(self._prefix)
        }

    def _walk(self, below: str) -> Iterator[tuple[str, int]]:
        with os.scandir(self._folder / below) as children:
            for child in sorted(children, key=lambda each: each.name):
                name = below + child.name
                mode = child.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    yield from self._walk(name + "/")
                elif stat.S_ISREG(mode):
                    yield name, child.stat(follow_symlinks=False).st_size
                else:
                    self._odd[name] = kind_of(mode)

    def check(self, name: str) -> None:
        """Raise `ContainerError` if something odd is where a member should be, or on the way to it."""
        parts = (self._prefix + name).split("/")
        for end in range(1, len(parts) + 1):
            odd = self._odd.get("/".join(parts[:end]))
            if odd:
                raise ContainerError(f"{self.where}: the member {name!r} is {odd}, which no container holds")

    def pieces(self, name: str) -> Iterator[memoryview]:
        """See `Source`."""
        self.check(name)
        path = self._folder / (self._prefix + name)
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise ContainerError(
                f"{self.where}: the member {name!r} cannot be read ({error.strerror})"
            ) from None
        with open(file, "rb", buffering=0) as opened:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise ContainerError(f"{self.where}: the member {name!r} is no file")
            yield from _pieces(opened, self.sizes[name], f"{self.where}: the member {name!r}")

    def close(self) -> None:
        """Nothing is open between calls."""


def kind_of(mode: int) -> str:
    """What a file is that is no plain one, with its article."""
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFDIR: "a folder",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


# -- zips


@frozen
class _Place:
    offset: int
    size: int
    raw: bytes


class ZipSource:
    """A container that is a zip.

    Parameters
    ----------
    file
        Open for reading, and seekable.
    where
        Its name, for messages.
    """

    strict = True

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.where, self._file = where, file
        self._end = file.seek(0, os.SEEK_END)
        self._places = self._directory()
        prefix = PAYLOAD if BAG in self._places and PAYLOAD + MANIFEST in self._places else ""
        self._prefix = prefix
        self.sizes: Mapping[str, int] = {
            name[len(prefix) :]: place.size for name, place in self._places.items() if name.startswith(prefix)
        }

    def _directory(self) -> dict[str, _Place]:
        if _directory_size(self._file, self._end, self.where) > LARGEST_DIRECTORY:
            raise ContainerError(f"{self.where}: its directory is too large for a container")
        try:
            with zipfile.ZipFile(self._file) as found:
                infos, start = found.infolist(), found.start_dir
        except ContainerError:
            raise
        except (
            zipfile.BadZipFile,
            ValueError,
            NotImplementedError,
            struct.error,
            IndexError,
            OSError,
        ) as error:
            raise ContainerError(f"{self.where}: no zip that can be read ({error})") from None
        files = [info for info in infos if not self._is_folder(info)]
        for info in files:
            self._check(info, start)
        check_distinct((info.filename for info in files), self.where)
        self._check_apart(files)
        return {info.filename: _Place(info.header_offset, info.file_size, _raw_name(info)) for info in files}

    def _is_folder(self, info: zipfile.ZipInfo) -> bool:
        """Entries for folders say nothing, and other zip programs write them."""
        if not info.filename.endswith("/"):
            return False
        check_name(info.filename.rstrip("/"), self.where)
        if (
            info.file_size
            or info.compress_size
            or stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFDIR)
        ):
            raise ContainerError(f"{self.where}: the folder {info.filename!r} has content")
        return True

    def _check(self, info: zipfile.ZipInfo, start: int) -> None:
        name = info.filename
        check_name(info.orig_filename, self.where)
        check_name(name, self.where)
        mode = info.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            raise ContainerError(
                f"{self.where}: the member {name!r} is {kind_of(mode)}, which no container holds"
            )
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ContainerError(
                f"{self.where}: the member {name!r} is compressed, which no container is; unzip it yourself, and "
                "give the folder"
            )
        if info.flag_bits & 0x1:
            raise ContainerError(f"{self.where}: the member {name!r} is encrypted")
        if info.header_offset < 0 or info.header_offset + _LOCAL.size + info.file_size > start:
            raise ContainerError(f"{self.where}: the member {name!r} is cut short")

    def _check_apart(self, infos: list[zipfile.ZipInfo]) -> None:
        """Members that share bytes would unfold into more than is there."""
        end, last = 0, ""
        for info in sorted(infos, key=lambda each: each.header_offset):
            if info.header_offset < end:
                raise ContainerError(f"{self.where}: the members {last!r} and {info.filename!r} overlap")
            end, last = info.header_offset + _LOCAL.size + info.file_size, info.filename

    def pieces(self, name: str) -> Iterator[memoryview]:
        """See `Source`."""
        place = self._places[self._prefix + name]
        what = f"{self.where}: the member {name!r}"
        self._file.seek(self._data_offset(place, what))
        yield from _pieces(self._file, place.size, what)

    def _data_offset(self, place: _Place, what: str) -> int:
        self._file.seek(place.offset)
        header = self._file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            raise ContainerError(f"{what} is not where the directory says")
        *_, name_size, extra_size = _LOCAL.unpack(header)
        if self._file.read(name_size) != place.raw:
            raise ContainerError(f"{what} has another name where it lies")
        return place.offset + _LOCAL.size + int(name_size) + int(extra_size)

    def check(self, name: str) -> None:
        """The directory was checked already."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")


def _directory_size(file: BinaryIO, end: int, where: str) -> int:
    """Bytes of the directory, as the end of the zip says, before anything of that size is read."""
    start = max(end - (1 << 16) - 22, 0)
    file.seek(start)
    tail = file.read(end - start)
    at = tail.rfind(_END)
    if at < 0 or at + 22 > len(tail):
        raise ContainerError(f"{where}: neither a folder nor a zip, or a zip that is cut short")
    size = int(struct.unpack_from("<L", tail, at + 12)[0])
    if size != 0xFFFFFFFF:
        return size
    place = tail[max(at - 20, 0) : at]
    if place.startswith(_END64_PLACE) and len(place) == 20:
        file.seek(min(int(struct.unpack_from("<Q", place, 8)[0]), end))
        record = file.read(56)
        if record.startswith(_END64) and len(record) == 56:
            return int(struct.unpack_from("<Q", record, 40)[0])
    raise ContainerError(f"{where}: a zip that is cut short")


def _pieces(file: Any, size: int, what: str) -> Iterator[memoryview]:
    buffer, left = memoryview(bytearray(min(PIECE, max(size, 1)))), size
    while left:
        count = file.readinto(buffer[: min(left, PIECE)])
        if not count:
            raise ContainerError(f"{what} is cut short: {left} of {size} bytes are missing")
        yield buffer[:count]
        left -= count


# -- any


@contextmanager
def opened(container: str | Path) -> Iterator[Source]:
    """Open a container wherever it is: a folder, a zip, or the address of a zip.

    Raises
    ------
    ContainerError
        It is none.
    """
    source = _open(str(container))
    try:
        yield source
    except OSError as error:
        if isinstance(error, NbrewindError) or error.filename is not None:
            raise
        raise ContainerError(f"{source.where}: cannot be read ({error})") from error
    finally:
        source.close()


def is_address(text: str) -> bool:
    """Whether this is a URL rather than a path."""
    return "://" in text


def _open(container: str) -> Source:
    if is_address(container):
        from nbrewind.container.web import open_address

        return _zip(open_address(container), container)
    path = Path(container)
    try:
        if path.is_dir():
            return FolderSource(path)
        file: Any = open(path, "rb", buffering=0)  # noqa: SIM115 - the source closes it
    except FileNotFoundError:
        raise ContainerError(
            f"{path}: there is no such file; give a container made by nbrewind pack"
        ) from None
    except OSError as error:
        raise ContainerError(f"{path}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ContainerError(f"{path}: neither a file nor a folder")
    return _zip(file, str(path))


def _zip(file: BinaryIO, where: str) -> ZipSource:
    try:
        return ZipSource(file, where)
    except BaseException:
        file.close()
        raise
