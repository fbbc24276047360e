"""The canonical form of functions and methods, and of what the standard library makes of them."""

from __future__ import annotations

import functools
import sys
import types
import typing
from typing import Any

from nbrewind.state.caches import contents
from nbrewind.state.functions import code_identity, global_names
from nbrewind.state.names import NOTEBOOK, could_be_variable
from nbrewind.state.references import Parts, named_or, text
from nbrewind.state.walk import Plan, Walk, each


def _function(walk: Walk, function: types.FunctionType) -> Parts:
    if is_single_dispatch(function):
        return _single_dispatch(walk, function)
    code = function.__code__
    where, own = _globals(walk, function)
    if not where:
        names = {name for name in global_names(code) if could_be_variable(name, walk.scope.namespace)}
        walk.needs |= names
    doc = None if function.__doc__ in code.co_consts[:1] else function.__doc__
    token = text(function.__name__, function.__qualname__, where) + b"\0" + code_identity(code)
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
    return text(function.__name__, function.__qualname__), (dict(function.registry), function.__wrapped__)


def is_single_dispatch(function: types.FunctionType) -> bool:
    """Whether `functools.singledispatch` made it; what it remembers of calls does not count."""
    code = function.__code__
    return code.co_qualname == "singledispatch.<locals>.wrapper" and function.__globals__ is vars(functools)


def _lru_cache(walk: Walk, function: Any) -> Parts:
    return b"", (function.__wrapped__, function.cache_parameters(), *contents(function))


def _new_type(walk: Walk, kind: Any) -> Parts:
    return text(kind.__name__, kind.__module__), (kind.__supertype__,)


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
        return text(getattr(owner, "__name__", ""), method.__qualname__), ()
    return text(method.__name__), (owner,)


def _partial(walk: Walk, value: Any) -> Parts:
    return b"", (value.func, value.args, value.keywords, value.__dict__)


def _code(walk: Walk, code: types.CodeType) -> Parts:
    return code_identity(code), ()


def _cached(walk: Walk, value: functools.cached_property[Any]) -> Parts:
    return text(value.attrname), (value.func,)


def _type_variable(walk: Walk, value: typing.TypeVar) -> Parts:
    return text(value.__name__, value.__covariant__, value.__contravariant__), (
        value.__bound__,
        value.__constraints__,
    )


PLANS: dict[Any, Plan] = {
    types.FunctionType: Plan(b"function", named_or(_function)),
    types.CellType: Plan(b"cell", each(_cell)),
    types.MethodType: Plan(b"method", named_or(_method)),
    types.BuiltinFunctionType: Plan(b"builtin", named_or(_builtin_method)),
    types.MethodWrapperType: Plan(b"method wrapper", each(_builtin_method, identity=False)),
    types.CodeType: Plan(b"code", each(_code, identity=False)),
    functools.partial: Plan(b"partial", each(_partial)),
    functools.cached_property: Plan(b"cached_property", each(_cached)),
    typing.TypeVar: Plan(b"type variable", named_or(_type_variable)),
    typing.NewType: Plan(b"new type", named_or(_new_type)),
    type(functools.lru_cache(len)): Plan(b"lru_cache", named_or(_lru_cache)),
}
