"""The canonical form of values: a walk over their objects, layer by layer, that ends in a digest.

A layer holds the objects that lie equally deep. It is encoded type by type with the interpreter's own loops
(`map`, `marshal`, `array`), so a list of 300,000 records costs a handful of calls, and no value is too deep.
The encoding of one layer says how many children each object has, hence where each object of the next belongs:
two values with one encoding are equal.

Mutable objects are numbered as they are met; meeting one again is encoded as its number. Immutable ones are
encoded each time: whether two equal strings are one object is history.
"""

from __future__ import annotations

import builtins
import marshal
import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, compress, repeat
from operator import is_
from typing import Any

from attrs import define, field, frozen
from blake3 import blake3

from nbrewind.record.model import Digest
from nbrewind.state.buffers import NAME_BYTES, BufferDigests
from nbrewind.state.guard import HookError, sentence
from nbrewind.state.memory import Stretch, of_bytes, overlapping
from nbrewind.state.registry import home

MARSHAL = 2
"""The last version that says neither which strings are interned nor which objects are one."""
MOST_NODES = 50_000_000
"""A value with more parts is rebuilt rather than compared: most likely tuples that share tuples, many times
over."""


@frozen
class Plan:
    """How values of one type are encoded.

    Parameters
    ----------
    tag
        Names the type, for ever: a change of it changes digests.
    encode
        Called with all values of the type in one layer; emits what they are and pushes what they hold.
    """

    tag: bytes
    encode: Callable[[Walk, Sequence[Any]], None]


@define
class Scope:
    """What the walks of one analysis have in common.

    `namespace` is the notebook's; `plan_for` finds the plan of a type; `buffers` names memory. `hashing` is
    false for a walk that only looks for references. `through` lets a walk go on inside what has no canonical form.
    """

    namespace: Mapping[str, Any]
    plan_for: Callable[[type], Plan]
    buffers: BufferDigests
    hashing: bool = True
    through: bool = False
    alive: list[Any] = field(factory=list)

    @property
    def known(self) -> dict[int, int]:
        """What every walk has met before it starts: the dictionaries that all globals hang from."""
        return {id(vars(builtins)): 0, id(self.namespace): 1}


class Walk:
    """One walk from some roots.

    Parameters
    ----------
    scope
        What all walks of the analysis share.
    roots
        The values to encode, in order; what they share counts.
    depth
        0 where the roots are variables of the notebook themselves.
    within
        Sets whose elements are being ordered by this walk.

    Attributes
    ----------
    met
        The number of each mutable object, by its id.
    unlinked
        Ids of objects that are numbered, but whose sharing is not seen: they cannot change.
    needs
        Variables of the notebook that functions and classes refer to by name.
    held
        Those of `needs` that must be there before the value can be built: classes of instances, bases,
        captured functions.
    refused
        Why there is no canonical form, if so.
    sealed
        Whether it met something without a canonical form that holds other things.
    pinned
        Whether it met the namespace or the builtins themselves.
    types
        The types met.
    stretches
        Memory of arrays.
    owners
        Ids of objects that are no arrays, but whose memory is seen through some.
    size, nodes
        Bytes in buffers and objects seen, for estimates.
    """

    def __init__(
        self, scope: Scope, roots: Sequence[Any], *, depth: int = 0, within: frozenset[int] = frozenset()
    ) -> None:
        self.scope, self.depth, self.within = scope, depth, within
        self.met: dict[int, int] = scope.known
        self.unlinked: set[int] = set(self.met)
        self.needs: set[str] = set()
        self.held: set[str] = set()
        self.refused = ""
        self.sealed = False
        self.pinned = False
        self.types: dict[type, int] = {}
        self.stretches: list[Stretch] = []
        self.owners: set[int] = set()
        self.size = self.nodes = 0
        self._hasher = blake3(b"nbrewind value 1\0")
        self._out: list[bytes] = []
        self._pending = 0
        self._next: list[Any] = list(roots)
        self._run()

    @property
    def digest(self) -> Digest:
        """Name of the value; empty where it has no canonical form."""
        return "" if self.refused else "b3:" + self.raw.hex()

    def _run(self) -> None:
        self.emit(len(self._next).to_bytes(8, "little"))
        while self._next:
            layer, self._next = self._next, []
            self.scope.alive.append(layer)
            self.nodes += len(layer)
            if self.nodes > MOST_NODES:
                self._broke(layer, f"the value has more than {MOST_NODES:,} parts")
                break
            try:
                self._layer(layer)
            except RuntimeError as error:  # another thread changes a dictionary or a set
                self._broke(layer, f"it changes while it is read ({sentence(error)})")
            except Exception as error:  # noqa: BLE001 - classes whose classes misbehave: one variable is opaque
                self._broke(layer, sentence(error))
            self.depth += 1
        self._aliases()
        self._flush()
        self.raw: bytes = self._hasher.digest(NAME_BYTES)

    def _broke(self, layer: list[Any], why: str) -> None:
        self.refuse(layer[0], why)
        self._next = []

    def _layer(self, layer: list[Any]) -> None:
        types = list(map(type, layer))
        kinds = list(dict.fromkeys(types))
        fresh = [kind for kind in kinds if kind not in self.types]
        for kind in fresh:
            self.types[kind] = len(self.types)
            self.emit(self.scope.plan_for(kind).tag)
        if len(kinds) == 1:
            self.emit(packed("I", (self.types[kinds[0]],)))
            self.scope.plan_for(kinds[0]).encode(self, layer)
            return
        self.emit(packed("I", map(self.types.__getitem__, types)))
        for kind, group in _grouped(kinds, types, layer):
            self.scope.plan_for(kind).encode(self, group)

    # What plans call.

    def emit(self, data: bytes) -> None:
        """Add bytes to the encoding; their length goes first."""
        self._out += (len(data).to_bytes(8, "little"), data)
        self._pending += len(data) + 60
        if self._pending > 1 << 20:
            self._flush()

    def push(self, values: Iterable[Any]) -> None:
        """Add children, in order; the plan must have emitted how many."""
        self._next.extend(values)

    def fresh(self, group: Sequence[Any], *, links: bool = True) -> Sequence[Any]:
        """Number those met for the first time and return them; emit which are which."""
        ids = list(map(id, group))
        unique = set(ids)
        start = len(self.met)
        if len(unique) == len(ids) and self.met.keys().isdisjoint(unique):
            self.met.update(zip(ids, range(start, start + len(ids)), strict=True))
            self.emit(b"")
            first = group
        else:
            first = self._some_known(group, ids)
        if not links:
            self.unlinked |= unique
        return first

    def _some_known(self, group: Sequence[Any], ids: list[int]) -> list[Any]:
        first, numbers = [], []
        for value, key in zip(group, ids, strict=True):
            known = self.met.get(key)
            self.pinned = self.pinned or known in (0, 1)
            if known is None:
                self.met[key] = len(self.met)
                first.append(value)
            numbers.append(-1 if known is None else known)
        self.emit(packed("q", numbers))
        return first

    def refuse(self, value: Any, why: str) -> None:
        """Say that this value has no canonical form; the walk goes on, for what it shares."""
        kind = type(value)
        self.refused = self.refused or f"{home(kind)}.{kind.__qualname__}: {why}"
        self.emit(b"refused")

    def sorted_set(self, values: Collection[Any], owner: int) -> list[Any]:
        """The elements of a set in an order that only depends on what they are."""
        kinds = set(map(type, values))
        if len(kinds) == 1 and kinds <= _ORDERED:
            return sorted(values)
        if kinds <= _ATOMS:
            return sorted(values, key=lambda value: marshal.dumps(value, MARSHAL))
        if owner in self.within:
            self.refuse(values, "a set that contains itself")
            return []
        within = self.within | {owner}
        keyed = [
            (Walk(self.scope, [value], depth=self.depth + 1, within=within).raw, value) for value in values
        ]
        return [value for _, value in sorted(keyed, key=lambda pair: pair[0])]

    # What is known at the end.

    def _aliases(self) -> None:
        """Encode which arrays of the value see each other's elements, and where."""
        seen = [one for one in self.stretches if one.number >= 0 and one.end > one.start]
        clusters = [sorted(each, key=lambda one: one.number) for each in overlapping(seen) if len(each) > 1]
        for cluster in sorted(clusters, key=lambda each: each[0].number):
            origin = min(one.start for one in cluster)
            self.emit(
                marshal.dumps([(one.number, one.start - origin, one.strides) for one in cluster], MARSHAL)
            )

    def _flush(self) -> None:
        self._hasher.update(b"".join(self._out))
        self._out, self._pending = [], 0


def packed(code: str, numbers: Iterable[int] | Iterable[float]) -> bytes:
    """Numbers as little-endian bytes, by `array` type code."""
    numbers = array(code, numbers)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def each(
    parts: Callable[[Walk, Any], tuple[bytes, Sequence[Any]]], *, identity: bool = True, links: bool = True
) -> Callable[[Walk, Sequence[Any]], None]:
    """Make an encoder of a function that takes one value apart: its own bytes, and what it holds.

    Parameters
    ----------
    identity
        Whether it matters that two values are one object.
    links
        Whether a change of the one is then seen through the other.
    """

    def encode(walk: Walk, group: Sequence[Any]) -> None:
        tokens: list[bytes] = []
        counts: list[int] = []
        for value in walk.fresh(group, links=links) if identity else group:
            try:
                token, children = parts(walk, value)
            except HookError as error:
                walk.refuse(value, str(error))
                token, children = b"refused", ()
            tokens.append(token)
            counts.append(len(children))
            walk.push(children)
            walk.scope.alive.append(children)
        walk.emit(marshal.dumps(tokens, MARSHAL))
        walk.emit(packed("Q", counts))

    return encode


def _grouped(kinds: list[type], types: list[type], layer: list[Any]) -> Iterable[tuple[type, list[Any]]]:
    if len(kinds) <= 6:
        return [(kind, list(compress(layer, map(is_, types, repeat(kind))))) for kind in kinds]
    groups: dict[type, list[Any]] = {kind: [] for kind in kinds}
    for kind, value in zip(types, layer, strict=True):
        groups[kind].append(value)
    return groups.items()


# The interpreter's own types.


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
    first = walk.fresh(group)
    walk.emit(packed("Q", map(len, first)))
    for value in first:
        with memoryview(value) as view:
            _content(walk, view, id(value))
        walk.stretches.append(of_bytes(value, walk.met[id(value)]))


def _content(walk: Walk, view: memoryview, key: int) -> None:
    walk.size += view.nbytes
    if walk.scope.hashing:
        walk.emit(walk.scope.buffers.at(view, key).name)


def _tuples(walk: Walk, group: Sequence[Any]) -> None:
    walk.emit(packed("Q", map(len, group)))
    walk.push(chain.from_iterable(group))


def _lists(walk: Walk, group: Sequence[Any]) -> None:
    _tuples(walk, walk.fresh(group))


def _dicts(walk: Walk, group: Sequence[Any]) -> None:
    first = walk.fresh(group)
    walk.emit(packed("Q", map(len, first)))
    walk.push(chain.from_iterable(first))
    walk.push(chain.from_iterable(map(dict.values, first)))


def _frozensets(walk: Walk, group: Sequence[Any]) -> None:
    walk.emit(packed("Q", map(len, group)))
    for value in group:
        walk.push(walk.sorted_set(value, id(value)))


def _sets(walk: Walk, group: Sequence[Any]) -> None:
    _frozensets(walk, walk.fresh(group))


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
