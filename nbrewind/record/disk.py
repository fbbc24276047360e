"""The rim to the file system: private folders, atomic files, and errors that name the folder."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nbrewind.errors import RecordUnwritable

FOLDER_MODE = 0o700
"""Login nodes are shared: a record is its owner's."""

_FICLONE = 0x40049409  # linux/fs.h


def unwritable(folder: os.PathLike[str] | str, cause: OSError) -> RecordUnwritable:
    """The error to raise for a failed write below `folder`."""
    text = os.strerror(cause.errno) if cause.errno else str(cause)
    remedy = {
        errno.ENOENT: "was it removed? Restart the kernel to record anew",
        errno.ENOSPC: "free some space there, or record elsewhere with --record DIR",
        errno.EDQUOT: "your quota is used up: free some space, or record elsewhere with --record DIR",
    }.get(cause.errno or 0, "make it writable, or record elsewhere with --record DIR")
    error = RecordUnwritable(f"cannot write to {os.fspath(folder)}: {text}; {remedy}")
    error.errno = cause.errno
    return error


@contextmanager
def writing(folder: os.PathLike[str] | str) -> Iterator[None]:
    """Turn an `OSError` of the block into `RecordUnwritable` about `folder`."""
    try:
        yield
    except RecordUnwritable:
        raise
    except OSError as cause:
        raise unwritable(folder, cause) from cause


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone; parents that are missing get the usual mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(FOLDER_MODE)
    except FileExistsError:
        if not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None


def temporary_beside(path: Path) -> Path:
    """A fresh hidden name in the same folder, so that a rename to `path` is atomic."""
    return path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.tmp")


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a small file of the owner's under its name in one step."""
    temporary = temporary_beside(path)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(fd)
        temporary.replace(path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: Path) -> None:
    """Remove a file, which may be gone already or not removable."""
    with suppress(OSError):
        path.unlink()


def sync_path(path: Path) -> None:
    """Force a file's content, or a folder's names, to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as cause:
        if cause.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(fd)


def clone(source: int, target: int) -> bool:
    """Share blocks (Btrfs, XFS, …) between two open files; false where that is impossible."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True
