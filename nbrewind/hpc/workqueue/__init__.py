"""Work Queue: its classes instrumented in place, on the parts that it has in common with TaskVine.

Nothing here imports ``ndcctools``.
"""

from __future__ import annotations

from types import ModuleType

from nbrewind.hpc.crew import Crew
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Patches
from nbrewind.hpc.ports import Ports
from nbrewind.hpc.session import Session
from nbrewind.hpc.workqueue.books import manager_book
from nbrewind.hpc.workqueue.describe import Describer
from nbrewind.hpc.workqueue.queues import QueuePatches
from nbrewind.hpc.workqueue.results import Results
from nbrewind.hpc.workqueue.tasks import TaskPatches

MODULE = "ndcctools.work_queue"


class WorkQueue:
    """The instrumented engine of one process."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        self._patches = Patches()
        engine = Engine(
            name="workqueue",
            manager=module.WorkQueue,
            factory=module.Factory,
            handle="_work_queue",
            worker="work_queue_worker",
            launcher="work_queue_factory",
            port=module.WORK_QUEUE_DEFAULT_PORT,
            book=manager_book,
            scratch="wq-factory-",
        )
        self._crew = Crew(self._patches, engine, session)
        TaskPatches(self._patches, module, session)
        describer = Describer(module, session, self._crew)
        results = Results(self._patches, module, session)
        self._queues = QueuePatches(self._patches, module, engine, session, self._crew, describer, results)
        Ports(self._patches, engine, session, self._crew)

    def cell_finished(self) -> None:
        """Record what came back and was not asked for."""
        for manager in self._crew.managers():
            self._queues.collect(manager)
            self._crew.begin_quietly(manager)
            self._crew.show_last(manager, manager_book(manager))

    def drives(self) -> bool:
        """Whether a manager is open."""
        return bool(self._crew.managers())

    def uninstall(self) -> None:
        """Put the engine's classes back as they were."""
        self._patches.undo()

    def shutdown(self) -> None:
        """Record what came back, and stop the factories that still run."""
        self.cell_finished()
        for manager in self._crew.managers():
            self._queues.abandon(manager)
        self._crew.stop_all()
