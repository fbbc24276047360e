"""Where site files lie, and how one is found by name.

From first to last: a file that is named by its path; ``site-configs/`` in the working folder and those above it, up
to the one that holds a ``.git``; the user's own; the system's; those that come with nbrewind. The first of a name wins.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import platformdirs
from attrs import evolve, frozen

from nbrewind.batch.model import Site
from nbrewind.batch.reading import Table, site_of, table_of, text_of
from nbrewind.errors import SiteFileError

FOLDER = "site-configs"
VARIABLE = "NBREWIND_SITE"
ACCOUNT = "NBREWIND_ACCOUNT"
Origin = Literal["file", "project", "user", "system", "packaged"]


@frozen
class Found:
    """A site file: its name, where it lies, and who put it there."""

    name: str
    path: Path
    origin: Origin

    @property
    def shared(self) -> bool:
        """Whether it is meant for more than one person."""
        return self.origin not in ("file", "user")


def folders(
    start: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Iterator[tuple[Origin, Path]]:
    """Yield the folders that are searched, in order."""
    for folder in _project(start or Path.cwd()):
        yield "project", folder / FOLDER
    yield "user", platformdirs.user_config_path("nbrewind") / FOLDER
    system = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    for base in (*system.split(os.pathsep), "/etc"):
        yield "system", Path(base) / "nbrewind" / FOLDER
    yield "packaged", packaged()


def _project(start: Path) -> Iterator[Path]:
    for folder in (start, *start.parents):
        yield folder
        if (folder / ".git").exists():
            return


def packaged() -> Path:
    """Return the folder of the files that come with nbrewind: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / FOLDER
    return inside if inside.is_dir() else package.parent / FOLDER


def available(start: Path | None = None, environment: Mapping[str, str] = os.environ) -> list[Found]:
    """Return every site that can be named, in order of names; hidden ones of the same name are left out."""
    found: dict[str, Found] = {}
    own = packaged()
    for origin, folder in folders(start, environment):
        # a checkout of nbrewind has its packaged files in a folder of the project's name
        if origin == "project" and folder == own:
            continue
        for path in sorted(folder.glob("*.toml")):
            found.setdefault(path.stem, Found(path.stem, path, origin))
    return sorted(found.values(), key=lambda each: each.name)


def find(name: str, start: Path | None = None, environment: Mapping[str, str] = os.environ) -> Found:
    """Find a site by name, or a file by its path.

    Raises
    ------
    SiteFileError
        There is none.
    """
    if name.endswith(".toml") or "/" in name:
        path = Path(name).expanduser()
        path = path if path.is_absolute() else (start or Path.cwd()) / path
        return Found(path.stem, path, "file")
    known = {each.name: each for each in available(start, environment)}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    raise SiteFileError(name, [f"no site of that name; {meant} `nbrewind site new {name}` begins a file"])


def load(
    name: str, start: Path | None = None, environment: Mapping[str, str] = os.environ, account: str = ""
) -> Site:
    """Read a site by name or path, with all that it extends, and the account of whoever asks.

    Parameters
    ----------
    name
        A site's name, or a file's path.
    start
        The folder that the search begins in; the working folder by default.
    environment
        Environment variables: `NBREWIND_ACCOUNT` gives the account.
    account
        An account that goes before all others.

    Raises
    ------
    SiteFileError
        There is no such site, or its file is wrong.
    """
    found = find(name, start, environment)
    site = read_all(found, start, environment)
    paying = account or environment.get(ACCOUNT, "") or site.scheduler.account
    return evolve(site, scheduler=evolve(site.scheduler, account=paying))


def read_all(found: Found, start: Path | None = None, environment: Mapping[str, str] = os.environ) -> Site:
    """Read a site file and what it extends, without an account from elsewhere.

    Raises
    ------
    SiteFileError
        With every mistake of the first file that has any.
    """
    return _read(found, start, environment, ())[1]


def _read(
    found: Found, start: Path | None, environment: Mapping[str, str], behind: tuple[Path, ...]
) -> tuple[Table, Site]:
    if found.path in behind:
        around = " → ".join(path.stem for path in (*behind, found.path))
        raise SiteFileError(str(found.path), [f"site.extends goes round in a circle: {around}"])
    text = text_of(found.path)
    own = table_of(text, str(found.path))
    about = own.get("site")
    base = about.get("extends") if isinstance(about, dict) else None
    whole = own
    if isinstance(base, str) and base:
        below = _base(found, base, start, environment)
        whole = merged(_read(below, start, environment, (*behind, found.path))[0], own)
    return whole, site_of(_without_provenance(whole, own), str(found.path), text, shared=found.shared)


def _base(found: Found, name: str, start: Path | None, environment: Mapping[str, str]) -> Found:
    """The site that a file extends: one of its own name is the next in the search."""
    if name != found.name:
        return find(name, start, environment)
    for origin, folder in folders(start, environment):
        path = folder / f"{name}.toml"
        if path.is_file() and path != found.path:
            return Found(name, path, origin)
    raise SiteFileError(str(found.path), [f"site.extends: there is no other site {name!r}"])


def _without_provenance(whole: Table, own: Table) -> Table:
    """Nobody ran a file just because somebody ran the one that it extends."""
    about = own.get("site", {})
    if isinstance(about, dict) and about.get("extends") and "verified" not in about:
        return merged(whole, {"site": {"verified": False}})
    return whole


def merged(base: Table, over: Table) -> Table:
    """Return tables laid over each other; lists are replaced, never joined."""
    found: dict[str, Any] = dict(base)
    for name, value in over.items():
        below = found.get(name)
        found[name] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return found
