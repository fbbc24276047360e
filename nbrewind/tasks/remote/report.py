"""What a worker says of a task: a file beside its result."""

# ruff: noqa: BLE001 - nothing that goes wrong with noting may reach the user's function
from __future__ import annotations

import os
from typing import Any

from nbrewind.tasks.remote.surroundings import distributions, environment, libraries
from nbrewind.tasks.remote.watch import Watch


class Report:
    """The file in which the worker says what it saw.

    `found` is how every report of this process begins.
    """

    def __init__(self, path: str, found: dict[str, Any]) -> None:
        self.path, self.found = os.path.abspath(path), found

    def start(self) -> None:
        """Let the file be there from the start: the engine wants it however the function ends."""
        self.write(dict(self.found, partial=True))

    def trouble(self, stage: str, error: BaseException) -> None:
        """Say why the function could not be run, or failed for want of a library."""
        wanted = getattr(error, "name", None) if isinstance(error, ImportError) else None
        self.found["trouble"] = {"stage": stage, "error": repr(error)[:500], "module": wanted or ""}
        self.found["installed"] = distributions()

    def finish(self, watch: Watch | None) -> None:
        """Write what was seen, or why that is not known."""
        try:
            self.found.setdefault("environment", {})["libraries"] = libraries()
            if watch is not None:
                self.found.update(watch.seen())
        except Exception as error:
            self.found = {"schema": 1, "error": repr(error)}
        self.write(self.found)

    def write(self, found: dict[str, Any]) -> None:
        """Replace what the file says."""
        import json

        with open(self.path, "w") as file:
            file.write(json.dumps(found))


def surroundings() -> dict[str, Any]:
    """How every report of this process begins."""
    try:
        return {"schema": 1, "environment": environment()}
    except Exception as error:
        return {"schema": 1, "error": repr(error)}
