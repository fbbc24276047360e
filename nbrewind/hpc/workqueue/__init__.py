"""Work Queue: its classes instrumented in place, on the parts that it has in common with TaskVine.

Nothing here imports ``ndcctools``.
"""

from __future__ import annotations

from types import ModuleType

from nbrewind.hpc.engine import Engine
from nbrewind.hpc.instrumented import Instrumented
from nbrewind.hpc.session import Session
from nbrewind.hpc.workqueue.books import manager_book
from nbrewind.hpc.workqueue.describe import Describer
from nbrewind.hpc.workqueue.queues import QueuePatches
from nbrewind.hpc.workqueue.results import Results
from nbrewind.hpc.workqueue.tasks import TaskPatches

MODULE = "ndcctools.work_queue"


class WorkQueue(Instrumented):
    """The instrumented engine of one process."""

    def __init__(self, module: ModuleType, session: Session) -> None:
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
        super().__init__(engine, session)
        TaskPatches(self.patches, module, session)
        describer = Describer(module, session, self.crew)
        results = Results(self.patches, module, session)
        self.stream = QueuePatches(self.patches, module, engine, session, self.crew, describer, results)
        self.watch_ports()
