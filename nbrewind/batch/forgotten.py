"""Workers started from this account: a note of each crew, by which the jobs of a killed one are found again."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import platformdirs
from attrs import frozen

from nbrewind.batch import guardian

BEGINNING = 10.0
"""Seconds in which whoever starts workers may still be starting what looks after them."""


@frozen
class Noted:
    """The workers of one manager, as they were started.

    Parameters
    ----------
    name
        The jobs' name.
    folder
        Where they are started from.
    kind
        The batch system.
    host, port
        What they connect to.
    password, tls
        Whether the manager wants the one and speaks the other.
    started
        When, in seconds since the epoch.
    state
        ``running``: somebody looks after them; ``forgotten``: nobody does any more.
    jobs
        Those that are not known to have ended.
    """

    name: str
    folder: Path
    kind: str
    host: str
    port: int
    password: bool
    tls: bool
    started: float
    state: Literal["running", "forgotten"]
    jobs: tuple[str, ...]


def notes() -> Path:
    """Return the folder of the notes, which all login nodes see where the home folder is shared."""
    return platformdirs.user_state_path("nbrewind") / "crews"


def note(folder: Path, kind: str, host: str, port: int, *, password: bool, tls: bool) -> None:
    """Note workers that are about to start; where that cannot be noted, they start all the same."""
    about = {
        "folder": str(folder),
        "kind": kind,
        "host": host,
        "port": port,
        "password": password,
        "tls": tls,
    }
    with suppress(OSError):
        notes().mkdir(parents=True, exist_ok=True)
        body = json.dumps({**about, "started": time.time(), "login": socket.gethostname()})
        (notes() / f"{folder.name}.json").write_text(body)
        found()  # notes of what is over go


def found() -> list[Noted]:
    """Return all that are still there, oldest first; notes of those that were cleaned up go."""
    kept = []
    for path in notes().glob("*.json"):
        try:
            about = json.loads(path.read_text())
            folder = Path(about["folder"])
            if not (folder / "guardian.json").exists():
                path.unlink(missing_ok=True)
                continue
            kept.append(
                Noted(
                    name=folder.name,
                    folder=folder,
                    kind=about["kind"],
                    host=about["host"],
                    port=about["port"],
                    password=about["password"],
                    tls=about["tls"],
                    started=about["started"],
                    state="running" if _guarded(folder) or _begins(about["started"]) else "forgotten",
                    jobs=tuple(guardian.jobs_of(guardian.read_text(folder / "batch.log"))),
                )
            )
        except (OSError, ValueError, KeyError):
            continue
    return sorted(kept, key=lambda each: each.started)


def cancel(noted: Noted) -> bool:
    """Cancel the jobs of a forgotten crew and remove its folder; whether they are gone."""
    return guardian.sweep(noted.folder) and not noted.folder.exists()


def _begins(started: float) -> bool:
    """Whether a guardian may not be there yet."""
    return time.time() - started < BEGINNING


def _guarded(folder: Path) -> bool:
    """Whether a guardian holds its lock."""
    with open(os.open(folder / "alive", os.O_CREAT | os.O_RDWR, 0o600), "r+") as alive:
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
