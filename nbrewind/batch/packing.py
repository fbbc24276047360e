"""The Python that runs the notebook as one archive for workers: packed once for its content, and used again."""

from __future__ import annotations

import hashlib
import importlib
import os
import platform
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import platformdirs
from attrs import evolve
from filelock import FileLock

from nbrewind.batch.model import Site
from nbrewind.errors import SiteUnusable

AUTO = "auto"
"""The value of `environment.packed` that means this Python."""

UNUSED = 30 * 86400.0
"""Seconds after which an archive that nobody used goes when another one is made."""

_LEVEL = 1
"""Of compression: the archive is sent over a fast network and unpacked at once."""


def ready(
    site: Site,
    tell: Callable[[str], object] = lambda _: None,
    prefix: Path | None = None,
    folder: Path | None = None,
) -> Site:
    """Return the site with the archive that its workers unpack; it is made if it is not there.

    Parameters
    ----------
    site
        A site, whose `environment.packed` may be ``auto``.
    tell
        Shown a line when an archive is made.
    prefix
        The environment; by default the one that this process runs in.
    folder
        Where archives are kept.

    Raises
    ------
    SiteUnusable
        This Python cannot be packed.
    """
    if site.environment.packed != AUTO:
        return site
    target = path(prefix, folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.exists():
                tell("packing this Python environment for the workers: once, until it changes")
                _make(prefix or Path(sys.prefix), target)
                _forget_others(target)
            os.utime(target)
    except OSError as error:
        raise SiteUnusable(
            f"{target.parent}: this Python environment cannot be packed there ({error.strerror}); free space, or set "
            "XDG_CACHE_HOME, or environment.packed to an archive of conda-pack"
        ) from error
    return evolve(site, environment=evolve(site.environment, packed=str(target)))


def path(prefix: Path | None = None, folder: Path | None = None) -> Path:
    """Return where the archive of an environment lies, by what is installed in it.

    Raises
    ------
    SiteUnusable
        It is no environment, but the system's Python.
    """
    prefix = prefix or Path(sys.prefix)
    if not _is_conda(prefix) and not (prefix / "pyvenv.cfg").exists():
        raise SiteUnusable(
            f"environment.packed: this Python ({prefix}) is the system's, which cannot be packed; run nbrewind in a "
            "virtual or conda environment, or name an archive"
        )
    digest = hashlib.blake2b(digest_size=10)
    for word in (str(prefix), platform.python_version(), *sorted(_installed(prefix))):
        digest.update(word.encode() + b"\0")
    folder = folder or platformdirs.user_cache_path("nbrewind") / "environments"
    return folder / f"{prefix.name}-{digest.hexdigest()}.tar.gz"


def _is_conda(prefix: Path) -> bool:
    return (prefix / "conda-meta").is_dir()


def _installed(prefix: Path) -> Iterator[str]:
    """What is installed: packages of conda by name, of pip by the digests of their files, loose files by their age."""
    for package in (prefix / "conda-meta").glob("*.json"):
        yield package.name
    for packages in prefix.glob("lib*/python*/site-packages"):
        for entry in packages.iterdir():
            if entry.name.endswith((".dist-info", ".egg-info")):
                yield entry.name
                with suppress(OSError):
                    yield hashlib.blake2b((entry / "RECORD").read_bytes()).hexdigest()
            elif entry.is_file():
                stat = entry.stat()
                yield f"{entry.name} {stat.st_size} {stat.st_mtime_ns}"


def _make(prefix: Path, target: Path) -> None:
    part = target.with_name(f"{target.name}.part.tar.gz")
    part.unlink(missing_ok=True)
    if _is_conda(prefix):
        _pack_conda(prefix, part)
    else:
        with tarfile.open(part, "w:gz", compresslevel=_LEVEL) as archive:
            archive.add(prefix, ".")
    part.rename(target)


def _pack_conda(prefix: Path, target: Path) -> None:
    try:
        conda_pack = importlib.import_module("conda_pack")
    except ImportError as error:
        raise SiteUnusable(
            "environment.packed: conda-pack is not installed here: conda install -c conda-forge conda-pack"
        ) from error
    try:
        conda_pack.pack(
            prefix=str(prefix),
            output=str(target),
            compress_level=_LEVEL,
            ignore_editable_packages=True,
            ignore_missing_files=True,
        )
    except conda_pack.CondaPackException as error:
        raise SiteUnusable(f"environment.packed: conda-pack: {error}") from error


def _forget_others(target: Path) -> None:
    """Remove what was not used for a while, and what a killed process left."""
    for other in target.parent.glob("*.tar.gz"):
        with suppress(OSError):
            if other != target and time.time() - other.stat().st_mtime > UNUSED:
                other.unlink()


def named(site: Site) -> Site:
    """Return the site with the archive that would be made, and make nothing.

    Raises
    ------
    SiteUnusable
        This Python cannot be packed.
    """
    if site.environment.packed != AUTO:
        return site
    return evolve(site, environment=evolve(site.environment, packed=str(path())))
