"""TaskVine: its classes instrumented in place.

`install` is called once with the imported engine module and gives back what the session needs to tell it.
Nothing here imports ``ndcctools``.
"""

from __future__ import annotations

from types import ModuleType

from nbrewind.hpc.engine import Engine
from nbrewind.hpc.instrumented import Instrumented
from nbrewind.hpc.session import Session
from nbrewind.hpc.taskvine.books import manager_book
from nbrewind.hpc.taskvine.describe import Describer
from nbrewind.hpc.taskvine.files import FilePatches
from nbrewind.hpc.taskvine.libraries import LibraryPatches
from nbrewind.hpc.taskvine.managers import ManagerPatches
from nbrewind.hpc.taskvine.served import patch_getters
from nbrewind.hpc.taskvine.tasks import TaskPatches
from nbrewind.hpc.taskvine.watching import WatchPatches

MODULE = "ndcctools.taskvine"


class TaskVine(Instrumented):
    """The instrumented engine of one process."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        engine = Engine(
            name="taskvine",
            manager=module.Manager,
            factory=module.Factory,
            handle="_taskvine",
            worker="vine_worker",
            launcher="vine_factory",
            port=module.cvine.VINE_DEFAULT_PORT,
            book=manager_book,
        )
        super().__init__(engine, session)
        tasks = TaskPatches(self.patches, module)
        WatchPatches(self.patches, module, session)
        describer = Describer(module, session.contents)
        FilePatches(self.patches, module, session, tasks, describer)
        LibraryPatches(self.patches, module, session, tasks, describer)
        self.stream = ManagerPatches(self.patches, module, engine, session, tasks, self.crew, describer)
        self.watch_ports()
        patch_getters(self.patches, module)
