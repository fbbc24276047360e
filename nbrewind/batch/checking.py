"""The doctor of sites: tries each thing that workers need, with a probe job that is started as a worker would be."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from nbrewind.batch import packing, plan, schedulers, worker_script
from nbrewind.batch.contact import Contact, address
from nbrewind.batch.crew import find_programs, scratch
from nbrewind.batch.model import Site
from nbrewind.batch.plan import Plan
from nbrewind.batch.watching import ending
from nbrewind.errors import NbrewindError, SiteUnusable

ROOM = 2**30
"""Bytes that scratch should have: a copy of the worker program for each start, logs, packed environments."""

SKEW = 60.0
"""Seconds by which clocks may differ before schedulers and caches are confused."""

PROBE = """\
import json, os, platform, socket, sys, time
found = {"host": socket.gethostname(), "python": platform.python_version(), "time": time.time()}
try:
    import cloudpickle
    found["cloudpickle"] = cloudpickle.__version__
except ImportError as error:
    found["cloudpickle"] = ""
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10).close()
    found["back"] = ""
except OSError as error:
    found["back"] = str(error)
with open("probe.part", "w") as file:
    json.dump(found, file)
os.rename("probe.part", "probe.json")
"""


@frozen
class Finding:
    """One check: whether it went well, what was found, how long it took in seconds, and what helps."""

    check: str
    state: Literal["ok", "bad", "skipped"]
    found: str
    remedy: str = ""
    seconds: float = 0.0


def check(
    site: Site, beside: Path, *, patience: float, environment: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Yield findings as they are made; `patience` is how many seconds the probe job may be queued."""
    began = time.monotonic()
    try:
        programs = find_programs("taskvine", site, environment)
        names = (*schedulers.SCHEDULERS[site.scheduler.type].commands, *sorted(programs))
        yield Finding("commands", "ok", ", ".join(names), seconds=time.monotonic() - began)
        host = address(site)
        yield Finding("address", "ok", f"workers connect to {host}")
    except SiteUnusable as error:
        yield Finding("commands", "bad", str(error), "", time.monotonic() - began)
        return
    folder = Path()
    try:
        folder = scratch(site, beside, environment) / f"nbw-{secrets.token_hex(4)}"
        listener = _listen(site)
        contact = Contact(host, listener.getsockname()[1])
        site = packing.ready(site)
        made = plan.make(site, contact, folder, folder.name, programs=programs, environment=environment)
        yield Finding("queue", "ok", f"{made.queue.name or 'none named'}: {made.queue.why}")
    except NbrewindError as error:
        yield Finding("queue", "bad", str(error), "see `nbrewind site show`")
        return
    except OSError as error:
        yield Finding("ports", "bad", f"no free port: {error}", "widen network.port_range")
        return
    with listener:
        yield from _at(site, made, contact, listener, patience)


def _listen(site: Site) -> socket.socket:
    first, last = site.network.port_range or (0, 0)
    for port in range(first, last + 1):
        listener = socket.socket()
        try:
            listener.bind(("", port))
            listener.listen()
        except OSError:
            listener.close()
            if port == last:
                raise
        else:
            listener.setblocking(False)
            return listener
    raise OSError("the range is empty")


def _at(
    site: Site, made: Plan, contact: Contact, listener: socket.socket, patience: float
) -> Iterator[Finding]:
    folder = made.folder / "jobs"
    try:
        folder.mkdir(parents=True, mode=0o700)
        free = shutil.disk_usage(folder).free
        _write_probe(folder, made)
    except OSError as error:
        remedy = "set paths.scratch to a folder of yours that compute nodes see"
        shutil.rmtree(made.folder, ignore_errors=True)
        place = error.filename or made.folder.parent
        yield Finding("scratch", "bad", f"{place}: {error.strerror}", remedy)
        return
    try:
        state: Literal["ok", "bad"] = "ok" if free >= ROOM else "bad"
        remedy = "" if free >= ROOM else "delete something there, or set paths.scratch"
        yield Finding("scratch", state, f"{made.folder.parent}: {free / 2**30:.1f} GB free", remedy)
        yield _locks(made.folder)
        if site.scheduler.type == "condor":
            yield Finding("probe job", "skipped", "HTCondor's machines share no folder to answer in")
            return
        yield from _probe(site, made, contact, listener, patience)
    finally:
        shutil.rmtree(made.folder, ignore_errors=True)


def _write_probe(folder: Path, made: Plan) -> None:
    (folder / worker_script.NAME).write_text(made.script)
    (folder / worker_script.NAME).chmod(0o755)
    (folder / "probe.py").write_text(PROBE)
    if made.archive:
        shutil.copy(made.archive, folder)


def _locks(folder: Path) -> Finding:
    try:
        with (folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return Finding(
            "locks", "bad", f"{folder}: {error.strerror}", "mount it with locks, or use another scratch"
        )
    return Finding("locks", "ok", "files can be locked there")


def _probe(
    site: Site, made: Plan, contact: Contact, listener: socket.socket, patience: float
) -> Iterator[Finding]:
    began = time.monotonic()
    folder = made.folder / "jobs"
    script = folder / "probe.sh"
    script.write_text(
        f"#!/bin/sh\ncd {folder} && exec ./{worker_script.NAME} python3 probe.py {contact.host} {contact.port}\n"
    )
    script.chmod(0o755)
    command = [*made.submission[:-1], "./probe.sh"] if made.submission else ["./probe.sh"]
    try:
        done = subprocess.run(
            command, cwd=folder, env=made.environment, capture_output=True, text=True, timeout=patience
        )
    except subprocess.TimeoutExpired:
        yield Finding(
            "submission", "bad", f"{command[0]} did not answer in {patience:.0f} s", "is the scheduler up?"
        )
        return
    if done.returncode and made.submission:
        said = "; ".join(line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip())
        remedy = "queue, account, walltime and job_extra_directives are in [scheduler]"
        yield Finding("submission", "bad", said, remedy, time.monotonic() - began)
        return
    number = re.search(r"\d+", done.stdout)
    job = number[0] if made.submission and number else ""
    yield Finding(
        "submission", "ok", f"job {job}" if job else "on this machine", seconds=time.monotonic() - began
    )
    about = _wait(folder, listener, patience, began)
    if about is None:
        yield _never(site, made, job, patience)
        return
    yield from _about(about, contact, time.monotonic() - began)


def _wait(folder: Path, listener: socket.socket, patience: float, began: float) -> dict[str, Any] | None:
    """Wait for the probe's answer; whoever connects meanwhile is let in."""
    while time.monotonic() - began < patience:
        with suppress(BlockingIOError):
            listener.accept()[0].close()
        try:
            found: dict[str, Any] = json.loads((folder / "probe.json").read_text())
        except (OSError, ValueError):
            time.sleep(0.2)
        else:
            return found
    return None


def _never(site: Site, made: Plan, job: str, patience: float) -> Finding:
    """Say why the probe did not answer, and take its job back."""
    folder, kind = made.folder / "jobs", site.scheduler.type
    logs = [path.read_text(errors="replace") for path in folder.glob("worker-*.log")]
    said = ""
    if job:
        scheduler = schedulers.SCHEDULERS[kind]
        words = [word.replace("{jobs}", job) for word in scheduler.status]
        for command in (words, [*scheduler.cancel, job]):
            try:
                done = subprocess.run(
                    command, env=made.environment, capture_output=True, text=True, timeout=15
                )
            except (OSError, subprocess.TimeoutExpired):
                continue
            known = [each for each in scheduler.parse(done.stdout) if each.id.split(".")[0] == job]
            said = said or ", ".join(f"{each.state} {each.reason}".strip() for each in known)
    if logs:
        return Finding(
            "probe job", "bad", f"it started, and its log ends: {ending(logs[-1])}", "see [environment]"
        )
    return Finding(
        "probe job",
        "bad",
        f"no answer in {patience:.0f} s{f': {said}' if said else ''}",
        "wait longer with --wait; if the job ran, compute nodes do not see paths.scratch",
    )


def _about(about: dict[str, Any], contact: Contact, seconds: float) -> Iterator[Finding]:
    yield Finding("probe job", "ok", f"ran on {about['host']}, which sees scratch", seconds=seconds)
    if about["back"]:
        remedy = (
            "set network.interface to a card that compute nodes reach, and network.port_range to open ports"
        )
        yield Finding("way back", "bad", f"{contact.host} port {contact.port}: {about['back']}", remedy)
    else:
        yield Finding("way back", "ok", f"{about['host']} reaches {contact.host}")
    here = platform.python_version()
    same = about["python"].split(".")[:2] == here.split(".")[:2]
    remedy = "" if same else "functions travel between equal Pythons alone: see [environment]"
    yield Finding("Python", "ok" if same else "bad", f"{about['python']} there, {here} here", remedy)
    found = about["cloudpickle"]
    remedy = "" if found else "install cloudpickle in the workers' Python"
    yield Finding("cloudpickle", "ok" if found else "bad", found or "not there", remedy)
    skew = abs(about["time"] - time.time())
    yield Finding(
        "clock", "ok" if skew < SKEW else "bad", f"{skew:.0f} s apart", "" if skew < SKEW else "tell the site"
    )
