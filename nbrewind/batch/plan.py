"""What is started for a manager at a site: pure, from the site and the notebook's intent to commands and files.

The engine's factory writes the job itself; what it will submit is said here in its own words, so that
`nbrewind site render` can show it, and tests compare it with what the factory does.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from attrs import evolve, field, frozen

from nbrewind.batch import queues, schedulers, worker_script
from nbrewind.batch.contact import Contact
from nbrewind.batch.model import Site
from nbrewind.batch.units import Megabytes, Seconds
from nbrewind.errors import SiteUnusable

Engine = Literal["taskvine", "work_queue"]
PROGRAMS: dict[Engine, tuple[str, str]] = {
    "taskvine": ("vine_factory", "vine_worker"),
    "work_queue": ("work_queue_factory", "work_queue_worker"),
}
CARRIED = ("HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ")
"""What a factory's environment holds beside PATH and the scheduler's own: all of it is seen in `qstat -f`."""

_LEAVE_EARLY = 30
"""Seconds before the end of its job in which a worker says good-bye."""

_PASSWORD = "pwfile"
"""What the factory calls the password's file in its folder."""


@frozen
class Intent:
    """How many workers a notebook wants, and how large; what it leaves open the site decides.

    Parameters
    ----------
    cores, memory, disk, gpus
        Of each worker; memory and disk in megabytes.
    min, max
        How many.
    idle_timeout
        Seconds.
    """

    cores: int | None = None
    memory: int | None = None
    disk: int | None = None
    gpus: int | None = None
    min: int | None = None
    max: int | None = None
    idle_timeout: int | None = None


@frozen
class Plan:
    """Everything that is needed to start workers, and what comes of it.

    Parameters
    ----------
    name
        The jobs' name, which no other job has.
    command
        The factory, to be started in `folder`.
    config
        Its configuration, which it reads again when it changes.
    environment
        Its whole environment.
    script
        What starts the worker on its node.
    submission
        The submit command, or the lines of HTCondor's submit description.
    worker
        The command of each worker.
    job_script
        What the factory submits; it finds the worker's command in its environment.
    archive
        The packed environment that is sent along; empty: none.
    """

    name: str
    kind: str
    folder: Path
    command: tuple[str, ...]
    config: dict[str, Any]
    environment: dict[str, str] = field(repr=False)
    script: str
    submission: tuple[str, ...]
    worker: str
    job_script: str
    queue: queues.Choice
    archive: str = ""


def fitted(site: Site, intent: Intent) -> Site:
    """Return the site with workers as a notebook wants them, within what the site allows."""
    workers = site.workers
    asked: dict[str, Any] = {
        "cores": intent.cores,
        "memory": Megabytes(intent.memory) if intent.memory else None,
        "disk": Megabytes(intent.disk) if intent.disk else None,
        "gpus": intent.gpus,
        "idle_timeout": Seconds(intent.idle_timeout) if intent.idle_timeout else None,
    }
    most = workers.max if intent.max is None else min(intent.max, workers.max)
    least = min(workers.min if intent.min is None else intent.min, most)
    changed = {name: value for name, value in asked.items() if value is not None}
    return evolve(site, workers=evolve(workers, **changed, min=least, max=most))


def make(
    site: Site,
    contact: Contact,
    folder: Path,
    name: str,
    *,
    engine: Engine = "taskvine",
    programs: Mapping[str, str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Plan:
    """Plan workers for one manager.

    Parameters
    ----------
    site
        The site, its workers as they are wanted.
    contact
        The manager.
    folder
        A new folder that compute nodes see too.
    name
        A name that no other job has, at most 15 characters.
    engine
        Whose manager it is.
    programs
        Paths of the engine's programs by name; by default the names alone.
    environment
        The environment of this process, of which little is carried on.

    Raises
    ------
    SiteUnusable
        No queue takes the workers, an account is missing, or the scheduler cannot be told what the site wants.
    """
    if site.scheduler.account_required and not site.scheduler.account:
        raise SiteUnusable(
            "this site rejects jobs without an account: set NBREWIND_ACCOUNT, or scheduler.account"
        )
    choice = queues.choose(site)
    site = _within(site, choice)
    factory, worker = PROGRAMS[engine]
    found = dict(programs or {})
    added = schedulers.options(site, choice.name, name)
    command = [found.get(factory, factory), f"--batch-type={site.scheduler.type}"]
    command += [f"--config-file={folder}/config.json", f"--scratch-dir={folder}/jobs"]
    command += [f"--worker-binary={found[worker]}"] if worker in found else []
    command += ["--password=" + contact.password] if contact.password else []
    command += ["--ssl"] if contact.tls else []
    command += [f"--batch-options={added.text}"] if added.text else []
    command += [f"--wrapper=./{worker_script.NAME}", f"--wrapper-input={folder}/{worker_script.NAME}"]
    packed = _packed(site, environment)
    command += [f"--wrapper-input={packed}"] if packed else []
    command += [f"--catalog={site.network.catalog or '127.0.0.1:9097'}"]
    extra = _extra(site)
    command += [f"--extra-options={extra}"] if extra else []
    command += ["--debug=batch", f"--debug-file={folder}/batch.log", contact.host, str(contact.port)]
    line = _worker(site, contact, worker, extra)
    return Plan(
        name=name,
        kind=site.scheduler.type,
        folder=folder,
        command=tuple(command),
        config=config(site),
        environment=minimal(site, environment),
        script=worker_script.script(
            site.environment, _path(site), site.paths.local_directory, Path(packed).name if packed else ""
        ),
        submission=tuple(_submission(site, added, folder, line, worker, packed)),
        worker=line,
        job_script=_job_script(site.scheduler.type, folder),
        queue=choice,
        archive=packed,
    )


def _within(site: Site, choice: queues.Choice) -> Site:
    """No more workers than one user may have in the queue."""
    most = choice.limit.max_workers if choice.limit else None
    if most is None or most >= site.workers.max:
        return site
    return evolve(site, workers=evolve(site.workers, max=most, min=min(site.workers.min, most)))


def config(site: Site, waiting: int = 0) -> dict[str, Any]:
    """Return the factory's configuration; with `waiting` tasks, as many workers are started at once as they fill."""
    workers = site.workers
    least = max(workers.min, min(workers.max, math.ceil(waiting / workers.cores)))
    made: dict[str, Any] = {
        "min-workers": least,
        "max-workers": workers.max,
        "workers-per-cycle": workers.max,
    }
    made |= {"cores": workers.cores, "timeout": int(workers.idle_timeout), "tasks-per-worker": workers.cores}
    made |= {"memory": int(workers.memory)} if workers.memory else {}
    made |= {"disk": int(workers.disk)} if workers.disk else {}
    return made | ({"gpus": workers.gpus} if workers.gpus else {})


def minimal(site: Site, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the little that the factory, and with it every job, gets of an environment.

    ``qsub -V`` and ``sbatch --export=ALL`` carry all that the factory has, and ``qstat -f`` shows it to everybody.
    """
    wanted = (*CARRIED, *schedulers.SCHEDULERS[site.scheduler.type].variables)
    kept = {name: environment[name] for name in wanted if environment.get(name)}
    return {**kept, "PATH": environment.get("PATH", os.defpath)}


def _path(site: Site) -> list[str]:
    own = str(Path(sys.executable).parent)
    return [own if each == "auto" else os.path.expanduser(each) for each in site.environment.path]


def _packed(site: Site, environment: Mapping[str, str]) -> str:
    return expand(site.environment.packed, environment) if site.environment.packed else ""


def expand(path: str, environment: Mapping[str, str]) -> str:
    """Expand ``~`` and ``$VARIABLES``.

    Raises
    ------
    SiteUnusable
        A variable is not set here.
    """
    text = path
    for name in sorted(environment, key=len, reverse=True):
        text = text.replace(f"${{{name}}}", environment[name]).replace(f"${name}", environment[name])
    if "$" in text:
        raise SiteUnusable(f"{path}: a variable in it is not set here")
    return os.path.expanduser(text)


def _extra(site: Site) -> str:
    words = list(site.workers.worker_extra_args)
    time = site.scheduler.walltime
    if time and site.scheduler.type != "local":
        words.append(f"--wall-time={max(time - _LEAVE_EARLY, time // 2)}")
    if site.scheduler.type == "local":
        words.append("--parent-death")
    return " ".join(shlex.quote(word) for word in words)


def _worker(site: Site, contact: Contact, program: str, extra: str) -> str:
    workers = site.workers
    words = [f"./{worker_script.NAME}", f"./{program}", "--parent-death", contact.host, str(contact.port)]
    words += ["-t", str(int(workers.idle_timeout)), "-C", f"'{site.network.catalog or '127.0.0.1:9097'}'"]
    words += ["-P", _PASSWORD] if contact.password else []
    if site.scheduler.type == "condor":
        words += [
            "--cores=$$([TARGET.Cpus])",
            "--memory=$$([TARGET.Memory])",
            "--disk=$$([TARGET.Disk/1024])",
        ]
        words += ["--gpus=$$([TARGET.GPUs])"] if workers.gpus else []
    else:
        words.append(f"--cores={workers.cores}.000")
        words += [f"--memory={workers.memory}"] if workers.memory else []
        words += [f"--disk={workers.disk}"] if workers.disk else []
        words += [f"--gpus={workers.gpus}"] if workers.gpus else []
    words += ["--ssl"] if contact.tls else []
    return " ".join([*words, extra] if extra else words)


def _submission(
    site: Site, added: schedulers.Options, folder: Path, line: str, program: str, packed: str
) -> list[str]:
    """What the factory tells the scheduler for each worker, as it was seen to do."""
    kind, workers = site.scheduler.type, site.workers
    if kind == "local":
        return []
    if kind == "condor":
        return _condor(site, added, line, program, packed)
    words = [schedulers.SCHEDULERS[kind].submit]
    if kind == "slurm":
        words += [f"--mem={workers.memory}M"] if workers.memory else []
        words += ["-N", "1", "-n", "1", "-c", str(workers.cores), "-D", "."]
        words += ["-e", "/dev/null", "--export=ALL", "-o", "/dev/null", "-J", "makeflow0"]
    elif kind == "uge":
        words += ["-l", f"h_vmem={workers.memory}M"] if workers.memory else []
        words += [
            "-pe",
            "smp",
            str(workers.cores),
            "-cwd",
            "-j",
            "y",
            "-V",
            "-o",
            "/dev/null",
            "-N",
            "makeflow0",
        ]
    else:
        asked = [f"nodes=1:ppn={workers.cores}"]
        asked += [f"mem={workers.memory}mb"] if workers.memory else []
        asked += [f"file={workers.disk}mb"] if workers.disk else []
        words += ["-l", ",".join(asked), "-j", "oe", "-V", "-o", "/dev/null", "-N", "makeflow0"]
    return [*words, *added.arguments, f"./{kind}.wrapper"]


_JOB = """\
#!/bin/sh
#$ -S /bin/sh
[ -n "${NUMBER}" ] && JOB_ID=`echo ${NUMBER} | cut -d . -f 1`
FOLDERlogfile="${PWD}/KIND.status.${JOB_ID}"
starttime=`date +%s`
echo start $starttime > $logfile
(while true; do sleep 30; echo alive $(date +%s) >> $logfile; done) &
pid_heartbeat=$!
eval "$BATCH_JOB_COMMAND"

status=$?
kill $pid_heartbeat
stoptime=`date +%s`
echo stop $status $stoptime >> $logfile
exit 0
"""


def _job_script(kind: str, folder: Path) -> str:
    """The engine's own job script, as version 7.14 writes it."""
    if kind in ("local", "condor"):
        return ""
    number = "SLURM_JOB_ID" if kind == "slurm" else "PBS_JOBID"
    place = f"cd {folder}/jobs\n" if kind in ("pbs", "torque") else ""
    return _JOB.replace("NUMBER", number).replace("FOLDER", place).replace("KIND", kind)


def _condor(site: Site, added: schedulers.Options, line: str, program: str, packed: str) -> list[str]:
    workers = site.workers
    inputs = [program, *(["pwfile"] if "-P pwfile" in line else []), worker_script.NAME]
    inputs += [Path(packed).name] if packed else []
    quoted = line.replace("'", "'''")
    lines = [
        "universe = vanilla",
        "executable = condor.sh",
        f'arguments = "{quoted} "',
        f"transfer_input_files = {', '.join(inputs)}, ",
        "should_transfer_files = yes",
        "when_to_transfer_output = on_exit",
        "notification = never",
        "copy_to_spool = true",
        "transfer_executable = true",
        "keep_claim_idle = 30",
        "log = condor.logfile",
        "+JobMaxSuspendTime = 0",
        "getenv = true",
        f"request_cpus = {workers.cores}",
        f"request_memory = {workers.memory or 1024}",
        f"request_disk = {(workers.disk or 1024) * 1024}",
    ]
    lines += [f"request_gpus = {workers.gpus}"] if workers.gpus else []
    return [*lines, *added.arguments, "queue"]
