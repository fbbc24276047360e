"""What becomes of workers between the submission and the first task: pure, from logs and the scheduler's answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from attrs import frozen

from nbrewind.batch.schedulers import Job

_FACTORY_LINE = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? \S*factory\[\d+\](\w+): (.*)$")
_CHATTER = (
    "Configuration file ",
    "manager-name:",
    "max-workers:",
    "min-workers:",
    "workers-per-cycle:",
    "tasks-per-worker:",
    "timeout:",
    "cores:",
    "memory:",
    "disk:",
    "gpus:",
    "worker-extra-options:",
    "PROJECT ",
    "couldn't read manager status",
    "couldn't connect to",
    "vine_factory: wrong password",
    "received abort signal",
    "removing ",
    "all workers removed",
    "vine_worker:",
    "connected to manager",
    "Using factory",
)
_NEVER = re.compile(
    r"(?i)can never run|PartitionNodeLimit|PartitionTimeLimit|BadConstraints|InvalidAccount|InvalidQOS"
    r"|NodeConfig|ReqNodeNotAvail, UnavailableNodes:$"
)
_SUBMIT = re.compile(r"batch: ((?:sbatch|qsub|bsub|condor_submit)\b.*)$")


@frozen
class Rejection:
    """A submission that was refused, in the scheduler's words."""

    words: str


@frozen
class Crew:
    """How the workers for a manager are doing.

    Parameters
    ----------
    submitted
        Jobs that were submitted.
    jobs
        What the scheduler says of those that it still knows.
    connected
        Workers that work.
    rejections
        Submissions that were refused, one for each different answer.
    refused
        How often one was refused.
    trouble
        What else is wrong: the factory ended, the scheduler does not answer.
    """

    submitted: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    connected: int = 0
    rejections: tuple[Rejection, ...] = ()
    refused: int = 0
    trouble: tuple[str, ...] = ()

    @property
    def phase(self) -> Literal["rejected", "submitting", "queued", "starting", "connected", "lost"]:
        """The one word for all of it."""
        if self.connected:
            return "connected"
        if self.rejections and not self.submitted:
            return "rejected"
        if any(job.state in ("running", "starting") for job in self.jobs):
            return "starting"
        if any(job.state in ("queued", "held") for job in self.jobs):
            return "queued"
        return "lost" if self.submitted and self.jobs else "submitting"

    def line(self) -> str:
        """Say it in one line."""
        if self.connected:
            return f"{self.connected} worker{'s' if self.connected > 1 else ''} connected"
        if self.phase == "rejected":
            return f"the scheduler refuses: {self.rejections[0].words}"
        waiting = [job for job in self.jobs if job.state in ("queued", "held")]
        if self.phase == "queued":
            reason = waiting[0].reason
            never = "; such a job never runs" if can_never_run(reason) else ""
            start = f", expected at {waiting[0].start}" if waiting[0].start else ""
            return f"{len(waiting)} jobs queued{f' ({reason})' if reason else ''}{start}{never}"
        if self.phase == "starting":
            nodes = sorted({job.node for job in self.jobs if job.state == "running" and job.node})
            return f"workers start{f' on {_some(nodes)}' if nodes else ''}, none has connected yet"
        if self.phase == "lost":
            ended = [job for job in self.jobs if job.state in ("ended", "failed")]
            why = next((f" ({job.reason})" for job in ended if job.reason), "")
            return f"{len(ended)} jobs ended{why} before a worker connected"
        return "workers are being submitted"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def can_never_run(reason: str) -> bool:
    """Whether a scheduler's reason means that waiting does not help.

    Examples
    --------
    >>> can_never_run("PartitionTimeLimit"), can_never_run("Resources")
    (True, False)
    """
    return bool(_NEVER.search(reason))


def rejections(log: str) -> tuple[tuple[Rejection, ...], int]:
    """Return what the scheduler refused, from the factory's output, and how often.

    Examples
    --------
    >>> rejections('''sbatch: error: invalid partition specified: nosuch
    ... 2026/11/21 12:42:10.49 vine_factory[5]notice: job submission failed: no output from slurm
    ... ''')
    ((Rejection(words='sbatch: error: invalid partition specified: nosuch'),), 1)
    """
    found: dict[str, None] = {}
    refused, words = 0, []
    for line in log.splitlines():
        match = _FACTORY_LINE.match(line)
        if match is None:
            words += [line.strip()] if _said_by_scheduler(line) else []
        elif "submission failed" in match[2] or "failed to submit" in match[2]:
            refused += 1
            found["; ".join(dict.fromkeys(words)) or match[2]] = None
            words = []
    return tuple(Rejection(text) for text in found), refused


def _said_by_scheduler(line: str) -> bool:
    return (
        bool(line.strip())
        and not line.startswith(_CHATTER)
        and "|submitted:" not in line
        and line.strip("0 ") != ""
    )


def unanswered(log: str) -> str:
    r"""Return the submit command that has not come back, from the factory's debug log; empty: there is none.

    Examples
    --------
    >>> unanswered("2026 vine_factory[5]batch: sbatch -N 1 ./slurm.wrapper\n")
    'sbatch -N 1 ./slurm.wrapper'
    """
    last = ""
    for line in log.splitlines():
        if match := _SUBMIT.search(line):
            last = match[1]
        elif "submitted" in line or "submission failed" in line:
            last = ""
    return last


def ending(log: str) -> str:
    """Return the last lines of a worker's log that say something, where it ended or could not begin."""
    lines = [line for line in log.splitlines() if line.strip()]
    return "\n".join(lines[-6:])
