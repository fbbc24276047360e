"""Keeps one factory running, and leaves nothing behind: ``python -I guardian.py FOLDER``, with a pipe as its input.

Whoever starts it holds the other end of the pipe. When that closes, because the kernel is done or was killed, the
factory is stopped, jobs that are still there are cancelled, and the folder goes. A lock on the file ``alive`` is held
meanwhile: where it is free and the folder is still there, this program was killed too, and `sweep` does its work.
Needs the standard library alone, so that it starts in a moment.

It also asks the scheduler about the jobs, at most once in ten seconds and in one call, and notes the answer in
``answer.json``; the kernel writes ``q`` into the pipe when it does not care any more, and ``a`` when it does again.

``guardian.json`` in the folder says what to run::

    {"command": […], "environment": {…}, "cancel": ["scancel"],
     "ask": {"command": ["squeue", "--jobs={jobs}"], "join": ","}}
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

POLL = 10.0
"""Seconds between two questions to the scheduler, however many jobs there are."""

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
    inquiry = Inquiry(folder, about)
    for attempt in range(RESTARTS + 1):
        factory = start(folder, about, attempt)
        note(folder, state="running", attempt=attempt, factory=factory.pid)
        ended = wait(factory, inquiry)
        if not ended:
            inquiry.end()
            stop(factory)
            return
        note(folder, state="ended", attempt=attempt, status=factory.returncode)
        # What the dead factory submitted still works for the manager; the new one sees that it is there.
    while read(60) is not None:
        pass
    inquiry.end()


class Inquiry:
    """Asks the scheduler about the jobs in the background, one question at a time."""

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        self.folder, self.about = folder, about
        self.wanted = about.get("ask") is not None
        self.process: subprocess.Popen[str] | None = None
        self.asked = time.monotonic() - POLL + 2

    def go_on(self) -> None:
        """Ask when it is time to, and note an answer that has come."""
        now = time.monotonic()
        if self.process is not None:
            self.collect(now)
        elif self.wanted and now - self.asked >= POLL:
            jobs = jobs_of(read_text(self.folder / "batch.log"))
            if jobs:
                self.asked = now
                self.ask(jobs)

    def ask(self, jobs: list[str]) -> None:
        """Start the command; its output goes to files, so that no pipe can fill."""
        command, join = self.about["ask"]["command"], self.about["ask"]["join"]
        words: list[str] = []
        for word in command:
            if "{jobs}" not in word:
                words.append(word)
            elif join:
                words.append(word.replace("{jobs}", join.join(jobs)))
            else:
                words += jobs
        try:
            with (self.folder / "answer.out").open("w") as out, (self.folder / "answer.err").open("w") as err:
                self.process = subprocess.Popen(
                    words,
                    env=self.about["environment"],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    text=True,
                )
        except OSError as error:
            self.answer(status=1, out="", err=f"{error.strerror}")

    def collect(self, now: float) -> None:
        """Note the answer, or that there is none."""
        assert self.process is not None
        status = self.process.poll()
        if status is not None:
            self.process = None
            out, err = read_text(self.folder / "answer.out"), read_text(self.folder / "answer.err")
            self.answer(status=status, out=out, err=err)
        elif now - self.asked > PATIENCE:
            self.answer(late=now - self.asked)
            if now - self.asked > 4 * PATIENCE:
                self.end()

    def answer(self, **about: Any) -> None:
        """Write the answer down, whole or not at all."""
        write(self.folder / "answer.json", {"time": time.time(), **about})

    def end(self) -> None:
        """Ask no more."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


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


def wait(factory: subprocess.Popen[bytes], inquiry: Inquiry) -> bool:
    """Wait until the factory ends (true), or the pipe does; meanwhile ask about the jobs."""
    while factory.poll() is None:
        said = read(1)
        if said is None:
            return False
        if said:
            inquiry.wanted = said.endswith(b"a") and inquiry.about.get("ask") is not None
        inquiry.go_on()
    return True


def read(seconds: float) -> bytes | None:
    """What was written into the pipe; `None`: nobody holds its other end any more."""
    try:
        ready, _, _ = select.select([0], [], [], seconds)
        return (os.read(0, 4096) or None) if ready else b""
    except OSError:
        return None


def read_text(path: Path) -> str:
    """What a file holds; nothing where there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def write(path: Path, about: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(about))
    part.rename(path)


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
    write(folder / "state.json", {"time": time.time(), **about})


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
    jobs = jobs_of(read_text(folder / "batch.log"))
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
