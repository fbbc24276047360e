"""How the cells of a notebook depend on each other, how deep that goes, and what running cells side by side could gain.

A pure model. A cell's part in it is what it reads and leaves: as its recorded run saw it, or, for code that has not run
yet, as its syntax lets one expect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Literal

from attrs import evolve, frozen

from nbrewind.cells.code import CellCode
from nbrewind.cells.observer import ALL_VARIABLES
from nbrewind.record.model import CellRun
from nbrewind.state import STATE_OF

ItemKind = Literal["variable", "file", "folder", "ambient"]
Level = Literal["recorded", "predicted"]
_EVIDENCE: Mapping[str, ItemKind] = {
    "variable": "variable",
    "covariable": "variable",
    "file": "file",
    "exists": "file",
    "listing": "folder",
    "ambient": "ambient",
}


@frozen(order=True)
class Item:
    """Something that one cell leaves and another reads: a variable, a file, the names in a folder, ambient state."""

    kind: ItemKind
    name: str

    def __str__(self) -> str:
        return self.name


@frozen
class Part:
    """A cell's part in the graph.

    Parameters
    ----------
    cell_id, index, source
        The cell.
    level
        Where `reads` and `leaves` come from.
    reads, leaves
        Items, sorted.
    seconds
        How long it ran (``None``: it has not run).
    everything
        Why it may read any variable, as far as one knows; empty if it does not.
    """

    cell_id: str
    index: int | None
    source: str
    level: Level
    reads: tuple[Item, ...] = ()
    leaves: tuple[Item, ...] = ()
    seconds: float | None = None
    everything: str = ""

    @property
    def title(self) -> str:
        """The beginning of its code."""
        lines = [line.strip() for line in self.source.splitlines()]
        return next((line for line in lines if line and not line.startswith("#")), "")


@frozen
class Arrow:
    """One cell reads what another left; both by their places in the graph."""

    maker: int
    reader: int
    items: tuple[Item, ...]


@frozen
class Graph:
    """Cells in the order in which they run, and the arrows between them."""

    parts: tuple[Part, ...]
    arrows: tuple[Arrow, ...]

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Of each cell, how many cells the longest chain that ends with it has."""
        return tuple(round(end) for end, _ in self._ends([1.0] * len(self.parts)))

    @property
    def depth(self) -> int:
        """Cells of the longest chain."""
        return max(self.levels, default=0)

    @property
    def seconds(self) -> float:
        """Of all cells, one after the other."""
        return sum(part.seconds or 0.0 for part in self.parts)

    @cached_property
    def critical(self) -> tuple[int, ...]:
        """Places of the chain of cells that takes longest, first to last."""
        ends = self._ends([part.seconds or 0.0 for part in self.parts])
        place = max(range(len(ends)), key=lambda one: ends[one][0], default=-1)
        chain: list[int] = []
        while place >= 0:
            chain.append(place)
            place = ends[place][1]
        return tuple(reversed(chain))

    @property
    def critical_seconds(self) -> float:
        """What remains if all other cells run beside that chain."""
        return sum(self.parts[place].seconds or 0.0 for place in self.critical)

    def bound(self, jobs: int = 0) -> float:
        """How many times as fast a run can be at best, with so many cells at once (0: any number)."""
        least = max(self.critical_seconds, self.seconds / jobs if jobs else 0.0)
        return self.seconds / least if least > 0 else 1.0

    def without(self, item: Item) -> Graph:
        """The graph if nobody minded what this item is."""
        kept = (
            evolve(arrow, items=tuple(one for one in arrow.items if one != item)) for arrow in self.arrows
        )
        return Graph(self.parts, tuple(arrow for arrow in kept if arrow.items))

    def _ends(self, weights: Sequence[float]) -> list[tuple[float, int]]:
        """When each cell would be done if none waited for a processor, and the cell that it waits for longest."""
        waits: dict[int, list[int]] = {}
        for arrow in self.arrows:
            waits.setdefault(arrow.reader, []).append(arrow.maker)
        ends: list[tuple[float, int]] = []
        for place, weight in enumerate(weights):
            start, last = max(((ends[maker][0], maker) for maker in waits.get(place, ())), default=(0.0, -1))
            ends.append((start + weight, last))
        return ends


def recorded(run: CellRun) -> Part:
    """The part of a cell that ran, or whose run was restored."""
    reads = {
        _item(_EVIDENCE[seen.kind], name)
        for seen in run.evidence
        if seen.kind in _EVIDENCE
        for name in (seen.name.split() if seen.kind == "covariable" else (seen.name,))
    }
    everything = Item("folder", ALL_VARIABLES) in reads
    leaves = {_item("variable", name) for made in run.covariables for name in made.names}
    leaves |= {_item("variable", name) for name in run.deleted}
    leaves |= {Item("file", written.path) for written in run.files}
    leaves |= {Item("ambient", state.name) for state in run.ambient}
    return Part(
        run.cell_id,
        run.index,
        run.source,
        "recorded",
        tuple(sorted(reads - {Item("folder", ALL_VARIABLES)})),
        tuple(sorted(leaves)),
        run.seconds,
        "it looked at all variables" if everything else "",
    )


def _item(kind: ItemKind, name: str) -> Item:
    """State that no variable holds goes by a variable's name in the record."""
    if name.startswith(STATE_OF):
        return Item("ambient", f"module {name[len(STATE_OF) :]}")
    return Item(kind, name)


def predicted(cell_id: str, index: int, code: CellCode, modules: frozenset[str] = frozenset()) -> Part:
    """The part of a cell that has not run: names that it uses and binds, and what it seems to change in place.

    Parameters
    ----------
    cell_id, index, code
        The cell.
    modules
        Names of modules in the notebook: what is called through them changes no variable.
    """
    changed = {
        target.path[0]
        for target in code.targets
        if target.act != "call" or (target.discarded and len(target.path) == 2)
    } - modules
    reads = code.names.loads | code.names.deletes | code.quoted
    leaves = code.names.stores | code.names.deletes | (changed & reads)
    return Part(
        cell_id,
        index,
        code.source,
        "predicted",
        tuple(Item("variable", name) for name in sorted(reads)),
        tuple(Item("variable", name) for name in sorted(leaves)),
        None,
        code.opens or ("" if code.valid else "its code cannot be read"),
    )


def connect(parts: Iterable[Part]) -> Graph:
    """The graph of cells that run in this order."""
    cells = tuple(parts)
    makers: dict[Item, int] = {}
    arrows: dict[tuple[int, int], list[Item]] = {}
    for place, part in enumerate(cells):
        for item in _read(part, makers):
            arrows.setdefault((makers[item], place), []).append(item)
        for item in part.leaves:
            makers[item] = place
    return Graph(
        cells,
        tuple(Arrow(maker, reader, tuple(sorted(items))) for (maker, reader), items in arrows.items()),
    )


def _read(part: Part, makers: Mapping[Item, int]) -> list[Item]:
    """The items that a cell reads and that a cell before it made."""
    found = {item for item in part.reads if item in makers}
    folders = {item.name for item in part.reads if item.kind == "folder"}
    if folders:
        found |= {item for item in makers if item.kind == "file" and _folder(item.name) in folders}
    if part.everything:
        found |= {item for item in makers if item.kind == "variable"}
    return sorted(found)


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "/"
