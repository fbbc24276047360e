"""Digests of the files and folders that tasks take as inputs and leave as outputs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from nbrewind.record.digests import FileDigests
from nbrewind.record.model import Digest
from nbrewind.record.trees import walk


class Contents:
    """Digests of local files and folders, remembered while nothing suggests a change.

    Parameters
    ----------
    digests
        The session's memory of files.
    """

    def __init__(self, digests: FileDigests | None = None) -> None:
        self._digests = digests or FileDigests()

    def digest(self, path: str) -> Digest:
        """Return the digest of a file's or folder's content, without its name.

        Raises
        ------
        OSError
            The path is absent or cannot be read.
        """
        digest = self._digests.of(path)
        if digest is None:
            raise FileNotFoundError(path)
        return digest

    def identity(self, path: str) -> str:
        """Return what a task can tell of an input: its content, and whether it can be executed.

        Raises
        ------
        OSError
            The path is absent or cannot be read.
        """
        mode = os.stat(path).st_mode
        runs = stat.S_ISREG(mode) and mode & stat.S_IXUSR
        return self.digest(path) + ("+x" if runs else "")

    def files(self, path: str) -> list[str]:
        """Return the files whose content makes up a path's content."""
        if not os.path.isdir(path):
            return [path]
        return [str(entry.path) for entry in walk(Path(path)) if entry.kind in "fx"]
