"""A cluster in a box, as the tests drive it: through ``hpc/box`` and nothing else."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PROGRAM = CHECKOUT / "hpc" / "box"
PROGRAMS = Path(__file__).with_name("programs")
NODES = ["a1", "a2", "a3", "a4"]


@dataclass(frozen=True)
class Box:
    """A box with a name of its own, beside any that the developer runs."""

    name: str

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "NBREWIND_BOX": self.name}

    def call(
        self, *arguments: str, cwd: Path, timeout: float = 120, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Call ``hpc/box`` and wait for it."""
        return subprocess.run(
            [PROGRAM, *arguments],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
        )

    def start(self, *command: str, cwd: Path) -> subprocess.Popen[str]:
        """Start a command in the box; return when it has printed a line that says ``ready``."""
        process = subprocess.Popen(
            [PROGRAM, "run", *command], cwd=cwd, env=self.environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process
