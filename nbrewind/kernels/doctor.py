"""What this machine has of what nbrewind uses, each finding with its remedy."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

from attrs import frozen

from nbrewind.batch import forgotten, listening
from nbrewind.kernels import specs
from nbrewind.record.locks import FileLock


@frozen
class Finding:
    """One check: ``ok``, ``missing`` (something optional) or ``bad``."""

    check: str
    state: Literal["ok", "missing", "bad"]
    found: str
    remedy: str = ""


def examine(folder: Path) -> list[Finding]:
    """Check everything; `folder` is where a record would be kept."""
    return [*_python(), *_kernels(), *_engine(), *_schedulers(), *_workers(), *_storage(folder)]


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info >= (3, 12):
        yield Finding("Python", "ok", f"{version} at {sys.executable}")
    else:
        yield Finding(
            "Python",
            "ok",
            f"{version}: reads are bounded by analysis alone",
            "Python 3.12 or newer observes them",
        )
    for name in ("ipykernel", "jupyter_client", "h5py", "numpy", "cloudpickle"):
        yield Finding(name, "ok", metadata.version(name))


def _kernels() -> Iterator[Finding]:
    found = specs.installed()
    for name in specs.NAMES:
        if name in found:
            yield Finding(name, "ok", str(found[name]))
        else:
            yield Finding(name, "missing", "Jupyter does not find it", "nbrewind kernels install --user")


def _engine() -> Iterator[Finding]:
    if importlib.util.find_spec("ndcctools") is None:
        remedy = "conda install -c conda-forge ndcctools; on Debian 13: apt install python3-workqueue"
        yield Finding(
            "ndcctools", "missing", "not importable: recorded tasks are served, new ones cannot run", remedy
        )
    else:
        yield Finding("ndcctools", "ok", "importable")
    for program in ("vine_worker", "vine_factory"):
        path = shutil.which(program)
        if path:
            yield Finding(program, "ok", f"{path} {_version(path)}")
        else:
            yield Finding(
                program, "missing", "not on PATH", "it comes with ndcctools (Debian: coop-computing-tools)"
            )
    python = shutil.which("python3")
    if python is None:
        yield Finding(
            "workers' python3", "bad", "not on PATH", "PythonTasks run `python3` from the worker's PATH"
        )
        return
    answer = subprocess.run(
        [python, "-c", "import cloudpickle, sys; print(sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        yield Finding(
            "workers' python3",
            "missing",
            f"{python} has no cloudpickle",
            f"{python} -m pip install cloudpickle",
        )
    elif answer.stdout.strip() != str(tuple(sys.version_info[:2])):
        remedy = "start workers with this environment's python3 first on PATH"
        yield Finding(
            "workers' python3",
            "missing",
            f"{python} is {answer.stdout.strip()}, not this Python's version",
            remedy,
        )
    else:
        yield Finding("workers' python3", "ok", f"{python} has cloudpickle")


def _version(program: str) -> str:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = (answer.stdout or answer.stderr).split()
    return next((word for word in words if word[:1].isdigit()), "")


def _schedulers() -> Iterator[Finding]:
    for name, command in (("Slurm", "sbatch"), ("PBS", "qsub"), ("HTCondor", "condor_submit")):
        path = shutil.which(command)
        if path:
            yield Finding(name, "ok", path)


_LISTENERS = ("ipykernel", "nbrewind", "vine_", "work_queue_", "jupyter")


def _workers() -> Iterator[Finding]:
    """Workers that nbrewind started, and what of this account others on the network can reach."""
    noted = forgotten.found()
    for each in noted:
        what = f"{each.name}: {len(each.jobs)} jobs ({each.kind}) for port {each.port}"
        if each.state == "forgotten":
            yield Finding("workers", "bad", f"{what}, whose kernel was killed", "nbrewind site jobs --cancel")
        else:
            yield Finding("workers", "ok", what)
    guarded = {each.port: each for each in noted if each.state == "running"}
    for listener in listening.listeners():
        if any(name in listener.command for name in _LISTENERS):
            yield _listens(listener, guarded.get(listener.port))


def _listens(listener: listening.Listener, manager: forgotten.Noted | None) -> Finding:
    place = "all network cards" if listener.everywhere else "one network card"
    what = f"port {listener.port} on {place}, process {listener.process}"
    if manager is None:
        command = listener.command if len(listener.command) < 60 else f"{listener.command[:57]}..."
        remedy = "a manager without --site has a password and TLS only if the notebook sets them"
        return Finding("listens", "ok", f"{what}: {command}", remedy)
    has = [name for name, there in (("password", manager.password), ("TLS", manager.tls)) if there]
    found = f"{what}: the manager of {manager.name}, {' and '.join(has) or 'open to everybody'}"
    remedy = "" if len(has) == 2 else "set security.password and security.tls in the site's file"
    return Finding("listens", "ok" if manager.password else "missing", found, remedy)


def _storage(folder: Path) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".nbrewind-doctor-") as place:
            lock = FileLock(Path(place, "lock"), exclusive=True)
            locked = lock.acquire()
            lock.release()
    except OSError as error:
        yield Finding(
            "record's folder", "bad", f"{folder}: {error.strerror}", "choose another with --record DIR"
        )
        return
    free = shutil.disk_usage(folder).free
    if not locked:
        yield Finding(
            "file locks", "bad", f"{folder} has none", "choose another file system with --record DIR"
        )
    elif free < 2**30:
        yield Finding(
            "record's folder",
            "bad",
            f"{free / 2**20:.0f} MiB free in {folder}",
            "free space, or use --record DIR",
        )
    else:
        yield Finding(
            "record's folder",
            "ok",
            f"{folder}: locks work, {free / 2**30:.0f} GiB free, {os.cpu_count()} cores here",
        )
