"""Which objects a walk has met, and the number of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


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

    def skip(self, size: int) -> None:
        """Number objects that are held once."""
        self._size += size

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
