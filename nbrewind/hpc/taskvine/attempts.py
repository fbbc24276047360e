"""How often the engine tried a task, read from its own log: no getter tells."""

from __future__ import annotations

import os
from collections import Counter


class Attempts:
    """Counts from the ``transactions`` log of one manager, which is read only as far as somebody asks.

    Parameters
    ----------
    folder
        The manager's folder of logs.
    """

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "transactions")
        self._offset = 0
        self._counts: Counter[int] = Counter()

    def of(self, number: int) -> int:
        """Return how often a task was sent to a worker, at least 1."""
        try:
            self._read()
        except OSError:
            return 1
        return max(1, self._counts[number])

    def _read(self) -> None:
        """Read on, whole lines only."""
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                words = line.split(b" ", 5)
                if len(words) > 4 and words[2] == b"TASK" and words[4] == b"RUNNING" and words[3].isdigit():
                    self._counts[int(words[3])] += 1
