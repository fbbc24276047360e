"""Line magics of both kernels and of the extension: ``%rewind``, ``%nbrewind``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from IPython.core.error import UsageError as MagicError

from nbrewind.errors import NbrewindError
from nbrewind.kernels.rewind import Arrival, Rewinder
from nbrewind.record.model import CellRun
from nbrewind.report.words import cell_name, seconds, several
from nbrewind.tasks.policies import POLICIES


def install(shell: Any, rewinder: Callable[[], Rewinder | None]) -> None:
    """Define the magics in a shell.

    Parameters
    ----------
    shell
        IPython's.
    rewinder
        Returns what goes back, nothing where nothing is recorded.
    """

    def rewind(line: str) -> None:
        """Go back to the state right after a recorded cell run; without CELL, list the cell runs.

        ``%rewind CELL``: CELL is a cell's identifier, its index among the code cells from 0, or its execution count.
        """
        found = rewinder()
        if found is None:
            print("[nbrewind] nothing is recorded in this session, so there is nothing to go back to")
        elif not found.idle:
            _rewind(found, line.strip())

    def nbrewind(line: str) -> None:
        """Say what is recorded where, or change it from here on.

        ``fresh`` reuses nothing, ``fresh off`` ends that; ``environments exact|compatible|any`` says how like workers'
        software must be for results of tasks to be reused.
        """
        found = rewinder()
        if found is None:
            print("[nbrewind] nothing is recorded in this session")
        elif not found.idle:
            print(_session(found, line.split()))

    for magic in (rewind, nbrewind):
        shell.register_magic_function(magic, magic_kind="line", magic_name=magic.__name__)


def remove(shell: Any) -> None:
    """Take the magics out of a shell."""
    for name in ("rewind", "nbrewind"):
        shell.magics_manager.magics["line"].pop(name, None)


def _session(rewinder: Rewinder, words: list[str]) -> str:
    if words in (["fresh"], ["fresh", "on"], ["fresh", "off"]):
        rewinder.set_fresh(words[-1] != "off")
    elif words[:1] == ["environments"] and len(words) == 2 and words[1] in POLICIES:
        rewinder.set_environments(words[1])
    elif words:
        raise MagicError(
            f"%nbrewind {' '.join(words)}: say %nbrewind, %nbrewind fresh, %nbrewind fresh off or "
            f"%nbrewind environments {'|'.join(POLICIES)}"
        )
    settings = rewinder.settings
    text = f"[nbrewind] {settings.kind} of {settings.notebook.name}, recorded in {settings.record}"
    if settings.environments != "compatible":
        text += f"; workers' environments: {settings.environments}"
    return text + ("; nothing is reused" if settings.fresh else "")


def _rewind(rewinder: Rewinder, name: str) -> None:
    if not name:
        print(listing(rewinder.recorded()))
        return
    try:
        arrival = rewinder.go(rewinder.find(name))
    except NbrewindError as error:  # ends the cell: what follows would not see the state that was asked for
        raise MagicError(str(error)) from None
    print(told(arrival))


def listing(cells: Sequence[CellRun]) -> str:
    """Cell runs, one a line, as the argument of ``%rewind`` names them."""
    if not cells:
        return "[nbrewind] no cell run is recorded yet"
    rows = [("count", "cell", "", "took", "code")]
    for cell in cells:
        code = next(
            (line for line in map(str.strip, cell.source.splitlines()) if line and line[0] != "#"), ""
        )
        count = "" if cell.execution_count is None else f"[{cell.execution_count}]"
        name = cell.cell_id or ("" if cell.index is None else str(cell.index)) or f"#{cell.seq}"
        rows.append((count, name, cell.action, seconds(cell.seconds), code[:60]))
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    ]
    return "\n".join([f"cell runs of run {cells[0].run}; %rewind CELL goes to the state after one:", *lines])


def told(arrival: Arrival) -> str:
    """What became of the variables, in a few lines."""
    run = arrival.run
    name = f" ({run.cell_id})" if run.cell_id and run.index is not None else ""
    total = len(arrival.kept) + len(arrival.saved) + len(arrival.remade) + len(arrival.lost)
    where = f" of run {run.run}" if arrival.earlier else ""
    lines = [f"[nbrewind] the state after {cell_name(run)}{name}{where}: {several(total, 'variable')}"]
    if arrival.gone:
        lines.append(f"  gone: {_names(arrival.gone)}")
    for name, cell in arrival.remade.items():
        when = "made it again" if arrival.settled else "makes it again when it is needed"
        lines.append(f"  {name} is not saved: {cell} {when}")
    if arrival.lost:
        lines.append(
            f"  cannot be brought back: {_names(arrival.lost)} (neither saved, nor made by a cell that is known)"
        )
    for state in arrival.ambient_lost:
        lines.append(f"  stays as it is: the {state} state, of which the record holds no copy")
    return "\n".join(lines)


def _names(names: Iterable[str], limit: int = 12) -> str:
    shown = list(names)
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more
