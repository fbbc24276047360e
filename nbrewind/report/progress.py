"""How a headless run shows that it goes on: bars in a terminal, plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from nbrewind.plan.sentences import sentences, task_sentences
from nbrewind.record.model import Reason, TaskCause
from nbrewind.report.lines import action
from nbrewind.report.words import seconds
from nbrewind.tasks.tally import Tally

INTERVAL = 60.0
"""Seconds between two lines about tasks in a log."""


class ConsoleProgress:
    """Implements `nbrewind.kernels.headless.Progress` on a terminal or a log.

    Parameters
    ----------
    console
        Where it goes; standard error, so that ``--json`` has standard output to itself.
    quiet
        Show notes only.
    clock
        Seconds.
    """

    def __init__(
        self, console: Console, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console, self._quiet, self._clock = console, quiet, clock
        self._total = self._index = 0
        self._bars: Progress | None = None
        self._cells: TaskID | None = None
        self._managers: dict[str, TaskID] = {}
        self._told = clock()

    def begin(self, total: int) -> None:
        """So many code cells will be looked at."""
        self._total = total
        if self._console.is_terminal and not self._quiet:
            columns = (BarColumn(20), TextColumn("{task.description}"))
            self._bars = Progress(*columns, console=self._console, transient=True)
            self._cells = self._bars.add_task("starting the kernel", total=total)
            self._bars.start()

    def cell(self, index: int, source: str) -> None:
        """A code cell is being looked at now."""
        self._index, self._told = index, self._clock()
        if self._bars is not None and self._cells is not None:
            first = next((line.strip() for line in source.splitlines() if line.strip()), "")
            text = f"cell {index} of {self._total}: [dim]{_plain(first)}"
            self._bars.update(self._cells, completed=index, description=text)

    def tasks(self, tallies: Sequence[Tally]) -> None:
        """How the tasks of the cell that runs stand; empty: they need no more watching."""
        if self._bars is not None:
            self._draw(self._bars, tallies)
        elif tallies and not self._quiet and self._clock() - self._told >= INTERVAL:
            self._told = self._clock()
            for tally in tallies:
                self._console.print(
                    f"  cell {self._index:>3}  {_stand(tally)}", highlight=False, soft_wrap=True, markup=False
                )

    def _draw(self, bars: Progress, tallies: Sequence[Tally]) -> None:
        """A bar a manager."""
        names = {tally.manager for tally in tallies}
        for gone in self._managers.keys() - names:
            bars.remove_task(self._managers.pop(gone))
        for tally in tallies:
            if tally.manager not in self._managers:
                self._managers[tally.manager] = bars.add_task("")
            bars.update(
                self._managers[tally.manager],
                total=tally.total,
                completed=tally.finished,
                description=escape(_stand(tally)),
            )

    def done(self, entry: dict[str, Any]) -> None:
        """A cell is done with."""
        if self._quiet:
            return
        because = [Reason(**{k: v for k, v in reason.items() if k in _FIELDS}) for reason in entry["because"]]
        why = "" if entry["action"] in ("restored", "skipped") else f"[dim]{_plain(sentences(because))}"
        if causes := task_sentences([TaskCause(**cause) for cause in entry.get("task_causes", ())]):
            why += f"[dim]; tasks {_plain(causes)}"
        if beside := _beside(entry.get("beside", {})):
            why += f"[dim]; {_plain(beside)}"
        name = action(entry["action"])
        self._console.print(
            f"  cell {entry['index']:>3}  [{name.style or 'none'}]{name.plain:<9}[/]"
            f" {seconds(entry['seconds']):>8}  {why}",
            highlight=False,
            soft_wrap=True,
        )

    def note(self, text: str) -> None:
        """Something that the user should know."""
        self._console.print(f"[yellow]note:[/] {escape(text)}", highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


def _stand(tally: Tally) -> str:
    """How the tasks of a manager stand, in one line."""
    text = (
        f"tasks: {tally.reused} reused, {tally.done} done, {tally.running} running, {tally.waiting} waiting, "
        f"{tally.failed} failed; {tally.workers} worker{'s' * (tally.workers != 1)}"
    )
    return text + (f", about {seconds(tally.left)} left" if tally.left else "")


def _beside(told: dict[str, Any]) -> str:
    """Whether a cell ran beside others, and what kept it from that."""
    match told.get("ran"):
        case "lane":
            return "beside others"
        case "again":
            return f"again after {seconds(told['wasted'])} beside others: {told['why']}"
        case _:
            return f"in order: {told['why']}" if told.get("why") else ""


_FIELDS = ("kind", "name", "before", "after", "run")


def _plain(text: str) -> str:
    return escape(text[:160])
