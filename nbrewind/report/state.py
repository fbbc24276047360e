"""The variables after a recorded cell run: type, value, size, and where the record keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import asdict, frozen
from rich.table import Table

from nbrewind.plan.decide import short
from nbrewind.record.model import CellRun, Covariable, Digest
from nbrewind.record.store import Record
from nbrewind.report.words import cell_name, size


@frozen
class Held:
    """One variable at one moment.

    Parameters
    ----------
    type, value
        In few words; empty where the record does not tell.
    shares
        Other variables that it shares objects with.
    bytes
        Size of what is saved of it and of all that it shares objects with; ``None`` if nothing is.
    file
        The checkpoint, in the record's folder ``checkpoints``.
    unsaved
        Why there is none: it is made again by the cell that left it.
    cell
        The cell that left it.
    """

    name: str
    type: str
    value: str
    digest: Digest
    shares: tuple[str, ...]
    bytes: int | None
    file: str
    unsaved: str
    cell: str


def versions_after(cells: Iterable[CellRun], seq: int) -> dict[str, tuple[Covariable, CellRun]]:
    """Which version each variable had after the cell run of that number, and which cell run left it."""
    state: dict[str, tuple[Covariable, CellRun]] = {}
    for cell in cells:
        if cell.seq > seq:
            break
        for made in cell.covariables:
            state.update(dict.fromkeys(made.names, (made, cell)))
        for name in cell.deleted:
            state.pop(name, None)
    return state


def variables_after(record: Record, cell: CellRun) -> list[Held]:
    """The variables after a cell run, by name."""
    state = versions_after(record.cells(cell.run), cell.seq)
    return [_held(record, name, *state[name], state.keys()) for name in sorted(state)]


def _held(record: Record, name: str, made: Covariable, cell: CellRun, present: Iterable[str]) -> Held:
    location = None if made.opaque else record.locate(made.digest)
    shares = tuple(other for other in made.names if other != name and other in present)
    return Held(
        name,
        cell.types.get(name, ""),
        cell.previews.get(f"={name}", ""),
        made.digests[name],
        shares,
        None if location is None else sum(_sizes(record, made.digest, set())),
        "" if location is None else location.file,
        made.opaque or ("" if location else "its content was not saved"),
        cell_name(cell),
    )


def _sizes(record: Record, digest: Digest, seen: set[Digest]) -> Iterator[int]:
    """Bytes of saved content, and of all that it needs."""
    location = None if digest in seen else record.locate(digest)
    seen.add(digest)
    if location is not None:
        yield location.size
        for need in location.needs:
            yield from _sizes(record, need, seen)


def as_json(cell: CellRun, held: Iterable[Held]) -> dict[str, Any]:
    """The published form, schema 1."""
    return {
        "schema": 1,
        "run": cell.run,
        "cell": {"id": cell.cell_id, "index": cell.index, "seq": cell.seq},
        "variables": [asdict(one) for one in held],
    }


def as_table(held: Iterable[Held]) -> Table:
    """The same for a terminal."""
    table = Table(box=None, pad_edge=False)
    for title in ("variable", "type", "value", "digest", "left by", "saved", "where"):
        table.add_column(title, overflow="fold", justify="right" if title == "saved" else "left")
    for one in held:
        where = one.file or f"made again when needed: {one.unsaved}"
        if one.shares:
            where += f", with {', '.join(one.shares)}"
        saved = "" if one.bytes is None else size(one.bytes)
        table.add_row(one.name, one.type, one.value, short(one.digest), one.cell, saved, where)
    return table
