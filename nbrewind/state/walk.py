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
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress, repeat
from operator import is_
from typing import Any

from attrs import define, field, frozen
from blake3 import blake3

from nbrewind.record.model import Digest
from nbrewind.state.buffers import NAME_BYTES, BufferDigests
from nbrewind.state.guard import HookError, sentence
from nbrewind.state.identities import Identities
from nbrewind.state.memory import Stretch, overlapping
from nbrewind.state.registry import home

MARSHAL = 2
"""The last version that says neither which strings are interned nor which objects are one."""
LARGE = 32
"""Groups of children from this size on are encoded by themselves: they mostly are of one type."""
COLUMNS = 16
"""Up to so many items, sequences of one length are encoded by columns."""
PINNED = 2
"""The numbers below are those of the builtins and the namespace."""
MOST_NODES = 50_000_000
"""A value with more parts is rebuilt rather than compared: most likely tuples that share tuples, many times
over."""
MOST_ORDERED = 500_000
"""The same, of parts that are looked at to order the elements of sets: objects that hold sets of each other."""


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
    `places` are texts to look for, by sign.
    `ordered` counts the parts that one walk looked at to put the elements of sets in order.
    """

    namespace: Mapping[str, Any]
    plan_for: Callable[[type], Plan]
    buffers: BufferDigests
    hashing: bool = True
    through: bool = False
    places: Mapping[str, bytes] = field(factory=dict)
    alive: list[Any] = field(factory=list)
    ordered: int = 0

    @property
    def known(self) -> tuple[int, int]:
        """What every walk has met before it starts: the dictionaries that all globals hang from."""
        return id(vars(builtins)), id(self.namespace)


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
    most
        Parts to look at, in whole layers, where a glance is enough to tell values apart; 0 for all.
    after
        A walk that this one goes on from: what that has met is encoded as its number, and counted along.

    Attributes
    ----------
    met
        The mutable objects met.
    unlinked
        Ids of objects that are numbered, but whose sharing is not seen: they cannot change.
    needs
        Variables of the notebook that functions and classes refer to by name.
    held
        Those of `needs` that must be there before the value can be built: classes of instances, bases,
        captured functions.
    modules
        Top-level modules that hold what the value refers to by name, or its classes.
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
    places
        Signs of the places whose path occurs in its texts.
    owners
        Ids of objects that are no arrays, but whose memory is seen through some.
    size, nodes
        Bytes in buffers and objects seen, for estimates.
    """

    def __init__(
        self,
        scope: Scope,
        roots: Sequence[Any],
        *,
        depth: int = 0,
        within: frozenset[int] = frozenset(),
        most: int = 0,
        after: Walk | None = None,
    ) -> None:
        self.scope, self.depth, self.within, self.most = scope, depth, within, most
        if not within:
            scope.ordered = 0
        self.met = Identities(scope.known)
        self.unlinked: set[int] = set(scope.known)
        self.needs: set[str] = set()
        self.held: set[str] = set()
        self.modules: set[str] = set()
        self.refused = ""
        self.sealed = False
        self.pinned = False
        self.types: dict[type, int] = {}
        self.stretches: list[Stretch] = []
        self.owners: set[int] = set()
        self.size = self.nodes = 0
        self.places: set[str] = set()
        self._hasher = blake3(b"nbrewind value 1\0")
        self._out: list[bytes] = []
        self._pending = 0
        self._small: list[Any] = list(roots)
        self._large: list[list[Any]] = []
        self._now: Sequence[Any] = ()
        if after is not None:
            self._go_on_from(after)
        self._run()

    def _go_on_from(self, other: Walk) -> None:
        self.met = other.met.copy()
        self.unlinked |= other.unlinked
        self.needs |= other.needs
        self.held |= other.held
        self.owners |= other.owners
        self.types |= other.types
        self.stretches += other.stretches
        self.refused, self.sealed, self.pinned = other.refused, other.sealed, other.pinned
        self.size, self.nodes = other.size, other.nodes
        self._hasher.update(other.raw)

    @property
    def digest(self) -> Digest:
        """Name of the value; empty where it has no canonical form."""
        return "" if self.refused else "b3:" + self.raw.hex()

    @property
    def shared(self) -> set[int]:
        """Ids of all that can be seen to change elsewhere."""
        return (self.met.ids - self.unlinked) | self.owners

    def _run(self) -> None:
        self.emit(len(self._small).to_bytes(8, "little"))
        while self._small or self._large:
            layer = [self._small, *self._large] if self._small else self._large
            self._small, self._large = [], []
            self.scope.alive.append(layer)
            try:
                for part in layer:
                    self._part(part)
            except RuntimeError as error:  # another thread changes a dictionary or a set
                self._broke(part[0], f"it changes while it is read ({sentence(error)})")
            except Exception as error:  # noqa: BLE001 - classes whose classes misbehave: one variable is opaque
                self._broke(part[0], sentence(error))
            self.depth += 1
            if self.most and self.nodes + len(self._small) + sum(map(len, self._large)) > self.most:
                break
        self._aliases()
        self._flush()
        self.raw: bytes = self._hasher.digest(NAME_BYTES)

    def _broke(self, value: Any, why: str) -> None:
        self.refuse(value, why)
        self._small, self._large = [], []

    def _part(self, part: list[Any]) -> None:
        """Encode some objects of a layer: all its small groups of children, or one large group."""
        self.nodes += len(part)
        if self.nodes > MOST_NODES:
            raise HookError(f"the value has more than {MOST_NODES:,} parts")
        kinds = set(map(type, part))
        self._now = part
        if len(kinds) == 1:
            (kind,) = kinds
            plan = self._known(kind)
            self.emit(packed("I", (self.types[kind],)))
            plan.encode(self, part)
            return
        types = list(map(type, part))
        ordered = list(dict.fromkeys(types))
        plans = {kind: self._known(kind) for kind in ordered}
        self.emit(packed("I", map(self.types.__getitem__, types)))
        for kind, group in _grouped(ordered, types, part):
            plans[kind].encode(self, group)

    def _known(self, kind: type) -> Plan:
        """The plan of a type, which is named when it is met for the first time."""
        plan = self.scope.plan_for(kind)
        if kind not in self.types:
            self.types[kind] = len(self.types)
            self.modules.add(home(kind).partition(".")[0])
            self.emit(plan.tag)
        return plan

    # What plans call.

    def emit(self, data: bytes) -> None:
        """Add bytes to the encoding; their length goes first."""
        self._out += (len(data).to_bytes(8, "little"), data)
        self._pending += len(data) + 60
        if self._pending > 1 << 20:
            self._flush()

    def push(self, values: Iterable[Any]) -> None:
        """Add children, in order; the plan must have emitted how many."""
        children = list(values)
        if len(children) < LARGE:
            self._small += children
        else:
            self._large.append(children)

    def fresh(
        self,
        group: Sequence[Any],
        *,
        links: bool = True,
        numbered: bool | Sequence[bool] = False,
        lists: int = 0,
    ) -> Sequence[Any]:
        """Number those met for the first time and return them; emit which are which.

        Parameters
        ----------
        group
            All values of one type in a part of a layer, or some that were taken out of those.
        links
            Whether a change of one is seen wherever else it is held.
        numbered
            Whether the plan asks for their numbers, or for which of them it does.
        lists
            How many of the walk's own lists hold each of them; it knows for the groups that it hands out.
        """
        lists = lists or (1 if group is self._now else 2)
        everything = numbered is True or not links
        needed = numbered if not isinstance(numbered, bool) else ()
        known = self.met.add(group, None if everything else lists, needed)
        if not links:
            self.unlinked.update(map(id, group))
        if not known:
            self.emit(b"")
            return group
        numbers = [-1] * len(group)
        for place, number in known:
            numbers[place] = number
            self.pinned = self.pinned or number < PINNED
        self.emit(packed("q", numbers))
        return [value for value, number in zip(group, numbers, strict=True) if number < 0]

    def refuse(self, value: Any, why: str) -> None:
        """Say that this value has no canonical form; the walk goes on, for what it shares."""
        kind = type(value)
        self.refused = self.refused or f"{home(kind)}.{kind.__qualname__}: {why}"
        self.emit(b"refused")

    # What is known at the end.

    def _aliases(self) -> None:
        """Encode which arrays of the value see each other's elements, and where."""
        seen = [one for one in self.stretches if one.key and one.end > one.start]
        clusters = []
        for cluster in overlapping(seen):
            if len(cluster) > 1:
                origin = min(one.start for one in cluster)
                clusters.append(
                    sorted((self.met.number(one.key), one.start - origin, one.strides) for one in cluster)
                )
        for rows in sorted(clusters):
            self.emit(marshal.dumps(rows, MARSHAL))

    def _flush(self) -> None:
        data = b"".join(self._out)
        self._hasher.update(data)
        if self.scope.places:
            self.places |= mentioned(self.scope.places, data)
        self._out, self._pending = [], 0


def mentioned(places: Mapping[str, bytes], data: bytes) -> set[str]:
    """Places whose path occurs in some bytes; one that lies inside another is not taken for that.

    >>> sorted(mentioned({".": b"/home/a/work", "~": b"/home/a"}, b"see /home/a/work/x"))
    ['.']
    """
    found = set()
    for sign, text in sorted(places.items(), key=lambda place: -len(place[1])):
        if text in data:
            found.add(sign)
            data = data.replace(text, b"")
    return found


def packed(code: str, numbers: Iterable[int] | Iterable[float]) -> bytes:
    """Numbers as little-endian bytes, by `array` type code."""
    numbers = array(code, numbers)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def each(
    parts: Callable[[Walk, Any], tuple[bytes, Sequence[Any]]],
    *,
    identity: bool = True,
    links: bool = True,
    numbered: bool = False,
) -> Callable[[Walk, Sequence[Any]], None]:
    """Make an encoder of a function that takes one value apart: its own bytes, and what it holds.

    Parameters
    ----------
    identity
        Whether it matters that two values are one object.
    links
        Whether a change of the one is then seen through the other.
    numbered
        Whether `parts` asks for the number of a value.
    """

    def encode(walk: Walk, group: Sequence[Any]) -> None:
        tokens: list[bytes] = []
        counts: list[int] = []
        for value in walk.fresh(group, links=links, numbered=numbered) if identity else group:
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
