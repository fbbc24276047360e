"""Content above 1 MiB: one file each, named by its digest; and how content comes back as a user's file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nbrewind.errors import RecordBroken
from nbrewind.record.digests import digest_bytes, digest_stream
from nbrewind.record.disk import clone, make_folder, remove, temporary_beside, writing
from nbrewind.record.model import Digest

INLINE_LIMIT = 1 << 20
"""Content up to this size lies in the run's log: parallel file systems charge by the file."""


class Objects:
    """The folder ``objects/`` of a record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: Digest) -> Path:
        """Where that content lies, if it is here."""
        name = digest.partition(":")[2]
        if not name.isalnum() or len(name) < 4:
            raise KeyError(digest)
        return self.folder / name[:2] / name[2:]

    def has(self, digest: Digest) -> bool:
        """Whether it is here; what a power failure cut short is not."""
        try:
            return self.path(digest).stat().st_size > INLINE_LIMIT
        except (OSError, KeyError):
            return False

    def put(self, digest: Digest, data: bytes) -> Path | None:
        """Store content; ``None`` when it is here already."""
        if self.has(digest):
            return None
        with self._new() as (temporary, file):
            _write_all(file, data)
            return self._keep(temporary, digest)

    def put_file(self, source: Path) -> tuple[Digest, Path | None]:
        """Store a copy of a file under the digest of what was really copied."""
        with open(source, "rb", buffering=0) as origin, self._new() as (temporary, file):
            if clone(origin.fileno(), file):
                digest = digest_stream(file)
            else:
                digest = digest_stream(origin.fileno(), lambda piece: _write_all(file, piece))
            return digest, None if self.has(digest) else self._keep(temporary, digest)

    @contextmanager
    def _new(self) -> Iterator[tuple[Path, int]]:
        with writing(self.folder.parent):
            make_folder(self.folder)
            temporary = temporary_beside(self.folder / "new")
            file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                yield temporary, file
            finally:
                os.close(file)
                remove(temporary)  # gone already when it was kept

    def _keep(self, temporary: Path, digest: Digest) -> Path:
        path = self.path(digest)
        make_folder(path.parent)
        temporary.replace(path)
        return path

    def read(self, digest: Digest) -> bytes:
        """The content, verified.

        Raises
        ------
        KeyError
            It is not here.
        RecordBroken
            It is damaged. It is set aside, so that it can be stored again.
        """
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError:
            raise KeyError(digest) from None
        if digest_bytes(data) != digest:
            raise self._damaged(digest)
        return data

    def copy(self, digest: Digest, target: int) -> None:
        """Write the content into an open file, verified; raises as `read` does."""
        try:
            source = open(self.path(digest), "rb", buffering=0)  # noqa: SIM115 -- closed below
        except FileNotFoundError:
            raise KeyError(digest) from None
        with source:
            shared = clone(source.fileno(), target)
            found = digest_stream(
                source.fileno(), None if shared else lambda piece: _write_all(target, piece)
            )
        if found != digest:
            raise self._damaged(digest)

    def _damaged(self, digest: Digest) -> RecordBroken:
        path = self.path(digest)
        remove(path)
        return RecordBroken(
            f"{path} does not hold the content {digest} that it is named after; it was removed"
        )


def _write_all(file: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def restore_file(target: Path, mode: int, fill: Callable[[int], None]) -> None:
    """Make or replace a user's file in one step, with what `fill` writes into an open file.

    Raises
    ------
    RecordUnwritable
        The target's folder takes no file.
    """
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            file = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fill(file)
                os.fchmod(file, mode & 0o7777)
            finally:
                os.close(file)
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            temporary.replace(target)
        finally:
            remove(temporary)


def restore_tree(target: Path, rows: list[tuple[str, str, str]], fill: Callable[[Digest, int], None]) -> None:
    """Make or replace a user's folder from the rows of its manifest; it takes its name when it is whole."""
    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(target)
        try:
            temporary.mkdir()
            for name, kind, value in rows:
                _restore_row(temporary / name, kind, value, fill)
            _swap(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _restore_row(path: Path, kind: str, value: str, fill: Callable[[Digest, int], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "d":
        path.mkdir(exist_ok=True)
    elif kind == "l":
        path.symlink_to(value)
    else:
        file = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755 if kind == "x" else 0o644
        )
        try:
            fill(value, file)
        finally:
            os.close(file)


def _swap(new: Path, target: Path) -> None:
    old = temporary_beside(target)
    with suppress(FileNotFoundError):
        target.rename(old)
    new.rename(target)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        remove(old)
