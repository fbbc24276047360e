"""What differs between the tasks of two runs: which ingredient of the key, and how many tasks it affects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from attrs import frozen

from nbrewind.plan.decide import short
from nbrewind.record.model import TaskCause, TaskRun
from nbrewind.tasks.missed import MissedTasks

Pair = tuple[TaskRun | None, TaskRun | None]


@frozen
class TasksDifference:
    """The tasks of one cell in two runs: how many are the same, changed, only in the newer run, only in the older."""

    cell_id: str
    same: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    causes: tuple[MissedTasks, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether the two runs needed other tasks."""
        return bool(self.changed or self.added or self.removed)


def compare_tasks(old: Iterable[TaskRun], new: Iterable[TaskRun]) -> list[TasksDifference]:
    """Compare tasks by key, and those that have no counterpart with what comes nearest; one result a cell."""
    before = {task.key: task for task in old if task.key}
    after = {task.key: task for task in new if task.key}
    cells: dict[str, list[Pair]] = {}
    for key in before.keys() & after.keys():
        cells.setdefault(after[key].cell_id, [])
    gone = [task for key, task in before.items() if key not in after]
    come = [task for key, task in after.items() if key not in before]
    for pair in _paired(gone, come):
        cells.setdefault((pair[1] or pair[0]).cell_id, []).append(pair)  # type: ignore[union-attr]
    same: dict[str, int] = {}
    for key in before.keys() & after.keys():
        same[after[key].cell_id] = same.get(after[key].cell_id, 0) + 1
    return [_summary(cell, same.get(cell, 0), pairs) for cell, pairs in cells.items()]


def _summary(cell: str, same: int, pairs: Sequence[Pair]) -> TasksDifference:
    changed = [(was, now) for was, now in pairs if was is not None and now is not None]
    return TasksDifference(
        cell,
        same,
        len(changed),
        sum(was is None for was, _ in pairs),
        sum(now is None for _, now in pairs),
        tuple(_causes(changed)),
    )


def _causes(pairs: Iterable[tuple[TaskRun, TaskRun]]) -> Iterator[MissedTasks]:
    found: dict[str, list[tuple[str, str, TaskRun]]] = {}
    for was, now in pairs:
        for name, before, after in ingredient_changes(was, now):
            found.setdefault(name, []).append((before, after, now))
    for name, values in sorted(found.items(), key=lambda item: -len(item[1])):
        before, after, example = values[0]
        uniform = all(value[:2] == (before, after) for value in values)
        yield MissedTasks(name, before, after, len(values), uniform, example)


def ingredient_changes(old: TaskRun, new: TaskRun) -> Iterator[tuple[str, str, str]]:
    """Names of the ingredients that differ, with old and new value in short."""
    for name in sorted(old.ingredients.keys() | new.ingredients.keys()):
        was, now = old.ingredients.get(name), new.ingredients.get(name)
        if was != now:
            words = ingredient_value(old, name), ingredient_value(new, name)
            if words[0] == words[1]:
                words = f"{words[0]} ({short(was)})", f"{words[1]} ({short(now)})"
            yield name, *words


def ingredient_value(task: TaskRun, name: str) -> str:
    """An ingredient as a person can read it: the value in few words, else its text or digest in short."""
    text = task.ingredients.get(name)
    return task.previews.get(name) or (short(text) if text is None or _is_digest(text) else text)


def _is_digest(text: str) -> bool:
    return bool(_DIGEST.fullmatch(text))


_DIGEST = re.compile(r"(b2|b3):[0-9a-f]+(\+x)?")


def nearest(task: TaskRun, others: Iterable[TaskRun]) -> TaskRun | None:
    """The one of these tasks whose key has the most ingredients in common with a task's; the newest of equals."""
    best, most = None, 0
    for other in others:
        common = len(task.ingredients.items() & other.ingredients.items())
        if common >= most and other.key != task.key and other.kind == task.kind:
            best, most = other, common
    return best


def _paired(old: Sequence[TaskRun], new: Sequence[TaskRun]) -> Iterator[Pair]:
    """Bring tasks together that differ in one ingredient; of the rest, those of one name in their order."""
    left = set(range(len(old)))
    all_but_one: dict[object, list[int]] = {}
    by_name: dict[object, list[int]] = {}
    for place in reversed(range(len(old))):
        by_name.setdefault((old[place].kind, old[place].name), []).append(place)
        for rest in _rests(old[place]):
            all_but_one.setdefault(rest, []).append(place)
    unmatched = []
    for task in new:
        place = next((p for rest in _rests(task) if (p := _take(all_but_one.get(rest), left)) >= 0), -1)
        if place < 0:
            unmatched.append(task)
        else:
            yield old[place], task
    for task in unmatched:
        place = _take(by_name.get((task.kind, task.name)), left)
        yield (old[place] if place >= 0 else None), task
    yield from ((old[place], None) for place in sorted(left))


def _take(places: list[int] | None, left: set[int]) -> int:
    """The first of some places that is left, taken out; -1 if none is."""
    while places:
        place = places.pop()
        if place in left:
            left.discard(place)
            return place
    return -1


def _rests(task: TaskRun) -> Iterator[tuple[str, int]]:
    """Each ingredient's name with a number that stands for all the others."""
    numbers = {name: hash((name, value)) for name, value in task.ingredients.items()}
    together = 0
    for number in numbers.values():
        together ^= number
    for name, number in numbers.items():
        yield name, together ^ number


def recorded_cause(cause: MissedTasks, maker: Callable[[str], str] = lambda _name: "") -> TaskCause:
    """A cause as it is kept and shown; `maker` as for `ingredient_name`."""
    kind = re.sub(r"\d+$", "", cause.ingredient.partition(":")[0])
    name = ingredient_name(cause.ingredient, cause.example, maker)
    return TaskCause(cause.count, kind, name, cause.before, cause.after, cause.uniform)


def ingredient_name(name: str, task: TaskRun, maker: Callable[[str], str] = lambda _name: "") -> str:
    """An ingredient in words: ``argument 2 of 5``, ``global k``, ``helper h in cell 4``, ``file data.csv``.

    Parameters
    ----------
    name
        As in the key.
    task
        One that has it.
    maker
        Says for a variable of the notebook which cell made it, as ``in cell 4``; empty where that is not known.
    """
    kind, colon, what = name.partition(":")
    if kind in _OTHERWISE:
        return _OTHERWISE[kind].format(what)
    if not colon:
        number = name.removeprefix("arg")
        if name.startswith("arg") and number.isdigit():
            total = sum(one.startswith("arg") for one in task.ingredients)
            return f"argument {int(number) + 1} of {total}"
        return {"function": f"the function {task.name}", "command": "the command"}.get(name, name)
    if kind == "global":
        is_helper = task.previews.get(name, "").startswith(("function ", "class "))
        return " ".join(filter(None, ("helper" if is_helper else "global", what, maker(what))))
    return f"{_KINDS[kind]} {what}" if kind in _KINDS else name


_OTHERWISE: Mapping[str, str] = {
    "seen": "file {}, which it opened",
    "worker": "{} on the workers",
    "new": "new",
    "late": "it takes what another task made anew",
    "lost": "its stored result is gone or damaged",
    "unkeyed": "{} cannot be compared",
    "fresh": "a fresh run was asked for",
}
_KINDS: Mapping[str, str] = {
    "arg": "argument",
    "input": "file",
    "output": "output",
    "env": "environment variable",
    "lib": "library",
    "module": "module",
    "environment": "environment package",
    "flag": "flag",
}
