"""The canonical form of the interpreter's own types."""

from __future__ import annotations

import marshal
from collections.abc import Collection, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.memory import of_bytes
from nbrewind.state.walk import COLUMNS, LARGE, MARSHAL, MOST_ORDERED, Plan, Walk, packed


def _nothing(walk: Walk, group: Sequence[Any]) -> None:
    """There is one such value."""


def _bools(walk: Walk, group: Sequence[Any]) -> None:
    walk.emit(bytes(group))


def _floats(walk: Walk, group: Sequence[Any]) -> None:
    walk.emit(packed("d", group))


def _marshalled(walk: Walk, group: Sequence[Any]) -> None:
    walk.emit(marshal.dumps(list(group), MARSHAL))


def _bytes(walk: Walk, group: Sequence[Any]) -> None:
    if sum(map(len, group)) < 1 << 16:
        _marshalled(walk, group)
        return
    walk.emit(packed("Q", map(len, group)))
    for value in group:
        _content(walk, memoryview(value), id(value))


def _bytearrays(walk: Walk, group: Sequence[Any]) -> None:
    first = walk.fresh(group, numbered=True)
    walk.emit(packed("Q", map(len, first)))
    for value in first:
        with memoryview(value) as view:
            _content(walk, view, id(value))
        walk.stretches.append(of_bytes(value))


def _content(walk: Walk, view: memoryview, key: int) -> None:
    walk.size += view.nbytes
    if walk.scope.hashing:
        walk.emit(walk.scope.buffers.at(view, key).name)


def _tuples(walk: Walk, group: Sequence[Any]) -> None:
    width = _width(group)
    if width and width <= COLUMNS:
        walk.emit(b"columns" + width.to_bytes(8, "little"))
        for column in range(width):
            walk.push(map(itemgetter(column), group))
        return
    walk.emit(packed("Q", map(len, group)))
    walk.push(chain.from_iterable(group))


def _width(group: Sequence[Any]) -> int:
    """How many items each of some containers has, where that is one number and the containers are many; else 0."""
    if len(group) < LARGE:
        return 0
    widths = set(map(len, group))
    return int(widths.pop()) if len(widths) == 1 else 0


def _lists(walk: Walk, group: Sequence[Any]) -> None:
    _tuples(walk, walk.fresh(group))


def _dicts(walk: Walk, group: Sequence[Any]) -> None:
    dict_contents(walk, walk.fresh(group))


def dict_contents(walk: Walk, group: Sequence[dict[Any, Any]]) -> None:
    """Encode what some dictionaries hold: by columns, where all have the same names for keys."""
    names = _common_names(group)
    if names:
        walk.emit(b"columns" + len(names).to_bytes(8, "little"))
        walk.push(names)
        for name in names:
            walk.push(map(itemgetter(name), group))
        return
    walk.emit(packed("Q", map(len, group)))
    walk.push(chain.from_iterable(group))
    walk.push(chain.from_iterable(map(dict.values, group)))


def _common_names(group: Sequence[dict[Any, Any]]) -> tuple[str, ...]:
    width = _width(group)
    if not width or width > 4 * COLUMNS or set(map(type, chain.from_iterable(group))) != {str}:
        return ()
    rows = set(map(tuple, group))
    return rows.pop() if len(rows) == 1 else ()


def sorted_set(walk: Walk, values: Collection[Any], owner: int) -> list[Any]:
    """The elements of a set in an order that only depends on what they are."""
    kinds = set(map(type, values))
    if len(kinds) == 1 and kinds <= _ORDERED:
        return sorted(values)
    if kinds <= _ATOMS or (kinds == {tuple} and set(map(type, chain.from_iterable(values))) <= _ATOMS):
        return sorted(values, key=lambda value: marshal.dumps(value, MARSHAL))
    if owner in walk.within:
        walk.refuse(values, "a set that contains itself")
        return []
    if walk.most:
        return []  # how many there are is enough for a glance
    return _by_content(walk, list(values), walk.within | {owner}, most=_GLANCE)


def _by_content(walk: Walk, values: list[Any], within: frozenset[int], most: int) -> list[Any]:
    """Values in the order of their digests; those that a glance cannot tell apart are looked at as a whole."""
    keyed: dict[bytes, list[Any]] = {}
    for value in values:
        look = Walk(walk.scope, [value], depth=walk.depth + 1, within=within, most=most)
        walk.scope.ordered += look.nodes
        if walk.scope.ordered > MOST_ORDERED:
            raise HookError("its objects hold sets of each other, too many to be put in order")
        keyed.setdefault(look.raw, []).append(value)
    ordered: list[Any] = []
    for _, same in sorted(keyed.items()):
        ordered += _by_content(walk, same, within, most=0) if most and len(same) > 1 else same
    return ordered


def _frozensets(walk: Walk, group: Sequence[Any]) -> None:
    walk.emit(packed("Q", map(len, group)))
    for value in group:
        walk.push(sorted_set(walk, value, id(value)))


def _sets(walk: Walk, group: Sequence[Any]) -> None:
    _frozensets(walk, walk.fresh(group))


_GLANCE = 256
"""Parts of an element of a set that are looked at first."""
_ORDERED = frozenset({int, str, bytes})
_ATOMS = frozenset({int, str, bytes, float, bool, complex, type(None)})

BASIC: dict[type, Plan] = {
    type(None): Plan(b"None", _nothing),
    type(...): Plan(b"Ellipsis", _nothing),
    type(NotImplemented): Plan(b"NotImplemented", _nothing),
    bool: Plan(b"bool", _bools),
    int: Plan(b"int", _marshalled),
    float: Plan(b"float", _floats),
    complex: Plan(b"complex", _marshalled),
    str: Plan(b"str", _marshalled),
    bytes: Plan(b"bytes", _bytes),
    bytearray: Plan(b"bytearray", _bytearrays),
    tuple: Plan(b"tuple", _tuples),
    list: Plan(b"list", _lists),
    dict: Plan(b"dict", _dicts),
    set: Plan(b"set", _sets),
    frozenset: Plan(b"frozenset", _frozensets),
}
