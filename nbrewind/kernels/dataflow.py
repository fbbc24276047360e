"""Notebooks whose cells say in their metadata what they read of which other cell, and what they leave.

``cell.metadata.nbrewind`` gets ``inputs``, a list of objects with ``kind``, ``name`` and ``from`` (a cell's identifier,
``null`` for what was there before the notebook), ``outputs``, the same without ``from``, and ``level``: whether a run
has shown them (``recorded``) or the code lets expect them (``predicted``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

from nbrewind.errors import NotebookError
from nbrewind.kernels.notebooks import code_cells
from nbrewind.plan.graph import Graph, Item, ItemKind
from nbrewind.plan.order import Declared, Input, declared, linear

_OURS = "nbrewind"


def make_explicit(notebook: Any, graph: Graph) -> None:
    """Write what each cell reads and leaves into its metadata."""
    levels = {part.cell_id: part.level for part in graph.parts}
    known = {cell.cell_id: cell for cell in declared(graph)}
    for cell in code_cells(notebook):
        found = known.get(cell.id, Declared(cell.id))
        cell.metadata[_OURS] = {
            **cell.metadata.get(_OURS, {}),
            "level": levels.get(cell.id, "recorded"),
            "inputs": [
                {"kind": one.item.kind, "name": one.item.name, "from": one.maker or None}
                for one in found.inputs
            ],
            "outputs": [{"kind": item.kind, "name": item.name} for item in found.outputs],
        }


def make_linear(notebook: Any, path: Path) -> None:
    """Put the code cells into an order that gives each what its metadata says; text stays before the cell after it.

    Raises
    ------
    NotebookError
        The metadata of a cell is missing or malformed.
    NoOrder
        There is no such order.
    """
    groups: list[list[Any]] = [[]]
    for cell in notebook.cells:
        groups[-1].append(cell)
        if cell.cell_type == "code":
            groups.append([])
    rest = groups.pop()
    order = linear([_declared(group[-1], path) for group in groups])
    notebook.cells = [cell for place in order for cell in groups[place]] + rest


def _declared(cell: Any, path: Path) -> Declared:
    told = cell.metadata.get(_OURS, {})
    try:
        inputs = tuple(Input(_item(one), _from(one)) for one in told["inputs"])
        return Declared(cell.id, inputs, tuple(_item(one) for one in told["outputs"]))
    except (KeyError, TypeError, AttributeError, ValueError):
        raise NotebookError(
            f"{path}: cell {cell.id} does not say what it reads and leaves in metadata.{_OURS}.inputs and .outputs; "
            "`nbrewind convert --to explicit` writes them"
        ) from None


def _item(told: Any) -> Item:
    if told["kind"] not in get_args(ItemKind) or not isinstance(told["name"], str):
        raise ValueError(told)
    return Item(cast("ItemKind", told["kind"]), told["name"])


def _from(told: Any) -> str:
    maker = told.get("from")
    if maker is not None and not isinstance(maker, str):
        raise ValueError(told)
    return maker or ""
