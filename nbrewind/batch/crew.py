"""The workers of one manager at a site: started, scaled, watched and stopped, by way of a guardian.

The guardian is a process of its own that outlives this one by as long as it takes to cancel the jobs.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import evolve

from nbrewind.batch import forgotten, guardian, packing, plan, schedulers, watching, worker_script
from nbrewind.batch.contact import Contact
from nbrewind.batch.model import Site
from nbrewind.batch.plan import Engine, Intent, Plan
from nbrewind.batch.watching import Crew as Status
from nbrewind.errors import SiteUnusable

ANSWER = 15.0
"""Seconds that a submit command gets to answer before that is told."""

LOOK = 1.0
"""Seconds between two looks at the logs."""

_UNKNOWN_JOB = ("nvalid job id", "nknown Job", "Job has finished")
_LEFT: list[subprocess.Popen[bytes]] = []
"""Guardians that still clean up."""

SETTLE = 35.0
"""Seconds after which the factory alone decides how many workers there are."""


class SiteCrew:
    """Workers for one manager.

    Parameters
    ----------
    site
        Where they run.
    contact
        The manager.
    password
        What it shares with its workers; empty: nothing.
    beside
        The folder that is used for scratch where the site names none.
    engine
        Whose manager it is.
    tell
        Shows the user a line.
    """

    def __init__(
        self,
        site: Site,
        contact: Contact,
        password: str,
        beside: Path,
        *,
        engine: Engine = "taskvine",
        environment: Mapping[str, str] = os.environ,
        tell: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.site, self.contact = site, contact
        self._tell = tell
        self.plan: Plan | None = None
        self._password, self._beside, self._engine, self._environment = password, beside, engine, environment
        self._guardian: subprocess.Popen[bytes] | None = None
        self._status = Status()
        self._looked = self._hanging_since = 0.0
        self._asks = True
        self._started = 0.0
        self._config: dict[str, object] = {}
        self._wanted = site

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._guardian is not None

    def start(self, intent: Intent, waiting: int) -> Plan:
        """Start as many workers as the waiting tasks fill, within the site's bounds and the notebook's intent.

        Raises
        ------
        SiteUnusable
            The programs are not here, or the site does not take such workers.
        """
        self.plan = self.examine(intent)
        sweep(self.plan.folder.parent)
        self._write(self.plan, waiting)
        folder = self.plan.folder
        forgotten.note(
            folder,
            self.site.scheduler.type,
            self.contact.host,
            self.contact.port,
            password=bool(self._password),
            tls=self.contact.tls,
        )
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", guardian.__file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "guardian.log").open("wb"),
            start_new_session=True,
            env={**self.plan.environment},
        )
        self._started = time.monotonic()
        return self.plan

    def examine(self, intent: Intent) -> Plan:
        """Return what would be started, and start nothing.

        Raises
        ------
        SiteUnusable
            As `start`, but for what only trying tells.
        """
        programs = find_programs(self._engine, self.site, self._environment)
        name = f"nbw-{secrets.token_hex(4)}"
        folder = scratch(self.site, self._beside, self._environment) / name
        self._wanted = plan.fitted(packing.ready(self.site, self._tell), intent)
        return plan.make(
            self._wanted,
            evolve(self.contact, password=str(folder / "password") if self._password else ""),
            folder,
            name,
            engine=self._engine,
            programs=programs,
            environment=self._environment,
        )

    def _write(self, made: Plan, waiting: int) -> None:
        folder = made.folder
        try:
            folder.mkdir(parents=True, mode=0o700)
            (folder / "jobs").mkdir(mode=0o700)
            if self._password:
                with open(
                    os.open(folder / "password", os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w"
                ) as file:
                    file.write(self._password)
            script = folder / worker_script.NAME
            script.write_text(made.script)
            script.chmod(0o755)
            kind = self.site.scheduler.type
            body: dict[str, object] = {"command": made.command, "environment": made.environment}
            body |= {"cancel": schedulers.SCHEDULERS[kind].cancel, "ask": schedulers.question(kind)}
            (folder / "guardian.json").write_text(json.dumps(body))
            self._configure({**made.config, "min-workers": plan.config(self._wanted, waiting)["min-workers"]})
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise SiteUnusable(
                f"{folder.parent}: workers cannot be started from there ({error.strerror}); "
                "set paths.scratch to a folder that has room and that the compute nodes see"
            ) from error

    def _configure(self, config: dict[str, object]) -> None:
        if self.plan is None or config == self._config:
            return
        part = self.plan.folder / "config.json.part"
        part.write_text(json.dumps(config, indent=1))
        part.rename(self.plan.folder / "config.json")
        self._config = config

    def scale(self, intent: Intent, waiting: int) -> None:
        """Tell the factory how many workers are wanted now."""
        if not self.running or self.plan is None:
            return
        self._wanted = plan.fitted(self.site, intent)
        settled = time.monotonic() - self._started > SETTLE
        body = plan.config(self._wanted, 0 if settled else waiting)
        if not settled:
            before = self._config.get("min-workers")
            body["min-workers"] = max(body["min-workers"], before if isinstance(before, int) else 0)
        try:
            self._configure(body)
        except OSError:
            return  # the folder is gone, and with it the factory: `status` says so

    def status(self, connected: int) -> Status:
        """Return how the workers are doing, as last seen; `connected` is the manager's count of them."""
        if self.plan is not None and self.running:
            if not connected:
                self._look(self.plan)
            self._tell_guardian(ask=not connected)
        return evolve(self._status, connected=connected)

    def tail(self) -> str:
        """Return the end of the newest worker's log that tells of trouble."""
        if self.plan is None:
            return ""
        logs = sorted(self.plan.folder.glob("jobs*/worker-*.log"), key=lambda path: path.stat().st_mtime)
        return watching.ending(_read(logs[-1])) if logs else ""

    def stop(self) -> None:
        """Stop the workers; their jobs are cancelled, also when this process ends meanwhile."""
        process, self._guardian = self._guardian, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            # reaped some time, without anybody waiting for schedulers
            _LEFT[:] = [each for each in (*_LEFT, process) if each.poll() is None]

    def _look(self, made: Plan) -> None:
        """Read what the factory and the scheduler said, at most once a second."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        batch, out = _read(made.folder / "batch.log"), _read(made.folder / "factory.log")
        refused, times = watching.rejections(out)
        trouble = self._trouble(made)
        hanging = watching.unanswered(batch)
        self._hanging_since = (self._hanging_since or now) if hanging else 0.0
        if hanging and now - self._hanging_since > ANSWER:
            trouble = (
                *trouble,
                f"{hanging.split()[0]} has not answered for {now - self._hanging_since:.0f} s",
            )
        submitted = tuple(guardian.jobs_of(batch))
        jobs, complaint = understand(self.site, submitted, _read(made.folder / "answer.json"))
        self._status = Status(submitted, jobs, 0, refused, times, (*trouble, *complaint))

    def _tell_guardian(self, ask: bool) -> None:
        """Let the guardian ask the scheduler about jobs, or leave it in peace."""
        process = self._guardian
        if ask != self._asks and process is not None and process.stdin is not None:
            self._asks = ask
            with suppress(OSError):
                process.stdin.write(b"a" if ask else b"q")
                process.stdin.flush()

    def _trouble(self, made: Plan) -> tuple[str, ...]:
        process = self._guardian
        if process is not None and process.poll() is not None:
            said = _read(made.folder / "guardian.log").strip()
            return (f"the guardian of the factory ended{f': {said.splitlines()[-1]}' if said else ''}",)
        try:
            state = json.loads(_read(made.folder / "state.json") or "{}")
        except ValueError:
            return ()
        if state.get("state") == "ended":
            lines = [line for line in _read(made.folder / "factory.log").splitlines() if line.strip()]
            return (f"the factory ended with status {state.get('status')}: {lines[-1] if lines else ''}",)
        return ()


def understand(
    site: Site, jobs: tuple[str, ...], answer: str
) -> tuple[tuple[schedulers.Job, ...], tuple[str, ...]]:
    """Return what the scheduler says of jobs, and what is wrong with its answer, from the guardian's note of it."""
    try:
        about = json.loads(answer or "{}")
    except ValueError:
        return (), ()
    program = schedulers.SCHEDULERS[site.scheduler.type].status[:1]
    if about.get("late"):
        return (), (f"{program[0]} has not answered for {about['late']:.0f} s",)
    known = {each.split(".")[0] for each in jobs}
    parse = schedulers.SCHEDULERS[site.scheduler.type].parse
    found = tuple(job for job in parse(about.get("out", "")) if job.id.split(".")[0] in known)
    complaint = about.get("err", "").strip()
    if found or not about.get("status") or any(each in complaint for each in _UNKNOWN_JOB):
        return found, ()
    return (), tuple(f"{program[0]}: {line}" for line in complaint.splitlines()[-1:])


def find_programs(engine: Engine, site: Site, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the paths of the engine's programs.

    Raises
    ------
    SiteUnusable
        One is missing, or a command of the scheduler is.
    """
    path = environment.get("PATH", os.defpath)
    kind = site.scheduler.type
    missing = [name for name in schedulers.SCHEDULERS[kind].commands if shutil.which(name, path=path) is None]
    if missing:
        raise SiteUnusable(
            f"this site's scheduler is {kind}, and {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} not on "
            "PATH: run this on a login node of the site, or choose another with --site"
        )
    found = {}
    for name in plan.PROGRAMS[engine]:
        where = shutil.which(name, path=path)
        if where is None:
            raise SiteUnusable(
                f"{name} is not on PATH; it comes with ndcctools (Debian: coop-computing-tools)"
            )
        found[name] = where
    return found


def scratch(site: Site, beside: Path, environment: Mapping[str, str]) -> Path:
    """Return the folder below which workers are started."""
    return Path(plan.expand(site.paths.scratch, environment)) if site.paths.scratch else beside / "crews"


def sweep(base: Path) -> int:
    """Cancel the jobs of crews whose guardian was killed, and remove their folders; return how many there were."""
    return sum(guardian.sweep(folder) for folder in sorted(base.glob("nbw-*")))


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
