"""Which installed distribution holds a module, without importing it."""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from importlib import metadata

_FILE = re.compile(r"^([A-Za-z_]\w*)(?:/|\.py,|\.cpython|\.abi3|\.so,)", re.MULTILINE)


def distribution_version(module: str) -> str | None:
    """Version of the distribution that holds a top-level module.

    Returns
    -------
    str or None
        Where the distribution is not called like the module, its name and version; ``None`` where none claims it.
    """
    return _version(module, _places()) if module.isidentifier() else None


@lru_cache(maxsize=4096)
def _version(module: str, places: tuple[tuple[str, int], ...]) -> str | None:
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:
        return " ".join(sorted(_owners(places).get(module, ()))) or None


def _places() -> tuple[tuple[str, int], ...]:
    """Where distributions may lie, with the time of the last change there: one may be installed at any time."""
    found = []
    for path in sys.path:
        try:
            found.append((path, os.stat(path or ".").st_mtime_ns))
        except OSError:
            continue
    return tuple(found)


@lru_cache(maxsize=1)
def _owners(_places: tuple[tuple[str, int], ...]) -> dict[str, set[str]]:
    """Names and versions of the distributions that installed each top-level module; one look at all of their lists."""
    owners: dict[str, set[str]] = {}
    for one in metadata.distributions():
        listed = one.read_text("RECORD") or one.read_text("installed-files.txt") or ""
        tops = {*(one.read_text("top_level.txt") or "").split(), *_FILE.findall(listed)}
        name = f"{one.name} {one.version}"
        for top in tops:
            owners.setdefault(top, set()).add(name)
    return owners


def prepare() -> None:
    """Look at the lists ahead of the first question, as a thread may do while the kernel starts."""
    _owners(_places())
