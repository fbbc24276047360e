"""What a kernel is told when it starts: by the command line through the environment, or by Jupyter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from attrs import frozen

from nbrewind.tasks.policies import POLICIES
from nbrewind.tasks.policies import Policy as Environments

Kind = Literal["audit", "repeat", "script"]
Policy = Literal["auto", "all", "none"]
_PREFIX = "NBREWIND_"


@frozen
class Settings:
    """How a session records and repeats.

    Parameters
    ----------
    kind
        ``audit`` executes every cell, ``repeat`` only the affected ones; ``script`` is no notebook at all.
    notebook
        The notebook's path, where it is known.
    record
        The record's folder.
    fresh
        Reuse nothing, record anew.
    rerun
        Cells (identifiers or indices) that run in any case.
    policy
        Which values are saved: ``auto``, ``all`` or ``none``.
    quiet
        No line in the outputs of restored and executed cells.
    site
        Name of the site whose configuration starts workers.
    worker_deadline
        Seconds without any worker after which a waiting manager gives up (0: never).
    environments
        How like the environment must be that a task ran in, for its result to be reused: ``exact``, ``compatible``
        or ``any``.
    verify
        Share of the cells whose recorded effects hold that run all the same, to be compared with the record (0: none).
    tolerance
        Relative difference of floating-point numbers up to which they count as close.
    jobs
        How many cells may run at the same time.
    isolated
        Whether a cell may use only what the record holds of the cells before it: nothing is rebuilt for it.
    """

    kind: Kind
    notebook: Path
    record: Path
    fresh: bool = False
    rerun: tuple[str, ...] = ()
    policy: Policy = "auto"
    quiet: bool = False
    site: str = ""
    worker_deadline: float = 0.0
    environments: Environments = "compatible"
    verify: float = 0.0
    tolerance: float = 1e-9
    jobs: int = 1
    isolated: bool = False

    def environment(self) -> dict[str, str]:
        """Variables that hand these settings to a kernel process."""
        values = {
            "NOTEBOOK": str(self.notebook),
            "RECORD": str(self.record),
            "FRESH": "1" if self.fresh else "",
            "RERUN": "\n".join(self.rerun),
            "POLICY": self.policy,
            "QUIET": "1" if self.quiet else "",
            "SITE": self.site,
            "WORKER_DEADLINE": str(self.worker_deadline),
            "ENVIRONMENTS": self.environments,
            "VERIFY": str(self.verify) if self.verify else "",
            "TOLERANCE": str(self.tolerance),
            "JOBS": str(self.jobs) if self.jobs > 1 else "",
            "ISOLATED": "1" if self.isolated else "",
        }
        return {_PREFIX + key: value for key, value in values.items() if value}


def record_folder(notebook: Path) -> Path:
    """Where the record of a notebook lies unless somebody says otherwise: ``NAME.nbrewind`` beside it."""
    return notebook.with_suffix(".nbrewind")


def settings_from(kind: Kind, environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of a kernel that starts with this environment.

    Jupyter Server names the notebook in ``JPY_SESSION_NAME``; where nothing does, the record is that of a notebook
    called ``notebook.ipynb`` in the current folder.
    """

    def value(key: str) -> str:
        return environment.get(_PREFIX + key, "")

    named = value("NOTEBOOK") or environment.get("JPY_SESSION_NAME", "")
    notebook = Path(named) if named.endswith(".ipynb") else Path("notebook.ipynb")
    if not notebook.is_absolute():
        notebook = Path.cwd() / notebook
    if not value("NOTEBOOK") and not notebook.parent.is_dir():
        notebook = Path.cwd() / notebook.name
    return Settings(
        kind=kind,
        notebook=notebook,
        record=Path(value("RECORD")) if value("RECORD") else record_folder(notebook),
        fresh=bool(value("FRESH")),
        rerun=tuple(filter(None, value("RERUN").split("\n"))),
        policy=cast("Policy", value("POLICY") if value("POLICY") in ("all", "none") else "auto"),
        quiet=bool(value("QUIET")),
        site=value("SITE"),
        worker_deadline=float(value("WORKER_DEADLINE") or 0),
        environments=cast(
            "Environments", value("ENVIRONMENTS") if value("ENVIRONMENTS") in POLICIES else "compatible"
        ),
        verify=float(value("VERIFY") or 0),
        tolerance=float(value("TOLERANCE") or 1e-9),
        jobs=int(value("JOBS") or 1),
        isolated=bool(value("ISOLATED")),
    )
