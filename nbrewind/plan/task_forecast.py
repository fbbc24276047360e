"""Which tasks of a cell would have to run, as far as that can be told before anything does.

What a task takes from the notebook by name, from files, and from libraries is known from its key. Its arguments are
made by the cell, so nothing is said of them: tasks that stand under no cause are reused if their arguments stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from nbrewind.plan.task_differences import ingredient_value, recorded_cause
from nbrewind.record.model import Digest, TaskCause, TaskRun
from nbrewind.tasks.missed import MissedTasks

UNKNOWN = "?"


def foresee(
    tasks: Iterable[TaskRun],
    unknown: Collection[str],
    files: Mapping[Digest, str],
    version: Callable[[str], str | None],
    seen: Callable[[TaskRun], str],
    maker: Callable[[str], str] = lambda _name: "",
) -> tuple[TaskCause, ...]:
    """Count tasks by what changed, or may change, of their keys.

    Parameters
    ----------
    tasks
        Those that the cell had when it last ran.
    unknown
        Variables that cells before it write anew.
    files
        Paths of input files that changed, by the digest that they had.
    version
        The version of a library now.
    seen
        Names the first file that a task opened and that is not as it found it.
    maker
        Says which cell makes a variable.
    """
    found: dict[tuple[str, str, str], list[TaskRun]] = {}
    for task in tasks:
        for cause in _causes(task, unknown, files, version, seen):
            found.setdefault(cause, []).append(task)
    causes = [
        recorded_cause(MissedTasks(name, before, after, len(affected), True, affected[0]), maker)
        for (name, before, after), affected in found.items()
    ]
    return tuple(sorted(causes, key=lambda cause: -cause.count))


def _causes(
    task: TaskRun,
    unknown: Collection[str],
    files: Mapping[Digest, str],
    version: Callable[[str], str | None],
    seen: Callable[[TaskRun], str],
) -> Iterator[tuple[str, str, str]]:
    if task.kind == "python" and task.name in unknown:
        yield "function", "", UNKNOWN
    for name, text in task.ingredients.items():
        kind, _, what = name.partition(":")
        if kind == "global" and what in unknown:
            yield name, ingredient_value(task, name), UNKNOWN
        elif kind == "lib" and (now := version(what)) != text:
            yield name, text, now or "absent"
        elif kind == "input" and (path := files.get(text.removesuffix("+x"))):
            yield f"input:{path}", "", ""
    if path := seen(task):
        yield f"seen:{path}", "", ""
