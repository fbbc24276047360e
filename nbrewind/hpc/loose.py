"""Results that count whatever the versions of libraries: for those who ask for that.

Versions are part of a task's key, so such a result is looked for among the last tasks of the same cell, by all the
other ingredients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nbrewind.record.model import Digest, TaskRun
from nbrewind.tasks.environments import LIBRARY
from nbrewind.tasks.keys import combine

if TYPE_CHECKING:
    from nbrewind.tasks.memo import Memo


class Loose:
    """The last tasks of each cell, by their keys without versions."""

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self._cells: dict[str, dict[Digest, TaskRun]] = {}

    def find(self, cell_id: str, ingredients: Mapping[str, str]) -> TaskRun | None:
        """Return the newest finished task of a cell that differs in versions of libraries alone."""
        if cell_id not in self._cells:
            older = reversed(self._memo.recent(cell_id, ()))
            self._cells[cell_id] = {
                _without(run.ingredients): run for run in older if run.status == "done" and run.key
            }
        return self._cells[cell_id].get(_without(ingredients))


def _without(ingredients: Mapping[str, str]) -> Digest:
    return combine({name: text for name, text in ingredients.items() if not name.startswith(LIBRARY)})
