"""Software as evidence: a library counts by its distribution's version, a local module by its source."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import metadata
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from nbrewind.cells.paths import Paths
from nbrewind.record.model import Digest, Evidence

_MACHINERY = frozenset(
    """IPython ipykernel ipywidgets nbrewind ndcctools traitlets zmq tornado jupyter_client
    jupyter_core comm matplotlib_inline pygments debugpy asyncio __main__ builtins __mp_main__
    cloudpickle prompt_toolkit stack_data executing pure_eval asttokens decorator jedi parso psutil
    nest_asyncio pydev_ipython _pydevd_bundle backcall pytest _pytest pluggy coverage""".split()
)


@cache
def distribution_version(module: str) -> str | None:
    """Version of the distribution that holds a top-level module, found without importing it.

    Returns
    -------
    str or None
        ``None`` where no distribution claims the module.
    """
    if not module.isidentifier():
        return None
    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:
        names = _distributions().get(module, ())
        return " ".join(f"{name} {metadata.version(name)}" for name in sorted(set(names))) or None


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


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
            names.add(_home(value))
        tops = {name.partition(".")[0] for name in names}
        local = self._local_modules()
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

    def _local_modules(self) -> dict[str, str]:
        """Loaded modules whose source is data: beside the notebook, or on a path that the notebook added."""
        found: dict[str, str] = {}
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
            if not isinstance(path, str) or name in _MACHINERY or name.partition(".")[0] in _MACHINERY:
                continue
            known = _LOCAL.get(path)
            if known is None:
                known = _LOCAL[path] = os.path.realpath(path) if self._paths.is_data(path) else ""
            if known:
                found[name] = known
                if known not in self._as_loaded:
                    self._as_loaded[known] = self._digest(known)
        return found


_LOCAL: dict[str, str] = {}


def _home(value: Any) -> str:
    """Name of the module that a value comes from; asks nothing of an object that could answer by running code."""
    if isinstance(value, ModuleType):
        return value.__name__
    owner = value if isinstance(value, (type, FunctionType, BuiltinFunctionType)) else type(value)
    home = owner.__dict__.get("__module__") if isinstance(owner, type) else owner.__module__
    return home if isinstance(home, str) else ""
