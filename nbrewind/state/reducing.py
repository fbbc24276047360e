"""How values of single types are pickled, where pickle has no answer or a poor one."""

from __future__ import annotations

import functools
import gc
import marshal
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

from nbrewind.errors import Unsaveable
from nbrewind.state import rebuild
from nbrewind.state.caches import reduce_cache
from nbrewind.state.names import HEAP, importable
from nbrewind.state.registry import register_reducer
from nbrewind.state.views import memory_place

Reduced = Any


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


def reduce_exception(error: BaseException) -> Reduced:
    """Make it without calling ``__init__``, which may want other arguments than it passes on."""
    return rebuild.exception, (type(error), error.args), vars(error) or None


def _type_variable(value: typing.TypeVar) -> Reduced:
    variance = (value.__covariant__, value.__contravariant__)
    made = (value.__name__, value.__constraints__, value.__bound__, variance, value.__module__)
    return rebuild.type_variable, made


def refusing(why: str) -> Callable[[Any], Reduced]:
    """A reducer that says why it does not."""

    def refuse(value: Any) -> Reduced:
        raise Unsaveable(why)

    return refuse


def _public_parts(package: str) -> tuple[str, ...]:
    """Modules of a package that were imported, by their names in it: `import PIL.Image` is seen through `PIL`."""
    start = f"{package}."
    inside = [name[len(start) :] for name in list(sys.modules) if name.startswith(start)]
    return tuple(sorted(name for name in inside if not name.startswith("_") and "._" not in name))


BY_NAME_OR_PARTS: dict[Any, Callable[[Any], Reduced]] = {
    typing.NewType: lambda value: (rebuild.new_type, (value.__name__, value.__supertype__, value.__module__)),
    typing.TypeVar: _type_variable,
    type(functools.lru_cache(len)): lambda value: (
        rebuild.lru_cache,
        reduce_cache(value),
    ),
}
REDUCERS: dict[type, Callable[[Any], Reduced]] = {
    types.MethodType: _reduce_method,
    types.BuiltinFunctionType: _reduce_method,
    types.ModuleType: lambda value: (rebuild.module, (value.__name__, _public_parts(value.__name__))),
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
