"""Cells with explicit inputs and outputs, and an order in which they give the same results in one namespace.

In a dataflow notebook a cell says whose output it takes, so its place in the file means nothing. In a plain notebook a
name holds what the last cell left there; so of two cells that leave one name, all that take it from the first come
before the second.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from attrs import frozen

from nbrewind.errors import NoOrder
from nbrewind.plan.graph import Graph, Item


@frozen
class Input:
    """Something that a cell reads, and the cell that it takes it from ("": what was there before the notebook)."""

    item: Item
    maker: str


@frozen
class Declared:
    """A cell that says what it reads and leaves."""

    cell_id: str
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Item, ...] = ()


def declared(graph: Graph) -> list[Declared]:
    """Say of each cell of a graph what it reads of which other, and what it leaves.

    What no cell leaves is named only where it is a file: everything else of that kind is the interpreter's own.
    """
    made = {item for part in graph.parts for item in part.leaves}
    found = []
    for place, part in enumerate(graph.parts):
        inputs = {
            item: graph.parts[arrow.maker].cell_id
            for arrow in graph.arrows
            if arrow.reader == place
            for item in arrow.items
        }
        for item in part.reads:
            if item not in inputs and (item.kind == "file" or item in made):
                inputs[item] = ""
        named = tuple(Input(item, maker) for item, maker in sorted(inputs.items()))
        found.append(Declared(part.cell_id, named, part.leaves))
    return found


def linear(cells: Sequence[Declared]) -> list[int]:
    """Places of the cells in an order that is valid in one namespace; as given, as far as that is valid.

    Raises
    ------
    NoOrder
        A cell takes something from a cell that is not there or does not leave it, or no order keeps apart what several
        cells call by one name.
    """
    places = {cell.cell_id: place for place, cell in enumerate(cells)}
    after: set[tuple[int, int]] = set()
    takers: dict[tuple[Item, int], list[int]] = {}
    for place, cell in enumerate(cells):
        for one in cell.inputs:
            maker = _maker(cells, places, cell, one)
            takers.setdefault((one.item, maker), []).append(place)
            if maker >= 0:
                after.add((maker, place))
    rank = {place: number for number, place in enumerate(_sorted(cells, after))}
    makers: dict[Item, list[int]] = {}
    for place in sorted(rank, key=lambda one: rank[one]):
        for item in cells[place].outputs:
            makers.setdefault(item, []).append(place)
    for item, chain in makers.items():
        for earlier, later in zip([-1, *chain], chain, strict=False):
            before = {earlier, *takers.get((item, earlier), ())} - {-1, later}
            after |= {(one, later) for one in before}
    return _sorted(cells, after)


def _maker(cells: Sequence[Declared], places: dict[str, int], cell: Declared, wanted: Input) -> int:
    if not wanted.maker:
        return -1
    maker = places.get(wanted.maker)
    if maker is None or wanted.item not in cells[maker].outputs:
        why = "which is not in the notebook" if maker is None else "which does not leave it"
        raise NoOrder(f"cell {cell.cell_id} takes {wanted.item} from cell {wanted.maker}, {why}")
    return maker


def _sorted(cells: Sequence[Declared], after: Iterable[tuple[int, int]]) -> list[int]:
    """Topological order; among cells that could come next, the one that stands first."""
    followers: dict[int, list[int]] = {}
    waits = [0] * len(cells)
    for first, second in after:
        followers.setdefault(first, []).append(second)
        waits[second] += 1
    ready = [place for place, count in enumerate(waits) if count == 0]
    order: list[int] = []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for follower in followers.get(place, ()):
            waits[follower] -= 1
            if waits[follower] == 0:
                heapq.heappush(ready, follower)
    if len(order) < len(cells):
        left = ", ".join(cell.cell_id for place, cell in enumerate(cells) if place not in set(order))
        raise NoOrder(
            f"no order of these cells gives each what it takes: {left}; let them use different names, "
            "or let one of them take from another cell"
        )
    return order
