"""Folders as content: a sorted manifest that names each file's digest, and no time or owner."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from nbrewind.errors import RecordBroken
from nbrewind.record.model import Digest

TREE_MAGIC = b"\0nbrewind tree 1\n"


class Entry(NamedTuple):
    """A file (``f``, executable ``x``), folder (``d``) or link (``l``, with its `target`) below a folder."""

    name: str
    kind: str
    path: Path
    target: str = ""


def walk(folder: Path, below: str = "") -> Iterator[Entry]:
    """What a folder holds, all the way down; sockets and devices have no content and are left out."""
    with os.scandir(folder) as found:
        children = sorted(found, key=lambda child: child.name)
    for child in children:
        name, path = below + child.name, Path(child.path)
        if child.is_symlink():
            yield Entry(name, "l", path, os.readlink(path))
        elif child.is_dir():
            yield Entry(name, "d", path)
            yield from walk(path, name + "/")
        elif child.is_file():
            yield Entry(name, "x" if child.stat().st_mode & stat.S_IXUSR else "f", path)


def manifest(entries: Iterator[Entry], digest_of: Callable[[Entry], Digest]) -> bytes:
    """The folder's content; its digest is the folder's digest."""
    rows = [[e.name, e.kind, digest_of(e) if e.kind in "fx" else e.target] for e in entries]
    return TREE_MAGIC + json.dumps(rows, separators=(",", ":")).encode()


def is_tree(data: bytes) -> bool:
    """Whether content is a folder's."""
    return data.startswith(TREE_MAGIC)


def parse(data: bytes) -> list[tuple[str, str, str]]:
    """Rows of name, kind, and digest or link target.

    Raises
    ------
    RecordBroken
        It is no manifest, or a name leads out of the folder.
    """
    try:
        rows = [_row(row) for row in json.loads(data[len(TREE_MAGIC) :])]
    except (ValueError, TypeError) as error:
        raise RecordBroken(f"the manifest of a saved folder is damaged: {error}") from error
    links = {name for name, kind, _ in rows if kind == "l"}
    for name, _, _ in rows:
        if any(str(parent) in links for parent in PurePosixPath(name).parents):
            raise RecordBroken(f"the manifest of a saved folder writes through a link: {name!r}")
    return rows


def _row(row: Any) -> tuple[str, str, str]:
    name, kind, value = row
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\0" in name or kind not in ("f", "x", "d", "l"):
        raise RecordBroken(f"the manifest of a saved folder names {name!r}, which is not inside it")
    return str(PurePosixPath(name)), str(kind), str(value)
