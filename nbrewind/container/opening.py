"""Opening a container: every digest is verified, nothing is executed, and nothing is written outside the target."""

from __future__ import annotations

import filecmp
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen
from blake3 import blake3

from nbrewind.container.archive import Source, read
from nbrewind.container.manifest import MANIFEST, SIGNATURE, Manifest, Member, decode
from nbrewind.container.storing import FolderTarget
from nbrewind.errors import ContainerError, UsageError
from nbrewind.record.disk import FOLDER_MODE, temporary_beside, writing
from nbrewind.record.foreign import Foreign, add_foreign

LARGEST_SIGNATURE = 64 << 10
_NOT_LISTED = {MANIFEST, SIGNATURE}
Told = Callable[[int], None]
"""Told how many bytes more were done."""


@frozen
class Listing:
    """What a container says of itself: its manifest, as a value and as the bytes that are signed, and the signature."""

    manifest: Manifest
    raw: bytes
    signature: bytes


@frozen
class Opened:
    """A container in a folder of its own."""

    folder: Path
    manifest: Manifest
    foreign: Foreign

    @property
    def notebook(self) -> Path:
        """The notebook in there."""
        return self.folder / self.manifest.notebook


def read_listing(source: Source) -> Listing:
    """The manifest of a container, compared with what is there.

    Raises
    ------
    ContainerError
        They contradict each other.
    """
    raw = read(source, MANIFEST)
    signature = read(source, SIGNATURE, LARGEST_SIGNATURE) if SIGNATURE in source.sizes else b""
    manifest = decode(raw, source.where)
    for member in manifest.members:
        size = source.sizes.get(member.path)
        if size is None:
            source.check(member.path)
            raise ContainerError(f"{source.where}: the member {member.path!r} is missing")
        if size != member.size:
            raise ContainerError(
                f"{source.where}: the member {member.path!r} has {size} bytes, and the manifest says {member.size}"
            )
    if source.strict and (more := unlisted(source, manifest)):
        raise ContainerError(f"{source.where}: the member {more[0]!r} is not in its manifest")
    return Listing(manifest, raw, signature)


def unlisted(source: Source, manifest: Manifest) -> list[str]:
    """Files that are there, and that the manifest does not name."""
    return sorted(source.sizes.keys() - {member.path for member in manifest.members} - _NOT_LISTED)


def verified(source: Source, member: Member) -> Iterator[memoryview]:
    """The content of a member; its digest is compared with the manifest's at the end.

    Raises
    ------
    ContainerError
        It is something else.
    """
    hasher = blake3()
    for piece in source.pieces(member.path):
        hasher.update(piece)
        yield piece
    if "blake3:" + hasher.hexdigest() != member.digest:
        raise ContainerError(
            f"{source.where}: the member {member.path!r} is damaged or was changed: its digest is another one"
        )


def verify(source: Source, manifest: Manifest, told: Told = lambda count: None) -> None:
    """Read all members and compare their digests; raises as `verified` does."""
    for member in manifest.members:
        for piece in verified(source, member):
            told(len(piece))


def open_into(source: Source, listing: Listing, folder: Path, told: Told = lambda count: None) -> Opened:
    """Put a container into a folder, under a name that it gets when all is verified.

    Parameters
    ----------
    folder
        Absent or empty. For a container that goes on from an earlier one: the folder where that was opened.

    Raises
    ------
    ContainerError
        The container is damaged, lies, or goes on from something that is not there.
    UsageError
        Something else is there.
    RecordUnwritable
        The disk takes no more.
    """
    manifest = listing.manifest
    if manifest.base is not None:
        return _add_to(source, listing, folder, told)
    _check_target(folder)
    with _beside(folder, source) as temporary:
        _unpack(source, listing, temporary, told)
        foreign = _marked(temporary, manifest)
        if folder.is_dir():
            folder.rmdir()
        temporary.replace(folder)
    return Opened(folder, manifest, foreign)


def _check_target(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))):
        raise UsageError(f"{folder}: something is there already; choose another folder with -o")


@contextmanager
def _beside(folder: Path, source: Source) -> Iterator[Path]:
    temporary = temporary_beside(folder)
    try:
        with writing(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir(0o755)
            _check_room(temporary, sum(source.sizes.values()), source.where)
            yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_room(folder: Path, size: int, where: str) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UsageError(
            f"{where}: it needs {size / 1e9:.1f} GB, and {folder.parent} has {free / 1e9:.1f} GB left; "
            "choose another folder with -o"
        )


def _unpack(source: Source, listing: Listing, folder: Path, told: Told) -> None:
    from nbrewind.state.checkpoint import settle

    target = FolderTarget(folder)
    for member in listing.manifest.members:
        target.begin(member.path, member.size, executable=member.executable)
        try:
            for piece in verified(source, member):
                target.write(piece)
                told(len(piece))
        finally:
            target.end()
        if member.path.endswith(".h5") and member.role == "record":
            settle(folder / member.path)
    (folder / MANIFEST).write_bytes(listing.raw)
    if listing.signature:
        (folder / SIGNATURE).write_bytes(listing.signature)


def _marked(folder: Path, manifest: Manifest) -> Foreign:
    """Note which logs came along, whatever the container itself says about that."""
    record = folder / manifest.record
    (record / "record.json").write_bytes(_own_about(record))
    record.chmod(FOLDER_MODE)
    return add_foreign(record, _logs(manifest), manifest.digest, renew=True)


def _logs(manifest: Manifest) -> list[str]:
    return [Path(member.path).name for member in manifest.members if member.path.endswith(".log")]


def _own_about(record: Path) -> bytes:
    from nbrewind.record.layout import check, fresh_about

    check(record)
    return fresh_about()


def _add_to(source: Source, listing: Listing, folder: Path, told: Told) -> Opened:
    """Add what came later to the folder in which the earlier container was opened."""
    manifest = listing.manifest
    assert manifest.base is not None
    _check_base(manifest, folder, source.where)
    with _beside(folder, source) as temporary:
        _unpack(source, listing, temporary, told)
        foreign = add_foreign(folder / manifest.record, _logs(manifest), manifest.digest, renew=True)
        for member in manifest.members:
            if member.path != f"{manifest.record}/record.json":
                place = folder / member.path
                place.parent.mkdir(parents=True, exist_ok=True)
                _make_way(place, temporary / member.path, member, source.where)
                os.replace(temporary / member.path, place)
        for name in _NOT_LISTED:
            (folder / name).unlink(missing_ok=True)
            if (temporary / name).exists():
                os.replace(temporary / name, folder / name)
    return Opened(folder, manifest, foreign)


def _make_way(place: Path, new: Path, member: Member, where: str) -> None:
    """Move a file that is another one than the container's out of its way; what is recorded stays."""
    if not place.is_symlink() and (not place.exists() or filecmp.cmp(place, new, shallow=False)):
        return
    if member.role == "record":
        raise ContainerError(f"{where}: {place} is there already, and is another one")
    for number in itertools.count(1):
        aside = place.with_name(f"{place.stem}.before-{number}{place.suffix}")
        if not aside.exists():
            place.rename(aside)
            return


def _check_base(manifest: Manifest, folder: Path, where: str) -> None:
    assert manifest.base is not None
    for member in manifest.everything():
        if any((folder / parent).is_symlink() for parent in Path(member.path).parents):
            raise ContainerError(f"{where}: the folder of {member.path!r} in {folder} is a link")
    for member in (Member(f"{manifest.record}/record.json", 0, "", "record"), *manifest.base.members):
        place = folder / member.path
        if place.is_symlink() or not place.is_file():
            raise ContainerError(
                f"{where}: it holds only what came after the run {manifest.base.run}, and {member.path!r} is not in "
                f"{folder}: open the container of that run there first"
            )
        if member.digest and "blake3:" + blake3().update_mmap(place).hexdigest() != member.digest:
            raise ContainerError(
                f"{where}: {member.path!r} in {folder} is not the one that this container goes on from"
            )
