"""The software that a function uses: libraries by version, local modules by the content of their source."""

from __future__ import annotations

import ast
import dis
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from nbrewind.cells.distributions import distribution_version
from nbrewind.cells.paths import Paths
from nbrewind.record.model import Digest
from nbrewind.state.functions import nested
from nbrewind.tasks.content import Contents

_NOT_SOFTWARE = frozenset({"__main__", "__mp_main__", "builtins", "cloudpickle", "nbrewind", "ndcctools"})
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LOOKED_AT = 1000


class Software:
    """Find out which modules objects use, and name their content.

    Parameters
    ----------
    contents
        Digests of local files.
    base
        The notebook's folder.
    """

    def __init__(self, contents: Contents, base: str | os.PathLike[str] = ".") -> None:
        self._contents = contents
        self._paths = Paths(Path(base))
        self._imports: dict[tuple[str, Digest], frozenset[str]] = {}
        self._sources: dict[str, str | None] = {}

    def ingredients(self, objects: Iterable[Any]) -> dict[str, str]:
        """Return ``lib:NAME`` and ``module:NAME`` for all that functions, classes and modules use."""
        found: dict[str, str] = {}
        seen: set[str] = set()
        waiting = {name for value in objects for name in modules_of(value)}
        while waiting:
            name = waiting.pop()
            top = name.partition(".")[0]
            if name in seen or top in sys.stdlib_module_names or top in _NOT_SOFTWARE:
                continue
            seen.add(name)
            source = self._local_source(name)
            if source is None:
                version = distribution_version(top)
                if version is not None:
                    found[f"lib:{top}"] = version
                continue
            try:
                found[f"module:{name}"] = digest = self._contents.digest(source)
            except OSError:
                continue
            waiting |= self._imported(name, source, digest)
        return found

    def local_ingredients(self) -> dict[str, str]:
        """Return ``module:NAME`` for every local module that is loaded, and what these use."""
        local = [name for name in list(sys.modules) if self._local_source(name) is not None]
        return self.ingredients([sys.modules[name] for name in local if name in sys.modules]) if local else {}

    def _local_source(self, name: str) -> str | None:
        """Path of a module's file, where that is the user's own."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in _NOT_SOFTWARE:
            return None
        module = sys.modules.get(name)
        if name in self._sources and (module is not None or self._sources[name] is not None):
            return self._sources[name]
        path = getattr(module, "__file__", None) if module is not None else _find(name)
        local = path if isinstance(path, str) and self._is_local(path) else None
        self._sources[name] = local
        return local

    def _is_local(self, path: str) -> bool:
        """Whether a file is the user's own, and not of a library that lies in an unusual place."""
        installed = "site-packages" in path or "dist-packages" in path
        return not installed and self._paths.is_data(path)

    def _imported(self, name: str, source: str, digest: Digest) -> frozenset[str]:
        """Names of the modules that a local module imports, anywhere in its source."""
        key = (name, digest)
        if key not in self._imports:
            try:
                tree = ast.parse(Path(source).read_bytes())
            except (OSError, SyntaxError, ValueError):
                tree = ast.Module([], [])
            package = name if os.path.basename(source) == "__init__.py" else name.rpartition(".")[0]
            self._imports[key] = frozenset(_imports_in(tree, package))
        return self._imports[key]


def self_contained(value: Any) -> bool:
    """Whether `modules_of` tells all that a value needs: no instance of a user's class may hide in it."""
    if isinstance(value, ModuleType | type):
        return True
    if not isinstance(value, FunctionType):
        return plain(value)
    captured = [cell.cell_contents for cell in value.__closure__ or () if not _is_empty(cell)]
    data = [*captured, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    return all(isinstance(one, FunctionType | ModuleType | type) or plain(one) for one in data)


def modules_of(value: Any) -> set[str]:
    """Names of the modules that a function, class or module needs, as far as it shows itself."""
    if isinstance(value, ModuleType):
        return {value.__name__}
    while hasattr(value, "func") and not isinstance(value, FunctionType | type):
        value = value.func
    names = {str(getattr(value, "__module__", "") or type(value).__module__), type(value).__module__}
    for function in _functions_in(value):
        names.add(function.__module__ or "")
        names |= set(_named_by(function.__code__, function.__globals__))
    return names - {""}


def _functions_in(value: Any) -> Iterator[FunctionType]:
    """The functions that make up a callable: itself, what it wraps or captured, the methods of a class."""
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, FunctionType):
            yield one
            waiting += [cell.cell_contents for cell in one.__closure__ or () if not _is_empty(cell)]
            waiting += [getattr(one, "__wrapped__", None)]
        elif isinstance(one, type) and one.__module__ == "__main__":
            waiting += list(vars(one).values()) + list(one.__bases__)
        elif isinstance(one, staticmethod | classmethod) or hasattr(one, "__func__"):
            waiting.append(one.__func__)
        elif isinstance(one, property):
            waiting += [one.fget, one.fset, one.fdel]
        elif type(one).__module__ == "__main__":
            waiting.append(type(one))


def _is_empty(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asking is the only way to know
    except ValueError:
        return True
    return False


def _named_by(code: CodeType, names: Mapping[str, Any]) -> Iterator[str]:
    """Modules that code imports itself, or reaches through the globals that it looks up."""
    imported, looked_up = _names_in(code)
    yield from imported
    for name in looked_up:
        value = names.get(name)
        home = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", "")
        yield str(home or "")


@lru_cache(maxsize=4096)
def _names_in(code: CodeType) -> tuple[frozenset[str], frozenset[str]]:
    """What code imports, and which globals it looks up."""
    instructions = [each for one in nested(code) for each in dis.get_instructions(one)]
    return (
        frozenset(str(each.argval) for each in instructions if each.opname == "IMPORT_NAME"),
        frozenset(str(each.argval) for each in instructions if each.opname == "LOAD_GLOBAL"),
    )


def _imports_in(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def _find(name: str) -> str | None:
    """Path of a module that is not loaded, found without importing anything."""
    path: list[str] | None = None
    for depth in range(1, name.count(".") + 2):
        spec = PathFinder.find_spec(".".join(name.split(".")[:depth]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    return spec.origin if spec is not None else None


def plain(value: Any) -> bool:
    """Whether a value certainly holds no instance of a class of the user's own modules."""
    waiting, looked = [value], 0
    while waiting:
        one = waiting.pop()
        looked += 1
        kind = type(one)
        if looked > _LOOKED_AT:
            return False
        if kind in (list, tuple, set, frozenset):
            waiting.extend(one)
        elif kind is dict:
            waiting.extend(one)
            waiting.extend(one.values())
        elif (kind not in _PLAIN and kind.__module__ not in ("numpy", "datetime")) or getattr(
            getattr(one, "dtype", None), "hasobject", False
        ):
            return False
    return True
