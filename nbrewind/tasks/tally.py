"""How the tasks of one manager stand: what a live line shows."""

from __future__ import annotations

from attrs import frozen


@frozen
class Tally:
    """Tasks of one manager since it was made.

    Parameters
    ----------
    manager
        What a person knows it by.
    reused, done, failed
        Served from the record; come back in order; come back otherwise.
    running, waiting
        On workers, and not.
    workers
        Connected.
    left
        Seconds until all have come back, by the pace of the last; ``None``: not known.
    """

    manager: str
    reused: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    workers: int = 0
    left: float | None = None

    @property
    def total(self) -> int:
        """All tasks that were submitted."""
        return self.finished + self.running + self.waiting

    @property
    def finished(self) -> int:
        """Those that need no more waiting for."""
        return self.reused + self.done + self.failed
