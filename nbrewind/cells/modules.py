"""Software as evidence: a library counts by its distribution's version, a local module by its source."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from nbrewind.cells.distributions import distribution_version
from nbrewind.cells.paths import Paths
from nbrewind.record.model import Digest, Evidence

_MACHINERY = frozenset(
    """IPython ipykernel ipywidgets nbrewind ndcctools traitlets zmq tornado jupyter_client
    jupyter_core comm matplotlib_inline pygments debugpy asyncio __main__ builtins __mp_main__
    cloudpickle prompt_toolkit stack_data executing pure_eval asttokens decorator jedi parso psutil
    nest_asyncio pydev_ipython _pydevd_bundle _distutils_hack backcall pytest _pytest pluggy coverage""".split()
)


PYTHON = "python"
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


class Modules:
    """Digests of the software that cells use.

    Parameters
    ----------
    paths
        Tells local modules from libraries.
    digest
        Digest of the file at a path.
    """

    def __init__(self, paths: Paths, digest: Callable[[str], Digest | None]) -> None:
        self._paths = paths
        self._digest = digest
        self._as_loaded: dict[str, Digest | None] = {}
        self._examined: set[str] = set()
        self._local: dict[str, str] = {}
        self._folders: dict[str, str] = {}

    def present(self, name: str) -> Digest | None:
        """Digest of a module as `Evidence` names it, now: as loaded, if it is loaded."""
        if name == PYTHON:
            return PYTHON_VERSION
        if "/" in name:
            real = self._paths.real(name)
            return self._as_loaded[real] if real in self._as_loaded else self._digest(real)
        return distribution_version(name)

    def evidence(self, ran: Iterable[str], values: Iterable[Any]) -> list[Evidence]:
        """What a cell used: modules whose code ran, and those of the values that it held.

        Parameters
        ----------
        ran
            Names of modules.
        values
            What its variables held, before and after.
        """
        names = {name for name in ran if name}
        for value in values:
            names.add(home_of(value))
        tops = {name.partition(".")[0] for name in names}
        local = self.local_modules()
        found = [Evidence("module", PYTHON, PYTHON_VERSION)]
        if names & local.keys() or tops & {name.partition(".")[0] for name in local}:
            for path in sorted(set(local.values())):
                found.append(Evidence("module", self._paths.symbolic(path), self._as_loaded[path]))
        local_tops = {name.partition(".")[0] for name in local}
        for top in sorted(tops - local_tops - _MACHINERY - sys.stdlib_module_names):
            version = distribution_version(top)
            if version is not None:
                found.append(Evidence("module", top, version))
        return found

    def local_modules(self) -> dict[str, str]:
        """Loaded modules whose source is data: beside the notebook, or on a path that the notebook added."""
        for name in sys.modules.keys() - self._examined:
            module = sys.modules.get(name)
            self._examined.add(name)
            path = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
            if (
                isinstance(path, str)
                and name.partition(".")[0] not in _MACHINERY
                and self._paths.is_data(real := self._real(path), resolved=True)
            ):
                self._local[name] = real
                self._as_loaded.setdefault(self._local[name], self._digest(self._local[name]))
        return self._local

    def _real(self, path: str) -> str:
        """As `os.path.realpath`, which asks for every folder above every one of a thousand modules."""
        if os.path.islink(path):
            return os.path.realpath(path)
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def is_evidence(module: str) -> bool:
    """Whether a module is software that a notebook chose, not the interpreter's own or what runs notebooks."""
    top = module.partition(".")[0]
    return top not in _MACHINERY and top not in sys.stdlib_module_names


def home_of(value: Any) -> str:
    """Name of the module that a value comes from; asks nothing of an object that could answer by running code."""
    kind = type(value)  # isinstance would ask the value for its class
    if issubclass(kind, ModuleType):
        return str(value.__name__)
    owner = value if issubclass(kind, (type, FunctionType, BuiltinFunctionType)) else kind
    home = (
        type.__getattribute__(owner, "__dict__").get("__module__")
        if issubclass(type(owner), type)
        else owner.__module__
    )
    return home if isinstance(home, str) else ""
