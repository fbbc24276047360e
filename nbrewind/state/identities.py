"""Which objects a walk has met, and the number of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sys import getrefcount
from typing import Any


class Identities:
    """Numbers objects, by their ids, in the order in which they are met.

    Most walks meet no object twice, so the numbers themselves are only looked up when one does.

    Parameters
    ----------
    known
        Ids that have the first numbers.

    Attributes
    ----------
    ids
        The ids met, but for objects that are held once, and so cannot be met again.
    """

    __slots__ = ("_groups", "_indexed", "_numbers", "_size", "ids")

    def __init__(self, known: Iterable[int]) -> None:
        first = list(known)
        self.ids: set[int] = set(first)
        self._groups: list[tuple[list[int], Iterable[int]]] = [(first, range(len(first)))]
        self._numbers: dict[int, int] = {}
        self._indexed = 0
        self._size = len(first)

    def copy(self) -> Identities:
        """Another that has met the same."""
        other = Identities(())
        other.ids = set(self.ids)
        other._groups, other._size = list(self._groups), self._size
        other._numbers, other._indexed = dict(self._numbers), self._indexed
        return other

    def add(
        self, group: Sequence[Any], lists: int | None, needed: Sequence[bool] = ()
    ) -> list[tuple[int, int]]:
        """Number objects; returns the place and the number of each that was met before, here or earlier.

        Parameters
        ----------
        group
            The objects, in order.
        lists
            How many lists of the walk hold each of them, so that those which nothing but their container holds
            besides can be left out of the index: they cannot be met again. `None` to index all.
        needed
            Of each object, whether it is to be in the index in any case.
        """
        places = _held_elsewhere(group, lists, needed)
        ids = [id(group[place]) for place in places] if len(places) < len(group) else list(map(id, group))
        unique = set(ids)
        if len(unique) == len(ids) and self.ids.isdisjoint(unique):
            self.ids |= unique
            start = self._size
            self._groups.append((ids, _shifted(places, start)))
            self._size += len(group)
            return []
        common = self.ids & unique
        if len(unique) == len(ids) and len(common) * _FEW < len(ids):
            known = self._add_between(ids, places, common)
        else:
            known = self._add_each(ids, places)
        self._size += len(group) - len(known)
        return known

    # A new object has the number that follows from its place and from how many before it are known: what holds it,
    # and so which path is taken, must not show.

    def _add_between(self, ids: list[int], places: Sequence[int], common: set[int]) -> list[tuple[int, int]]:
        """Number a group, each of which occurs once, that has a few known ones: run by run between these."""
        numbers = self._index()
        met = [at for at, key in enumerate(ids) if key in common]
        begin = 0
        for count, at in enumerate([*met, len(ids)]):
            self._groups.append((ids[begin:at], _shifted(places[begin:at], self._size - count)))
            begin = at + 1
        self.ids.update(ids)
        return [(places[at], numbers[ids[at]]) for at in met]

    def _add_each(self, ids: list[int], places: Sequence[int]) -> list[tuple[int, int]]:
        """Number a group one by one."""
        numbers, met = self._index(), self.ids
        known: list[tuple[int, int]] = []
        for key, place in zip(ids, places, strict=True):
            if key in met:
                known.append((place, numbers[key]))
            else:
                met.add(key)
                numbers[key] = self._size + place - len(known)
        return known

    def number(self, key: int) -> int:
        """The number of an id; -1 where it was not met."""
        return self._index().get(key, -1)

    def _index(self) -> dict[int, int]:
        while self._indexed < len(self._groups):
            ids, numbers = self._groups[self._indexed]
            self._numbers.update(zip(ids, numbers, strict=True))
            self._indexed += 1
        return self._numbers

    def __contains__(self, key: int) -> bool:
        return key in self.ids


def _held_elsewhere(group: Sequence[Any], lists: int | None, needed: Sequence[bool]) -> Sequence[int]:
    """Places of the objects that something else may hold too, and of those that are needed; all, if these are most."""
    if lists is None or len(group) < _WORTH_COUNTING:
        return range(len(group))
    once = _ALONE + lists
    counts = list(map(getrefcount, group))
    alone = counts.count(once)
    if alone * 2 < len(group):
        return range(len(group))
    if any(needed):
        return [place for place, count in enumerate(counts) if count != once or needed[place]]
    return [place for place, count in enumerate(counts) if count != once] if alone < len(group) else []


_WORTH_COUNTING = 32
_FEW = 8


def _shifted(places: Sequence[int], start: int) -> Sequence[int]:
    if isinstance(places, range):
        return range(start + places.start, start + places.stop)
    return [start + place for place in places]


def _count_alone() -> int:
    """How often an object is referred to that one list holds, as `getrefcount` says to `map`, less that list."""
    (count,) = map(getrefcount, [[]])
    return count


_ALONE = _count_alone()
"""... by its container."""
