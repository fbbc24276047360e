"""What differs between engines in the parts that they have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from nbrewind.hpc.books import ManagerBook


@frozen
class Engine:
    """The names and classes of one engine.

    Parameters
    ----------
    name
        As the record has it.
    manager, factory
        Its classes.
    handle
        The attribute of a manager that holds the C structure, and nothing once it is closed.
    worker, launcher
        The programs that work, and that start workers.
    port
        Of a manager whose author names none.
    book
        Returns what is kept of a manager.
    scratch
        Beginning of the name of the folder that its factories share, where one would copy over another's worker.
    """

    name: str
    manager: Any
    factory: Any
    handle: str
    worker: str
    launcher: str
    port: int
    book: Callable[[Any], ManagerBook]
    scratch: str = ""

    def is_open(self, manager: Any) -> bool:
        """Whether a manager can be used."""
        return manager.__dict__.get(self.handle) is not None
