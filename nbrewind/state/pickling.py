"""Values as streams: pickle protocol 5, with what the notebook defines tied to its namespace, and memory out
of band.
"""

from __future__ import annotations

import builtins
import ctypes
import enum
import functools
import gc
import importlib
import io
import marshal
import os
import pickle
import sys
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field, frozen

from nbrewind.errors import Unsaveable
from nbrewind.state import rebuild
from nbrewind.state.callables import is_single_dispatch
from nbrewind.state.classes import made_by_namedtuple, registered, saved_contents
from nbrewind.state.functions import source_of
from nbrewind.state.guard import HookError, attempt
from nbrewind.state.memory import stretch
from nbrewind.state.names import HEAP, NOTEBOOK, bound, importable
from nbrewind.state.registry import REGISTRY, home, register_reducer
from nbrewind.state.views import memory_place

OUT_OF_BAND = 4096
"""Memory from this size on is kept out of the stream, in bytes."""

_marked: Any = rebuild
Reduced = Any


@frozen
class Typed:
    """What memory holds: elements of a type, in a shape, in C or Fortran order."""

    dtype: Any
    shape: tuple[int, ...]
    order: str
    own: bool = False
    """Whether it is the array's own memory, not a copy made for saving it."""


@define
class Stream:
    """Some values as one stream of bytes, and the memory that it refers to, in order."""

    data: bytes
    memory: list[memoryview] = field(factory=list)
    typed: dict[int, Typed] = field(factory=dict)
    alive: list[Any] = field(factory=list)


def dump(
    values: Sequence[Any],
    namespace: dict[str, Any],
    shared: Sequence[Sequence[Any]] = (),
    *,
    pinned: bool = False,
    deadline: Callable[[int], None] | None = None,
) -> Stream:
    """Serialise the values of a co-variable together.

    Parameters
    ----------
    values
        In the order of the names.
    namespace
        The notebook's; what it holds by name is referred to by name, except the values themselves.
    shared
        Groups of arrays that share memory.
    pinned
        Whether the values hold the namespace or the builtins as a dictionary.
    deadline
        Called with the bytes written now and then; may raise.

    Raises
    ------
    Unsaveable
        Some part of it can be neither pickled nor reduced; says which.
    """
    file = _Watched(deadline)
    kind = _PinnedPickler if pinned else Pickler
    pickler = kind(file, values, namespace, shared)
    try:
        attempt(pickler.dump, tuple(values))
    except HookError as error:
        if isinstance(error.__cause__, Unsaveable | TimeoutError):
            raise error.__cause__ from None
        raise Unsaveable(str(error)) from error
    return Stream(file.getvalue(), pickler.memory, pickler.typed, pickler.alive)


class _Watched(io.BytesIO):
    def __init__(self, deadline: Callable[[int], None] | None) -> None:
        super().__init__()
        self._deadline = deadline

    def write(self, data: Any) -> int:
        if self._deadline is not None:
            self._deadline(self.tell())
        return super().write(data)


class Pickler(pickle.Pickler):
    """Pickles one co-variable; see `dump`."""

    def __init__(
        self, file: Any, values: Sequence[Any], namespace: dict[str, Any], shared: Sequence[Sequence[Any]]
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=self._out_of_band)
        self.memory: list[memoryview] = []
        self.typed: dict[int, Typed] = {}
        self.alive: list[Any] = []
        self._namespace = namespace
        self._roots = {id(value) for value in values}
        self._reducers: dict[type, Callable[[Any], Reduced] | None] = {}
        self._awaited: dict[int, Typed] = {}
        self._shells: set[int] = set()
        self._filled: set[int] = set()
        self._made_owners: dict[int, Any] = {}
        self._owners = {id(array): group for group in shared for array in group}

    # What the pickler calls.

    def reducer_override(self, value: Any) -> Reduced:
        """How to save anything but the interpreter's plain types."""
        kind = type(value)
        try:
            reducer = self._reducers[kind]
        except KeyError:
            reducer = self._reducers[kind] = self._reducer(kind)
        return NotImplemented if reducer is None else reducer(value)

    def _out_of_band(self, buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < OUT_OF_BAND:
            return True
        typed = self._awaited.pop(id(buffer), None)
        if typed is not None:
            self.typed[len(self.memory)] = typed
        self.memory.append(view)
        return False

    def _reducer(self, kind: type) -> Callable[[Any], Reduced] | None:
        own = next(
            (
                vars(base)["__nbrewind_reduce__"]
                for base in kind.__mro__
                if "__nbrewind_reduce__" in vars(base)
            ),
            None,
        )
        if own is not None:
            return lambda value: own(value)
        entry = REGISTRY.of(kind)
        if entry is not None and entry.opaque:
            why = f"{home(kind)}.{kind.__qualname__}: {entry.opaque}"
            return _refusing(why)
        if entry is not None and entry.reduce is not None:
            return entry.reduce
        if issubclass(kind, type):
            return self._class
        if kind is types.FunctionType:
            return self._function
        if kind is types.CellType:
            return self._cell
        if kind is typing.TypeVar:
            return self._type_variable
        if kind in _BY_NAME_OR_PARTS:
            return self._named_or(_BY_NAME_OR_PARTS[kind])
        if issubclass(kind, BaseException) and plain_exception(kind):
            return _reduce_exception
        if home(kind) in ("numpy", "numpy.ma") and kind.__name__ == "ndarray":
            return self._array
        return _REDUCERS.get(kind) or _numpy_reducer(kind)

    # What goes by name.

    def _name(self, value: Any) -> str | None:
        name = None if id(value) in self._roots else bound(value, self._namespace)
        if name is None or id(self._namespace[name.partition(".")[0]]) in self._roots:
            return None
        return name

    # Functions.

    def _function(self, function: types.FunctionType) -> Reduced:
        if importable(function):
            return NotImplemented
        name = self._name(function)
        if name is not None:
            return _marked.reference, (name,)
        if is_single_dispatch(function):
            return _reduce_dispatch(function)
        code, cells = function.__code__, function.__closure__ or ()
        self._shells.update(map(id, cells))
        text = None if os.path.exists(code.co_filename) else source_of(code)
        source = None if text is None else (code.co_filename, text)
        made = (marshal.dumps(code), source, globals_of(function, self._namespace), cells)
        return _marked.function, made, self._function_state(function, cells), None, None, _marked.set_function

    def _function_state(
        self, function: types.FunctionType, cells: Sequence[types.CellType]
    ) -> tuple[Any, ...]:
        attributes = {name: getattr(function, name) for name in _ATTRIBUTES if hasattr(function, name)}
        fills = [(cell, _contents(cell)) for cell in cells if id(cell) not in self._filled]
        self._filled.update(map(id, cells))
        self.alive.append(fills)
        return attributes, dict(vars(function)), fills

    def _cell(self, cell: types.CellType) -> Reduced:
        """A cell is filled by the first function that has it, after that function exists: it may hold it."""
        if id(cell) in self._shells or not _contents(cell):
            return rebuild.cell, ()
        self._filled.add(id(cell))
        return rebuild.cell, (), _contents(cell), None, None, rebuild.set_cell

    # Classes.

    def _class(self, kind: type) -> Reduced:
        found = importable(kind)
        if found:
            return (rebuild.library, ("types", found[6:])) if found.startswith("types:") else NotImplemented
        name = self._name(kind)
        if name is not None:
            return _marked.reference, (name,)
        own = {
            key: vars(kind)[key] for key in ("__module__", "__slots__", "__orig_bases__") if key in vars(kind)
        }
        own["__qualname__"] = kind.__qualname__
        state = saved_contents(kind), registered(kind)
        function, arguments = self._made(kind, own)
        return function, arguments, state, None, None, _marked.set_class

    def _made(self, kind: type, own: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        names = vars(kind)
        if type(kind).__name__ == "_TypedDictMeta":
            return rebuild.typed_dict, (
                kind.__name__,
                names["__annotations__"],
                names["__total__"],
                kind.__module__,
            )
        if issubclass(kind, enum.Enum):
            members = {name: each._value_ for name, each in kind._member_map_.items()}
            if "__new_member__" in names:
                own["__new__"] = names["__new_member__"]
            own.update({name: names[name] for name in _ENUM_HOOKS if isinstance(names.get(name), _WRITTEN)})
            own.pop("__slots__", None)
            return _marked.enum_class, (kind.__name__, kind.__bases__, members, own)
        if kind.__bases__ == (tuple,) and made_by_namedtuple(kind):
            fields = names["_fields"]
            defaults = tuple(
                names["_field_defaults"][each] for each in fields if each in names["_field_defaults"]
            )
            return _marked.named_tuple, (kind.__name__, fields, defaults, kind.__module__)
        return _marked.plain_class, (type(kind), kind.__name__, kind.__bases__, own)

    def _named_or(self, parts: Callable[[Any], Reduced]) -> Callable[[Any], Reduced]:
        def reduce(value: Any) -> Reduced:
            name = None if importable(value) else self._name(value)
            return (
                (_marked.reference, (name,))
                if name
                else NotImplemented
                if importable(value)
                else parts(value)
            )

        return reduce

    def _type_variable(self, value: typing.TypeVar) -> Reduced:
        name = self._name(value)
        if name is not None or importable(value):
            return (_marked.reference, (name,)) if name else value.__name__
        how = (value.__covariant__, value.__contravariant__)
        return rebuild.type_variable, (
            value.__name__,
            value.__constraints__,
            value.__bound__,
            how,
            value.__module__,
        )

    # Memory.

    def _array(self, array: Any) -> Reduced:
        group = self._owners.get(id(array))
        if group is not None:
            owner = self._owner(group)
            if owner is not array:
                start = owner.__array_interface__["data"][0]
                offset = array.__array_interface__["data"][0] - start
                where = (offset, array.dtype, array.shape, array.strides, array.flags.writeable)
                return rebuild.view, (owner, *where)
        if array.dtype.hasobject or array.dtype.kind == "T" or array.nbytes < OUT_OF_BAND:
            return self._small(array)
        return self._large(array)

    def _small(self, array: Any) -> Reduced:
        if array.flags.writeable:
            return NotImplemented
        copy = array.copy(order="K")
        self.alive.append(copy)
        return rebuild.readonly, (copy,)

    def _large(self, array: Any) -> Reduced:
        import numpy as np

        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        lying = array.T if order == "F" else np.ascontiguousarray(array)
        own = order == "F" or array.flags.c_contiguous
        flat = lying.reshape(-1).view(np.uint8)
        buffer = pickle.PickleBuffer(flat)
        self._awaited[id(buffer)] = Typed(array.dtype, lying.shape, order, own)
        self.alive += (buffer, flat)
        return rebuild.array, (buffer, array.dtype, array.shape, order, array.flags.writeable)

    def _owner(self, group: Sequence[Any]) -> Any:
        """The array of a group that covers the memory of all, or one made to."""
        known = self._made_owners.get(id(group))
        if known is None:
            known = self._made_owners[id(group)] = covering(group)
            self.alive.append(known)
        return known


class _PinnedPickler(Pickler):
    """For values that hold the namespace or the builtins themselves; asking of each object costs time."""

    def persistent_id(self, value: Any) -> Any:
        """Name of a dictionary that is not saved."""
        if value is self._namespace:
            return "namespace"
        return "builtins" if value is vars(builtins) else None


def globals_of(function: types.FunctionType, namespace: dict[str, Any]) -> str | dict[str, Any]:
    """Where a function looks its globals up: in the notebook, in a module, or in a dictionary of its own."""
    found = function.__globals__
    name = found.get("__name__")
    if found is namespace:
        return NOTEBOOK
    module = sys.modules.get(name) if isinstance(name, str) else None
    return str(name) if module is not None and vars(module) is found else found


def covering(group: Sequence[Any]) -> Any:
    """An array that spans the memory of all arrays of a group; one of them where it can be."""
    import numpy as np

    start = min(stretch(each).start for each in group)
    end = max(stretch(each).end for each in group)
    for array in sorted(group, key=lambda each: each.flags.c_contiguous, reverse=True):
        if array.nbytes == end - start and (array.flags.c_contiguous or array.flags.f_contiguous):
            return array
    base = group[0]
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base.dtype.hasobject:
        return base
    memory = (ctypes.c_char * (end - start)).from_address(start)
    return np.frombuffer(memory, np.uint8)


def _contents(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _reduce_dispatch(function: Any) -> Reduced:
    registry = dict(function.registry)
    return rebuild.single_dispatch, (function.__wrapped__,), registry, None, None, rebuild.register


def _reduce_method(method: Any) -> Reduced:
    name = importable(method)
    if name is not None:
        return rebuild.library, tuple(name.split(":"))
    if type(method) is types.MethodType:
        return types.MethodType, (method.__func__, method.__self__)
    return NotImplemented


def plain_exception(kind: type) -> bool:
    """Whether an exception class of the notebook keeps nothing but arguments and attributes."""
    definers = {
        name: next(base for base in kind.__mro__ if name in vars(base)) for name in ("__new__", "__reduce__")
    }
    static = next(base for base in kind.__mro__ if not base.__flags__ & HEAP)
    defined = any(base.__flags__ & HEAP for base in definers.values())
    return kind is not static and not defined and static.__basicsize__ == BaseException.__basicsize__


def _reduce_exception(error: BaseException) -> Reduced:
    """Make it without calling ``__init__``, which may want other arguments than it passes on."""
    return rebuild.exception, (type(error), error.args), vars(error) or None


def _numpy_reducer(kind: type) -> Callable[[Any], Reduced] | None:
    if "numpy" not in sys.modules:
        return None
    import numpy as np

    if not issubclass(kind, np.ndarray):
        return None
    if kind is np.ma.MaskedArray:
        return _reduce_masked
    return _reduce_subclass if kind.__reduce__ is np.ndarray.__reduce__ else None


def _reduce_masked(array: Any) -> Reduced:
    import numpy as np

    mask = None if array.mask is np.ma.nomask else np.asarray(array.mask)
    return rebuild.masked, (
        np.asarray(array.data),
        mask,
        array._fill_value,
        bool(array.hardmask),
        vars(array)["_optinfo"],
    )


def _reduce_subclass(array: Any) -> Reduced:
    import numpy as np

    return rebuild.subclass, (array.view(np.ndarray), type(array), getattr(array, "__dict__", None))


def _refusing(why: str) -> Callable[[Any], Reduced]:
    def refuse(value: Any) -> Reduced:
        raise Unsaveable(why)

    return refuse


_ATTRIBUTES = (
    "__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__",
    "__type_params__",
)  # fmt: skip
_WRITTEN = (types.FunctionType, staticmethod, classmethod)
_ENUM_HOOKS = ("__init__", "_generate_next_value_", "_missing_")
_BY_NAME_OR_PARTS: dict[Any, Callable[[Any], Reduced]] = {
    typing.NewType: lambda value: (rebuild.new_type, (value.__name__, value.__supertype__, value.__module__)),
    type(functools.lru_cache(len)): lambda value: (
        rebuild.lru_cache,
        (value.__wrapped__, value.cache_parameters()),
    ),
}
_REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    types.MethodType: _reduce_method,
    types.BuiltinFunctionType: _reduce_method,
    types.ModuleType: lambda value: (importlib.import_module, (value.__name__,)),
    types.CodeType: lambda value: (rebuild.code, (marshal.dumps(value),)),
    memoryview: lambda value: (rebuild.memory, (value.obj, *memory_place(value))),
    types.MappingProxyType: lambda value: (types.MappingProxyType, (gc.get_referents(value)[0],)),
    types.GetSetDescriptorType: lambda value: (getattr, (value.__objclass__, value.__name__)),
    types.MemberDescriptorType: lambda value: (getattr, (value.__objclass__, value.__name__)),
    property: lambda value: (property, (value.fget, value.fset, value.fdel, value.__doc__)),
    staticmethod: lambda value: (staticmethod, (value.__func__,)),
    classmethod: lambda value: (classmethod, (value.__func__,)),
    functools.cached_property: lambda value: (rebuild.cached_property, (value.func, value.attrname)),
    type({}.keys()): lambda value: (rebuild.dict_view, (gc.get_referents(value)[0], "keys")),
    type({}.values()): lambda value: (rebuild.dict_view, (gc.get_referents(value)[0], "values")),
    type({}.items()): lambda value: (rebuild.dict_view, (gc.get_referents(value)[0], "items")),
}
register_reducer("dataclasses._MISSING_TYPE", lambda value: "MISSING")
register_reducer("dataclasses._HAS_DEFAULT_FACTORY_CLASS", lambda value: "_HAS_DEFAULT_FACTORY")
register_reducer("dataclasses._FIELD_BASE", lambda value: str(value.name))
