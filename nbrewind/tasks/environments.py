"""The software that a task met on its worker, and whether its result may stand for what it would meet now.

What workers are like now is not known before one of them works. The notebook's own environment stands in for
them: as long as it is what it was when a task ran, workers are taken to be what they were; where it changed,
they are taken to be like the notebook, unless workers of this session have shown otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from nbrewind.cells.distributions import distribution_version
from nbrewind.tasks.policies import Policy
from nbrewind.tasks.remote import surroundings

LIBRARY = "lib:"
_EXACT = ("python", "implementation", "system", "release", "machine", "libc", "cpu", "container", "modules")


@frozen
class Trouble:
    """Why a worker could not run a Python task.

    Parameters
    ----------
    stage
        What it was at: ``cloudpickle``, ``function``, ``arguments`` or ``run``.
    error
        The exception.
    module
        The module that was not found, if that was it.
    installed
        Versions of what is installed there, by distribution.
    """

    stage: str
    error: str
    module: str
    installed: Mapping[str, str]


def trouble_in(report: Mapping[str, Any]) -> Trouble | None:
    """Read what a worker said of its trouble."""
    found = report.get("trouble")
    if not isinstance(found, dict):
        return None
    installed = report.get("installed")
    return Trouble(
        str(found.get("stage", "")),
        str(found.get("error", "")),
        str(found.get("module", "")),
        installed if isinstance(installed, dict) else {},
    )


@frozen
class Difference:
    """One thing that is not what it was: a library (``lib:NAME``), ``python``, ``cpu``, …."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        name = self.name.removeprefix(LIBRARY)
        return f"{name} {self.before or 'absent'} → {self.after or 'absent'}"


def minor(version: str) -> str:
    """Major and minor version.

    >>> minor("3.13.5")
    '3.13'
    """
    return ".".join(version.split(".")[:2])


def facts(environment: Mapping[str, Any], policy: Policy) -> dict[str, str]:
    """Return what a policy compares, as flat texts."""
    if policy == "any":
        return {}
    libraries = environment.get("libraries") or {}
    found = {LIBRARY + name: str(version) for name, version in libraries.items()}
    if "python" in environment:
        found["python"] = minor(str(environment["python"]))
    if policy == "exact":
        found.update({name: _flat(environment[name]) for name in _EXACT if name in environment})
    return found


def _flat(value: Any) -> str:
    return ":".join(map(str, value)) if isinstance(value, list) else str(value)


class Environments:
    """Describe the environments of workers, and judge recorded ones.

    Parameters
    ----------
    policy
        What must be equal.
    here
        Describes the notebook's own environment, without libraries.
    version
        The version of a library here, by module.
    """

    def __init__(
        self,
        policy: Policy = "compatible",
        here: Callable[[], dict[str, Any]] = surroundings.environment,
        version: Callable[[str], str | None] = distribution_version,
    ) -> None:
        self.policy = policy
        self._describe, self._version = here, version
        self._here: dict[str, Any] | None = None
        self._seen: dict[str, set[str]] = {}
        self._judged: dict[str, tuple[Difference, ...]] = {}
        self._recorded: dict[str, dict[str, str]] = {}

    def change(self, policy: Policy) -> None:
        """Judge by another policy from here on."""
        self.policy = policy
        self._seen.clear()
        self._judged.clear()

    @property
    def here(self) -> dict[str, Any]:
        """The notebook's own environment, without libraries."""
        if self._here is None:
            self._here = self._describe()
        return self._here

    def text(self, reported: bytes, machine: Mapping[str, Any]) -> bytes:
        """Return what is recorded of a worker: what it said itself, what the engine says of it, and what the notebook's
        environment was at the time, in what the two can differ.

        Equal environments have equal texts.
        """
        environment = json.loads(reported) if reported else {}
        if "arch" in machine:
            environment.setdefault("machine", machine["arch"])
        for name, value in facts(environment, self.policy).items():
            self._note(name, value)
        libraries = {name: self._version(name) or "" for name in environment.get("libraries") or {}}
        here = {name: self.here[name] for name in _EXACT if name in self.here}
        environment |= {"worker": dict(machine), "notebook": here | {"libraries": libraries}}
        environment.setdefault("host", machine.get("host", ""))
        return json.dumps(environment, sort_keys=True).encode()

    def _note(self, name: str, value: str) -> None:
        """Know that workers of this session have this; recorded tasks are judged anew by it."""
        values = self._seen.setdefault(name, set())
        if value and value not in values:
            values.add(value)
            self._judged.clear()

    def differences(self, digest: str, read: Callable[[], bytes]) -> tuple[Difference, ...]:
        """Say in what a recorded environment differs from what a task would meet now.

        Parameters
        ----------
        digest
            Names the recorded environment; nothing is known where it is empty.
        read
            Returns its text.
        """
        if self.policy == "any" or not digest:
            return ()
        if digest not in self._judged:
            self._judged[digest] = self._judge(json.loads(read()))
        return self._judged[digest]

    def recorded(self, digest: str, read: Callable[[], bytes]) -> dict[str, str]:
        """Return the software in a recorded environment; parameters are those of `differences`."""
        if digest and digest not in self._recorded:
            self._recorded[digest] = facts(json.loads(read()), "compatible")
        return self._recorded[digest] if digest else {}

    def _judge(self, environment: Mapping[str, Any]) -> tuple[Difference, ...]:
        then = facts(environment.get("notebook") or {}, self.policy)
        found = []
        for name, value in facts(environment, self.policy).items():
            now = self._now(name)
            seen = self._seen.get(name) or {value if then.get(name, "") == now else now}
            if value not in seen:
                found.append(Difference(name, value, min(seen)))
        return tuple(found)

    def _now(self, name: str) -> str:
        if name.startswith(LIBRARY):
            return self._version(name.removeprefix(LIBRARY)) or ""
        return facts(self.here, self.policy).get(name, "")
