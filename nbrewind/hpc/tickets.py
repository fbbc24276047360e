"""What is known of one submitted task from its submission to its return."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nbrewind.record.model import Digest, TaskRun
from nbrewind.tasks.environments import Difference
from nbrewind.tasks.keys import Draft, Key, Unkeyed
from nbrewind.tasks.observed import Seen
from nbrewind.tasks.spec import Spec

if TYPE_CHECKING:
    from nbrewind.hpc.fitness import Unfit


@frozen
class Hit:
    """The record holds the task's result, and all of it could be read.

    `output` is a Python task's pickled result, `buffers` the content of output buffers by remote name.
    """

    key: Key
    run: TaskRun
    output: bytes | None = None
    stdout: str | None = None
    buffers: tuple[tuple[str, bytes], ...] = ()


@frozen
class Miss:
    """The task must run.

    `kind` is ``new``, ``fresh``, ``unkeyed``, ``late``, ``file``, ``environment`` or ``lost``; `why` says more: `seen`
    is the file, `unlike` what differs of the environment.
    """

    kind: str
    draft: Draft | Unkeyed
    key: Key | None = None
    why: str = ""
    seen: str = ""
    unlike: tuple[Difference, ...] = ()


@dataclasses.dataclass(slots=True)
class Ticket:
    """One task that went to an engine.

    `named` are the files that its command names, before it ran; `previews` are ingredients of its key in a few
    words. It is `recorded` once it has come back, though maybe not to the user, and `ran` if its command ended
    by itself. `unfit` says why its worker could run no such task. `contested` is an output that another task writes
    at the same time.
    """

    spec: Spec
    miss: Miss
    engine: str
    cell: str
    submitted: float
    named: Seen = Seen()
    previews: Mapping[str, str] = dataclasses.field(default_factory=dict)
    recorded: bool = False
    ran: bool = False
    unfit: Unfit | None = None
    contested: str = ""

    @property
    def digest(self) -> Digest:
        """The key's digest, or nothing."""
        return self.miss.key.digest if self.miss.key else ""


@frozen
class Returned:
    """A task as the engine gave it back.

    `report` is what the worker noted, where it was asked to. `output` is where a Python task's pickled
    result lies: a path, or bytes. `buffers` are output buffers by remote name. `machine` is what the engine
    knows of the worker: ``host``, ``arch``, ``cores``, ``memory`` in MB, and the like. `unsure` says why a success may
    be none.
    """

    exit_code: int | None
    result: str
    stdout: str
    host: str
    started: float
    finished: float
    seconds: float
    resources: dict[str, float]
    output: str | bytes | None = None
    buffers: Mapping[str, bytes] = field(factory=dict)
    report: bytes | None = None
    machine: Mapping[str, Any] = field(factory=dict)
    cancelled: bool = False
    attempts: int = 1
    unsure: str = ""

    @property
    def good(self) -> bool:
        """Whether the command ended normally, with all its outputs."""
        return self.result == "success" and self.exit_code == 0
