"""The line below a running cell that says how its tasks stand, drawn anew in place.

It is nbrewind's own: the record does not see it, and when the cell ends one quiet line is left of it.
"""

from __future__ import annotations

import contextlib
import html
import secrets
from collections.abc import Sequence
from typing import Any

from attrs import asdict

from nbrewind.kernels.outputs import OutputTap
from nbrewind.kernels.quiet_line import STYLE, duration
from nbrewind.tasks.tally import Tally

PROGRESS = "nbrewind_progress"
"""Type of the message that tells a headless runner, which shows progress in its own way."""


class LiveLine:
    """What a kernel shows of tasks while a cell runs.

    Parameters
    ----------
    kernel
        Sends messages.
    tap
        Keeps the line out of the record.
    quiet
        Show nothing; tell whoever runs the notebook.
    """

    def __init__(self, kernel: Any, tap: OutputTap, *, quiet: bool) -> None:
        self._kernel, self._tap, self._quiet = kernel, tap, quiet
        self._display = ""
        self._last: Sequence[Tally] = ()

    def show(self, tallies: Sequence[Tally]) -> None:
        """Draw the line, or draw it anew."""
        self._last = tallies
        if self._quiet:
            self._send(PROGRESS, {"tallies": [asdict(tally) for tally in tallies]})
            return
        kind = "update_display_data" if self._display else "display_data"
        self._display = self._display or f"nbrewind-{secrets.token_hex(8)}"
        self._draw(kind, [line(tally) for tally in tallies], "".join(map(_bar, tallies)), "running")

    def end(self) -> None:
        """The cell has run: leave one quiet line."""
        last, self._last = self._last, ()
        if not last:
            return
        if self._quiet:
            self._send(PROGRESS, {"tallies": []})
            return
        texts = [final_line(tally) for tally in last]
        self._draw(
            "update_display_data",
            texts,
            "".join(f"<div>{html.escape(text)}</div>" for text in texts),
            "tasks",
        )
        self._display = ""

    def _draw(self, kind: str, texts: Sequence[str], markup: str, action: str) -> None:
        content = {
            "data": {
                "text/plain": "\n".join(f"[nbrewind] {text}" for text in texts),
                "text/html": f'<div style="{STYLE}">{markup}</div>',
            },
            "metadata": {"nbrewind": {"action": action}},
            "transient": {"display_id": self._display},
        }
        self._send(kind, content)

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        with contextlib.suppress(Exception), self._tap.unseen():
            self._kernel.send_response(self._kernel.iopub_socket, kind, content)


def counts(tally: Tally) -> str:
    """How the tasks of a manager stand, in a few words."""
    parts = [
        (tally.reused, "reused"),
        (tally.done, "done"),
        (tally.running, "running"),
        (tally.waiting, "waiting"),
        (tally.failed, "failed"),
    ]
    return ", ".join(f"{number} {word}" for number, word in parts if number) or "none yet"


def line(tally: Tally) -> str:
    """The live line of one manager."""
    workers = f"{tally.workers} worker{'s' * (tally.workers != 1)}" if tally.workers else "no worker yet"
    left = f", about {duration(tally.left)} left" if tally.left else ""
    return f"tasks of manager {tally.manager}: {counts(tally)}; {workers}{left}"


def final_line(tally: Tally) -> str:
    """What is left of it."""
    return f"tasks of manager {tally.manager}: {counts(tally)}"


def _bar(tally: Tally) -> str:
    bar = f'<progress style="width:12em" max="{tally.total}" value="{tally.finished}"></progress>'
    return f"<div>{bar} {html.escape(line(tally))}</div>"
