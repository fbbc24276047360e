"""Workers that a cell starts by commands: noted as an intent, and at a site left to the site.

A command that may start workers runs with a folder first on its PATH in which each program that starts workers is our
own, `nbrewind.hpc.stand_in`; it asks here what to do. Without a site it becomes the program: the user's own settings
stay. At a site it starts nothing, and what it would have started is what the site's workers are sized by.
"""

from __future__ import annotations

import itertools
import os
import shlex
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import define, field

from nbrewind.batch import commands
from nbrewind.batch.commands import Launch
from nbrewind.cells import launchers
from nbrewind.hpc import stand_in
from nbrewind.hpc.desk import Answer, Desk, Request

SETTLE = 2.0
"""Seconds that a command gets to come to the program that starts workers, when it matters which it is."""

_PRETENDED = 900001
"""The first number of a job that was not submitted."""

_SAYS = {"sbatch": "Submitted batch job {}\n", "condor_submit": "1 job(s) submitted to cluster {}.\n"}
_TERSE = {"sbatch": "--parsable", "qsub": "-terse"}
_GRID_ENGINE = "SGE_ROOT"


@define
class Command:
    """A command of the notebook that may start workers."""

    cell: str
    pid: int = 0
    reported: bool = False
    words: str = ""


@define
class _Noted:
    launch: Launch
    job: str = ""
    over: bool = False


@define
class Launches:
    """The commands of one session that start workers.

    Parameters
    ----------
    replaced
        Whether a site takes their place.
    """

    replaced: bool
    _folder: str = ""
    _desk: Desk | None = None
    _commands: dict[str, Command] = field(factory=dict)
    _noted: list[_Noted] = field(factory=list)
    _started: dict[str, list[str]] = field(factory=dict)
    _told: set[str] = field(factory=set)
    _tokens: Any = field(factory=itertools.count)
    _jobs: Any = field(factory=lambda: itertools.count(_PRETENDED))
    _lock: threading.Lock = field(factory=threading.Lock)

    # -- before a command runs

    def announce(self, cell: str, environment: Mapping[str, str]) -> tuple[Command, dict[str, str]]:
        """Return what is known of a command that is about to run, and its environment."""
        token = str(next(self._tokens))
        command = self._commands[token] = Command(cell)
        path = environment.get("PATH", os.defpath)
        return command, {
            **environment,
            "PATH": f"{self.folder()}{os.pathsep}{path}",
            stand_in.TOKEN: token,
        }

    def program(self, name: str) -> str:
        """Return our own program for a name, or the name."""
        base = os.path.basename(name)
        return os.path.join(self.folder(), base) if base in launchers.PROGRAMS else name

    def folder(self) -> str:
        """Return the folder with our own programs, which is made when it is first needed."""
        with self._lock:
            if self._desk is None:
                self._folder = tempfile.mkdtemp(prefix="nbrewind-launch-", dir="/tmp")
                self._desk = Desk(f"{self._folder}/socket", self._asked, self._left)
                _write_programs(f"{self._folder}/bin", self._desk.address)
            return f"{self._folder}/bin"

    # -- what the programs ask

    def _asked(self, request: Request) -> Answer:
        program, arguments = request["program"], request["arguments"]
        job = request.get("job")
        if program in launchers.CANCEL:
            return self._cancel(program, arguments)
        if job is None and commands.wants_input(program, arguments):
            return {"do": "read"}
        launch = commands.read(program, arguments, request["folder"], job)
        if launch is None:
            return {"do": "run"}
        with self._lock:
            noted = _Noted(launch)
            self._noted.append(noted)
            command = self._commands.get(request["token"])
            if command is not None:
                command.reported = True
                self._started.setdefault(command.cell, []).append(shlex.join([program, *arguments]))
        if not self.replaced:
            return {"do": "run"}
        if launch.lasts:
            return {"do": "stay", "noted": noted}
        if program in launchers.SUBMIT:
            noted.job = str(next(self._jobs))
            return {"do": "say", "out": _answer(program, arguments, noted.job)}
        return {"do": "say", "out": ""}

    def _left(self, answer: Answer) -> None:
        """A program that stayed was ended."""
        noted = answer.get("noted")
        if noted is not None:
            noted.over = True

    def _cancel(self, program: str, arguments: list[str]) -> Answer:
        jobs = commands.cancelled(program, arguments)
        mine = {noted.job: noted for noted in self._noted if noted.job}
        if not self.replaced or not jobs or not all(job.split(".")[0] in mine for job in jobs):
            return {"do": "run"}
        for job in jobs:
            mine[job.split(".")[0]].over = True
        return {"do": "say", "out": ""}

    # -- what is known of them

    def wanted(self, port: int, name: str) -> list[Launch]:
        """Return what serves a manager, and was not ended."""
        self.settle()
        return [noted.launch for noted in self._noted if not noted.over and _serves(noted.launch, port, name)]

    @property
    def over(self) -> bool:
        """Whether workers were started by commands, and all of these ended."""
        return bool(self._noted) and all(noted.over for noted in self._noted)

    def settle(self) -> None:
        """Wait a moment for commands that are on their way to a program that starts workers."""
        deadline = time.monotonic() + SETTLE
        while any(map(_under_way, list(self._commands.values()))) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._commands = {token: command for token, command in self._commands.items() if _under_way(command)}

    def take(self, cell: str) -> tuple[str, ...]:
        """Return the commands by which a cell started workers, since this was last asked."""
        if self._commands:
            self.settle()
        found = tuple(self._started.get(cell, ()))
        self._started.clear()  # what cells did that ran again unseen is in the record already
        return found

    def report(self, cell: str, note: Callable[[str], object]) -> list[str]:
        """Note the commands by which the cell that ends started workers; returns what its author should be told."""
        started = self.take(cell)
        for command in started:
            note(command)
        programs = {command.split()[0] for command in started} - self._told if self.replaced else set()
        self._told |= programs
        return [f"{name} starts no workers here: the site's take their place" for name in sorted(programs)]

    def close(self) -> None:
        """Leave nothing behind."""
        if self._desk is not None:
            self._desk.close()
            shutil.rmtree(self._folder, ignore_errors=True)
        self._desk, self._folder = None, ""


def _under_way(command: Command) -> bool:
    """Whether a command runs and has not come to a program that starts workers."""
    if command.reported or not command.pid:
        return False
    with suppress(OSError):
        return os.waitid(os.P_PID, command.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    return False


def _serves(launch: Launch, port: int, name: str) -> bool:
    """Whether workers are for a manager; where a command names none that can be told, they may be."""
    if launch.port is not None:
        return launch.port == port
    return not launch.name or launch.name == name


def _answer(program: str, arguments: list[str], job: str) -> str:
    """What a submit command says of a job that it took."""
    if _TERSE.get(program) in arguments:
        return f"{job}\n"
    if program == "qsub" and os.environ.get(_GRID_ENGINE):
        return f'Your job {job} ("nbrewind") has been submitted\n'
    return _SAYS.get(program, "{}\n").format(job)


def _write_programs(folder: str, address: str) -> None:
    os.mkdir(folder)
    begin = shlex.join([sys.executable, "-IS", stand_in.__file__, address, folder])
    for name in launchers.PROGRAMS:
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec {begin} {name} "$@"\n')
        os.chmod(path, 0o700)
