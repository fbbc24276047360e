"""When the user is shown how tasks stand, and how long they still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbrewind.tasks.memo import Journal
    from nbrewind.tasks.tally import Tally

QUIET = 1.5
"""Seconds that a cell may wait for tasks before anything is shown."""
INTERVAL = 0.5
"""Seconds between two pictures."""
_LAST = 64


class Pace:
    """Show the tallies of the cell's managers now and then; asking costs next to nothing.

    Parameters
    ----------
    journal
        The session that runs cells.
    clock
        Seconds.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal, self._clock = journal, clock
        self._next = 0.0
        self._tallies: dict[str, Tally] = {}

    def due(self) -> bool:
        """Whether it is time to show something; the first call in a cell only starts the clock."""
        now = self._clock()
        if not self._next:
            self._next = now + QUIET
        return now >= self._next

    def show(self, tally: Tally) -> None:
        """Show how a manager stands, beside the others of the cell."""
        self._next = self._clock() + INTERVAL
        self._tallies[tally.manager] = tally
        self._journal.progress(tuple(self._tallies.values()))

    def shows(self, manager: str) -> bool:
        """Whether the cell has been shown this manager."""
        return manager in self._tallies

    def cell_finished(self) -> None:
        """The next cell begins with a clean sheet."""
        self._next = 0.0
        self._tallies.clear()


class Estimate:
    """How long the tasks that are left take, by when the last ones came back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_LAST)

    def one_came_back(self) -> None:
        """Note the time."""
        self._times.append(self._clock())

    def seconds(self, left: int) -> float | None:
        """Return the time for so many tasks, or ``None`` where too few have come back to tell."""
        if not left:
            return 0.0
        if len(self._times) < 2:
            return None
        span = max(self._clock() - self._times[0], 1e-3)
        return left * span / (len(self._times) - 1)
