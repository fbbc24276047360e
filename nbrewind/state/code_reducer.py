"""How functions and classes of the notebook are pickled: by name where it holds them, by content where it does not."""

from __future__ import annotations

import enum
import marshal
import os
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

from nbrewind.state import rebuild
from nbrewind.state.callables import is_single_dispatch
from nbrewind.state.classes import made_by_namedtuple, registered, saved_contents
from nbrewind.state.functions import source_of
from nbrewind.state.names import NOTEBOOK, bound, importable

Reduced = Any
_marked: Any = rebuild


class CodeReducer:
    """Reduces the functions and classes of one co-variable.

    Parameters
    ----------
    namespace
        The notebook's.
    roots
        Ids of the values that are saved: these are contained, never referred to.
    alive
        Takes what must live until the stream is complete.
    """

    def __init__(self, namespace: dict[str, Any], roots: set[int], alive: list[Any]) -> None:
        self._namespace, self._roots, self._alive = namespace, roots, alive
        self._shells: set[int] = set()
        self._filled: set[int] = set()

    def _name(self, value: Any) -> str | None:
        name = None if id(value) in self._roots else bound(value, self._namespace)
        if name is None or id(self._namespace[name.partition(".")[0]]) in self._roots:
            return None
        return name

    def named_or(self, parts: Callable[[Any], Reduced]) -> Callable[[Any], Reduced]:
        """Refer to a value by name where that can be, else take it apart."""

        def reduce(value: Any) -> Reduced:
            if importable(value):
                return NotImplemented
            name = self._name(value)
            return (_marked.reference, (name,)) if name else parts(value)

        return reduce

    def function(self, function: types.FunctionType) -> Reduced:
        """Reduce a function to its code, and what it holds apart: that may hold the function."""
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
        self._alive.append(fills)
        return attributes, dict(vars(function)), fills

    def cell(self, cell: types.CellType) -> Reduced:
        """A cell is filled by the first function that has it, after that function exists: it may hold it."""
        if id(cell) in self._shells or not _contents(cell):
            return rebuild.cell, ()
        self._filled.add(id(cell))
        return rebuild.cell, (), _contents(cell), None, None, rebuild.set_cell

    def class_of(self, kind: type) -> Reduced:
        """Reduce a class to how it is made, and its attributes apart: they may hold the class."""
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


def globals_of(function: types.FunctionType, namespace: dict[str, Any]) -> str | dict[str, Any]:
    """Where a function looks its globals up: in the notebook, in a module, or in a dictionary of its own."""
    found = function.__globals__
    name = found.get("__name__")
    if found is namespace:
        return NOTEBOOK
    module = sys.modules.get(name) if isinstance(name, str) else None
    return str(name) if module is not None and vars(module) is found else found


def _contents(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _reduce_dispatch(function: Any) -> Reduced:
    registry = dict(function.registry)
    return rebuild.single_dispatch, (function.__wrapped__,), registry, None, None, rebuild.register


_ATTRIBUTES = (
    "__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__annotations__",
    "__type_params__",
)  # fmt: skip
_WRITTEN = (types.FunctionType, staticmethod, classmethod)
_ENUM_HOOKS = ("__init__", "_generate_next_value_", "_missing_")
