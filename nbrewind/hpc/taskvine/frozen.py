"""Functions as a manager knows them.

TaskVine pickles a function once a manager: what its globals held at the first submission is what every
later task of that function runs with. Its identity is taken at that moment, and kept just as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbrewind.errors import Undigestible
from nbrewind.hpc.taskvine.books import ManagerBook
from nbrewind.record.model import Digest
from nbrewind.tasks.keys import Identity


class FrozenFunctions:
    """The identity of what one task brings to one manager."""

    def __init__(self, identity: Identity, manager: Any, task: Any, book: ManagerBook) -> None:
        self._identity, self._manager, self._task, self._book = identity, manager, task, book

    def value(self, value: Any, where: str) -> Digest:
        """Return the digest of an argument: these are pickled for each task."""
        return self._identity.value(value, where)

    def function(self, function: Any) -> Mapping[str, str]:
        """Return a function's ingredients at the moment that the manager first met it."""
        known, buffers = self._book.functions, self._manager._function_buffers
        if function in buffers and function in known:
            found = known[function]
        else:
            try:
                found = self._identity.function(function)
            except Undigestible as error:
                found = error
            self._task._fn_buffer(self._manager, function)
            known[function] = found
        if isinstance(found, Undigestible):
            raise found
        return found  # type: ignore[no-any-return]
