"""Whether workers can run the notebook's Python tasks: told once, in seconds, with what differs and the remedy.

The first task is the probe. The program that runs it on the worker says what keeps it from running, and what is
installed there.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any

from attrs import frozen

from nbrewind.cells.distributions import distribution_version
from nbrewind.hpc.tickets import Returned, Ticket
from nbrewind.tasks.environments import LIBRARY, Trouble, minor
from nbrewind.tasks.keys import Key
from nbrewind.tasks.observed import Seen, parse

_PATH_REMEDY = 'or start the workers with another PATH (factory.wrapper = "env PATH=…")'
_CRASHES = frozenset({-11, -6, 134, 139})
_ABSENT = "missing"


@frozen
class Unfit:
    """Why a worker can run no task like this one.

    Parameters
    ----------
    worker
        Its host.
    why, remedy
        A clause each.
    rows
        What is compared: name, here, there.
    """

    worker: str
    why: str
    remedy: str
    rows: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        lines = [f"worker {self.worker or '?'} cannot run the Python tasks of this notebook: {self.why}"]
        if self.rows:
            table = [("", "notebook", "worker"), *self.rows]
            widths = [max(len(row[column]) for row in table) for column in (0, 1)]
            lines += [f"  {n:<{widths[0]}}  {a:<{widths[1]}}  {b}".rstrip() for n, a, b in table]
        return "\n".join([*lines, f"remedy: {self.remedy}"])


@dataclass(slots=True)
class Probe:
    """What the Python tasks of one manager have shown of its workers."""

    good: int = 0
    unfit: dict[str, Unfit] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def note(self, worker: str, unfit: Unfit | None, *, good: bool) -> None:
        """Take a returned Python task into account."""
        if good:
            self.good += 1
        elif unfit is not None:
            self.unfit[worker] = unfit

    def verdict(self, connected: int, left: int) -> Unfit | None:
        """Return, once for each cause, why no task can run: no worker can do it, or none is left to try.

        Parameters
        ----------
        connected
            Workers that are there.
        left
            Tasks that have not come back.
        """
        if self.good or not self.unfit or (len(self.unfit) < connected and left):
            return None
        for each in self.unfit.values():
            if each.why not in self.told:
                self.told.add(each.why)
                return each
        return None


def unfit(ticket: Ticket, back: Returned, seen: Seen, here: Mapping[str, Any]) -> Unfit | None:
    """Say why a failed task could not run on its worker, if that is what its failure shows.

    Parameters
    ----------
    ticket, back, seen
        The task.
    here
        The notebook's own environment.
    """
    if ticket.spec.kind != "python":
        return None
    there = parse(back.report or b"").environment
    host = str(there.get("host") or back.host.partition(" ")[0])
    if "python3: not found" in back.stdout or "python3: command not found" in back.stdout:
        remedy = "install Python and cloudpickle on the workers, " + _PATH_REMEDY
        return Unfit(host, "there is no python3 on its PATH", remedy)
    judged = _judged(seen.trouble, back, str(here["python"]), str(there.get("python", "")))
    if judged is None:
        return None
    why, remedy = judged
    if executable := there.get("executable"):
        why += f" (its python3 is {executable})"
    key = ticket.miss.key
    ingredients = key.ingredients if isinstance(key, Key) else {}
    libraries = [name.removeprefix(LIBRARY) for name in ingredients if name.startswith(LIBRARY)]
    return Unfit(host, why, remedy, tuple(_rows(seen.trouble, libraries, here, there)))


def _judged(trouble: Trouble | None, back: Returned, here: str, there: str) -> tuple[str, str] | None:
    """Cause and remedy."""
    other = bool(there) and minor(here) != minor(there)
    versions = (
        f"it has Python {minor(there)}, and the notebook {minor(here)}",
        f"give the workers Python {minor(here)}, {_PATH_REMEDY}",
    )
    if trouble is None:
        return versions if other and back.exit_code in _CRASHES else None
    if trouble.stage == "cloudpickle":
        return (
            "cloudpickle is missing there",
            f"install cloudpickle for the python3 that is first on the workers' PATH, {_PATH_REMEDY}",
        )
    top = trouble.module.partition(".")[0]
    if top and (version := distribution_version(top)):
        named = _distribution(top)
        return (
            f"{top} is missing there",
            f"install {named}=={version} for the workers' python3, {_PATH_REMEDY}",
        )
    if top and _is_here(top):
        return (
            f"the module {top} is missing there, which lies beside the notebook",
            f"put {top} on the workers' PYTHONPATH, or send it by value: cloudpickle.register_pickle_by_value({top})",
        )
    return versions if other and trouble.stage in ("function", "arguments") else None


def _rows(
    trouble: Trouble | None, libraries: list[str], here: Mapping[str, Any], there: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """What the two environments have, line by line."""
    yield "python", str(here["python"]), str(there.get("python", "?"))
    installed = {_normal(name): version for name, version in (trouble.installed if trouble else {}).items()}
    wanted = trouble.module.partition(".")[0] if trouble else ""
    for name in dict.fromkeys(["cloudpickle", *libraries, *([wanted] if wanted else [])]):
        version = installed.get(_normal(_distribution(name)), _ABSENT)
        if trouble is not None:
            yield name, distribution_version(name) or "beside the notebook", version


def _is_here(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@cache
def _distribution(module: str) -> str:
    """Name of the distribution that holds a module."""
    return next(iter(metadata.packages_distributions().get(module, ())), module)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
