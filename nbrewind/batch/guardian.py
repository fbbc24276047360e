"""Keeps one factory running, and leaves nothing behind: ``python -I guardian.py FOLDER``, with a pipe as its input.

Whoever starts it holds the other end of the pipe. When that closes, because the kernel is done or was killed, the
factory is stopped, jobs that are still there are cancelled, and the folder goes. A lock on the file ``alive`` is held
meanwhile: where it is free and the folder is still there, this program was killed too, and `sweep` does its work.
Needs the standard library alone, so that it starts in a moment.

``guardian.json`` in the folder says what to run::

    {"command": […], "environment": {…}, "cancel": ["scancel"], "keep": false}
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE = 15.0
"""Seconds that a factory gets to cancel its jobs, and each cancel command to answer."""

RESTARTS = 3
"""How often a factory that ended by itself is started again."""

_SUBMITTED = re.compile(r"job (\d+) submitted")
_ENDED = re.compile(r"job (\d+) (?:complete|was removed|does not appear to be running)")


def main(arguments: list[str]) -> int:
    """Guard one factory until the input closes."""
    folder = Path(arguments[0])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    with (folder / "alive").open("w") as alive:
        with suppress(OSError):  # a file system without locks: `sweep` leaves what lies there alone
            fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            guard(folder)
        finally:
            clean(folder)
    return 0


def guard(folder: Path) -> None:
    """Run the factory, again when it ends by itself, until nobody holds the pipe any more."""
    about = json.loads((folder / "guardian.json").read_text())
    for attempt in range(RESTARTS + 1):
        factory = start(folder, about, attempt)
        note(folder, state="running", attempt=attempt, factory=factory.pid)
        ended = wait(factory)
        if not ended:
            stop(factory)
            return
        note(folder, state="ended", attempt=attempt, status=factory.returncode)
        # What the dead factory submitted still works for the manager; the new one sees that it is there.
    while read(60):
        pass


def start(folder: Path, about: dict[str, Any], attempt: int) -> subprocess.Popen[bytes]:
    """Start the factory, in a folder of its own each time: an old worker there may still be running."""
    command = about["command"]
    jobs = folder / "jobs"
    if attempt:
        again = folder / f"jobs-{attempt}"
        command = [word.replace(f"--scratch-dir={jobs}", f"--scratch-dir={again}") for word in command]
        jobs = again
    jobs.mkdir(exist_ok=True)
    with (folder / "factory.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, env=about["environment"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )


def wait(factory: subprocess.Popen[bytes]) -> bool:
    """Wait until the factory ends (true), or the pipe does."""
    while factory.poll() is None:
        if not read(1):
            return False
    return True


def read(seconds: float) -> bool:
    """Whether somebody still holds the other end of the pipe."""
    try:
        ready, _, _ = select.select([0], [], [], seconds)
        return not ready or bool(os.read(0, 4096))
    except OSError:
        return False


def stop(factory: subprocess.Popen[bytes]) -> None:
    """End the factory; it cancels its jobs itself when it is given the time."""
    factory.terminate()
    try:
        factory.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        factory.kill()
        factory.wait()


def note(folder: Path, **about: Any) -> None:
    """Say in ``state.json`` what happens here."""
    part = folder / "state.json.part"
    part.write_text(json.dumps({"time": time.time(), **about}))
    part.rename(folder / "state.json")


def jobs_of(log: str) -> list[str]:
    r"""Return the numbers of the jobs that a factory's log tells of, and that are not known to have ended.

    Examples
    --------
    >>> jobs_of("job 7 submitted\njob 8 submitted\njob 7 complete\n")
    ['8']
    """
    known = dict.fromkeys(match[1] for match in _SUBMITTED.finditer(log))
    for match in _ENDED.finditer(log):
        known.pop(match[1], None)
    return list(known)


def clean(folder: Path) -> None:
    """Cancel what is still there, and remove the folder."""
    about = json.loads((folder / "guardian.json").read_text())
    try:
        log = (folder / "batch.log").read_text(errors="replace")
    except OSError:
        log = ""
    jobs = jobs_of(log)
    if about["cancel"] and jobs:
        try:
            subprocess.run(
                [*about["cancel"], *jobs],
                env=about["environment"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=PATIENCE,
            )
        except (OSError, subprocess.TimeoutExpired):
            note(folder, state="left", jobs=jobs)
            return  # the next start tries again
    if not about.get("keep"):
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> bool:
    """Do the work of a guardian that was killed; whether there was any."""
    try:
        mine = (folder / "guardian.json").stat().st_uid == os.getuid()
    except OSError:
        return False
    if not mine:
        return False
    with (folder / "alive").open("a") as alive:
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        clean(folder)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
