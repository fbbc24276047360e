"""The workers that ran the tasks of a run, and the software that the tasks met there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, field
from rich.console import Group, RenderableType
from rich.table import Table

from nbrewind.errors import NbrewindError
from nbrewind.record.model import Digest, TaskRun
from nbrewind.record.store import Record
from nbrewind.report.words import seconds

_ALIKE = (
    "python",
    "executable",
    "release",
    "system",
    "libc",
    "cpu",
    "machine",
    "container",
    "modules",
    "activated",
)


@define
class Worker:
    """One worker: where it was, what it ran, and what was found there; `libraries` are those that tasks imported."""

    host: str
    address: str
    tasks: int = 0
    failed: int = 0
    seconds: float = 0.0
    environment: dict[str, Any] = field(factory=dict)
    libraries: dict[str, set[str]] = field(factory=dict)

    def add(self, task: TaskRun, environment: Mapping[str, Any]) -> None:
        """Count a task that it ran."""
        self.tasks += 1
        self.failed += task.status != "done"
        self.seconds += task.seconds
        for name, version in (environment.get("libraries") or {}).items():
            self.libraries.setdefault(name, set()).add(version)
        self.environment.update(
            {name: part for name, part in environment.items() if name != "libraries" and part}
        )

    def as_json(self) -> dict[str, Any]:
        """In the published form."""
        return {
            "host": self.host,
            "address": self.address,
            "tasks": self.tasks,
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
            "environment": self.environment,
            "libraries": {name: sorted(versions) for name, versions in sorted(self.libraries.items())},
        }


def workers_of(record: Record, run_id: str) -> list[Worker]:
    """Return the workers of a run, by host; what is no longer stored of one is left out."""
    found: dict[str, Worker] = {}
    known: dict[Digest, dict[str, Any]] = {}
    for task in record.tasks(run_id):
        if not task.host:
            continue
        host, _, address = task.host.partition(" ")
        if task.environment not in known:
            known[task.environment] = _environment(record, task.environment)
        found.setdefault(task.host, Worker(host, address)).add(task, known[task.environment])
    return sorted(found.values(), key=lambda worker: (worker.host, worker.address))


def _environment(record: Record, digest: Digest) -> dict[str, Any]:
    try:
        found = json.loads(record.blob(digest)) if digest else {}
    except (KeyError, NbrewindError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def workers_text(workers: Iterable[Worker]) -> RenderableType:
    """Three tables: the workers, their environments, each with those that share it, and libraries by version."""
    workers = list(workers)
    if not workers:
        return "no task of this run ran on a worker; `nbrewind runs` lists the others"
    return Group(_counts(workers), "", _environments(workers), "", _libraries(workers))


def _counts(workers: Iterable[Worker]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("worker", "address", "tasks", "failed", "busy", "cores", "memory", "job"):
        table.add_column(title, overflow="fold")
    for worker in workers:
        machine = worker.environment.get("worker") or {}
        memory = f"{machine['memory']} MB" if "memory" in machine else "?"
        table.add_row(
            worker.host, worker.address, str(worker.tasks), str(worker.failed), seconds(worker.seconds),
            str(machine.get("cores", "?")), memory, _job(worker.environment.get("job") or {}),
        )  # fmt: skip
    return table


def _job(job: Mapping[str, str]) -> str:
    names = ("SLURM_JOB_ID", "PBS_JOBID", "JOB_ID", "LSB_JOBID", "_CONDOR_SLOT")
    return next((job[name] for name in names if name in job), "")


def _environments(workers: Iterable[Worker]) -> Table:
    """What workers have in common is said once."""
    alike: dict[str, list[Worker]] = {}
    for worker in workers:
        alike.setdefault(json.dumps([worker.environment.get(name) for name in _ALIKE]), []).append(worker)
    table = Table("workers", "", "", box=None, pad_edge=False, show_header=False)
    for group in alike.values():
        hosts = sorted({worker.host for worker in group})
        who = ", ".join(hosts[:4]) + (f" and {len(hosts) - 4} more" if len(hosts) > 4 else "")
        for name in _ALIKE:
            value = _plain(group[0].environment.get(name))
            if value:
                table.add_row(who, name, value)
                who = ""
        if who:
            table.add_row(who, "", "only command tasks ran there: nothing is known of its software")
    return table


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}={part}" for name, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _libraries(workers: Iterable[Worker]) -> RenderableType:
    counts: dict[tuple[str, str], int] = {}
    here: dict[str, str] = {}
    for worker in workers:
        here.update((worker.environment.get("notebook") or {}).get("libraries") or {})
        for name, versions in worker.libraries.items():
            for version in versions:
                counts[name, version] = counts.get((name, version), 0) + 1
    if not counts:
        return "no libraries were seen to be imported"
    table = Table("imported there", "version", "workers", "notebook", box=None, pad_edge=False)
    for (name, version), number in sorted(counts.items()):
        table.add_row(name, version, str(number), here.get(name, "?"))
    return table
