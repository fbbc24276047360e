"""Which files a notebook read that its own cells did not make, and which of them go into a container."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from attrs import frozen

from nbrewind.container.manifest import Reference, Role
from nbrewind.container.names import check_name
from nbrewind.container.storing import Item
from nbrewind.errors import ContainerError
from nbrewind.record.model import Digest
from nbrewind.record.store import Record

Data = Literal["auto", "include", "reference"]
CARRIED_UP_TO = 256 << 20
"""Bytes of the largest file that ``auto`` carries."""


@frozen
class Input:
    """A file that runs read: its symbolic path, its digest as they saw it, and whether it is a module's source."""

    path: str
    digest: Digest
    code: bool


@frozen
class Carried:
    """What became of the inputs."""

    items: tuple[Item, ...]
    references: tuple[Reference, ...]


def inputs_of(record: Record, runs: Iterable[str], tasks: bool = True) -> list[Input]:
    """Files that these runs read and no cell before had written, as the newest of them saw them.

    Parameters
    ----------
    runs
        Ids, newest first.
    tasks
        Also what their tasks opened without declaring it.
    """
    found: dict[str, Input] = {}
    for run in runs:
        written: set[tuple[str, Digest | None]] = set()
        for cell in record.cells(run):
            for seen in cell.evidence:
                code = seen.kind == "module" and "/" in seen.name
                own = (seen.name, seen.digest) in written
                if (code or seen.kind == "file") and seen.digest is not None and not own:
                    found.setdefault(seen.name, Input(seen.name, seen.digest, code))
            written |= {(each.path, each.digest) for each in cell.files}
        for task in record.tasks(run) if tasks else ():
            for seen in task.inputs:
                if (
                    seen.kind == "file"
                    and seen.digest is not None
                    and (seen.name, seen.digest) not in written
                ):
                    found.setdefault(seen.name, Input(seen.name, seen.digest, code=False))
    return sorted(found.values(), key=lambda each: each.path)


def carry(
    wanted: Iterable[Input],
    base: Path,
    data: Data,
    locate: Callable[[Input], str] = lambda one: "",
) -> Carried:
    """Decide of each file whether it goes along.

    Files below the notebook's folder can, as they are now; of others the container says what they were. It is opened
    at another place, where only what lies beside the notebook finds its place again.

    Parameters
    ----------
    base
        The notebook's folder.
    data
        ``include``: all that can, ``auto``: those up to `CARRIED_UP_TO`, ``reference``: none but modules.
    locate
        URL of a file that does not go along; empty: not known.
    """
    items, references = [], []
    for one in wanted:
        place = base / one.path[2:] if one.path.startswith("./") else Path(os.path.expanduser(one.path))
        size, why = _look(one, place, data)
        if why:
            references.append(Reference(one.path, one.digest, size, locate(one), why))
            continue
        role: Role = "code" if one.code else "data"
        items += (
            _files_in(one.path[2:], place, role) if place.is_dir() else [_item(one.path[2:], place, role)]
        )
    return Carried(tuple(items), tuple(references))


ENVIRONMENT = ("environment.yml", "requirements.txt", "pylock.toml", "LICENSE", "LICENSE.txt", "README.md")
"""Files beside a notebook that say what it needs and is, and go along although no cell reads them."""


def beside(base: Path) -> list[Item]:
    """Those of them that are there."""
    found = [base / name for name in ENVIRONMENT]
    return [
        _item(place.name, place, "about") for place in found if place.is_file() and not place.is_symlink()
    ]


def _item(path: str, place: Path, role: Role) -> Item:
    found = place.stat()
    return Item(path, role, place, found.st_size, bool(found.st_mode & stat.S_IXUSR))


def _files_in(path: str, folder: Path, role: Role) -> list[Item]:
    """A folder that was read as a whole; links in it do not go along."""
    plain = [
        (Path(parent, name), name)
        for parent, _, names in os.walk(folder)
        for name in names
        if stat.S_ISREG(os.lstat(Path(parent, name)).st_mode)
    ]
    return [_item(f"{path}/{place.relative_to(folder)}", place, role) for place, _ in sorted(plain)]


def _look(one: Input, place: Path, data: Data) -> tuple[int | None, str]:
    """Size of a file, and why it is not carried; empty: it is."""
    try:
        found = place.stat()
        size = found.st_size if stat.S_ISREG(found.st_mode) else None
        if not one.path.startswith("./"):
            return size, "it lies outside the notebook's folder"
        check_name(one.path[2:], "the notebook's folder")
        if not one.code and data == "reference":
            return size, "as asked"
        if not one.code and data == "auto" and size is not None and size > CARRIED_UP_TO:
            return size, "it is large"
    except ContainerError as error:
        return None, str(error).rpartition(": ")[2]
    except OSError:
        return None, "it is not here any more"
    return size, ""
