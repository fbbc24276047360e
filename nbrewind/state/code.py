"""The canonical form of functions, classes, modules, and what is made of them."""

from __future__ import annotations

import dataclasses
import functools
import gc
import marshal
import sys
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

from nbrewind.state.canonical import MARSHAL, Plan, Walk, each
from nbrewind.state.functions import code_identity, global_names
from nbrewind.state.guard import HookError
from nbrewind.state.names import NOTEBOOK, bound, could_be_variable, importable
from nbrewind.state.registry import home

Parts = tuple[bytes, Sequence[Any]]


def by_name(walk: Walk, value: Any) -> bytes | None:
    """How a function or class is referred to, where it need not be contained."""
    name = importable(value)
    if name is not None:
        return b"library " + name.encode("utf-8", "surrogatepass")
    variable = bound(value, walk.scope.namespace) if walk.depth else None
    if variable is None:
        return None
    head = variable.partition(".")[0]
    if id(walk.scope.namespace[head]) in walk.met:
        return None
    walk.needs.add(head)
    walk.held.add(head)
    return b"notebook " + variable.encode("utf-8", "surrogatepass")


def named_or(parts: Callable[[Walk, Any], Parts]) -> Callable[[Walk, Sequence[Any]], None]:
    """Encode by name what has one, by its parts what has none; only the latter is numbered."""
    contained = each(parts)

    def encode(walk: Walk, group: Sequence[Any]) -> None:
        names: list[bytes] = []
        others: list[Any] = []
        for value in group:
            name = None if id(value) in walk.met else by_name(walk, value)
            names.append(name or b"")
            if name is None:
                others.append(value)
        walk.emit(marshal.dumps(names, MARSHAL))
        contained(walk, others)

    return encode


def _text(*parts: object) -> bytes:
    return "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")


# Functions.


def _function(walk: Walk, function: types.FunctionType) -> Parts:
    if is_single_dispatch(function):
        return _single_dispatch(walk, function)
    code = function.__code__
    where, own = _globals(walk, function)
    if not where:
        names = {name for name in global_names(code) if could_be_variable(name, walk.scope.namespace)}
        walk.needs |= names
    doc = None if function.__doc__ in code.co_consts[:1] else function.__doc__
    token = _text(function.__name__, function.__qualname__, where) + b"\0" + code_identity(code)
    return token, (
        doc,
        function.__defaults__,
        function.__kwdefaults__ and dict(function.__kwdefaults__),
        function.__closure__,
        function.__annotations__ and dict(function.__annotations__),
        vars(function),
        own,
    )


def _globals(walk: Walk, function: types.FunctionType) -> tuple[str, dict[str, Any] | None]:
    """The module that a function's globals are, or the dictionary of its own that they are."""
    found = function.__globals__
    if found is walk.scope.namespace:
        return "", None
    name = found.get("__name__")
    module = sys.modules.get(name) if isinstance(name, str) else None
    if module is not None and vars(module) is found:
        return "" if name == NOTEBOOK else str(name), None
    return "its own", found


def _single_dispatch(walk: Walk, function: Any) -> Parts:
    return _text(function.__name__, function.__qualname__), (dict(function.registry), function.__wrapped__)


def is_single_dispatch(function: types.FunctionType) -> bool:
    """Whether `functools.singledispatch` made it; what it remembers of calls does not count."""
    code = function.__code__
    return code.co_qualname == "singledispatch.<locals>.wrapper" and function.__globals__ is vars(functools)


def _lru_cache(walk: Walk, function: Any) -> Parts:
    return b"", (function.__wrapped__, function.cache_parameters())


def _new_type(walk: Walk, kind: Any) -> Parts:
    return _text(kind.__name__, kind.__module__), (kind.__supertype__,)


def _cell(walk: Walk, cell: types.CellType) -> Parts:
    try:
        return b"full", (cell.cell_contents,)
    except ValueError:
        return b"empty", ()


def _method(walk: Walk, method: types.MethodType) -> Parts:
    return b"", (method.__func__, method.__self__)


def _builtin_method(walk: Walk, method: Any) -> Parts:
    owner = method.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return _text(getattr(owner, "__name__", ""), method.__qualname__), ()
    return _text(method.__name__), (owner,)


def _partial(walk: Walk, value: Any) -> Parts:
    return b"", (value.func, value.args, value.keywords, value.__dict__)


def _code(walk: Walk, code: types.CodeType) -> Parts:
    return code_identity(code), ()


# Classes.

_LEFT_OUT = frozenset(
    {
        "__slotnames__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__",
        "__abstractmethods__", "_abc_impl", "__classcell__", "__dataclass_params__",
        "_member_map_", "_value2member_map_", "_unhashable_values_", "_hashable_values_", "_member_names_",
        "_unhashable_values_map_",
    }
)  # fmt: skip


def class_contents(kind: type) -> dict[str, Any]:
    """What a class holds that its author wrote, or that was set later; nothing that Python derives."""
    slots = types.MemberDescriptorType
    made = _made_by_dataclass(kind) | made_by_namedtuple(kind)
    return {
        name: value
        for name, value in vars(kind).items()
        if name not in _LEFT_OUT
        and name not in made
        and type(value) not in (slots, types.GetSetDescriptorType)
    }


def _made_by_dataclass(kind: type) -> set[str]:
    if "__dataclass_params__" not in vars(kind):
        return set()
    functions = {name: value for name, value in vars(kind).items() if isinstance(value, types.FunctionType)}
    made = {name for name, value in functions.items() if value.__code__.co_filename == "<string>"}
    made |= {
        name for name, value in functions.items() if hasattr(value, "__wrapped__") and name == "__repr__"
    }
    return (
        made
        | {"__match_args__"}
        | ({"__doc__"} if str(kind.__doc__).startswith(kind.__name__ + "(") else set())
    )


def made_by_namedtuple(kind: type) -> set[str]:
    """Names that `collections.namedtuple` defines in a class that it made."""
    if not (issubclass(kind, tuple) and "_fields" in vars(kind) and "_field_defaults" in vars(kind)):
        return set()
    return {
        "__new__",
        "_make",
        "_replace",
        "__repr__",
        "_asdict",
        "__getnewargs__",
        "__match_args__",
        "__replace__",
    } | set(vars(kind)["_fields"])


def _class(walk: Walk, kind: type) -> Parts:
    members = getattr(kind, "_member_map_", None) or {}
    found = class_contents(kind)
    contents = [(name, found[name]) for name in sorted(found) if name not in members]
    params = vars(kind).get("__dataclass_params__")
    return _text(home(kind), kind.__name__, kind.__qualname__), (
        type(kind),
        kind.__bases__,
        repr(params) if params is not None else None,
        tuple(sorted(getattr(kind, "__abstractmethods__", ()))),
        tuple((name, each._value_) for name, each in members.items()),
        tuple(name for name, _ in contents),
        tuple(value for _, value in contents),
    )


def _property(walk: Walk, value: property) -> Parts:
    return _text(value.__doc__), (value.fget, value.fset, value.fdel)


def _wrapped(walk: Walk, value: Any) -> Parts:
    return b"", (value.__func__, dict(getattr(value, "__dict__", {})).get("__isabstractmethod__"))


def _field(walk: Walk, value: Any) -> Parts:
    kind = getattr(value._field_type, "name", "")
    flags = (value.init, value.repr, value.hash, value.compare, value.kw_only)
    missing = dataclasses.MISSING
    default, factory = value.default, value.default_factory
    return _text(value.name, kind, flags, default is missing, factory is missing), (
        value.type,
        None if default is missing else default,
        None if factory is missing else factory,
        value.metadata,
    )


def _proxy(walk: Walk, value: types.MappingProxyType[Any, Any]) -> Parts:
    (under,) = gc.get_referents(value)[:1] or ({},)
    return b"", (under if type(under) is dict else dict(value),)


def _view(walk: Walk, value: Any) -> Parts:
    return b"", tuple(gc.get_referents(value)[:1])


def _memoryview(walk: Walk, view: memoryview) -> Parts:
    try:
        where = memory_place(view)
    except ValueError as error:
        raise HookError(str(error)) from error
    return _text(*where), (view.obj,)


def memory_place(view: memoryview) -> tuple[int, int, str, tuple[int, ...], bool]:
    """Where in its object a memoryview lies: offset and size in bytes, format, shape, and whether it is read-only.

    Raises
    ------
    ValueError
        It was released, or leaves bytes out.
    """
    import numpy as np

    if not view.c_contiguous:
        raise ValueError("it is a memoryview with gaps")
    with memoryview(view.obj) as whole:
        start = np.frombuffer(whole, np.uint8).__array_interface__["data"][0] if whole.nbytes else 0
    offset = np.frombuffer(view, np.uint8).__array_interface__["data"][0] - start if view.nbytes else 0
    return offset, view.nbytes, view.format, tuple(view.shape or ()), view.readonly


def _module(walk: Walk, value: types.ModuleType) -> Parts:
    return _text(value.__name__), ()


def _descriptor(walk: Walk, value: Any) -> Parts:
    return _text(value.__name__), (value.__objclass__,)


def _cached(walk: Walk, value: functools.cached_property[Any]) -> Parts:
    return _text(value.attrname), (value.func,)


def _type_variable(walk: Walk, value: typing.TypeVar) -> Parts:
    return _text(value.__name__, value.__covariant__, value.__contravariant__), (
        value.__bound__,
        value.__constraints__,
    )


CLASSES = Plan(b"class", named_or(_class))
PLANS: dict[type, Plan] = {
    types.FunctionType: Plan(b"function", named_or(_function)),
    types.CellType: Plan(b"cell", each(_cell)),
    types.MethodType: Plan(b"method", named_or(_method)),
    types.BuiltinFunctionType: Plan(b"builtin", named_or(_builtin_method)),
    types.MethodWrapperType: Plan(b"method wrapper", each(_builtin_method, identity=False)),
    types.CodeType: Plan(b"code", each(_code, identity=False)),
    types.ModuleType: Plan(b"module", each(_module, identity=False)),
    memoryview: Plan(b"memoryview", each(_memoryview)),
    types.MappingProxyType: Plan(b"mappingproxy", each(_proxy)),
    functools.partial: Plan(b"partial", each(_partial)),
    functools.cached_property: Plan(b"cached_property", each(_cached)),
    typing.TypeVar: Plan(b"type variable", named_or(_type_variable)),
    typing.NewType: Plan(b"new type", named_or(_new_type)),
    type(functools.lru_cache(len)): Plan(b"lru_cache", named_or(_lru_cache)),
    property: Plan(b"property", each(_property, links=False)),
    staticmethod: Plan(b"staticmethod", each(_wrapped, links=False)),
    classmethod: Plan(b"classmethod", each(_wrapped, links=False)),
    dataclasses.Field: Plan(b"dataclass field", each(_field, links=False)),
}
for _kind in (types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType):
    PLANS[_kind] = Plan(str(_kind.__name__).encode(), each(_descriptor, identity=False))
VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
for _viewed in VIEWS:
    PLANS[_viewed] = Plan(_viewed.__name__.encode(), each(_view))
