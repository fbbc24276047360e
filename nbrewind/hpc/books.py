"""What is kept beside an engine's objects: they wrap C structures that tell little of what they hold.

Each book hangs on its object under one private attribute, so that it lives and dies with it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Any

from nbrewind.hpc.fitness import Probe
from nbrewind.hpc.pace import Estimate
from nbrewind.hpc.sites import SiteWorkers
from nbrewind.hpc.tickets import Hit, Ticket

NAME = "_nbrewind"


@dataclass(slots=True)
class Served:
    """A task that the record served: its number for the user and at the manager, and what its getters answer."""

    task_id: int
    number: int
    hit: Hit
    tag: str | None = None
    cancelled: bool = False
    pending: bool = True
    summaries: dict[str, Any] = field(default_factory=dict)


@dataclass
class ManagerBook:
    """The tasks of one manager, served ones apart from those that the engine runs.

    `extras` are served tasks that run again for the sake of their temporary files, by the engine's number. `making`
    are the files that tasks which are out will write. `withdrawn` counts served tasks that left the stream because
    they were cancelled. `machines` are workers, by address; `late` are tasks that came back when the user had to be
    told something. `closed` says why the manager can no longer be used. `workers` are those that the site gives it.
    """

    port: int = 0
    cell: str = ""
    hits: OrderedDict[int, Any] = field(default_factory=OrderedDict)
    by_tag: dict[str, OrderedDict[int, Any]] = field(default_factory=dict)
    tickets: dict[int, Ticket] = field(default_factory=dict)
    extras: dict[int, Any] = field(default_factory=dict)
    making: dict[str, Ticket] = field(default_factory=dict)
    served: int = 0
    served_categories: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    withdrawn: int = 0
    done: int = 0
    failed: int = 0
    estimate: Estimate = field(default_factory=Estimate)
    waiting_since: float = 0.0
    told_at: float = 0.0
    idle_waits: int = 0
    probe: Probe = field(default_factory=Probe)
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    late: list[Any] = field(default_factory=list)
    closed: str = ""
    workers: SiteWorkers | None = None


def served(task: Any) -> Served | None:
    """Return what the record served for a task."""
    book = task.__dict__.get(NAME)
    return book.served if book is not None else None
