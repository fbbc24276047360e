"""Which cells must wait for which: one fold over those that are still to come, in order.

Of each thing that a cell reads there are four answers. *exact*: its version is the one that is there now. *changed*: a
cell before it will write it anew. *unknown*: a cell before it may write anything. *absent*: there is no such thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from attrs import frozen

from nbrewind.schedule.access import Access, Place

Answer = Literal["exact", "changed", "unknown", "absent"]


@frozen
class Input:
    """What is known of one thing that a cell reads; `by` is the place of the cell that stands between, if one does."""

    place: Place
    answer: Answer
    by: int | None = None


@frozen
class Prospect:
    """What is expected of one cell.

    Parameters
    ----------
    number
        Its place in the notebook.
    access
        What it reads and writes.
    inputs
        What is known of each thing that it reads.
    after
        Cells that must have run before it.
    """

    number: int
    access: Access
    inputs: tuple[Input, ...] = ()
    after: frozenset[int] = frozenset()

    @property
    def ready(self) -> bool:
        """Whether all that it reads is there."""
        return not self.after


def foresee(cells: Iterable[tuple[int, Access]], present: Callable[[Place], bool]) -> list[Prospect]:
    """Fold over the cells that have not had their turn.

    Parameters
    ----------
    cells
        Place in the notebook and access of each, in order.
    present
        Whether there is such a thing now.

    Returns
    -------
    list of Prospect
        One a cell.
    """
    writers: dict[Place, int] = {}
    barrier: int | None = None
    seen: list[int] = []
    result: list[Prospect] = []
    for number, access in cells:
        inputs = tuple(_input(place, writers, barrier, present) for place in sorted(access.reads))
        after = {each.by for each in inputs if each.by is not None}
        if access.opens:
            after = set(seen)
        if barrier is not None:
            after.add(barrier)
        result.append(Prospect(number, access, inputs, frozenset(after)))
        writers |= dict.fromkeys(access.writes, number)
        if access.opens:
            barrier, writers = number, {}
        seen.append(number)
    return result


def _input(
    place: Place, writers: dict[Place, int], barrier: int | None, present: Callable[[Place], bool]
) -> Input:
    if place in writers:
        return Input(place, "changed", writers[place])
    if barrier is not None:
        return Input(place, "unknown", barrier)
    return Input(place, "exact" if present(place) else "absent")
