"""The page as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from nbrewind.plan.decide import short
from nbrewind.record.model import CellRun, Digest, Run, TaskRun
from nbrewind.record.store import Record
from nbrewind.report.page.cells import cell_section, cell_title
from nbrewind.report.page.frame import framed
from nbrewind.report.page.sketch import sketch
from nbrewind.report.page.tree import Node, folded, node, table
from nbrewind.report.words import seconds, when
from nbrewind.report.workers import Worker, workers_of


def page(record: Record, run: Run) -> str:
    """A run of a record as one HTML document."""
    cells = record.cells(run.id)
    tasks: dict[str, list[TaskRun]] = {}
    for task in record.tasks(run.id):
        if task.kind != "content":
            tasks.setdefault(task.cell_id, []).append(task)
    longest = max((cell.seconds for cell in cells if cell.action != "restored"), default=0.0)
    return framed(
        f"{run.notebook}: {run.kind} {run.id}",
        node("h1", run.notebook),
        _about(run, cells),
        _part("How cells depend on each other", sketch(cells, [cell_title(cell) for cell in cells])),
        _part(
            "Cells",
            *(
                cell_section(record, cell, n, tasks.get(cell.cell_id, ()), longest)
                for n, cell in enumerate(cells)
            ),
        ),
        _part("Workers", _workers(workers_of(record, run.id))),
        _part("Files", _files(cells)),
        _part("Software", _software(run, cells)),
    )


def _part(title: str, *content: Node | None) -> Node | None:
    present = [part for part in content if part is not None]
    return node("div", node("h2", title), *present, class_="part") if present else None


def _about(run: Run, cells: Sequence[CellRun]) -> Node:
    counts: dict[str, int] = {}
    for cell in cells:
        counts[cell.action] = counts.get(cell.action, 0) + 1
    spent = sum(cell.seconds for cell in cells if cell.action != "restored")
    saved = sum(cell.seconds for cell in cells if cell.action == "restored")
    now = [cell.tasks for cell in cells if cell.action != "restored"]
    reused, sent = sum(count.reused for count in now), sum(count.submitted for count in now)
    failed = sum(count.failed for count in now)
    facts = [
        ("run", f"{run.id}, {run.kind}, {run.status}"),
        ("begun", when(run.started) + (f", took {seconds(run.ended - run.started)}" if run.ended else "")),
        ("by", f"{run.user} on {run.host}" + (f", site {run.site}" if run.site else "")),
        ("with", f"Python {run.python}, nbrewind {run.version}"),
        ("cells", ", ".join(f"{number} {action}" for action, number in counts.items()) or "none"),
        ("time in cells", seconds(spent) + (f", {seconds(saved)} saved" if saved else "")),
    ]
    if reused or sent:
        facts.append(
            ("tasks", f"{reused} reused, {sent} submitted" + (f", {failed} failed" if failed else ""))
        )
    return node("dl", *(part for name, fact in facts for part in (node("dt", name), node("dd", fact))))


def _workers(workers: Sequence[Worker]) -> Node | None:
    return table(
        ("host", "tasks", "busy", "Python", "system", "imported by tasks"),
        [_worker(worker) for worker in workers],
    )


def _worker(worker: Worker) -> tuple[Node | str, ...]:
    found = worker.environment
    system = " ".join(str(found[name]) for name in ("system", "release", "machine") if found.get(name))
    libraries = [f"{name} {' '.join(sorted(known))}" for name, known in sorted(worker.libraries.items())]
    return (
        worker.host,
        str(worker.tasks) + (f", {worker.failed} failed" if worker.failed else ""),
        seconds(worker.seconds),
        str(found.get("python") or "not known"),
        system,
        folded(f"{len(libraries)} of them", node("p", ", ".join(libraries)) if libraries else None) or "",
    )


def _files(cells: Sequence[CellRun]) -> Node | None:
    """Each file once, with the cells that read and wrote it, and its last known content."""
    known: dict[str, tuple[list[str], list[str], Digest | None]] = {}
    for place, cell in enumerate(cells):
        name = str(place if cell.index is None else cell.index)
        for seen in cell.evidence:
            if seen.kind == "file":
                readers, writers, _ = known.get(seen.name, ([], [], None))
                known[seen.name] = ([*readers, name], writers, seen.digest)
        for written in cell.files:
            readers, writers, _ = known.get(written.path, ([], [], None))
            known[written.path] = (readers, [*writers, name], written.digest)
    rows: list[tuple[Node | str, ...]] = [
        (path, ", ".join(readers), ", ".join(writers), node("code", short(digest)))
        for path, (readers, writers, digest) in sorted(known.items())
    ]
    return table(("file", "read by cell", "written by cell", "content"), rows)


def _software(run: Run, cells: Sequence[CellRun]) -> Node | None:
    found = {
        seen.name: short(seen.digest) if "/" in seen.name else str(seen.digest)
        for cell in cells
        for seen in cell.evidence
        if seen.kind == "module" and seen.digest is not None
    }
    found["python"] = run.python or found.get("python", "")
    rows: list[tuple[Node | str, ...]] = [(name, version) for name, version in sorted(found.items())]
    return table(("module", "version"), rows)
