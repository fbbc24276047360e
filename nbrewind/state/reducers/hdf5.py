"""h5py: files by path and mode, groups and datasets by their place in a file."""

from __future__ import annotations

import os
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.held import content, refuse_writer
from nbrewind.state.registry import register_reducer


def reduce_file(file: Any) -> tuple[Any, ...]:
    """A file as the arguments that open it again."""
    if not file.id.valid:
        return closed_file, ()
    if file.driver in ("core", "fileobj"):
        raise HookError(f"its driver {file.driver} keeps it in memory")
    if file.mode != "r":
        file.flush()
    return open_file, (os.path.abspath(file.filename), file.mode)


def reduce_member(member: Any) -> tuple[Any, ...]:
    """A group or dataset, by its file and name."""
    if not member.id.valid:
        raise HookError("its file was closed")
    if member.name is None:
        raise HookError("it has no name in its file")
    return open_member, (*reduce_file(member.file)[1], member.name)


def digest_file(file: Any) -> tuple[Any, ...]:
    """What tells two open files apart; for readers the content counts."""
    if not file.id.valid:
        return ()
    if file.mode != "r":
        raise refuse_writer(file.filename)
    return (*reduce_file(file)[1], content(file.filename))


def digest_member(member: Any) -> tuple[Any, ...]:
    """What tells two groups or datasets apart."""
    return (*reduce_member(member)[1], *digest_file(member.file))


def open_file(path: str, mode: str) -> Any:
    """Open a file again, without cutting it off."""
    import h5py

    return h5py.File(path, mode)


def closed_file() -> Any:
    """A file that was closed."""
    import h5py

    file = (
        h5py.File.in_memory()
        if hasattr(h5py.File, "in_memory")
        else h5py.File("closed", "w", driver="core", backing_store=False)
    )
    file.close()
    return file


def open_member(path: str, mode: str, name: str) -> Any:
    """Find a group or dataset again."""
    return open_file(path, mode)[name]


register_reducer("h5py._hl.files.File", reduce_file, digest=digest_file)
register_reducer("h5py._hl.group.Group", reduce_member, digest=digest_member)
register_reducer("h5py._hl.dataset.Dataset", reduce_member, digest=digest_member)
