"""The plan of each type that the interpreter does not know by heart."""

from __future__ import annotations

import copyreg
import enum
import functools
import gc
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from nbrewind.state import callables, classes, standard, views
from nbrewind.state.canonical import BASIC, dict_contents
from nbrewind.state.functions import global_names
from nbrewind.state.guard import HookError, attempt
from nbrewind.state.names import HEAP, NOTEBOOK, could_be_variable, find, importable
from nbrewind.state.references import named_or
from nbrewind.state.registry import REGISTRY, Entry, home, qualified
from nbrewind.state.walk import Plan, Walk, each

Parts = tuple[bytes, Sequence[Any]]


class Plans:
    """Finds, and keeps, the plan of each type; those of the notebook's own classes only while one analysis lasts."""

    def __init__(self) -> None:
        self._plans: dict[type, Plan] = dict(BASIC)
        self._passing: list[type] = []
        self._version = -1

    def begin(self) -> None:
        """A new analysis begins: classes that the notebook has dropped since may go."""
        while self._passing:
            self._plans.pop(self._passing.pop(), None)

    def __call__(self, kind: type) -> Plan:
        """The plan of a type."""
        plan = self._plans.get(kind)
        if plan is None or self._version != REGISTRY.version:
            if self._version != REGISTRY.version:
                self._plans, self._passing = dict(BASIC), []
            plan = self._plans.get(kind) or BASIC.get(kind) or _planned(kind)
            self._plans[kind] = plan
            self._version = REGISTRY.version
            if home(kind) == NOTEBOOK:
                self._passing.append(kind)
        return plan


def _planned(kind: type) -> Plan:
    """The plan of a type; one whose class cannot even be looked at is not compared."""
    try:
        return _plan(kind)
    except Exception as error:  # noqa: BLE001 - metaclasses and extension types may raise anything
        return _registered(
            kind, Entry(opaque=f"its class cannot be examined ({type(error).__name__}: {error})")
        )


def _plan(kind: type) -> Plan:
    if any("__nbrewind_digest__" in vars(base) for base in kind.__mro__):
        return Plan(_tag(kind), _typed(kind, each(_own_digest)))
    entry = REGISTRY.of(kind)
    if entry is not None and (entry.opaque or entry.digest or entry.reduce):
        return _registered(kind, entry)
    if issubclass(kind, type):
        return classes.CLASSES
    special = _SPECIAL.get(kind) or standard.plan_for(kind) or _from_library(kind)
    if special is not None:
        return special
    if issubclass(kind, enum.Enum):
        return Plan(_tag(kind), _typed(kind, each(_member, identity=False)))
    if any("__qualname__" in vars(base) for base in kind.__mro__):  # functions of some compiler
        return Plan(_tag(kind), named_or(_reduced))
    immutable = qualified(kind) in _IMMUTABLE
    if immutable or not _plain(kind):
        if home(kind) == NOTEBOOK:
            return Plan(
                _tag(kind), _typed(kind, each(functools.partial(_reduced_and_raw, _attributes(kind))))
            )
        return Plan(_tag(kind), _typed(kind, each(_reduced, identity=not immutable)))
    return Plan(_tag(kind), _typed(kind, _attributes(kind)))


def _tag(kind: type) -> bytes:
    name = importable(kind)
    return f"type {name or 'notebook ' + kind.__qualname__}".encode("utf-8", "surrogatepass")


def _typed(
    kind: type, encode: Callable[[Walk, Sequence[Any]], None]
) -> Callable[[Walk, Sequence[Any]], None]:
    """Let instances of a class that goes by no library's name hold their class."""
    if importable(kind):
        return encode

    def holding(walk: Walk, group: Sequence[Any]) -> None:
        walk.push((kind,))
        encode(walk, group)

    return holding


def _registered(kind: type, entry: Entry) -> Plan:
    def parts(walk: Walk, value: Any) -> Parts:
        if entry.opaque:
            walk.refuse(value, entry.opaque)
            return b"", inside(walk, value)
        if entry.digest:
            return b"", (attempt(entry.digest, value),)
        assert entry.reduce is not None
        return b"", _answered(value, attempt(entry.reduce, value))

    return Plan(_tag(kind), _typed(kind, each(parts)))


def inside(walk: Walk, value: Any) -> tuple[Any, ...]:
    """What an object without a canonical form holds, for a walk that goes on inside; others note that there is one."""
    walk.sealed = True
    for frame in running_frames(value):
        if frame.f_globals is walk.scope.namespace:
            walk.needs |= {
                name for name in global_names(frame.f_code) if could_be_variable(name, walk.scope.namespace)
            }
    return seen_through(value) if walk.scope.through else ()


def running_frames(value: Any) -> list[types.FrameType]:
    """The frames of a generator or coroutine, of what it waits for in turn, and of the coroutine that a task runs."""
    found: list[types.FrameType] = []
    if qualified(type(value)) in ("_asyncio.Task", "asyncio.tasks.Task"):
        value = value.get_coro()
    while value is not None and len(found) < _MOST_FRAMES:
        frame, inner = next(
            (_suspended(value, kind) for kind in _SUSPENDED if isinstance(value, kind)), (None, None)
        )
        if isinstance(frame, types.FrameType):
            found.append(frame)
        value = inner
    return found


_MOST_FRAMES = 1000
_SUSPENDED: dict[type, tuple[str, str]] = {
    types.GeneratorType: ("gi_frame", "gi_yieldfrom"),
    types.CoroutineType: ("cr_frame", "cr_await"),
    types.AsyncGeneratorType: ("ag_frame", "ag_await"),
}


def _suspended(value: Any, kind: type) -> tuple[Any, Any]:
    frame, inner = _SUSPENDED[kind]
    return getattr(value, frame), getattr(value, inner)


def seen_through(value: Any) -> tuple[Any, ...]:
    """What an object without a canonical form holds, as far as changes of it may be seen elsewhere."""
    frames = running_frames(value)
    if frames:
        return tuple(held for frame in frames for held in frame.f_locals.values())
    if isinstance(value, weakref.ref):
        return (value(),)
    found = gc.get_referents(value)
    return tuple(each for each in found if _tells(each)) if len(found) < 1000 else ()


def _tells(value: Any) -> bool:
    """Whether to follow it: containers and instances of the notebook, not what leads to the whole interpreter."""
    if type(value) is dict:
        return "__spec__" not in value and "__builtins__" not in value
    return type(value) in (list, tuple, set) or home(type(value)) in (NOTEBOOK, "numpy")


def _own_digest(walk: Walk, value: Any) -> Parts:
    return b"", (attempt(type(value).__nbrewind_digest__, value),)


_SPECIAL = callables.PLANS | classes.PLANS | views.PLANS
_LIBRARIES = {
    "pyarrow": "nbrewind.state.arrow",
    "numpy": "nbrewind.state.arrays",
    "pandas": "nbrewind.state.frames",
    "scipy": "nbrewind.state.sparse",
}


def _from_library(kind: type) -> Plan | None:
    """The plan that our module for a library has for a type or a base of it."""
    for base in kind.__mro__:
        name = _LIBRARIES.get(home(base).partition(".")[0])
        if name is None or (name not in sys.modules and not _import(name)):
            continue
        plan: Plan | None = sys.modules[name].plan_for(kind, base)
        if plan is not None:
            return plan
    return None


def _import(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True


def _member(walk: Walk, value: Any) -> Parts:
    name = getattr(value, "_name_", None)
    return repr(name).encode("utf-8", "surrogatepass"), (getattr(value, "_value_", None),)


# Instances of classes written in Python.

_DEFAULTS = (
    ("__reduce_ex__", object.__reduce_ex__),
    ("__reduce__", object.__reduce__),
    ("__getstate__", object.__getstate__),
)
_CONTENT: dict[type, Callable[[Any], Any]] = {
    list: lambda value: list(list.__iter__(value)),
    dict: dict.copy,
    tuple: lambda value: tuple(tuple.__iter__(value)),
    set: lambda value: frozenset(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytes(bytearray.__getitem__(value, slice(None))),
}


def _plain(kind: type) -> bool:
    """Whether attributes, and the content of a builtin base, are all there is to its instances."""
    if (
        any(getattr(kind, name, None) is not default for name, default in _DEFAULTS)
        or kind in copyreg.dispatch_table
    ):
        return False
    if any(
        name in vars(base) for base in kind.__mro__[:-1] for name in ("__getnewargs__", "__getnewargs_ex__")
    ):
        return _base(kind) in (str, int, float, bytes, tuple, frozenset) and kind.__flags__ & HEAP != 0
    base = _base(kind)
    if kind.__dictoffset__ and _dictionary(kind) is None:
        return False
    if base not in _CONTENT and base is not object:
        return False
    slots = len(_members(kind))
    room = 8 * (slots + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0))
    return base is not object or kind.__basicsize__ <= object.__basicsize__ + room


def _base(kind: type) -> type:
    return next(base for base in kind.__mro__ if not base.__flags__ & HEAP)


def _members(kind: type) -> list[Any]:
    found = [vars(base) for base in kind.__mro__ if base.__flags__ & HEAP]
    return [each for names in found for each in names.values() if type(each) is types.MemberDescriptorType]


def _dictionary(kind: type) -> Callable[[Any], dict[str, Any]] | None:
    for base in kind.__mro__:
        found = vars(base).get("__dict__")
        if type(found) is types.GetSetDescriptorType:
            return found.__get__
    return None


class _Absent:
    """Stands for an attribute that is not there."""

    def __reduce__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
BASIC[_Absent] = Plan(b"absent", lambda walk, group: None)


def _attributes(kind: type) -> Callable[[Walk, Sequence[Any]], None]:
    """Encode instances by their attributes, all at once."""
    dictionary, members, base = _dictionary(kind), _members(kind), _base(kind)
    content = _CONTENT.get(base)
    frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False) is True
    values = base in (tuple, str, int, float, bytes, frozenset) and dictionary is None

    def encode(walk: Walk, group: Sequence[Any]) -> None:
        first = group if values else walk.fresh(group, links=not frozen)
        walk.emit(len(first).to_bytes(8, "little"))
        if content is not None:
            walk.push(map(content, first))
        if dictionary is not None:
            dictionaries = list(map(dictionary, first))
            dict_contents(walk, dictionaries if frozen else walk.fresh(dictionaries, lists=1))
        for member in members:
            walk.push(_slots(member, first))

    return encode


def _slots(member: Any, values: Sequence[Any]) -> list[Any]:
    try:
        return list(map(member.__get__, values))
    except AttributeError:  # some lack it
        return [_slot(member, value) for value in values]


def _slot(member: Any, value: Any) -> Any:
    try:
        return member.__get__(value)
    except AttributeError:
        return ABSENT


# Everything else: what pickle would be told.


def reduced(value: Any) -> tuple[Any, ...] | str:
    """What the value answers to pickle, without our own reducers.

    Raises
    ------
    HookError
        It cannot be pickled, or failed to answer.
    """
    kind = type(value)
    reducer = copyreg.dispatch_table.get(kind)
    if reducer is not None:
        return attempt(reducer, value)
    return attempt(kind.__reduce_ex__, value, 4)


def _reduced(walk: Walk, value: Any) -> Parts:
    try:
        return b"", _answered(value, reduced(value))
    except HookError as error:
        walk.refuse(value, str(error))
        return b"", inside(walk, value)


def _answered(value: Any, answer: Any) -> Sequence[Any]:
    return _named(value, answer) if isinstance(answer, str) else _taken_apart(answer)


def _named(value: Any, name: str) -> Sequence[Any]:
    """What pickle would refer to by a name; in the notebook a name says nothing about what it stands for."""
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module == NOTEBOOK or find(module, name) is not value:
        raise HookError(f"pickle knows it by the name {name} alone")
    return module, name


def _taken_apart(answer: Any) -> Sequence[Any]:
    if not isinstance(answer, tuple) or not 2 <= len(answer) <= 6:
        raise HookError("its __reduce__ returns no tuple")
    function, arguments, *rest = answer
    state, items, pairs, setter = (rest + [None] * 4)[:4]
    return (function, arguments, state, _listed(items), _listed(pairs), setter)


def _listed(items: Any) -> tuple[Any, ...] | None:
    return None if items is None else attempt(tuple, items)


def _reduced_and_raw(attributes: Callable[[Walk, Sequence[Any]], None], walk: Walk, value: Any) -> Parts:
    """For the notebook's own classes what they keep from pickle counts too: a cell may read it."""
    kind = type(value)
    raw = _dictionary(kind)
    members = [_slot(member, value) for member in _members(kind)]
    return b"", (*_taken_apart(reduced(value)), raw(value) if raw else None, tuple(members))


_IMMUTABLE = frozenset(
    {
        *(f"datetime.{name}" for name in ("date", "time", "datetime", "timedelta", "timezone")),
        *(f"ipaddress.IPv{version}{part}" for version in "46" for part in ("Address", "Network")),
        "decimal.Decimal", "uuid.UUID", "zoneinfo.ZoneInfo", "re.Pattern",
        "builtins.range", "builtins.slice", "types.GenericAlias", "types.UnionType",
        "operator.itemgetter", "operator.attrgetter", "operator.methodcaller",
    }
)  # fmt: skip
