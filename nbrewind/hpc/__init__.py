"""Engines: managers, tasks, files and factories of TaskVine and Work Queue, intercepted when the user imports them.

``install`` watches for the import; nothing here imports ``ndcctools``. May import ``tasks``, ``state``,
``record``, ``batch`` and ``errors``.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from attrs import evolve

from nbrewind.cells.imports import ImportWatch
from nbrewind.hpc import opaque
from nbrewind.hpc.children import ChildPatches
from nbrewind.hpc.options import EngineOptions

if TYPE_CHECKING:
    from nbrewind.hpc.instruments import Instruments
    from nbrewind.hpc.launches import Launches
    from nbrewind.tasks.memo import Journal, Memo
    from nbrewind.tasks.policies import Policy

__all__ = ["EngineOptions", "cell_finished", "drives", "install", "set_environments", "shutdown", "uninstall"]

_ENGINES = ("ndcctools.taskvine", "ndcctools.work_queue")


class _Installed:
    """What `install` left in this process; most notebooks import no engine, and wait for no instruments."""

    def __init__(self, memo: Memo, journal: Journal, options: EngineOptions) -> None:
        self.memo, self.journal, self.options = memo, journal, options
        self.imports = ImportWatch()
        self.children = ChildPatches(self.launches, journal.cell_id, journal.cell_source)
        self._launches: Launches | None = None
        self.instruments: Instruments | None = None

    def start(self) -> None:
        """Watch imports; an engine that is already imported is instrumented now."""
        for name in _ENGINES:
            self.imports.after(name, self._arrived)
        self.children.install()

    def launches(self) -> Launches:
        """The commands that start workers; made when the first one, or an engine, is there."""
        if self._launches is None:
            from nbrewind.hpc.launches import Launches

            self._launches = Launches(replaced=self.options.site is not None)
        return self._launches

    def cell_finished(self) -> None:
        """A cell ended."""
        if self.instruments is not None:
            self.instruments.cell_finished()
        if self._launches is not None:
            for told in self._launches.report(self.journal.cell_id(), self.journal.launched):
                self.journal.notice(told)

    def shutdown(self) -> None:
        """The process ends."""
        if self.instruments is not None:
            self.instruments.shutdown()
        if self._launches is not None:
            self._launches.close()

    def _arrived(self, module: ModuleType) -> None:
        if self.instruments is None:
            from nbrewind.hpc.instruments import Instruments

            self.instruments = Instruments(self.memo, self.journal, self.options, self.launches())
        self.instruments.add(module)


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
        _installed.children.uninstall()
        if _installed.instruments is not None:
            _installed.instruments.uninstall()
    _installed = None


def cell_finished() -> None:
    """Tell the engines that a cell ended: what failed in it is summed up."""
    if _installed is not None:
        _installed.cell_finished()


def drives() -> bool:
    """Whether a manager is open in this process."""
    return _installed is not None and _installed.instruments is not None and _installed.instruments.drives()


def set_environments(policy: Policy) -> None:
    """Say how like the environment must be, from here on, that a task ran in, for its result to be reused."""
    if _installed is not None:
        _installed.options = evolve(_installed.options, environments=policy)
        if _installed.instruments is not None:
            _installed.instruments.session.environments.change(policy)


def shutdown() -> None:
    """Leave nothing running when the kernel ends."""
    if _installed is not None:
        _installed.shutdown()
