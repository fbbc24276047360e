"""What each batch system is told and asked: a leaf each, of commands, options and pure parsers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Literal

from attrs import Factory, field, frozen

from nbrewind.batch.model import Kind, Site
from nbrewind.batch.units import clock
from nbrewind.errors import SiteUnusable

State = Literal["queued", "held", "starting", "running", "ended", "failed", "unknown"]


@frozen
class Job:
    """One job, as its scheduler tells of it.

    Parameters
    ----------
    id
        Its number.
    state
        What it does, in the words that are the same for all schedulers.
    reason
        Why it is not running, or how it ended, in the scheduler's words.
    start
        When the scheduler expects it to start; empty: it does not say.
    node
        Where it runs.
    """

    id: str
    state: State
    reason: str = ""
    start: str = ""
    node: str = ""


Parser = Callable[[str], "list[Job]"]


@frozen
class Scheduler:
    """A batch system.

    Parameters
    ----------
    submit
        The command that takes jobs.
    commands
        All commands that must be there.
    cancel
        The command that ends jobs; their numbers follow.
    status
        The command that tells of jobs; ``{jobs}`` stands for their numbers, with `join` between them, or without it
        each an argument of its own. One call tells of all.
    parse
        What reads its answer.
    variables
        Environment variables without which its commands do not find it.
    """

    submit: str = ""
    commands: tuple[str, ...] = ()
    cancel: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    join: str = ""
    parse: Parser = field(default=lambda _: [])
    variables: tuple[str, ...] = ()


@frozen
class Options:
    """What is added to a submission: text for the engine's factory, and the same as arguments for people."""

    text: str = ""
    arguments: tuple[str, ...] = Factory(tuple)


def options(site: Site, queue: str, job_name: str) -> Options:
    """Return what the submit command is told beyond what the engine's factory says itself.

    Raises
    ------
    SiteUnusable
        The site wants what this batch system or the engine's factory cannot be told; it would be dropped silently.
    """
    kind = site.scheduler.type
    if kind == "local":
        return _nothing(site)
    if kind == "condor":
        return _condor(site, job_name)
    refuse(site)
    words = [*_common(kind, site, queue, job_name), *site.scheduler.job_extra_directives]
    return Options(" ".join(shlex.quote(word) for word in words), tuple(words))


def _common(kind: Kind, site: Site, queue: str, job_name: str) -> list[str]:
    account, time = site.scheduler.account, site.scheduler.walltime
    if kind == "slurm":
        wanted = {"--job-name": job_name, "--partition": queue, "--account": account}
        wanted["--time"] = clock(time) if time else ""
        wanted["--gpus-per-node"] = str(site.workers.gpus or "")
        return [f"{option}={value}" for option, value in wanted.items() if value]
    words = ["-N", job_name]
    words += ["-q", queue] if queue else []
    if kind == "uge":
        words += ["-P", account] if account else []
        return words + (["-l", f"h_rt={clock(time)}"] if time else [])
    words += ["-A", account] if account else []
    return words + (["-l", f"walltime={clock(time)}"] if time else [])


def _nothing(site: Site) -> Options:
    wanted = {
        "queue": site.scheduler.queue,
        "account": site.scheduler.account if site.scheduler.account_required else "",
        "job_extra_directives": site.scheduler.job_extra_directives,
    }
    if dropped := [name for name, value in wanted.items() if value]:
        raise SiteUnusable(
            f"scheduler.type is local, which has no {', '.join(dropped)}: remove it from the site's file"
        )
    return Options()


def _condor(site: Site, job_name: str) -> Options:
    if site.scheduler.queue:
        raise SiteUnusable("scheduler.queue: HTCondor has none; use job_extra_directives for requirements")
    lines = [f"batch_name = {job_name}", "getenv = false"]
    if account := site.scheduler.account:
        lines.append(f"accounting_group = {account}")
    lines += site.scheduler.job_extra_directives
    return Options("\n".join(lines), tuple(lines))


def refuse(site: Site) -> None:
    """Refuse what the engine's factory would drop without a word, or what contradicts what it says itself.

    Raises
    ------
    SiteUnusable
        With what cannot be asked for, and what to write instead.
    """
    kind, extra = site.scheduler.type, site.scheduler.job_extra_directives
    joined = " ".join(extra)
    if kind in ("pbs", "torque") and re.search(r"\bselect=", joined):
        raise SiteUnusable(
            "scheduler.job_extra_directives: the engine asks for -l nodes=…, and PBS takes no -l select=… beside it; "
            "say how large workers are with [workers]"
        )
    if kind in ("pbs", "torque", "uge") and site.workers.gpus and "gpu" not in joined:
        raise SiteUnusable(
            f"workers.gpus: the engine cannot ask for GPUs through {kind}, and would start workers without; add what "
            "the site wants to scheduler.job_extra_directives, or set gpus = 0"
        )
    if kind == "uge" and site.workers.disk and not re.search(r"\b(tmpfs|disk|h_fsize|tmp)", joined):
        raise SiteUnusable(
            "workers.disk: the engine does not ask Grid Engine for disk; add the site's own resource to "
            "scheduler.job_extra_directives, or leave disk out"
        )
    if kind == "slurm" and re.search(r"--export\b", joined):
        raise SiteUnusable(
            "scheduler.job_extra_directives: --export would keep the worker's command from its job; "
            "use environment.variables"
        )


# -- answers -----------------------------------------------------------------------------------------------------

_SLURM_STATES: dict[str, State] = {
    "PENDING": "queued",
    "REQUEUED": "queued",
    "REQUEUE_HOLD": "held",
    "SPECIAL_EXIT": "held",
    "CONFIGURING": "starting",
    "RUNNING": "running",
    "COMPLETING": "ended",
    "COMPLETED": "ended",
    "CANCELLED": "ended",
}


def slurm(text: str) -> list[Job]:
    """Read ``squeue --noheader --format='%i|%T|%r|%S|%N'``.

    Examples
    --------
    >>> slurm("7|PENDING|Resources|2026-01-01T10:00:00|")[0].reason
    'Resources'
    """
    found = []
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) != 5 or not parts[0]:
            continue
        number, word, reason, start, node = parts
        state = _SLURM_STATES.get(word, "failed" if word.isupper() else "unknown")
        held = state == "queued" and reason.startswith(("JobHeld", "AssocGrp", "QOSMax", "InvalidAccount"))
        shown = "" if reason == "None" else reason
        shown = word if state == "failed" and not shown else shown
        found.append(Job(number, "held" if held else state, shown, "" if start == "N/A" else start, node))
    return found


_PBS_STATES: dict[str, State] = {
    "Q": "queued",
    "W": "queued",
    "T": "queued",
    "M": "queued",
    "H": "held",
    "S": "held",
    "U": "held",
    "B": "starting",
    "R": "running",
    "E": "ended",
    "X": "ended",
    "F": "ended",
    "C": "ended",
}


def pbs(text: str) -> list[Job]:
    """Read ``qstat -f`` of PBS Professional, OpenPBS, Torque, and Slurm's stand-in for it."""
    found = []
    for block in re.split(r"(?m)^(?=Job Id:)", text):
        head = re.match(r"Job Id:\s*(\S+)", block)
        if head is None:
            continue
        about = _attributes(block)
        state = _PBS_STATES.get(about.get("job_state", ""), "unknown")
        status = about.get("Exit_status", about.get("exit_status", "0"))
        failed = state == "ended" and status not in ("0", "")
        reason = about.get("comment", "") or (f"exit status {status}" if failed else "")
        node = about.get("exec_host", "").split("/")[0]
        start = about.get("estimated.start_time", "")
        found.append(Job(head[1], "failed" if failed else state, reason, start, node))
    return found


def _attributes(block: str) -> dict[str, str]:
    """The attributes of one job; PBS lets long values go on after a tab, Slurm's stand-in begins each with one."""
    if not re.search(r"(?m)^ {4}\S", block):
        return dict(re.findall(r"(?m)^\t(\S+) = (.*)$", block))
    whole = re.sub(r"\r?\n\t", "", block)
    return dict(re.findall(r"(?m)^ {4}(\S+) = (.*)$", whole))


_UGE_STATES: tuple[tuple[str, State], ...] = (
    ("E", "failed"),
    ("h", "held"),
    ("s", "held"),
    ("S", "held"),
    ("t", "starting"),
    ("r", "running"),
    ("d", "ended"),
    ("q", "queued"),
)


def uge(text: str) -> list[Job]:
    """Read ``qstat -u USER`` of Grid Engine: a table under a line of dashes."""
    found = []
    for line in text.splitlines():
        parts = line.split()
        if len(parts) < 8 or not parts[0].isdigit():
            continue
        word = parts[4]
        state: State = next((state for letter, state in _UGE_STATES if letter in word), "unknown")
        where = parts[7] if "@" in parts[7] else ""
        found.append(
            Job(parts[0], state, word if state in ("failed", "held") else "", "", where.partition("@")[2])
        )
    return found


_CONDOR_STATES: dict[str, State] = {
    "0": "unknown",
    "1": "queued",
    "2": "running",
    "3": "ended",
    "4": "ended",
    "5": "held",
    "6": "running",
    "7": "held",
}


def condor(text: str) -> list[Job]:
    """Read ``condor_q -format`` with cluster, status, reason of holding and host, between bars."""
    found = []
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) != 4 or not parts[0].isdigit():
            continue
        number, status, reason, node = ("" if part == "undefined" else part for part in parts)
        found.append(Job(number, _CONDOR_STATES.get(status, "unknown"), reason, "", node.rpartition("@")[2]))
    return found


_CONDOR_FORMAT: tuple[str, ...] = ("-format", "%d|", "ClusterId", "-format", "%d|", "JobStatus")
_CONDOR_FORMAT += ("-format", "%v|", "HoldReason", "-format", "%v\n", "RemoteHost")
_PBS = Scheduler(
    submit="qsub",
    commands=("qsub", "qstat", "qdel"),
    cancel=("qdel",),
    status=("qstat", "-f", "{jobs}"),
    parse=pbs,
    variables=("PBS_CONF_FILE", "PBS_EXEC", "PBS_HOME", "PBS_SERVER", "PBS_DEFAULT", "PBS_PRIMARY"),
)
SCHEDULERS: dict[Kind, Scheduler] = {
    "local": Scheduler(),
    "slurm": Scheduler(
        submit="sbatch",
        commands=("sbatch", "squeue", "scancel", "sinfo"),
        cancel=("scancel",),
        status=("squeue", "--noheader", "--states=all", "--format=%i|%T|%r|%S|%N", "--jobs={jobs}"),
        join=",",
        parse=slurm,
        variables=("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS"),
    ),
    "pbs": _PBS,
    "torque": _PBS,
    "uge": Scheduler(
        submit="qsub",
        commands=("qsub", "qstat", "qdel"),
        cancel=("qdel",),
        status=("qstat",),
        parse=uge,
        variables=("SGE_ROOT", "SGE_CELL", "SGE_CLUSTER_NAME", "SGE_QMASTER_PORT", "SGE_EXECD_PORT"),
    ),
    "condor": Scheduler(
        submit="condor_submit",
        commands=("condor_submit", "condor_q", "condor_rm"),
        cancel=("condor_rm",),
        status=("condor_q", "{jobs}", *_CONDOR_FORMAT),
        parse=condor,
        variables=(
            "CONDOR_CONFIG",
            "_CONDOR_SCHEDD_HOST",
            "BEARER_TOKEN_FILE",
            "KRB5CCNAME",
            "X509_USER_PROXY",
        ),
    ),
}
"""All batch systems, by the `type` of site files."""


def question(kind: Kind) -> dict[str, object] | None:
    """Return the question about jobs, as JSON takes it; `None`: there is nobody to ask."""
    scheduler = SCHEDULERS[kind]
    return {"command": scheduler.status, "join": scheduler.join} if scheduler.status else None
