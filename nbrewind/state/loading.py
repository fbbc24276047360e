"""Loading a stream of a checkpoint into a notebook."""

from __future__ import annotations

import abc
import collections
import importlib
import linecache
import marshal
import pickle
import types
from collections.abc import Callable, Iterable
from typing import Any

from nbrewind.errors import RecordError
from nbrewind.state import rebuild
from nbrewind.state.names import NOTEBOOK
from nbrewind.state.rebuild import MARKERS


class Builder:
    """Builds what belongs to the notebook.

    Parameters
    ----------
    variables
        The notebook's namespace.
    resolve
        Brings back a variable that the namespace lacks.
    """

    def __init__(self, variables: dict[str, Any], resolve: Callable[[str], Any] | None = None) -> None:
        self.variables, self._resolve = variables, resolve

    def reference(self, qualified: str) -> Any:
        """A function or class of the notebook, by its variable."""
        head, *rest = qualified.split(".")
        if head not in self.variables and self._resolve is not None:
            self._resolve(head)
        if head not in self.variables:
            raise RecordError(f"variable {head} must be restored first: the value refers to it by name")
        found = self.variables[head]
        for part in rest:
            found = vars(found)[part]
            found = getattr(found, "__func__", found)
        return found

    def namespace(self) -> dict[str, Any]:
        """The namespace itself."""
        return self.variables

    def function(
        self,
        code: bytes,
        source: tuple[str, str] | None,
        where: str | dict[str, Any],
        cells: tuple[types.CellType, ...],
    ) -> types.FunctionType:
        """A function whose cells are still empty; `set_function` adds what may refer to it."""
        if source is not None and source[0] not in linecache.cache:
            name, text = source
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        found = self.variables if where == NOTEBOOK else where
        if isinstance(found, str):
            found = vars(importlib.import_module(found))
        return types.FunctionType(marshal.loads(code), found, closure=cells or None)

    def set_function(self, function: types.FunctionType, state: tuple[Any, ...]) -> None:
        """Everything else about a function."""
        attributes, others, cells = state
        for name, value in attributes.items():
            setattr(function, name, value)
        function.__dict__.update(others)
        for cell, contents in cells:
            if contents:
                (cell.cell_contents,) = contents

    def plain_class(self, meta: type, name: str, bases: tuple[type, ...], own: dict[str, Any]) -> type:
        """A class without attributes, made without telling its bases: they were told when it was first
        made.
        """
        creator: Any = next(each for each in meta.__mro__ if each.__module__ != NOTEBOOK)
        told = any("__init_subclass__" in vars(each) for base in bases for each in base.__mro__[:-1])
        if told and "__slots__" not in own:
            bare: type = creator.__new__(meta, name, (_Bare,), own)
            try:
                bare.__bases__ = bases
            except TypeError:  # their instances are laid out otherwise
                pass
            else:
                return bare
        made: type = creator.__new__(meta, name, bases, own)
        return made

    def enum_class(
        self, name: str, bases: tuple[type, ...], members: dict[str, Any], own: dict[str, Any]
    ) -> type:
        """An enumeration with its members."""
        meta: Any = type(bases[-1])
        contents = meta.__prepare__(name, bases)
        for key, value in (*own.items(), *members.items()):
            contents[key] = value
        made: type = meta.__new__(meta, name, bases, contents)
        return made

    def named_tuple(self, name: str, fields: tuple[str, ...], defaults: tuple[Any, ...], module: str) -> type:
        """A class as `collections.namedtuple` makes it."""
        return collections.namedtuple(name, fields, defaults=defaults, module=module)

    def set_class(self, kind: type, state: tuple[dict[str, Any], Iterable[type]]) -> None:
        """The attributes of a class."""
        contents, registered = state
        for name, value in contents.items():
            type.__setattr__(kind, name, value)
        if isinstance(kind, abc.ABCMeta):
            abc.update_abstractmethods(kind)  # type: ignore[arg-type]
            for one in registered:
                kind.register(one)


class _Bare:
    """Stands in as base class until the real bases can be set."""


class Unpickler(pickle.Unpickler):
    """Loads a stream of a checkpoint into a notebook."""

    def __init__(self, file: Any, builder: Builder, buffers: Iterable[Any] | None = None) -> None:
        super().__init__(file, buffers=buffers)
        self._builder = builder

    def find_class(self, module: str, name: str) -> Any:
        """A global of the stream; the notebook's own come from its namespace."""
        if module == rebuild.__name__ and name in MARKERS:
            return getattr(self._builder, name)
        if module == NOTEBOOK:
            return self._builder.reference(name)
        return super().find_class(module, name)

    def persistent_load(self, name: Any) -> Any:
        """The dictionaries that all globals hang from."""
        if name == "namespace":
            return self._builder.variables
        if name == "builtins":
            return vars(importlib.import_module("builtins"))
        raise RecordError(f"the checkpoint refers to {name!r}, which this version of nbrewind does not know")
