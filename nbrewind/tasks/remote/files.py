"""Files as a worker finds them: what they are called, and what identifies their content."""

from __future__ import annotations

import os
from itertools import islice
from typing import Any

BIG = 256 << 20
"""Bytes from which on size and time stand for the content of a file."""
CHUNK = 1 << 20


def flat(value: Any, most: int) -> list[str]:
    """The texts and paths in nested arguments."""
    found: list[str] = []
    waiting = [value]
    while waiting and most > 0:
        one = waiting.pop()
        most -= 1
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting.extend(islice(one, most))
        elif isinstance(one, dict):
            waiting.extend(islice(one.values(), most))
        elif isinstance(one, bytes) or hasattr(one, "__fspath__"):
            found.append(os.fsdecode(one))
    return found


def absolute(path: Any) -> str:
    """A path from the root."""
    return os.path.abspath(os.fsdecode(path))


def changed(path: str, before: Any) -> bool:
    """Whether a file is not as it was described, by size and time."""
    try:
        found = os.stat(path)
    except OSError:
        return before is not None
    return before is None or [found.st_size, found.st_mtime_ns] != list(before[:2])


def existence(path: str) -> str | None:
    """What a path is: a file, a folder, or nothing."""
    if os.path.isdir(path):
        return "folder"
    return "file" if os.path.lexists(path) else None


def describe(path: str) -> list[Any] | None:
    """Size, time and content of a file; nothing where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if found.st_size > BIG:
        return [found.st_size, found.st_mtime_ns, ""]
    total = blake2b()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                total.update(chunk)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, "b2:" + total.hexdigest()]


def blake2b(data: bytes = b"") -> Any:
    """The digest alone: the whole of hashlib takes as long to import as a small task."""
    try:
        from _blake2 import blake2b as make
    except ImportError:
        from hashlib import blake2b as make

    return make(data, digest_size=20)


def listing(path: str) -> str | None:
    """Digest of the names in a folder."""
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return None
    return "b2:" + str(blake2b("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest())
