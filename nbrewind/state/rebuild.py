"""What checkpoints call when they are loaded. The names in here are part of the file format: never rename
one.

A restored function's globals *are* the notebook's namespace, a restored class is the notebook's class, and a
view of an array is a view again. The functions of this module only mark such places in a pickle; `Unpickler`
puts the methods of a `Builder` in their place, which knows the namespace.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import marshal
import sys
import types
import typing
from typing import Any, NoReturn

from nbrewind.errors import RecordError
from nbrewind.state import caches


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


def lru_cache(function: Any, parameters: dict[str, Any], calls: Any = (), hits: int = 0) -> Any:
    """A function that remembers its results: those of these calls, and that it was asked so often."""
    if calls:
        return caches.primed(function, parameters, calls, hits)
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


def module(name: str, parts: tuple[str, ...]) -> types.ModuleType:
    """Import a module, and of a package the parts that had been imported, as far as they are still there."""
    found = importlib.import_module(name)
    for part in parts:
        if f"{name}.{part}" not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(f"{name}.{part}")
    return found
