"""Whether a process still does something: what Linux tells of its threads."""

from __future__ import annotations

import time
from pathlib import Path

from attrs import define

LOCKED = 15.0
"""Seconds that all threads of a lane may wait for locks before it counts as stuck."""
SILENT = 90.0
"""The same where it cannot be seen what they wait for; a cell that sleeps this long runs again on the spine."""


@define
class Pulse:
    """Looks at one process now and then."""

    _ticks: int = -1
    _since: float = 0.0

    def still(self, pid: int) -> float:
        """For how many seconds it has stood still, 0 if it may go on."""
        ticks, locked = _look(pid)
        now = time.monotonic()
        if ticks != self._ticks or locked is False:
            self._ticks, self._since = ticks, now
        stood = now - self._since
        return stood if stood > (LOCKED if locked else SILENT) else 0.0


def _look(pid: int) -> tuple[int, bool | None]:
    """Processor time used, in ticks, and whether all threads wait for locks; ``None``: nobody tells."""
    ticks, waits = 0, []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            fields = (thread / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
            waits.append((thread / "wchan").read_text())
    except OSError:
        return ticks, None
    if not waits or all(wait in ("", "0") for wait in waits):
        return ticks, None
    return ticks, all("futex" in wait for wait in waits)
