"""Tasks that had to run, counted by cause."""

from __future__ import annotations

from attrs import frozen

from nbrewind.record.model import TaskRun


@frozen
class MissedTasks:
    """One ingredient of the keys of `count` tasks that differs from that of the tasks which come nearest to them.

    `before` and `after` are those of the first task; `uniform` tells whether they are those of all. Besides the names
    of ingredients, `ingredient` may be ``seen:PATH`` for a file that a task opened, ``worker:NAME`` for software of the
    workers, ``unkeyed:PART``, ``new``, ``late``, ``lost`` and ``fresh``.
    """

    ingredient: str
    before: str
    after: str
    count: int
    uniform: bool
    example: TaskRun
