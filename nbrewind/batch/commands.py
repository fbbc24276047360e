"""What a command that starts workers asks for: pure, from its words and its job script to an intent.

How many workers, and how large, is what a site is told of it; scheduler, queue and time are the other site's business.
"""

from __future__ import annotations

import getopt
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from nbrewind.batch import job_options
from nbrewind.batch.plan import Intent
from nbrewind.cells.launchers import CANCEL, FACTORIES, SUBMIT, SUBMITTERS, WORKERS, names_engine, script


@frozen
class Launch:
    """Workers that a command asks for.

    Parameters
    ----------
    program
        The command's name.
    intent
        How many, and how large.
    port, name
        Of the manager that they are for, as far as the command says.
    lasts
        Whether the command goes on as long as the workers are wanted; others end when they have submitted jobs.
    """

    program: str
    intent: Intent
    port: int | None = None
    name: str = ""
    lasts: bool = False


_Options = tuple[str, tuple[str, ...]]
"""What getopt takes: letters and words of options, with a mark where a value follows."""

_FACTORY: _Options = ("T:C:M:N:F:P:S:d:o:O:vhw:W:t:cE:B:", (
    "batch-type=", "config-file=", "manager-name=", "master-name=", "foremen-name=", "catalog=", "password=",
    "scratch-dir=", "parent-death", "debug-workers", "debug=", "debug-file=", "debug-file-size=", "ssl", "tls-sni=",
    "factory-name=", "version", "help", "min-workers=", "max-workers=", "workers-per-cycle=", "timeout=",
    "factory-timeout=", "tasks-per-worker=", "capacity", "cores=", "gpus=", "memory=", "disk=", "feature=",
    "autosize", "env=", "extra-options=", "worker-binary=", "wrapper=", "wrapper-input=", "poncho-env=",
    "batch-options=", "amazon-config=", "disable-afs-check", "condor-requirements=", "k8s-image=",
    "k8s-worker-image=", "runos=", "run-factory-as-manager",
))  # fmt: skip
_WORKER: _Options = ("vhM:N:C:d:o:P:t:w:i:b:A:O:s:f:Z:F:", (
    "version", "help", "manager-name=", "catalog=", "debug=", "debug-file=", "debug-rotate-max=", "ssl",
    "password=", "timeout=", "idle-timeout=", "connect-timeout=", "parent-death", "tcp-window-size=",
    "min-backoff=", "max-backoff=", "arch=", "os=", "workspace=", "workdir=", "keep-workspace", "cores=", "gpus=",
    "memory=", "disk=", "disk-percent=", "disk-allocation", "feature=", "wall-time=", "connection-mode=",
    "disable-symlinks", "single-shot", "transfer-port=", "contact-hostport=", "max-transfer-procs=", "tls-sni=",
    "foreman", "foreman-name=", "foreman-port=", "foreman-port-file=", "fast-abort=", "specify-log=", "bandwidth=",
    "volatility=", "tlq=", "coprocess=", "coprocesses-total=",
))  # fmt: skip
_SUBMITTER: _Options = ("T:M:N:C:t:d:w:i:b:z:A:O:s:P:E:p:r:jh", (
    "batch-type=", "manager-name=", "name=", "catalog=", "timeout=", "debug=", "tcp-window-size=", "min-backoff=",
    "max-backoff=", "disk-threshold=", "arch=", "os=", "workdir=", "password=", "ssl", "cores=", "memory=",
    "disk=", "scratch-dir=", "worker-options=", "poncho-env=", "help", "requirements=", "class-ad=", "autosize",
    "spool", "docker-universe=", "dry-run",
))  # fmt: skip
_LONG = {
    "M": "manager-name", "N": "manager-name", "master-name": "manager-name", "name": "manager-name",
    "w": "min-workers", "W": "max-workers", "t": "timeout", "idle-timeout": "timeout", "C": "config-file",
}  # fmt: skip
_ASKING = frozenset({"-v", "--version", "-h", "--help", "--dry-run"})


def read(program: str, arguments: Sequence[str], folder: str, job: str | None = None) -> Launch | None:
    """Read a command.

    Parameters
    ----------
    program
        Its name, without a path.
    arguments
        What follows.
    folder
        Where it runs.
    job
        The job script that came by its standard input.

    Returns
    -------
    Launch or None
        `None`: it starts no workers, or is none that the program would take.
    """
    if program in SUBMIT:
        return _submitted(program, arguments, folder, job)
    table = _FACTORY if program in FACTORIES else _WORKER if program in WORKERS else None
    table = _SUBMITTER if program in SUBMITTERS else table
    if table is None:
        return None
    try:
        given, rest = getopt.gnu_getopt(list(arguments), *table)
    except getopt.GetoptError:
        return None
    if any(option in _ASKING for option, _ in given):
        return None
    options = {_LONG.get(option.lstrip("-"), option.lstrip("-")): value for option, value in given}
    if program in FACTORIES:
        return _factory(program, options, rest, folder)
    return _workers(program, options, rest)


def wants_input(program: str, arguments: Sequence[str]) -> bool:
    """Whether a submit command reads the job script from its standard input."""
    return (
        program in SUBMIT
        and not job_options.words(program, arguments)[1]
        and "--wrap" not in " ".join(arguments)
    )


def cancelled(program: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the jobs that a command cancels."""
    if program not in CANCEL:
        return ()
    return tuple(word for word in arguments if re.fullmatch(r"\d[\w.\[\]-]*", word))


# -- the engines' programs ---------------------------------------------------------------------------------------


def _factory(program: str, options: Mapping[str, str], rest: Sequence[str], folder: str) -> Launch:
    said: dict[str, Any] = {}
    if text := script(options.get("config-file", ""), folder):
        try:
            loaded = json.loads(text)
        except ValueError:
            loaded = {}
        said = dict(loaded) if isinstance(loaded, dict) else {}
    said = {**{name: options[name] for name in options}, **said}  # the file is read again and again, and wins
    intent = _size(said)
    intent = evolve(
        intent,
        min=job_options.number(said.get("min-workers")),
        max=job_options.number(said.get("max-workers")),
    )
    return Launch(program, intent, _port(rest), str(said.get("manager-name", "")), lasts=True)


def _workers(program: str, options: Mapping[str, str], rest: Sequence[str]) -> Launch:
    named = options.get("manager-name", "")
    count = 1
    if program in SUBMITTERS:
        numbers = rest if named else rest[2:]
        count = job_options.number(numbers[0] if numbers else None) or 1
    intent = evolve(_size(options), max=count)
    return Launch(program, intent, _port(rest), named, lasts=program in WORKERS)


def _size(options: Mapping[str, Any]) -> Intent:
    return Intent(
        cores=job_options.number(options.get("cores")) or None,
        memory=job_options.number(options.get("memory")) or None,
        disk=job_options.number(options.get("disk")) or None,
        gpus=job_options.number(options.get("gpus")) or None,
        idle_timeout=job_options.number(options.get("timeout")) or None,
    )


def _port(rest: Sequence[str]) -> int | None:
    """``HOST PORT``, or ``HOST:PORT;HOST:PORT``."""
    if len(rest) > 1:
        return job_options.number(rest[1])
    first = rest[0].split(";")[0] if rest else ""
    return job_options.number(first.rpartition(":")[2]) if ":" in first else None


# -- jobs of batch systems ---------------------------------------------------------------------------------------

_MARK = {"sbatch": "#SBATCH", "qsub": "#PBS", "condor_submit": "\0"}
_SPREAD = re.compile(r"\b(?:srun|mpiexec|mpirun|pbsdsh)\b")
_OPTIONAL = re.compile(r"\$\{\w+:\+[^}]*\}")
_LOOP = re.compile(r"[;&|<>]")


def _submitted(program: str, arguments: Sequence[str], folder: str, job: str | None) -> Launch | None:
    asked, rest = job_options.words(program, arguments)
    text = job if job is not None else asked.get("wrap")
    if text is None and rest:
        text = script(rest[0], folder)
    if text is None:
        return None
    if program == "condor_submit":
        return _described(text)
    inner = _inside(text, rest[1:], folder)
    if inner is None:
        return None
    for mark in (_MARK[program], *(["#$"] if program == "qsub" else [])):
        for line in text.splitlines():
            if line.startswith(mark):
                said, _ = job_options.words(program, _split(line[len(mark) :]))
                asked = {**said, **asked}  # what is said on the command line wins
    size = job_options.slurm(asked) if program == "sbatch" else job_options.pbs(asked)
    jobs, nodes = size.pop("jobs", 1), size.pop("nodes", 1)
    count = jobs * (nodes if _SPREAD.search(text) else 1)
    intent = inner.intent
    wanted = {name: value for name, value in size.items() if getattr(intent, name) is None}
    if not inner.lasts or inner.program in WORKERS:
        wanted["max"] = (intent.max or 1) * count
    return Launch(program, evolve(intent, **wanted), inner.port, inner.name)


def _inside(text: str, arguments: Sequence[str], folder: str) -> Launch | None:
    """The command in a job script that starts a worker, as far as it can be read."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.lstrip().startswith("#") or not names_engine(line):
            continue
        for position, number in enumerate(arguments, start=1):
            line = re.sub(
                rf"\$(?:{position}\b|\{{{position}(?::[?-][^}}]*)?\}})", number.replace("\\", r"\\"), line
            )
        program = _engine(line)
        after = line[line.index(program) + len(program) :].lstrip("\"'})")
        words = _split(_LOOP.split(_OPTIONAL.sub("", after))[0])
        found = read(program, words, folder)
        return found or Launch(program, Intent(max=1), lasts=program in WORKERS)
    for word in _split(text.replace("\n", " ")):
        inner = script(word, folder)
        if inner is not None and names_engine(inner):
            return _inside(inner, (), folder)
    return None


def _engine(line: str) -> str:
    return next(name for name in (*WORKERS, *FACTORIES, *SUBMITTERS) if name in line)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=False)
    except ValueError:
        return text.split()


def together(launches: Iterable[Launch], also: Iterable[Intent] = ()) -> Intent:
    """Return what several ask for: the largest worker, and all of them."""
    intents = [*also, *(launch.intent for launch in launches)]

    def known(name: str) -> list[int]:
        return [value for intent in intents if (value := getattr(intent, name)) is not None]

    size = {
        name: max(known(name), default=None) for name in ("cores", "memory", "disk", "gpus", "idle_timeout")
    }
    count = {name: sum(known(name)) if known(name) else None for name in ("min", "max")}
    return Intent(**size, **count)


def _described(text: str) -> Launch | None:
    """HTCondor's submit description."""
    said = dict(re.findall(r"(?mi)^\s*(\w+)\s*=\s*(.*?)\s*$", text))
    said = {name.lower(): value for name, value in said.items()}
    line = f"{said.get('executable', '')} {said.get('arguments', '').strip(chr(34))}"
    if not names_engine(line):
        return None
    inner = _inside(line, (), ".")
    if inner is None:
        return None
    queue = re.search(r"(?mi)^\s*queue(?:\s+(\d+))?", text)
    size: dict[str, int | None] = {
        "cores": job_options.number(said.get("request_cpus")),
        "memory": job_options.memory(said.get("request_memory", ""), "M"),
        "gpus": job_options.number(said.get("request_gpus")),
        "max": int(queue[1]) if queue and queue[1] else 1,
    }
    wanted = {k: v for k, v in size.items() if v and (k == "max" or getattr(inner.intent, k) is None)}
    return Launch("condor_submit", evolve(inner.intent, **wanted), inner.port, inner.name)
