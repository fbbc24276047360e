"""What this machine has: ``doctor``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from nbrewind.cli.basics import Command, json_option, out, record_option, write_json

if TYPE_CHECKING:
    from nbrewind.kernels.doctor import Finding


@click.command(cls=Command)
@record_option
@json_option
def doctor(record: Path | None, json_to: str | None) -> None:
    """Check this machine: interpreter, kernels, engine, workers, scheduler, and where records would go.

    \b
    Example:  nbrewind doctor
    """
    from nbrewind.kernels.doctor import examine

    findings = examine(record or Path.cwd())
    if json_to is not None:
        body = [{"check": f.check, "state": f.state, "found": f.found, "remedy": f.remedy} for f in findings]
        write_json({"schema": 1, "checks": body}, json_to)
    else:
        for finding in findings:
            out.print(_line(finding))
    if any(finding.state == "bad" for finding in findings):
        sys.exit(3)


_MARKS = {"ok": ("✓", "green"), "missing": ("–", "yellow"), "bad": ("✗", "red")}


def _line(finding: Finding) -> Text:
    remedy = f"  → {finding.remedy}" if finding.remedy else ""
    return Text.assemble(_MARKS[finding.state], f" {finding.check:<22} {finding.found}", (remedy, "dim"))
