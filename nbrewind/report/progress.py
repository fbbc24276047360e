"""How a headless run shows that it goes on: a live line in a terminal, plain lines in a log."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from nbrewind.plan.sentences import sentences
from nbrewind.record.model import Reason
from nbrewind.report.text import action, seconds


class ConsoleProgress:
    """Implements `nbrewind.kernels.headless.Progress` on a terminal or a log.

    Parameters
    ----------
    console
        Where it goes; standard error, so that ``--json`` has standard output to itself.
    quiet
        Show notes only.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._total = 0
        self._status: Status | None = None
        self._started = 0.0

    def begin(self, total: int) -> None:
        """So many code cells will be looked at."""
        self._total = total
        if self._console.is_terminal and not self._quiet:
            self._status = self._console.status("starting the kernel")
            self._status.start()

    def cell(self, index: int, source: str) -> None:
        """A code cell is being looked at now."""
        self._started = time.perf_counter()
        if self._status is not None:
            first = next((line.strip() for line in source.splitlines() if line.strip()), "")
            self._status.update(f"cell {index} of {self._total}: [dim]{_plain(first)}")

    def done(self, entry: dict[str, Any]) -> None:
        """A cell is done with."""
        if self._quiet:
            return
        because = [Reason(**{k: v for k, v in reason.items() if k in _FIELDS}) for reason in entry["because"]]
        why = "" if entry["action"] in ("restored", "skipped") else f"[dim]{_plain(sentences(because))}"
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
        """Take the live line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None


_FIELDS = ("kind", "name", "before", "after", "run")


def _plain(text: str) -> str:
    return escape(text[:160])
