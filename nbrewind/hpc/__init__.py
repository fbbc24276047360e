"""Engines: managers, tasks, files and factories of TaskVine and Work Queue, intercepted when the user imports them.

``install`` watches for the import; nothing here imports ``ndcctools``. May import ``tasks``, ``state``,
``record``, ``batch`` and ``errors``.
"""

from __future__ import annotations

from types import ModuleType

from nbrewind.cells.imports import ImportWatch
from nbrewind.hpc import opaque, taskvine, workqueue
from nbrewind.hpc.options import EngineOptions
from nbrewind.hpc.session import Session
from nbrewind.tasks.content import Contents
from nbrewind.tasks.environments import Policy
from nbrewind.tasks.identity import NotebookIdentity
from nbrewind.tasks.memo import Journal, Memo

__all__ = ["EngineOptions", "cell_finished", "install", "set_environments", "shutdown", "uninstall"]


class _Installed:
    """What `install` left in this process."""

    def __init__(self, memo: Memo, journal: Journal, options: EngineOptions) -> None:
        contents = Contents()
        identity = NotebookIdentity(journal.namespace, contents)
        self.session = Session(memo, journal, options, identity, contents)
        self.engines: list[taskvine.TaskVine | workqueue.WorkQueue] = []
        self.imports = ImportWatch()

    def start(self) -> None:
        """Watch imports; an engine that is already imported is instrumented now."""
        self.imports.after(taskvine.MODULE, self._taskvine)
        self.imports.after(workqueue.MODULE, self._work_queue)

    def _taskvine(self, module: ModuleType) -> None:
        self.engines.append(taskvine.TaskVine(module, self.session))

    def _work_queue(self, module: ModuleType) -> None:
        self.engines.append(workqueue.WorkQueue(module, self.session))


_installed: _Installed | None = None


def install(memo: Memo, journal: Journal, options: EngineOptions | None = None) -> None:
    """Reuse and record the tasks of this process, from the moment its code imports an engine.

    Parameters
    ----------
    memo
        Finished tasks of earlier runs, and where this run's are recorded.
    journal
        The session that runs cells.
    options
        The user's choices.
    """
    global _installed
    uninstall()
    opaque.register()
    _installed = _Installed(memo, journal, options or EngineOptions())
    _installed.start()


def uninstall() -> None:
    """Put everything back as it was before `install`."""
    global _installed
    if _installed is not None:
        _installed.imports.remove()
        for engine in _installed.engines:
            engine.uninstall()
    _installed = None


def cell_finished() -> None:
    """Tell the engines that a cell ended: what failed in it is summed up."""
    if _installed is not None:
        for engine in _installed.engines:
            engine.cell_finished()
        _installed.session.cell_finished()


def set_environments(policy: Policy) -> None:
    """Say how like the environment must be, from here on, that a task ran in, for its result to be reused."""
    if _installed is not None:
        _installed.session.environments.change(policy)


def shutdown() -> None:
    """Leave nothing running when the kernel ends."""
    if _installed is not None:
        for engine in _installed.engines:
            engine.shutdown()
        _installed.session.failures.flush()
