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

    def add(self, ids: list[int], unique: set[int]) -> bool:
        """Number these, if none of them was met before and each occurs once; say whether that was so."""
        return self.add_some(ids, unique, range(len(ids)), len(ids))

    def add_some(self, ids: list[int], unique: set[int], places: Sequence[int], size: int) -> bool:
        """The same for some of `size` objects, at these places among them; the others are held once."""
        if len(unique) != len(ids) or not self.ids.isdisjoint(unique):
            return False
        self.ids |= unique
        start = self._size
        numbers = range(start, start + size) if len(ids) == size else [start + place for place in places]
        self._groups.append((ids, numbers))
        self._size += size
        return True

    def add_held_once(self, group: Sequence[Any], lists: int) -> bool:
        """Number a group if it is plain that none of it was met before; say whether it is.

        An object that only its container and `lists` lists of the walk refer to is held nowhere else.
        """
        counts = list(map(getrefcount, group))
        alone = counts.count(_ALONE + lists)
        if alone == len(group):
            self._size += len(group)
            return True
        if alone * 2 < len(group):
            return False
        places = [place for place, count in enumerate(counts) if count != _ALONE + lists]
        ids = [id(group[place]) for place in places]
        return self.add_some(ids, set(ids), places, len(group))

    def place(self, key: int) -> tuple[int, bool]:
        """The number of one id, and whether it was met before."""
        if key in self.ids:
            return self.number(key), True
        self.ids.add(key)
        self._groups.append(([key], (self._size,)))
        self._size += 1
        return self._size - 1, False

    def number(self, key: int) -> int:
        """The number of an id; -1 where it was not met."""
        while self._indexed < len(self._groups):
            ids, numbers = self._groups[self._indexed]
            self._numbers.update(zip(ids, numbers, strict=True))
            self._indexed += 1
        return self._numbers.get(key, -1)

    def __contains__(self, key: int) -> bool:
        return key in self.ids


def _count_alone() -> int:
    """How often an object is referred to that one list holds, as `getrefcount` says to `map`, less that list."""
    (count,) = map(getrefcount, [[]])
    return count


_ALONE = _count_alone()
"""... by its container."""
