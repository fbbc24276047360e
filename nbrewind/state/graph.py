"""Which names share objects, and what each value's digest is."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from types import FunctionType
from typing import Any, Protocol

import attrs
from attrs import define, frozen

from nbrewind.record.model import Covariable, Digest
from nbrewind.state.buffers import BufferDigests
from nbrewind.state.canonical import BASIC
from nbrewind.state.guard import watching
from nbrewind.state.memory import overlapping
from nbrewind.state.plans import Plans
from nbrewind.state.registry import home
from nbrewind.state.walk import Scope, Walk


@frozen
class Measure:
    """What saving needs to know of a co-variable.

    Parameters
    ----------
    size, nodes
        Bytes in buffers, and objects.
    types
        The types of its objects.
    shared
        Groups of arrays (weak references) that share memory.
    unshareable
        Why what it shares would be lost by saving it, if so.
    pinned
        Whether it holds the namespace or the builtins themselves.
    """

    size: int
    nodes: int
    types: frozenset[type] = frozenset()
    shared: tuple[tuple[weakref.ref[Any], ...], ...] = ()
    unshareable: str = ""
    pinned: bool = False

    @property
    def portable(self) -> bool:
        """Whether any version of Python can load it: no code, and only classes that change slowly."""
        return all(kind in BASIC or home(kind).partition(".")[0] in _PORTABLE for kind in self.types)

    @classmethod
    def of(cls, walk: Walk) -> Measure:
        """Of what a walk went through."""
        shared: list[tuple[weakref.ref[Any], ...]] = []
        why = ""
        for cluster in overlapping(one for one in walk.stretches if one.end > one.start):
            if len(cluster) == 1 or not any(one.key for one in cluster):
                continue
            if any(not one.key or type(one.array).__name__ != "ndarray" for one in cluster):
                why = "an array in it shares memory with a frame, a bytearray, or an array of another class"
                continue
            shared.append(tuple(weakref.ref(one.array) for one in cluster))
        pinned = walk.pinned
        return cls(walk.size, walk.nodes, frozenset(walk.types), tuple(shared), why, pinned)


_CODE = (type, FunctionType)
_PORTABLE = frozenset({"numpy", "datetime", "decimal", "fractions"})


@frozen
class Valued:
    """A value by itself: its digest, the variables it refers to, and why it has no canonical form, if so."""

    digest: Digest
    needs: frozenset[str]
    opaque: str = ""


class Outside(Protocol):
    """State that no variable holds, such as what was set on a module."""

    def holds(self, name: str) -> bool:
        """Whether there is such state."""

    def value(self, name: str) -> Any:
        """It, as a value that can be compared and saved."""


class _Nothing:
    def holds(self, name: str) -> bool:
        return False

    def value(self, name: str) -> Any:
        raise KeyError(name)


STATE_OF = "module:"
"""How the names of state outside variables begin; the top-level module that holds it follows."""


def _states_of(walk: Walk) -> set[str]:
    """Names of the states that a value may depend on."""
    return {STATE_OF + module for module in walk.modules - _WITHOUT_STATE}


_WITHOUT_STATE = frozenset({"", "builtins", "__main__", "types", "typing", "abc"})


class Analyser:
    """Digests the variables of a notebook and finds out which share objects.

    Parameters
    ----------
    namespace
        The notebook's variables: the dictionary of its ``__main__``.
    outside
        State that no variable holds, by names of its own; compared and saved as if it were variables.

    Attributes
    ----------
    places
        Absolute paths, by sign, whose occurrence in values is noted.
    """

    def __init__(self, namespace: dict[str, Any], outside: Outside | None = None) -> None:
        self.namespace = namespace
        self._outside: Outside = outside or _Nothing()
        self.places: Mapping[str, bytes] = {}
        self.buffers = BufferDigests()
        self._measures: dict[Digest, Measure] = {}
        self._plans = Plans()

    def covariables(self, names: Iterable[str]) -> list[Covariable]:
        """Partition variables into those that share mutable objects, and digest them.

        Names that the namespace lacks are skipped.
        """
        values = {name: self.value_of(name) for name in sorted(set(names)) if self._has(name)}
        self._measures = {}
        self.buffers.begin()
        self._plans.begin()
        with watching():
            scope = self._scope()
            looks = _looks(scope, values)
            depths = self._depths(values, looks)
            groups = _partition(looks)
            found = [self._covariable(scope, values, looks, group) for group in groups]
            return _with_kin(found, looks, depths)

    def _depths(self, values: Mapping[str, Any], looks: Mapping[str, Walk]) -> dict[str, Walk]:
        """Walks that go on inside what has no canonical form, for the names that hold any."""
        scope = Scope(self.namespace, self._plans, self.buffers, hashing=False, through=True)
        return {name: Walk(scope, [values[name]]) for name, walk in looks.items() if walk.sealed}

    def value(self, value: Any) -> Valued:
        """Digest one value, whether a variable holds it or not; functions and classes by content."""
        with nullcontext() if type(value) in BASIC else watching():
            walk = Walk(self._scope(), [value])
        return Valued(walk.digest, frozenset(walk.needs), walk.refused)

    def digest_of(self, values: Sequence[Any]) -> Digest:
        """Digest of several values together, as that of the co-variable that they would be."""
        with watching():
            scope = self._scope()
            looks = _looks(scope, {str(place): value for place, value in enumerate(values)})
            return _together(scope, values, list(looks.values())).digest

    def measure(self, covariable: Covariable) -> Measure:
        """What saving needs to know; found out again where the co-variable is not of the last analysis."""
        known = self._measures.get(covariable.digest)
        if known is None:
            values = [self.value_of(name) for name in covariable.names]
            with watching():
                known = Measure.of(Walk(self._scope(hashing=False), values))
            self._measures[covariable.digest] = known
        return known

    def references(self, *names: str) -> frozenset[str]:
        """Other variables that functions and classes in the values of these refer to by name; nothing is digested."""
        values = [self.namespace[name] for name in names if name in self.namespace]
        if not values:
            return frozenset()
        with watching():
            scope = Scope(self.namespace, self._plans, self.buffers, hashing=False, through=True)
            walk = Walk(scope, values)
        return frozenset((walk.needs | _states_of(walk)) - set(names))

    def value_of(self, name: str) -> Any:
        """What a name stands for: a variable's value, or state outside of them."""
        return self.namespace[name] if name in self.namespace else self._outside.value(name)

    def _has(self, name: str) -> bool:
        return name in self.namespace or self._outside.holds(name)

    def _scope(self, *, hashing: bool = True) -> Scope:
        return Scope(self.namespace, self._plans, self.buffers, hashing, places=self.places)

    def _covariable(
        self, scope: Scope, values: Mapping[str, Any], looks: Mapping[str, Walk], names: Sequence[str]
    ) -> Covariable:
        digests = {name: looks[name].digest for name in names}
        whole = _together(scope, [values[name] for name in names], [looks[name] for name in names])
        opaque = whole.refused or next((looks[name].refused for name in names if looks[name].refused), "")
        needs = set().union(*(looks[name].needs | _states_of(looks[name]) for name in names)) - set(names)
        places = tuple(sorted(set().union(*(looks[name].places for name in names))))
        if opaque:
            nothing = dict.fromkeys(names, "")
            return Covariable(tuple(names), nothing, "", tuple(sorted(needs)), opaque, places=places)
        self._measures[whole.digest] = Measure.of(whole)
        return Covariable(tuple(names), digests, whole.digest, tuple(sorted(needs)), places=places)


def _together(scope: Scope, values: Sequence[Any], looks: Sequence[Walk]) -> Walk:
    """One walk through several values, the largest first: mostly, what the others hold is behind it then.

    Where there is code among them it starts from all, because who defines a class, and who refers to it, counts.
    """
    if len(values) > 1 and any(issubclass(kind, _CODE) for look in looks for kind in look.types):
        return Walk(scope, values)
    order = sorted(range(len(values)), key=lambda place: -looks[place].nodes)
    whole = looks[order[0]]
    for place in order[1:]:
        whole = Walk(scope, [values[place], place], after=whole)
    return whole


def _with_kin(
    found: list[Covariable], looks: Mapping[str, Walk], depths: Mapping[str, Walk]
) -> list[Covariable]:
    """Tell each co-variable which others share objects with something inside it that has no canonical form.

    These are compared and saved apart, but a change of one may be seen in the other.
    """
    if not depths:
        return found
    place = {name: number for number, one in enumerate(found) for name in one.names}
    kin: dict[int, set[str]] = {number: set() for number in range(len(found))}
    holders: dict[int, set[str]] = {}
    for name, walk in (*looks.items(), *depths.items()):
        for key in walk.shared:
            holders.setdefault(key, set()).add(name)
    named = {id(one): name for name, walk in (*looks.items(), *depths.items()) for one in walk.stretches}
    stretches = [
        one for walk in (*looks.values(), *depths.values()) for one in walk.stretches if one.end > one.start
    ]
    together = [{named[id(one)] for one in cluster} for cluster in overlapping(stretches)]
    for names in (*holders.values(), *together):
        if len(names) > 1 and not names.isdisjoint(depths):
            for name in names:
                kin[place[name]] |= names
    result = []
    for number, one in enumerate(found):
        own = set(one.names)
        inside = set().union(*(depths[name].needs | _states_of(depths[name]) for name in own & depths.keys()))
        needs = tuple(sorted({*one.needs, *inside} - own))
        result.append(attrs.evolve(one, kin=tuple(sorted(kin[number] - own)), needs=needs))
    return result


def _looks(scope: Scope, values: Mapping[str, Any]) -> dict[str, Walk]:
    """One walk a value; names of one and the same object share it."""
    made: dict[int, Walk] = {}
    looks: dict[str, Walk] = {}
    for name, value in values.items():
        if id(value) not in made:
            made[id(value)] = Walk(scope, [value])
        looks[name] = made[id(value)]
    return looks


def _partition(looks: Mapping[str, Walk]) -> list[list[str]]:
    groups = _Groups.of(looks)
    if len(looks) > 1:
        _by_objects(looks, groups)
        _by_memory(looks, groups)
        _by_cycles(looks, groups)
    return groups.all()


def _by_objects(looks: Mapping[str, Walk], groups: _Groups) -> None:
    """Join the names that reach the same mutable object; the largest value comes last, and need not be indexed."""
    names: dict[int, list[str]] = {}
    for name, walk in looks.items():
        names.setdefault(id(walk), []).append(name)
    owners: dict[int, str] = {}
    ordered = sorted(names.values(), key=lambda same: len(looks[same[0]].met.ids))
    for same in ordered:
        shared = looks[same[0]].shared
        if shared:
            for name in same[1:]:
                groups.join(name, same[0])
        for key in owners.keys() & shared:
            groups.join(same[0], owners[key])
        if same is not ordered[-1]:
            owners.update(dict.fromkeys(shared, same[0]))


def _by_memory(looks: Mapping[str, Walk], groups: _Groups) -> None:
    """Join the names whose arrays overlap; frames alone do not join."""
    named = {id(one): name for name, walk in looks.items() for one in walk.stretches}
    for cluster in overlapping(
        one for walk in looks.values() for one in walk.stretches if one.end > one.start
    ):
        if any(one.shared for one in cluster):
            for one in cluster[1:]:
                groups.join(named[id(one)], named[id(cluster[0])])


def _by_cycles(looks: Mapping[str, Walk], groups: _Groups) -> None:
    """Join the names that hold each other by name: neither could be built before the other."""
    reach = {name: _reach(name, looks) for name in looks if looks[name].held}
    for name, reached in reach.items():
        for other in reached:
            if name in reach.get(other, ()):
                groups.join(name, other)


def _reach(name: str, looks: Mapping[str, Walk]) -> set[str]:
    seen: set[str] = set()
    stack = [name]
    while stack:
        for other in looks[stack.pop()].held:
            if other in looks and other not in seen:
                seen.add(other)
                stack.append(other)
    return seen


@define
class _Groups:
    """Union-find over names."""

    above: dict[str, str]

    @classmethod
    def of(cls, names: Iterable[str]) -> _Groups:
        return cls({name: name for name in names})

    def top(self, name: str) -> str:
        while self.above[name] != name:
            self.above[name] = self.above[self.above[name]]
            name = self.above[name]
        return name

    def join(self, one: str, other: str) -> None:
        self.above[self.top(one)] = self.top(other)

    def all(self) -> list[list[str]]:
        groups: dict[str, list[str]] = {}
        for name in self.above:
            groups.setdefault(self.top(name), []).append(name)
        return list(groups.values())
