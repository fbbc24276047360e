"""What a user can choose about engines."""

from __future__ import annotations

from attrs import frozen


@frozen
class EngineOptions:
    """Choices for one session.

    Parameters
    ----------
    worker_timeout
        Seconds that tasks may wait without any worker before the user is told.
    worker_deadline
        Seconds after which `wait` raises `WorkersMissing`; `None`: never, as the engine.
    observe
        Note on the worker which files outside its sandbox a Python task opens, and in what environment it
        runs.
    """

    worker_timeout: float = 120.0
    worker_deadline: float | None = None
    observe: bool = True
