"""Classes of the notebook: their canonical form, and what has to be set on them when they are made again."""

from __future__ import annotations

import abc
import dataclasses
import enum
import importlib
import types
from typing import Any

from nbrewind.state.names import importable
from nbrewind.state.references import Parts, named_or, text
from nbrewind.state.registry import home
from nbrewind.state.walk import Plan, Walk, each

_IMPLIED = frozenset(
    """
    __slotnames__ __module__ __qualname__ __firstlineno__ __static_attributes__ __abstractmethods__ _abc_impl
    __classcell__ __dataclass_params__
    """.split()
)
"""What Python derives, or is told elsewhere in the canonical form."""
_MADE_WITH_CLASS = frozenset(
    "__slotnames__ __module__ __qualname__ __slots__ __abstractmethods__ __classcell__ _abc_impl".split()
)
"""What need not be set: making the class sets it."""
_ENUM_MACHINERY = frozenset(
    """
    _generate_next_value_ _missing_ _new_member_ __new_member__ _use_args_ _member_type_ _value_repr_ _member_names_
    _member_map_ _value2member_map_ _unhashable_values_ _unhashable_values_map_ _hashable_values_ _flag_mask_
    _singles_mask_ _all_bits_ _inverted_ _boundary_ _add_alias_ _add_value_alias_ __new__ __init__ __reduce_ex__
    __format__ __repr__ __str__ __doc__ __or__ __and__ __xor__ __ror__ __rand__ __rxor__ __invert__
    """.split()
)
_DATACLASS_METHODS = frozenset(
    """
    __init__ __repr__ __eq__ __lt__ __le__ __gt__ __ge__ __hash__ __setattr__ __delattr__ __getstate__ __setstate__
    __replace__
    """.split()
)
_NAMEDTUPLE_METHODS = frozenset(
    "__new__ _make _replace __repr__ _asdict __getnewargs__ __match_args__ __replace__".split()
)
_PARAMETERS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen", "match_args", "kw_only", "slots")


def class_contents(kind: type) -> dict[str, Any]:
    """What a class holds that its author wrote, or that was set later; nothing that Python derives."""
    made = _IMPLIED | _made_by_dataclass(kind) | made_by_namedtuple(kind)
    found = {name: value for name, value in vars(kind).items() if name not in made and not _implied(value)}
    if not issubclass(kind, enum.Enum):
        return found
    members = set(kind._member_map_)
    return {
        name: value for name, value in found.items() if name not in members and not _machinery(name, value)
    }


def _implied(value: Any) -> bool:
    return type(value) in (types.MemberDescriptorType, types.GetSetDescriptorType)


def _machinery(name: str, value: Any) -> bool:
    """Whether an attribute of an enumeration comes from `enum` itself, which differs between versions of Python."""
    value = getattr(value, "__func__", value)
    return name in _ENUM_MACHINERY and (
        not isinstance(value, types.FunctionType) or importable(value) is not None
    )


def _made_by_dataclass(kind: type) -> set[str]:
    if "__dataclass_params__" not in vars(kind):
        return set()
    made = {"__match_args__"} | ({"__doc__"} if str(kind.__doc__).startswith(kind.__name__ + "(") else set())
    for name, value in vars(kind).items():
        if name in _DATACLASS_METHODS and isinstance(value, types.FunctionType):
            value = getattr(value, "__wrapped__", value)
            if value.__code__.co_filename == "<string>" or value.__module__ == "dataclasses":
                made.add(name)
    return made


def made_by_namedtuple(kind: type) -> frozenset[str] | set[str]:
    """Names that `collections.namedtuple` defines in a class that it made."""
    if not (issubclass(kind, tuple) and "_fields" in vars(kind) and "_field_defaults" in vars(kind)):
        return frozenset()
    return _NAMEDTUPLE_METHODS | set(vars(kind)["_fields"])


def _class(walk: Walk, kind: type) -> Parts:
    members = getattr(kind, "_member_map_", None) or {}
    contents = class_contents(kind)
    names = sorted(contents)
    return text(home(kind), kind.__name__, kind.__qualname__), (
        type(kind),
        kind.__bases__,
        _parameters(vars(kind).get("__dataclass_params__")),
        tuple(sorted(getattr(kind, "__abstractmethods__", ()))),
        tuple((name, each._value_) for name, each in members.items()),
        tuple(names),
        tuple(contents[name] for name in names),
    )


def _parameters(params: Any) -> tuple[Any, ...] | None:
    """What `dataclasses.dataclass` was told; versions of Python that lack an option act as by its default."""
    defaults = {"match_args": True}
    return (
        None
        if params is None
        else tuple(getattr(params, name, defaults.get(name, False)) for name in _PARAMETERS)
    )


def _field(walk: Walk, value: Any) -> Parts:
    kind = getattr(value._field_type, "name", "")
    flags = (value.init, value.repr, value.hash, value.compare, value.kw_only)
    missing = dataclasses.MISSING
    default, factory = value.default, value.default_factory
    return text(value.name, kind, flags, default is missing, factory is missing), (
        value.type,
        None if default is missing else default,
        None if factory is missing else factory,
        value.metadata,
    )


def _property(walk: Walk, value: property) -> Parts:
    return text(value.__doc__), (value.fget, value.fset, value.fdel)


def _wrapped(walk: Walk, value: Any) -> Parts:
    return b"", (value.__func__, dict(getattr(value, "__dict__", {})).get("__isabstractmethod__"))


def saved_contents(kind: type) -> dict[str, Any]:
    """What is set on a class after it is made again."""
    left_out: set[str] = set(_MADE_WITH_CLASS)
    if kind.__bases__ == (tuple,):
        left_out |= made_by_namedtuple(kind)
    if issubclass(kind, enum.Enum):
        left_out |= {*kind._member_map_, *_ENUM_MACHINERY}
    return {name: value for name, value in vars(kind).items() if name not in left_out and not _implied(value)}


def registered(kind: type) -> list[type]:
    """Classes that an abstract one was told to take for its own."""
    if not isinstance(kind, abc.ABCMeta):
        return []
    dump: Any = importlib.import_module("_abc")._get_dump
    found = (each() for each in dump(kind)[0])
    known = [each for each in found if each is not None]
    return sorted(known, key=lambda each: (each.__module__, each.__qualname__))


CLASSES = Plan(b"class", named_or(_class))
PLANS: dict[Any, Plan] = {
    property: Plan(b"property", each(_property, links=False)),
    staticmethod: Plan(b"staticmethod", each(_wrapped, links=False)),
    classmethod: Plan(b"classmethod", each(_wrapped, links=False)),
    dataclasses.Field: Plan(b"dataclass field", each(_field, links=False)),
}
