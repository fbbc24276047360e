"""Why the tasks of a cell had to run: found out when the cell ends, beside the older tasks of the same cell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from nbrewind.errors import NbrewindError
from nbrewind.plan.task_differences import compare_tasks
from nbrewind.record.model import Digest, TaskRun
from nbrewind.tasks.keys import Unkeyed
from nbrewind.tasks.missed import MissedTasks

if TYPE_CHECKING:
    from nbrewind.hpc.tickets import Ticket
    from nbrewind.tasks.memo import Memo

MOST = 10_000
"""How many tasks of a cell are compared with older ones; what more there are count as new."""


class Misses:
    """The hits and misses of the cell that runs."""

    def __init__(self) -> None:
        self._hits: list[Digest] = []
        self._new: list[TaskRun] = []
        self._causes: dict[str, MissedTasks] = {}

    def hit(self, key: Digest) -> None:
        """The record served a task."""
        self._hits.append(key)

    def add(self, ticket: Ticket) -> None:
        """A task goes to an engine."""
        if ticket.miss.kind == "new" and len(self._new) < MOST:
            self._new.append(_as_run(ticket))
            return
        for ingredient, before, after in _causes_of(ticket):
            known = self._causes.get(ingredient)
            self._causes[ingredient] = MissedTasks(
                ingredient,
                before,
                after,
                known.count + 1 if known else 1,
                (known is None or known.uniform)
                and (known is None or (known.before, known.after) == (before, after)),
                known.example if known else _as_run(ticket),
            )

    def take(self, memo: Memo, cell_id: str) -> list[MissedTasks]:
        """Return the causes of the cell's misses, the most frequent first, and begin anew."""
        hits, new, causes = self._hits, self._new, list(self._causes.values())
        self._hits, self._new, self._causes = [], [], {}
        if new:
            older: list[TaskRun] = []
            with suppress(NbrewindError, OSError):
                older = memo.recent(cell_id, [*hits, *(run.key for run in new)])
            causes += _compared(older, new)
        return sorted(causes, key=lambda cause: -cause.count)


def _compared(older: list[TaskRun], new: list[TaskRun]) -> Iterator[MissedTasks]:
    """What the new tasks have that older ones had not."""
    if not older:
        yield MissedTasks("new", "", "", len(new), True, new[0])
        return
    for found in compare_tasks(older, new):
        yield from found.causes
        if found.added:
            yield MissedTasks("new", "", "", found.added, True, new[0])


def _causes_of(ticket: Ticket) -> Iterator[tuple[str, str, str]]:
    """What made a task run that is not simply new, with old and new value."""
    miss = ticket.miss
    if miss.kind == "file":
        yield f"seen:{miss.seen}", "", ""
    elif miss.kind == "environment":
        for each in miss.unlike:
            yield f"worker:{each.name.removeprefix('lib:')}", each.before, each.after
    elif miss.kind == "unkeyed" and isinstance(miss.draft, Unkeyed):
        yield f"unkeyed:{miss.draft.part}", "", ""
    else:
        yield miss.kind, "", ""


def _as_run(ticket: Ticket) -> TaskRun:
    """A task in the form in which older ones are recorded, as far as comparing needs it."""
    key = ticket.miss.key
    return TaskRun(
        key=key.digest if key else "",
        run="",
        cell_id=ticket.cell,
        engine=ticket.engine,
        kind=ticket.spec.kind,
        name=ticket.spec.name,
        status="done",
        ingredients=key.ingredients if key else {},
        previews=ticket.previews,
    )
