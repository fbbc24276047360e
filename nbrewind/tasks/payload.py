"""Move what tasks leave between the local file system and the record."""

from __future__ import annotations

import os
import stat

from nbrewind.record.model import Digest, FileWrite
from nbrewind.tasks.content import Contents
from nbrewind.tasks.memo import Memo

SMALL = 1 << 20
"""Up to here a file is read at once."""


def save_path(memo: Memo, remote: str, path: str) -> FileWrite:
    """Store a file, or a folder with all below it, under the name that the task gave it."""
    found = os.stat(path)
    return FileWrite(remote, save_content(memo, path, found), stat.S_IMODE(found.st_mode))


def save_content(memo: Memo, path: str, found: os.stat_result | None = None) -> Digest:
    """Store the content of a file or folder."""
    found = found or os.stat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_size > SMALL:
        return memo.put_file(path)
    with open(path, "rb", buffering=0) as file:
        return memo.put(file.read())


def put_back(memo: Memo, contents: Contents, path: str, file: FileWrite) -> None:
    """Put a recorded output in place; what is there already with the right content is left untouched."""
    if file.digest is None:
        return
    try:
        same = contents.digest(path) == file.digest
    except OSError:
        same = False
    if not same:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        memo.get_file(file.digest, path, file.mode)
    elif stat.S_IMODE(os.stat(path).st_mode) != file.mode:
        os.chmod(path, file.mode)
