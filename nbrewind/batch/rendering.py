"""A plan in words: what ``site render`` prints."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any, cast

from nbrewind.batch import packing, plan
from nbrewind.batch.contact import Contact, address
from nbrewind.batch.crew import scratch
from nbrewind.batch.model import Site
from nbrewind.batch.plan import Engine, Intent, Plan
from nbrewind.errors import SiteUnusable


def preview(site: Site, engine: str, *, cores: int | None = None, workers: int | None = None) -> Plan:
    """Plan workers for a manager that is not there yet.

    Raises
    ------
    SiteUnusable
        No queue takes such workers, or the scheduler cannot be told what the site wants.
    """
    fitted = plan.fitted(packing.named(site), Intent(cores=cores, max=workers))
    try:
        host = address(site)
    except SiteUnusable:
        host = "HOST"  # the card is that of the site's login node, and this may be another machine
    folder = _folder(site) / "nbw-XXXXXXXX"
    password = str(folder / "password") if site.security.password else ""
    contact = Contact(host, cast("int", "PORT"), tls=site.security.tls, password=password)
    return plan.make(fitted, contact, folder, folder.name, engine=cast("Engine", engine))


def _folder(site: Site) -> Path:
    """The folder for scratch; a variable that is only set at the site stands for itself."""
    try:
        return scratch(site, Path("NOTEBOOK.nbrewind"), os.environ)
    except SiteUnusable:
        return Path(site.paths.scratch)


def as_json(planned: Plan) -> dict[str, Any]:
    """Return a plan as one JSON object."""
    return {
        "queue": {"name": planned.queue.name, "why": planned.queue.why},
        "command": list(planned.command),
        "config": planned.config,
        "environment": sorted(planned.environment),
        "submission": list(planned.submission),
        "job_script": planned.job_script,
        "worker": planned.worker,
        "start_worker": planned.script,
    }


def as_text(planned: Plan) -> str:
    """Return a plan as text with headings."""
    parts = [
        ("queue", f"{planned.queue.name or '(none is named)'}: {planned.queue.why}"),
        ("the factory", _lines(planned.command)),
        ("its configuration, config.json", json.dumps(planned.config, indent=1)),
        ("its whole environment", " ".join(sorted(planned.environment))),
    ]
    if planned.kind == "condor":
        parts.append(("the submit description, condor.submit", "\n".join(planned.submission)))
    elif planned.submission:
        parts.append(("for each worker", shlex.join(planned.submission)))
    if planned.job_script:
        parts.append(("the job script, of the engine", planned.job_script.rstrip()))
    parts.append(("the worker's command", planned.worker))
    parts.append(("start-worker", planned.script.rstrip()))
    return "\n\n".join(f"# {title}\n{body}" for title, body in parts) + "\n"


def _lines(command: tuple[str, ...]) -> str:
    return " \\\n    ".join(shlex.quote(word) for word in command)
