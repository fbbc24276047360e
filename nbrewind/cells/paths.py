"""Symbolic paths, and which files are data."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path

_SYSTEM = tuple(
    f"/{name}/" for name in "proc sys dev etc usr lib lib64 bin sbin run var/lib var/cache".split()
)
_HOME_CONFIG = tuple(
    """.cache .config .ipython .jupyter .local/lib .local/share/jupyter .matplotlib .npm .ssh .astropy .keras .conda
    .mamba .pyenv""".split()
)
_OWN_CODE = Path(__file__).parents[1]
_SCRATCH = ("SCRATCH", "PSCRATCH", "WORK")
_SHORTEST = 4
_ENGINE_LOGS = ("vine-run-info", "workqueue-run-info")
_ENGINE_STAGING = ("wq-py-staging-", "wq-factory-", "vine-factory-")


class Paths:
    """Turns paths into their symbolic form and back, and tells data from environment.

    Parameters
    ----------
    base
        The notebook's folder.
    excluded
        Folders that belong to nbrewind itself, such as the record.
    """

    def __init__(self, base: Path, excluded: tuple[Path, ...] = ()) -> None:
        self.base = os.path.realpath(base)
        self.home = os.path.realpath(os.path.expanduser("~"))
        self._roots = _roots(self.base, self.home)
        self._excluded = tuple(os.path.realpath(path) + os.sep for path in (*excluded, _OWN_CODE))
        self._environment = tuple(_environment_folders())
        folders = {path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")}
        self._libraries = tuple(os.path.realpath(path) + os.sep for path in folders)

    def symbolic(self, path: str) -> str:
        """``./x`` for what lies in the notebook's folder, ``~/x`` in the home folder, ``$SCRATCH/x`` in scratch, else
        absolute.
        """
        return self.named(os.path.realpath(path))

    def named(self, full: str) -> str:
        """The same for an absolute path that is taken as it is: links in it are followed by whoever opens it."""
        for sign, root in self._roots.items():
            if full == root:
                return sign
            if full.startswith(root + os.sep) and root != os.sep:
                return sign + full[len(root) :]
        return full

    def place_of(self, full: str) -> str:
        """Sign of the place that an absolute path lies in, empty for none."""
        sign = self.named(full).partition(os.sep)[0]
        return sign if sign in self._roots else ""

    def place(self, sign: str) -> str | None:
        """Absolute path of a place, ``None`` where there is no such place here."""
        return self._roots.get(sign)

    @property
    def places(self) -> dict[str, bytes]:
        """Places by sign, with their paths as they appear in texts; those that would appear by chance are left out."""
        return {sign: os.fsencode(root) for sign, root in self._roots.items() if len(root) >= _SHORTEST}

    def real(self, symbolic: str) -> str:
        """Absolute path of a symbolic one, here."""
        sign, slash, rest = symbolic.partition("/")
        root = self._roots.get(sign)
        return symbolic if root is None else root + slash + rest

    def is_data(self, path: str, *, resolved: bool = False) -> bool:
        """Whether this file is a notebook's data: not a program, a library, a cache, or nbrewind's own.

        A path that is `resolved` has no symbolic links in it.
        """
        full = path if resolved else os.path.realpath(path)
        if full.startswith(self._excluded):
            return False
        parts = full.split(os.sep)
        if (
            "__pycache__" in parts
            or full.endswith((".pyc", ".ipynb"))
            or any(name in parts for name in _ENGINE_LOGS)
            or any(part.startswith(_ENGINE_STAGING) for part in parts)
        ):
            return False
        software = max((len(folder) for folder in self._environment if full.startswith(folder)), default=0)
        if full.startswith(self.base + os.sep):
            return len(self.base) >= software and ".ipynb_checkpoints" not in parts and ".git" not in parts
        return not software

    def library_of(self, path: str) -> str | None:
        """Top-level name of the installed library whose folder holds this file, ``None`` where none does."""
        full = os.path.realpath(path)
        for root in self._libraries:
            if full.startswith(root):
                return full[len(root) :].split(os.sep)[0]
        return None


def _roots(base: str, home: str) -> dict[str, str]:
    """Places by sign, in the order in which they are tried: the more special first."""
    found = {".": base}
    for name in _SCRATCH:
        path = os.environ.get(name, "")
        if os.path.isabs(path) and os.path.isdir(path):
            found["$" + name] = os.path.realpath(path)
    inside_home = {
        sign: root for sign, root in found.items() if sign == "." or root.startswith(home + os.sep)
    }
    return {**inside_home, "~": home, **found}


def _environment_folders() -> list[str]:
    """Folders whose files are software or caches."""
    home = os.path.realpath(os.path.expanduser("~"))
    folders = [*_SYSTEM, *(os.path.join(home, name) + os.sep for name in _HOME_CONFIG)]
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    folders += [
        os.path.realpath(root) + os.sep for root in roots if root and os.path.realpath(root) != os.sep
    ]
    folders += [
        os.path.join(os.path.realpath(tempfile.gettempdir()), name) for name in ("ipykernel_", "nbrewind-")
    ]
    return [folder for folder in folders if folder != os.sep]
