"""What a user can choose about engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from nbrewind.batch.model import Site
    from nbrewind.tasks.policies import Policy


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
    environments
        How like the environment must be that a task ran in, for its result to be reused.
    site
        Where workers are started, whatever the notebook says of schedulers; `None`: as the notebook says.
    beside
        The folder in which workers are started where the site names none.
    """

    worker_timeout: float = 120.0
    worker_deadline: float | None = None
    observe: bool = True
    environments: Policy = "compatible"
    site: Site | None = None
    beside: Path = Path()
