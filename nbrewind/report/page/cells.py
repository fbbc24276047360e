"""The part of the page about one cell."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nbrewind.plan.decide import short
from nbrewind.plan.sentences import sentences
from nbrewind.record.model import CellRun, TaskRun
from nbrewind.record.store import Record
from nbrewind.report.found import content_of
from nbrewind.report.page.outputs import outputs
from nbrewind.report.page.tree import Node, folded, node, table
from nbrewind.report.words import cell_name, seconds, several, when

MOST_TASKS = 200
"""Tasks of one cell that are listed; failed ones come first."""


def cell_title(cell: CellRun) -> str:
    """The cell's name with the beginning of its code."""
    first = next((line for line in map(str.strip, cell.source.splitlines()) if line and line[0] != "#"), "")
    name = (
        f"{cell_name(cell)} ({cell.cell_id})" if cell.cell_id and cell.index is not None else cell_name(cell)
    )
    return f"{name}  {first[:50]}"


def cell_section(record: Record, cell: CellRun, place: int, tasks: Sequence[TaskRun], longest: float) -> Node:
    """One cell: what became of it and why, code, what it showed, its tasks, what it read and left.

    Parameters
    ----------
    record
        Holds its outputs.
    cell
        The cell run.
    place
        Its position in the run.
    tasks
        Those that it sent out in this run.
    longest
        Seconds of the cell that took longest, for the length of the bar.
    """
    restored = cell.action == "restored"
    why = (
        f"from {cell.origin}, where it took {seconds(cell.seconds)}"
        if restored
        else sentences(cell.because, 20)
    )
    width = 0 if restored or not longest else max(1, round(100 * cell.seconds / longest))
    number = "" if cell.execution_count is None else f"[{cell.execution_count}] "
    return node(
        "section",
        node(
            "h3",
            node("span", cell.action, class_=f"badge {cell.action}"),
            f" {number}{cell_name(cell)} ",
            node("small", cell.cell_id),
        ),
        node("p", f"{seconds(cell.seconds)} · " if not restored else "", why, class_="why"),
        node("div", class_="bar", style=f"width:{width}%") if width else None,
        node("pre", cell.source, class_="code"),
        *_shown(record, cell),
        _tasks(cell, tasks),
        folded("read", _read(cell)),
        folded("left", _left(cell)),
        id=f"cell-{place}",
    )


def _shown(record: Record, cell: CellRun) -> list[Node]:
    if not cell.outputs:
        return []
    content = content_of(record, cell.outputs)
    if content is None:
        return [node("p", "(its outputs are not in the record any more)", class_="note")]
    return outputs(json.loads(content))


def _tasks(cell: CellRun, tasks: Sequence[TaskRun]) -> Node | None:
    count = cell.tasks
    if not (tasks or count.reused or count.submitted):
        return None
    failed = f", {count.failed} failed" if count.failed else ""
    title = f"tasks: {count.reused} reused, {count.submitted} submitted{failed}"
    ordered = sorted(tasks, key=lambda task: task.status == "done")
    rows: list[tuple[Node | str, ...]] = [
        (
            node("code", task.key.partition(":")[2][:10]),
            task.name[:80],
            node("span", task.status, class_=f"badge {task.status}"),
            f"{task.result}, exit code {task.exit_code}" if task.status != "done" else "",
            seconds(task.seconds),
            task.host.partition(" ")[0],
            when(task.finished) if task.finished else "",
        )
        for task in ordered[:MOST_TASKS]
    ]
    more = len(tasks) - len(rows)
    listed = table(("key", "task", "", "result", "ran", "host", "finished"), rows)
    return folded(
        title,
        listed or node("p", "those that ran, ran in an earlier run", class_="note"),
        node("p", f"and {several(more, 'task')} more", class_="note") if more > 0 else None,
    )


def _read(cell: CellRun) -> Node | None:
    rows: list[tuple[Node | str, ...]] = [
        (
            seen.kind,
            seen.name.replace(" ", ", "),
            cell.previews.get(seen.name, ""),
            node("code", short(seen.digest)),
        )
        for seen in cell.evidence
        if seen.kind != "variable" or seen.digest is not None
    ]
    return table(("kind", "name", "value", "digest"), rows)


def _left(cell: CellRun) -> Node | None:
    rows: list[tuple[Node | str, ...]] = []
    for made in cell.covariables:
        for name in made.names:
            note = cell.previews.get(f"={name}", "") + (" (made again when needed)" if made.opaque else "")
            rows.append(("variable", name, note, node("code", short(made.digests[name]))))
    rows += [("variable", name, "deleted", "") for name in cell.deleted]
    rows += [("file", written.path, "", node("code", short(written.digest))) for written in cell.files]
    rows += [("ambient", state.name, "", node("code", short(state.digest))) for state in cell.ambient]
    return table(("kind", "name", "value", "digest"), rows)
