"""A cell as a front end sends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import frozen


@frozen
class Cell:
    """One request to run code.

    Parameters
    ----------
    source
        As typed.
    id
        The cell's identifier in the notebook ("" where the front end gives none).
    index
        Its place among the code cells, where known.
    tags
        Its tags.
    take
        The ``run/seq`` whose effects are to be taken over without asking whether they hold ("" where that is asked).
    """

    source: str
    id: str = ""
    index: int | None = None
    tags: frozenset[str] = frozenset()
    take: str = ""

    @property
    def may_fail(self) -> bool:
        """Whether an exception is what its author expects."""
        return "raises-exception" in self.tags


def cell_of(code: str, cell_id: str | None, metadata: Any) -> Cell:
    """The cell of an execute request.

    Parameters
    ----------
    code
        As typed.
    cell_id
        What the front end calls it.
    metadata
        Of the request; whatever is not as expected is left out.
    """
    metadata = metadata if isinstance(metadata, dict) else {}
    own = metadata.get("nbrewind") if isinstance(metadata.get("nbrewind"), dict) else {}
    tags = metadata.get("tags") if isinstance(metadata.get("tags"), list) else []
    known = frozenset(tag for tag in tags if isinstance(tag, str))
    return Cell(code, cell_id or "", own.get("index"), known, str(own.get("take", "")))


def expected_cells(metadata: Any) -> list[Cell]:
    """The cells that will be asked for, where a request announces them; its own is the first."""
    own = metadata.get("nbrewind") if isinstance(metadata, dict) else None
    ahead = own.get("ahead") if isinstance(own, dict) else None
    if not isinstance(ahead, list):
        return []
    return [
        Cell(one["source"], one["id"], one["index"], frozenset(one["tags"]))
        for one in ahead
        if isinstance(one, dict)
    ]


def announced(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """Cells in the form in which a request announces them."""
    return [
        {"source": one.source, "id": one.id, "index": one.index, "tags": sorted(one.tags)} for one in cells
    ]
