"""Which installed distribution holds a module, without importing it."""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from importlib import metadata
from threading import Lock

from attrs import frozen

_FILE = re.compile(r"^([A-Za-z_]\w*)(?:/|\.py,|\.cpython|\.abi3|\.so,)", re.MULTILINE)


def distribution_version(module: str) -> str | None:
    """Version of the distribution that holds a top-level module.

    Returns
    -------
    str or None
        Where the distribution is not called like the module, its name and version; ``None`` where none claims it.
    """
    if not module.isidentifier():
        return None
    installed = _installed(_places())
    return (
        installed.versions.get(_normal(module)) or " ".join(sorted(installed.owners.get(module, ()))) or None
    )


def _places() -> tuple[tuple[str, int], ...]:
    """Where distributions may lie, with the time of the last change there: one may be installed at any time."""
    found = []
    for path in sys.path:
        try:
            found.append((path, os.stat(path or ".").st_mtime_ns))
        except OSError:
            continue
    return tuple(found)


@frozen
class _Installed:
    """What the lists of all distributions say.

    `versions` by the distribution's normalised name, of the first that is found; `owners` are names and versions of
    the distributions that installed each top-level module.
    """

    versions: dict[str, str]
    owners: dict[str, set[str]]


_looking = Lock()


def _installed(places: tuple[tuple[str, int], ...]) -> _Installed:
    with _looking:  # a second question waits for the first one's answer
        return _look(places)


@lru_cache(maxsize=1)
def _look(_places: tuple[tuple[str, int], ...]) -> _Installed:
    found = _Installed({}, {})
    for one in metadata.distributions():
        about = one.read_text("METADATA") or one.read_text("PKG-INFO") or one.read_text("") or ""
        name, version = header(about, "Name"), header(about, "Version")
        if not name:
            continue
        found.versions.setdefault(_normal(name), version)
        listed = one.read_text("RECORD") or one.read_text("installed-files.txt") or ""
        for top in {*(one.read_text("top_level.txt") or "").split(), *_FILE.findall(listed)}:
            found.owners.setdefault(top, set()).add(f"{name} {version}")
    return found


def header(about: str, name: str) -> str:
    """A header of a distribution's metadata; parsing all of it takes twenty times as long."""
    match = re.search(
        rf"^{name}:[ \t]*(.*?)[ \t]*$", about.partition("\n\n")[0], re.MULTILINE | re.IGNORECASE
    )
    return match[1] if match else ""


def _normal(name: str) -> str:
    """As names of distributions are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "_", name).lower()


def prepare() -> None:
    """Look at the lists ahead of the first question, as a thread may do while the kernel starts."""
    _installed(_places())
