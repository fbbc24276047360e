"""TaskVine: its classes instrumented in place.

`install` is called once with the imported engine module and gives back what the session needs to tell it.
Nothing here imports ``ndcctools``.
"""

from __future__ import annotations

from types import ModuleType

from nbrewind.hpc.crew import Crew
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Patches
from nbrewind.hpc.ports import Ports
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


class TaskVine:
    """The instrumented engine of one process."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        self._patches = Patches()
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
        self._crew = Crew(self._patches, engine, session)
        tasks = TaskPatches(self._patches, module)
        WatchPatches(self._patches, module, session)
        describer = Describer(module, session.contents)
        FilePatches(self._patches, module, session, tasks, describer)
        LibraryPatches(self._patches, module, session, tasks, describer)
        self._managers = ManagerPatches(self._patches, module, engine, session, tasks, self._crew, describer)
        Ports(self._patches, engine, session, self._crew)
        patch_getters(self._patches, module)

    def cell_finished(self) -> None:
        """Record what came back and was not asked for."""
        for manager in self._crew.managers():
            self._managers.collect(manager)
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
            self._managers.abandon(manager)
        self._crew.stop_all()
