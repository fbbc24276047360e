"""The engines that a process has imported, instrumented, on one session."""

from __future__ import annotations

from types import ModuleType

from nbrewind.hpc import taskvine, workqueue
from nbrewind.hpc.launches import Launches
from nbrewind.hpc.options import EngineOptions
from nbrewind.hpc.session import Session
from nbrewind.tasks.content import Contents
from nbrewind.tasks.identity import NotebookIdentity
from nbrewind.tasks.memo import Journal, Memo

_KINDS: dict[str, type[taskvine.TaskVine] | type[workqueue.WorkQueue]] = {
    taskvine.MODULE: taskvine.TaskVine,
    workqueue.MODULE: workqueue.WorkQueue,
}


class Instruments:
    """Made when the first engine arrives; parameters as for `nbrewind.hpc.install`, and commands that start workers."""

    def __init__(self, memo: Memo, journal: Journal, options: EngineOptions, launches: Launches) -> None:
        contents = Contents()
        identity = NotebookIdentity(journal.namespace, contents)
        self.session = Session(memo, journal, options, identity, contents, launches)
        self._engines: list[taskvine.TaskVine | workqueue.WorkQueue] = []

    def add(self, module: ModuleType) -> None:
        """Instrument an engine that has just been imported."""
        self._engines.append(_KINDS[module.__name__](module, self.session))

    def drives(self) -> bool:
        """Whether a manager is open."""
        return any(engine.drives() for engine in self._engines)

    def cell_finished(self) -> None:
        """A cell ended: record what came back, and sum up what failed."""
        for engine in self._engines:
            engine.cell_finished()
        self.session.cell_finished()

    def uninstall(self) -> None:
        """Put the engines' classes back as they were."""
        for engine in self._engines:
            engine.uninstall()

    def shutdown(self) -> None:
        """Leave nothing running."""
        for engine in self._engines:
            engine.shutdown()
        self.session.failures.flush()
