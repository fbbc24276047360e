"""Every error that nbrewind raises on purpose.

::

    NbrewindError
    ├── UsageError                 (exit 2)  the command or its arguments are wrong
    ├── NotebookError              (exit 2)  the file is no notebook, or one that cannot be run
    │   └── NoOrder                          no order of its cells gives each what it takes
    ├── RecordError                (exit 2)  the record cannot be used
    │   ├── RecordTooNew                     it was written by a newer nbrewind
    │   └── RecordBroken                     it is damaged beyond what can be dropped
    ├── ContainerError             (exit 2)  a container is refused: damaged, hostile, or none at all
    │   └── ContainerTooNew                  its format is newer than this nbrewind
    ├── NotTrusted                 (exit 4)  a signature is missing, wrong, or of somebody unknown
    ├── RecordBusy                 (exit 3)  another live kernel records there
    ├── RecordUnwritable           (exit 3)  the folder or the disk takes no more data
    ├── EngineMissing              (exit 3)  a task must run and ndcctools is not installed
    ├── WorkersMissing             (exit 3)  no worker came
    ├── WorkersUnfit               (exit 3)  the workers cannot run this notebook's Python tasks
    ├── SiteFileError              (exit 2)  a site file, or the name of one, is wrong
    ├── SiteUnusable               (exit 3)  workers cannot be started at the site as it is described
    ├── KernelFailed               (exit 3)  a headless run's kernel did not start
    ├── RebuildError                         a cell failed when it ran again for what cannot be saved
    │   └── CannotTravel                     a cell in an interpreter of its own needs what cannot be saved
    ├── Undigestible                         a value has no canonical form
    └── Unsaveable                           a value can be neither pickled nor reduced

Each message names the thing and says what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence


class NbrewindError(Exception):
    """Base of all; `exit_code` is the status that the command line ends with."""

    exit_code = 1


class UsageError(NbrewindError, ValueError):
    """The command or its arguments are wrong."""

    exit_code = 2


class NotebookError(NbrewindError, ValueError):
    """The file is no notebook, or one that cannot be run."""

    exit_code = 2


class NoOrder(NotebookError):
    """Cells with explicit inputs cannot be put into an order in which each gets what it takes."""


class RecordError(NbrewindError):
    """The record cannot be used."""

    exit_code = 2


class RecordTooNew(RecordError):
    """The record was written by a newer version of nbrewind."""


class RecordBroken(RecordError):
    """The record is damaged in a place that cannot be dropped."""


class ContainerError(NbrewindError, ValueError):
    """A container is refused; the message names the member and what is wrong with it."""

    exit_code = 2


class ContainerTooNew(ContainerError):
    """The container's format is newer than this version of nbrewind."""


class NotTrusted(NbrewindError, PermissionError):
    """A signature is missing, does not fit, or is of somebody who is not trusted."""

    exit_code = 4


class RecordBusy(NbrewindError):
    """Another live kernel records the same notebook there."""

    exit_code = 3


class RecordUnwritable(NbrewindError, OSError):
    """The record's folder or disk takes no more data."""

    exit_code = 3


class EngineMissing(NbrewindError, ImportError):
    """A task must run, and the engine is not installed."""

    exit_code = 3


class WorkersMissing(NbrewindError, TimeoutError):
    """Tasks wait, and no worker came."""

    exit_code = 3


class WorkersUnfit(NbrewindError, RuntimeError):
    """The workers that came cannot run the Python tasks of this notebook."""

    exit_code = 3


class SiteFileError(NbrewindError, ValueError):
    """A site file is wrong, or there is none of that name.

    Parameters
    ----------
    name
        The file, or the name that was given.
    mistakes
        Everything that is wrong, a line each.
    """

    exit_code = 2

    def __init__(self, name: str, mistakes: Sequence[str]) -> None:
        self.name, self.mistakes = name, tuple(mistakes)
        super().__init__(
            f"{name}: {self.mistakes[0]}"
            if len(self.mistakes) == 1
            else "\n  ".join([f"{name}: {len(self.mistakes)} mistakes", *self.mistakes])
        )


class SiteUnusable(NbrewindError, RuntimeError):
    """Workers cannot be started at a site as it is described, or not from here."""

    exit_code = 3


class KernelFailed(NbrewindError, RuntimeError):
    """The kernel of a headless run did not start."""

    exit_code = 3


class RebuildError(NbrewindError, RuntimeError):
    """A cell that made something unsaveable failed when it ran again."""


class CannotTravel(RebuildError):
    """A cell that runs in an interpreter of its own needs a value that the record cannot hold."""


class Undigestible(NbrewindError, TypeError):
    """A value has no canonical form, so nothing may be concluded from comparing it.

    Parameters
    ----------
    where
        Path to the offending part, such as ``x['a'][3]``.
    kind
        Qualified name of its type.
    why
        What stands in the way.
    """

    def __init__(self, where: str, kind: str, why: str = "") -> None:
        self.where, self.kind, self.why = where, kind, why
        super().__init__(
            f"{where or 'the value'} of type {kind} has no canonical form{': ' + why if why else ''}"
        )


class Unsaveable(NbrewindError, TypeError):
    """A value can be neither pickled nor reduced."""
