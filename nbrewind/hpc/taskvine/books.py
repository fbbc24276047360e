"""What is kept beside TaskVine's tasks, files and managers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nbrewind.hpc import books
from nbrewind.hpc.books import NAME, Served
from nbrewind.hpc.taskvine.attempts import Attempts
from nbrewind.tasks.urls import Content


@dataclass(slots=True)
class Mount:
    """One `add_input` or `add_output` that the engine has not been told of yet."""

    file: Any
    remote: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(slots=True)
class TaskBook:
    """Everything that was said about one task.

    `call` is the attribute that a Python task lost when it was served. `library` tells the identity of a
    function of the library that the task provides, whose calls leave `reports`. `report` is the file in which the
    worker notes what an observed task uses. `again` is the engine's number of a served task that had to run after all.
    `shown_id` is the number that the user knows a task by, where the engine has another. `told_inputs` and
    `told_outputs` count the mounts that the engine already knows; a `direct` book holds none back, and `taken` are the
    files of other tasks among what it was told at once.
    """

    command: str = ""
    inputs: list[Mount] = field(default_factory=list)
    outputs: list[Mount] = field(default_factory=list)
    told_inputs: int = 0
    told_outputs: int = 0
    env: dict[str, str | None] = field(default_factory=dict)
    environments: list[Any] = field(default_factory=list)
    strange: str = ""
    direct: bool = False
    taken: list[Any] = field(default_factory=list)
    submitted: bool = False
    served: Served | None = None
    call: tuple[str, Any] | None = None
    library: Callable[[str], dict[str, str]] | None = None
    reports: bool = False
    report: Any = None
    unwatched: bool = False
    again: int = 0
    shown_id: int = 0

    def copy(self) -> TaskBook:
        """Return the book of a clone, which was never submitted."""
        return TaskBook(
            self.command,
            list(self.inputs),
            list(self.outputs),
            self.told_inputs,
            self.told_outputs,
            dict(self.env),
            list(self.environments),
            self.strange,
            self.direct,
        )


@dataclass(slots=True)
class FileBook:
    """Where a file's content comes from.

    Parameters
    ----------
    origin
        For what mini tasks and services make: a function that returns the identity, or nothing.
    producer
        The task that makes this file, and the name it gives it there.
    key
        The producer's key, once it has one.
    stamp
        What the producer met besides, once it has come back.
    minitask
        The mini task that makes this file.
    made
        The digest of what the producer left.
    pending
        Whether the producer still runs.
    temp
        Whether the engine keeps it on workers alone.
    recalled
        Whether it was such a file, and its recorded content stands in for it now.
    known
        Whether the engine was told of a task that takes or makes it.
    content
        What its server said of it when a task first took it: the engine does not ask again either.
    """

    origin: Callable[[], str] | None = None
    producer: Any = None
    remote: str = ""
    key: str = ""
    stamp: str = ""
    minitask: Any = None
    made: str = ""
    pending: bool = False
    temp: bool = False
    recalled: bool = False
    known: bool = False
    content: Content | None = None


@dataclass
class ManagerBook(books.ManagerBook):
    """What TaskVine alone needs to know of a manager.

    `extras` shift the engine's numbers: `engine_ids` leads from those that the user would see without them.
    """

    shift: int = 0
    engine_ids: dict[int, int] = field(default_factory=dict)
    functions: dict[Any, Any] = field(default_factory=dict)
    programs: dict[Any, Any] = field(default_factory=dict)
    attempts: Attempts | None = None


def task_book(task: Any) -> TaskBook:
    """Return a task's book; a task that was made before we watched has a strange one."""
    book = task.__dict__.get(NAME)
    if book is None:
        book = task.__dict__[NAME] = TaskBook(strange="it was made before nbrewind watched", direct=True)
    return book  # type: ignore[no-any-return]


def file_book(file: Any) -> FileBook:
    """Return a file's book."""
    book = file.__dict__.get(NAME)
    if book is None:
        book = file.__dict__[NAME] = FileBook()
    return book  # type: ignore[no-any-return]


def manager_book(manager: Any) -> ManagerBook:
    """Return a manager's book."""
    book = manager.__dict__.get(NAME)
    if book is None:
        book = manager.__dict__[NAME] = ManagerBook()
    return book  # type: ignore[no-any-return]
