"""Files that stay open from cell to cell: readers see what the file holds, writers change it out of sight."""

from __future__ import annotations

import os

from nbrewind.record.digests import digest_file
from nbrewind.state.guard import HookError

HELD_OPEN = "a file that stays open for writing"
"""Occurs in why a value is opaque, where a cell that works on it must never be restored."""
READ_WHOLE = 64 * 2**20


def refuse_writer(path: object) -> HookError:
    """The reason not to save an open file whose content later cells may still change."""
    return HookError(f"it is {HELD_OPEN} ({path}): close it in the cell that opens it")


def content(path: str | bytes | os.PathLike[str]) -> str:
    """What stands for the content of a file that is open for reading.

    Returns
    -------
    str
        Its digest; of files above 64 MiB size and time of modification.
    """
    stat = os.stat(path)
    if stat.st_size <= READ_WHOLE:
        return digest_file(os.fsdecode(path)) or ""
    return f"{stat.st_size} {stat.st_mtime_ns}"
