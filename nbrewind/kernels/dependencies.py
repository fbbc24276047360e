"""The graph of a notebook on disk: cells that have run as they are now by their record, the others by their code."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from attrs import evolve
from IPython.core.inputtransformer2 import TransformerManager

from nbrewind.cells.code import CellCode, read_cell
from nbrewind.kernels.notebooks import code_cells
from nbrewind.kernels.outlook import last_runs
from nbrewind.plan.graph import Graph, Part, connect, predicted, recorded
from nbrewind.record.model import CellRun
from nbrewind.record.store import Record


def notebook_graph(notebook: Any, path: Path, record: Record | None) -> Graph:
    """How the cells of a notebook depend on each other.

    Parameters
    ----------
    notebook, path
        The notebook, and where it lies.
    record
        Its record, if it has one.
    """
    known = last_runs(record, path.name) if record is not None else {}
    cells = [
        (index, cell.id, read_cell(cell.source, TransformerManager().transform_cell))
        for index, cell in enumerate(code_cells(notebook))
        if cell.source.strip() and "skip-execution" not in cell.metadata.get("tags", [])
    ]
    modules = frozenset(name for _, _, code in cells for name in _modules(code.source))
    return connect(
        _recorded(cell_id, index, code, record, known.get(cell_id))
        or predicted(cell_id, index, code, modules)
        for index, cell_id, code in cells
    )


def _recorded(
    cell_id: str, index: int, code: CellCode, record: Record | None, last: CellRun | None
) -> Part | None:
    if last is None or last.code != code.digest or last.status != "ok":
        traces = record.traces(code.digest) if record is not None else ()
        last = next(iter(traces), None)
    if last is None:
        return None
    return evolve(recorded(last), cell_id=cell_id, index=index, source=code.source)


def _modules(source: str) -> set[str]:
    """Names that ``import`` statements of a cell bind."""
    try:
        tree = ast.parse(TransformerManager().transform_cell(source))
    except (SyntaxError, ValueError):
        return set()
    return {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }


def run_graph(record: Record, run_id: str) -> Graph:
    """How the cells of a recorded run depended on each other, in the order in which they ran."""
    return connect(recorded(cell) for cell in record.cells(run_id))
