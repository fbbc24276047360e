"""Audit the climate example on TaskVine workers, repeat it unchanged, change one parameter, and repeat it again.

Everything happens in a temporary copy; the example itself stays as it is. Run by ``make demo``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

EXAMPLE = Path(__file__).parent / "climate" / "station_trends.ipynb"
CHANGE = ("windows", "[1, 3, 5, 15, 30]")
console = Console(highlight=False, soft_wrap=True)
console.width = max(console.width, 100)


def step(title: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run one nbrewind command with its progress shown, and return what it reports."""
    console.print(f"\n[bold]{title}[/]\n[dim]$ nbrewind {' '.join(arguments)}[/]")
    report = folder / "report.json"
    command = [sys.executable, "-m", "nbrewind", *arguments, "--json", str(report)]
    started = time.perf_counter()
    if subprocess.run(command, cwd=folder, check=False).returncode:
        sys.exit(f"the step failed; its files are in {folder}")
    body: dict[str, Any] = json.loads(report.read_text())
    return {**body, "wall": time.perf_counter() - started}


def row(report: dict[str, Any]) -> list[str]:
    """Cells and tasks that ran and that were reused."""
    actions = [cell["action"] for cell in report["cells"]]
    executed = sum(action in ("executed", "rebuilt") for action in actions)
    tasks = report["tasks"]
    return [str(executed), str(len(actions) - executed), str(tasks["submitted"]), str(tasks["reused"])]


def main() -> None:
    """Run the three steps and compare them."""
    folder = Path(tempfile.mkdtemp(prefix="nbrewind-demo-"))
    shutil.copy(EXAMPLE, folder)
    name = EXAMPLE.name
    audit = step("1  audit: run every cell, record everything", folder, "audit", name, "-o", "audited.ipynb")
    again = step("2  repeat, nothing changed", folder, "repeat", name, "-o", "repeated.ipynb")
    step_plan(folder, name)
    changed = step(
        "3  repeat with one parameter changed", folder, "repeat", name, "-p", *CHANGE, "-o", "changed.ipynb"
    )
    if again["tasks"]["submitted"] or not 0 < changed["tasks"]["submitted"] < audit["tasks"]["submitted"]:
        sys.exit("the repeats submitted other tasks than the change affects; please report this")

    table = Table(title="\nstation_trends.ipynb", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for title in (
        "",
        "cells\nexecuted",
        "\nreused",
        "tasks\nsubmitted",
        "\nreused",
        "\nseconds",
        "time\nsaved",
    ):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for label, report in (("audit", audit), ("repeat, unchanged", again), ("repeat, one parameter", changed)):
        saved = "" if report is audit else f"{1 - report['wall'] / audit['wall']:.0%}"
        table.add_row(label, *row(report), f"{report['wall']:.1f}", saved)
    console.print(table)
    shutil.rmtree(folder)


def step_plan(folder: Path, name: str) -> None:
    """Show what the change would do before it is done."""
    command = ["plan", name, "-p", *CHANGE]
    console.print(f"\n[bold]   what would the change do?[/]\n[dim]$ nbrewind {' '.join(command)}[/]")
    subprocess.run([sys.executable, "-m", "nbrewind", *command], cwd=folder, check=True)


if __name__ == "__main__":
    main()
