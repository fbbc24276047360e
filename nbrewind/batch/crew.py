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
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve

from nbrewind.batch import guardian, plan, schedulers, watching, worker_script
from nbrewind.batch.contact import Contact
from nbrewind.batch.model import Site
from nbrewind.batch.plan import Engine, Intent, Plan
from nbrewind.batch.watching import Crew as Status
from nbrewind.errors import SiteUnusable

POLL = 10.0
"""Seconds between two questions to a scheduler, however many jobs there are."""

ANSWER = 15.0
"""Seconds that a scheduler's command gets to answer."""

LOOK = 1.0
"""Seconds between two looks at the logs."""

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
    ) -> None:
        self.site, self.contact = site, contact
        self.plan: Plan | None = None
        self._password, self._beside, self._engine, self._environment = password, beside, engine, environment
        self._guardian: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._ended = threading.Event()
        self._status = Status()
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
        base = scratch(self.site, self._beside, self._environment)
        programs = find_programs(self._engine, self.site, self._environment)
        sweep(base)
        name = f"nbw-{secrets.token_hex(4)}"
        folder = base / name
        self._wanted = plan.fitted(self.site, intent)
        password = str(folder / "password") if self._password else ""
        self.plan = plan.make(
            self._wanted,
            evolve(self.contact, password=password),
            folder,
            name,
            engine=self._engine,
            programs=programs,
            environment=self._environment,
        )
        self._write(self.plan, waiting)
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", guardian.__file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "guardian.log").open("wb"),
            start_new_session=True,
            env={**self.plan.environment},
        )
        self._started = time.monotonic()
        self._watcher = threading.Thread(target=self._watch, name="nbrewind workers", daemon=True)
        self._watcher.start()
        return self.plan

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
            cancel = schedulers.SCHEDULERS[self.site.scheduler.type].cancel
            body = {"command": made.command, "environment": made.environment, "cancel": cancel}
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
        return evolve(self._status, connected=connected)

    def tail(self) -> str:
        """Return the end of the newest worker's log that tells of trouble."""
        if self.plan is None:
            return ""
        logs = sorted(self.plan.folder.glob("jobs*/worker-*.log"), key=lambda path: path.stat().st_mtime)
        return watching.ending(_read(logs[-1])) if logs else ""

    def stop(self) -> None:
        """Stop the workers; their jobs are cancelled, also when this process ends meanwhile."""
        self._ended.set()
        process, self._guardian = self._guardian, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            # reaped when it is done, without anybody waiting for schedulers
            threading.Thread(target=process.wait, name="nbrewind workers end", daemon=True).start()

    def _watch(self) -> None:
        """Look at the logs often, and ask the scheduler seldom; in a thread of its own, as it may hang."""
        asked = time.monotonic() - POLL + 2 * LOOK
        hanging_since = 0.0
        while not self._ended.wait(LOOK):
            made = self.plan
            if made is None:
                continue
            batch, out = _read(made.folder / "batch.log"), _read(made.folder / "factory.log")
            refused, times = watching.rejections(out)
            submitted = tuple(guardian.jobs_of(batch))
            hanging = watching.unanswered(batch)
            hanging_since = (hanging_since or time.monotonic()) if hanging else 0.0
            trouble = self._trouble(made)
            if hanging and time.monotonic() - hanging_since > ANSWER:
                trouble = (
                    *trouble,
                    f"{hanging.split()[0]} has not answered for {time.monotonic() - hanging_since:.0f} s",
                )
            jobs = self._status.jobs
            if submitted and not self._status.connected and time.monotonic() - asked >= POLL:
                asked = time.monotonic()
                jobs, complaint = ask(self.site, submitted, made.environment)
                trouble = (*trouble, *complaint)
            self._status = Status(submitted, jobs, 0, refused, times, trouble)

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


def ask(
    site: Site, jobs: tuple[str, ...], environment: Mapping[str, str]
) -> tuple[tuple[schedulers.Job, ...], tuple[str, ...]]:
    """Ask the scheduler of some jobs, once; return what it says of them, and what it complains of."""
    kind = site.scheduler.type
    if kind == "local":
        return (), ()
    command = schedulers.status_command(kind, jobs)
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER,
        )
    except subprocess.TimeoutExpired:
        return (), (f"{command[0]} has not answered for {ANSWER:.0f} s",)
    except OSError as error:
        return (), (f"{command[0]}: {error.strerror}",)
    known = {each.split(".")[0] for each in jobs}
    found = tuple(
        job for job in schedulers.SCHEDULERS[kind].parse(done.stdout) if job.id.split(".")[0] in known
    )
    if (
        not found
        and done.returncode
        and "nvalid job id" not in done.stderr
        and "nknown Job" not in done.stderr
    ):
        return (), tuple(f"{command[0]}: {line}" for line in done.stderr.strip().splitlines()[-1:])
    return found, ()


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
