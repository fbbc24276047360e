"""Move what tasks leave between the local file system and the record."""

from __future__ import annotations

import os
import stat

from nbrewind.record.model import FileWrite
from nbrewind.tasks.content import Contents
from nbrewind.tasks.memo import Memo


def save_path(memo: Memo, remote: str, path: str) -> FileWrite:
    """Store a file, or a folder with all below it, under the name that the task gave it."""
    return FileWrite(remote, memo.put_file(path), stat.S_IMODE(os.stat(path).st_mode))


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
