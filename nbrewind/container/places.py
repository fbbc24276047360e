"""Where a container is opened when nobody says where.

The runs that are made of it are the user's work, so they lie where the container lies and not in a cache: in
``NAME.opened`` beside ``NAME.zip``. The same container is opened there once, and found again.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from nbrewind.container.archive import is_address
from nbrewind.container.manifest import MANIFEST, Manifest
from nbrewind.errors import NbrewindError
from nbrewind.record.foreign import read_foreign

SUFFIX = ".opened"


def is_container(path: str) -> bool:
    """Whether an argument names a container rather than a notebook: an address, a zip, a folder with a manifest."""
    if is_address(path):
        return True
    place = Path(path)
    if place.is_dir():
        return any((place / name).is_file() for name in (MANIFEST, f"data/{MANIFEST}"))
    return place.suffix != ".ipynb" and place.is_file() and _begins_as_zip(place)


def _begins_as_zip(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"PK"
    except OSError:
        return False


def notebook_in(path: str) -> Path | None:
    """The notebook in a folder where a container was opened; ``None``: this is no such folder."""
    folder = Path(path)
    if is_address(path) or not folder.is_dir() or not opened_at(folder):
        return None
    found = [record.with_suffix(".ipynb") for record in folder.glob("*.nbrewind")]
    return next((notebook for notebook in found if notebook.is_file()), None)


def opened_at(folder: Path) -> str:
    """Digest of the container that this user opened in a folder; empty: none, whatever the folder says of itself."""
    for record in sorted(folder.glob("*.nbrewind")):
        try:
            found = read_foreign(record)
        except NbrewindError:
            continue
        if found.opened_here:
            return found.container
    return ""


def working_folder(container: str, manifest: Manifest) -> tuple[Path, bool]:
    """The folder for a container, and whether it is there already."""
    base = _beside(container)
    for number in range(1, 1000):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        if not folder.exists():
            return folder, False
        if folder.is_dir() and opened_at(folder) == manifest.digest:
            return folder, True
    return folder, False


def _beside(container: str) -> Path:
    if is_address(container):
        name = Path(unquote(urlsplit(container).path)).name or "container"
        return Path.cwd() / (Path(name).stem + SUFFIX)
    path = Path(container).absolute()
    name = (path.stem if path.is_file() else path.name) + SUFFIX
    return (path.parent if os.access(path.parent, os.W_OK) else Path.cwd()) / name
