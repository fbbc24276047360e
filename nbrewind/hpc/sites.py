"""Workers of the session's site, whatever the engine: started for the first task that must run, watched, stopped."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nbrewind.batch.contact import Contact, address
from nbrewind.batch.crew import SiteCrew
from nbrewind.batch.model import Site
from nbrewind.batch.plan import Engine, Intent
from nbrewind.batch.watching import Crew as Status
from nbrewind.batch.watching import can_never_run
from nbrewind.errors import SiteUnusable

GIVE_UP = 3
"""Refusals in a row, with no job accepted, after which waiting is pointless; the factory tries every 30 s."""


class Certificate:
    """A key and a certificate for the managers of this process, made when the first of them needs one.

    An elliptic curve takes 20 ms; what the engine makes itself, one for each manager, takes most of a second.
    """

    def __init__(self) -> None:
        self._folder = ""
        self._made: tuple[str, str] | None = None

    def get(self) -> tuple[str, str] | None:
        """Return the paths of key and certificate; `None` where they cannot be made."""
        program = shutil.which("openssl")
        if self._made is None and program:
            self._folder = self._folder or tempfile.mkdtemp(prefix="nbrewind-tls-")
            key, certificate = f"{self._folder}/key.pem", f"{self._folder}/certificate.pem"
            command = [
                program,
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ]
            command += ["-days", "30", "-subj", "/CN=nbrewind", "-keyout", key, "-out", certificate]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
            self._made = (key, certificate) if done.returncode == 0 else None
        return self._made

    def forget(self) -> None:
        """Remove both."""
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder, self._made = "", None


class SiteWorkers:
    """Workers for one manager.

    Parameters
    ----------
    site
        Where they run.
    beside
        The folder for scratch where the site names none.
    engine
        Whose manager it is.
    tell
        Shows the user a line.
    tls
        Whether the manager speaks it.
    """

    def __init__(
        self, site: Site, beside: Path, engine: Engine, tell: Callable[[str], None], *, tls: bool = False
    ) -> None:
        self.site, self._beside, self._engine, self._tell, self._tls = site, beside, engine, tell, tls
        self.password = secrets.token_urlsafe(32) if site.security.password else ""
        self._crew: SiteCrew | None = None
        self._intent = Intent()
        self._told: set[str] = set()

    def give_password(self, use: Callable[[str], object]) -> None:
        """Let the engine read the password from a private file, which is gone afterwards."""
        if not self.password:
            return
        file, path = tempfile.mkstemp(prefix="nbrewind-")
        try:
            with os.fdopen(file, "w") as written:
                written.write(self.password)
            use(path)
        finally:
            os.unlink(path)

    def needed(self, port: int, intent: Intent) -> None:
        """Find out whether workers can be started, for the first task that must run; `begin` starts them.

        Raises
        ------
        SiteUnusable
            They cannot be started; at once, before tasks are waited for.
        """
        if self._crew is not None:
            return
        contact = Contact(address(self.site), port, tls=self._tls)
        crew = SiteCrew(self.site, contact, self.password, self._beside, engine=self._engine, tell=self._tell)
        crew.examine(intent)
        self._crew, self._intent = crew, intent

    def begin(self, waiting: int) -> None:
        """Start the workers that are needed: somebody waits, so it shows how many tasks there are.

        Raises
        ------
        SiteUnusable
            They cannot be started.
        """
        if self._crew is None or self._crew.running:
            return
        try:
            self._crew.start(self._intent, waiting)
        except BaseException:
            self._crew = None
            raise

    def status(self, connected: int) -> Status | None:
        """Return how the workers are doing; `None`: none were started."""
        return self._crew.status(connected) if self._crew is not None else None

    def watch(self, connected: int, waiting: int, intent: Intent) -> None:
        """Tell what a user must know of workers that have not come, each thing once; scale those that have.

        Raises
        ------
        SiteUnusable
            They will not come: they could not be started, or the scheduler refuses them.
        """
        if self._crew is None or not self._crew.running:
            return
        self._crew.scale(intent, waiting)
        status = self._crew.status(connected)
        if connected:
            self._told.clear()
            return
        if status.phase == "rejected" and status.refused >= GIVE_UP:
            raise SiteUnusable(status.line())
        for line in self._news(status):
            if line not in self._told:
                self._told.add(line)
                self._tell(line)

    def _news(self, status: Status) -> list[str]:
        lines = [f"the scheduler refuses a worker: {each.words}" for each in status.rejections]
        lines += [_without_numbers(each) for each in status.trouble]
        never = [job for job in status.jobs if job.state in ("queued", "held") and can_never_run(job.reason)]
        lines += [f"a worker's job can never run as it is asked for: {never[0].reason}"] if never else []
        lost = [job for job in status.jobs if job.state in ("failed", "ended")]
        if lost and self._crew is not None:
            tail = self._crew.tail()
            lines.append(
                status.line() if status.phase == "lost" else "a worker's job ended before it connected"
            )
            lines[-1] += f"; its log ends:\n{_indented(tail)}" if tail else ""
        return lines

    def describe(self, connected: int) -> str:
        """Say in a few lines how the workers are doing."""
        status = self.status(connected)
        if status is None or self._crew is None:
            return f"  no worker was asked for at this site ({self.site.scheduler.type})"
        tail = self._crew.tail()
        lines = [f"  {status.line()}", *(f"  {each}" for each in status.trouble)]
        return "\n".join([*lines, f"  the newest worker's log ends:\n{_indented(tail)}"] if tail else lines)

    def stop(self) -> None:
        """Stop them; their jobs are cancelled in the background."""
        crew, self._crew = self._crew, None
        if crew is not None:
            with suppress(OSError):
                crew.stop()


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _without_numbers(text: str) -> str:
    """A trouble that grows by the second is told once."""
    return text.partition(" for ")[0] if text.endswith(" s") else text
