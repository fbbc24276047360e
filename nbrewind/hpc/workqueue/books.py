"""What is kept beside Work Queue's tasks and managers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from attrs import frozen

from nbrewind.errors import Undigestible
from nbrewind.hpc.books import NAME, ManagerBook, Served
from nbrewind.record.model import Digest
from nbrewind.tasks.spec import Call, Output


@frozen
class Source:
    """One input as its author named it; `start` and `end` are those of a piece of a file."""

    kind: Literal["file", "folder", "url", "command", "piece", "buffer"]
    what: Any
    remote: str
    start: int = 0
    end: int = 0


@frozen
class Pinned:
    """The identity of a function and its arguments at the moment when the engine pickled them."""

    parts: Mapping[str, Mapping[str, str] | Digest | Undigestible]

    def function(self, function: Any) -> Mapping[str, str]:
        """Return what identified the function."""
        return self._checked("function")  # type: ignore[no-any-return]

    def value(self, value: Any, where: str) -> Digest:
        """Return the digest that an argument had."""
        return self._checked(where)  # type: ignore[no-any-return]

    def _checked(self, where: str) -> Any:
        found = self.parts[where]
        if isinstance(found, Undigestible):
            raise found
        return found


@dataclass
class TaskBook:
    """Everything that was said about one task.

    `call` and `pinned` are a Python task's function, when it was made. `report` is where what the worker noted
    comes back.
    """

    command: str = ""
    inputs: list[Source] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    env: dict[str, str | None] = field(default_factory=dict)
    coprocess: str = ""
    call: Call | None = None
    pinned: Pinned | None = None
    report: str = ""
    strange: str = ""
    served: Served | None = None

    def copy(self) -> TaskBook:
        """Return the book of a clone."""
        return replace(
            self, inputs=list(self.inputs), outputs=list(self.outputs), env=dict(self.env), served=None
        )


def task_book(task: Any) -> TaskBook:
    """Return a task's book; a task that was made before we watched has a strange one."""
    book = task.__dict__.get(NAME)
    if book is None:
        book = task.__dict__[NAME] = TaskBook(strange="it was made before nbrewind watched")
    return book  # type: ignore[no-any-return]


def manager_book(manager: Any) -> ManagerBook:
    """Return a manager's book."""
    book = manager.__dict__.get(NAME)
    if book is None:
        book = manager.__dict__[NAME] = ManagerBook()
    return book  # type: ignore[no-any-return]
