"""What checkpoints call when they are loaded. The names in here are part of the file format: never rename
one.

A restored function's globals *are* the notebook's namespace, a restored class is the notebook's class, and a
view of an array is a view again. The functions of this module only mark such places in a pickle; `Unpickler`
puts the methods of a `Builder` in their place, which knows the namespace.
"""

from __future__ import annotations

import abc
import collections
import functools
import importlib
import linecache
import marshal
import pickle
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from nbrewind.errors import RecordError
from nbrewind.state.names import NOTEBOOK


def _marker(*_: Any) -> NoReturn:
    raise RecordError("this value can only be loaded by nbrewind.state")


def _markers(*names: str) -> None:
    for name in names:
        marker = types.FunctionType(_marker.__code__, globals(), name)
        marker.__module__, marker.__qualname__ = __name__, name
        globals()[name] = marker


MARKERS = (
    "reference", "namespace", "function", "set_function", "plain_class", "enum_class", "named_tuple", "set_class",
)  # fmt: skip
_markers(*MARKERS)


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
        if module == __name__ and name in MARKERS:
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


# Plain functions.


def library(module: str, name: str) -> Any:
    """What a module offers under a name."""
    return getattr(importlib.import_module(module), name)


def cell() -> types.CellType:
    """An empty cell."""
    return types.CellType()


def set_cell(cell: types.CellType, contents: Any) -> None:
    """Fill a cell; what it holds is wrapped, since a state of ``None`` means none."""
    (cell.cell_contents,) = contents


def single_dispatch(function: Any) -> Any:
    """A function that `functools.singledispatch` dispatches from."""
    return functools.singledispatch(function)


def register(function: Any, registry: dict[type, Any]) -> None:
    """What it dispatches to."""
    for kind, target in registry.items():
        if kind is not object:
            function.register(kind, target)


def lru_cache(function: Any, parameters: dict[str, Any]) -> Any:
    """A function that remembers its results, and remembers none yet."""
    return functools.lru_cache(**parameters)(function)


def new_type(name: str, supertype: Any, module: str) -> Any:
    """A `typing.NewType`."""
    make: Any = typing.NewType
    found = make(name, supertype)
    found.__module__ = module
    return found


def typed_dict(name: str, annotations: dict[str, Any], total: bool, module: str) -> Any:
    """A `typing.TypedDict`."""
    make: Any = typing.TypedDict
    found = make(name, annotations, total=total)
    found.__module__ = module
    return found


def cached_property(function: Any, name: str | None) -> Any:
    """A `functools.cached_property` of that name."""
    found: Any = functools.cached_property(function)
    found.attrname = name
    return found


def code(data: bytes) -> types.CodeType:
    """A code object."""
    found: types.CodeType = marshal.loads(data)
    return found


def array(buffer: Any, dtype: Any, shape: tuple[int, ...], order: Any, writeable: bool) -> Any:
    """An array over memory, which it keeps alive."""
    import numpy as np

    found = np.ndarray(shape, dtype, buffer, order=order)
    if not writeable:
        found.flags.writeable = False
    return found


def readonly(array: Any) -> Any:
    """The array, no longer writeable."""
    array.flags.writeable = False
    return array


def masked(data: Any, mask: Any, fill: Any, hard: bool, info: dict[str, Any]) -> Any:
    """A masked array; without a mask it keeps having none."""
    import numpy as np

    found: Any = np.ma.MaskedArray(data, mask=np.ma.nomask if mask is None else mask, hard_mask=hard)
    found._fill_value = fill
    found._optinfo.update(info)
    return found


def subclass(array: Any, kind: type, state: dict[str, Any] | None) -> Any:
    """An array as one of a class of the notebook or a library."""
    found = array.view(kind)
    if state:
        found.__dict__.update(state)
    return found


def exception(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """An exception, without calling its class's ``__init__``."""
    return kind.__new__(kind, *arguments)


def type_variable(
    name: str, constraints: tuple[Any, ...], bound: Any, variance: tuple[bool, bool], module: str
) -> typing.TypeVar:
    """A type variable."""
    co, contra = variance
    found: Any = typing.TypeVar(name, *constraints, bound=bound, covariant=co, contravariant=contra)  # type: ignore[misc]
    found.__module__ = module
    return found  # type: ignore[no-any-return]


def view(
    owner: Any, offset: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...], writeable: bool
) -> Any:
    """A view of another array's memory, `offset` bytes from the lowest of it."""
    import numpy as np

    flat = owner.ravel(order="K")
    if owner.dtype.hasobject:
        found = np.lib.stride_tricks.as_strided(flat[offset // owner.itemsize :], shape, strides)
    else:
        found = np.ndarray(shape, dtype, flat.view(np.uint8), offset, strides)
    if not writeable:
        found.flags.writeable = False
    return found


def memory(
    owner: Any, offset: int, size: int, kind: str, shape: tuple[int, ...], readonly: bool
) -> memoryview:
    """A memoryview of part of an object's memory."""
    found: Any = memoryview(owner).cast("B")[offset : offset + size]
    found = found.cast(kind, shape) if (kind, len(shape)) != ("B", 1) else found
    return found.toreadonly() if readonly else found  # type: ignore[no-any-return]


def dict_view(mapping: dict[Any, Any], kind: str) -> Any:
    """``keys``, ``values`` or ``items`` of a dictionary."""
    return getattr(mapping, kind)()
