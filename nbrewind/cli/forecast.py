"""What a repeat would do: ``plan``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from nbrewind.cli.basics import (
    PATH,
    Command,
    json_option,
    note,
    open_record,
    out,
    parameter_option,
    record_option,
    write_json,
)


@click.command(cls=Command)
@click.argument("notebook", type=PATH)
@parameter_option
@record_option
@json_option
def plan(
    notebook: Path, parameters: Sequence[tuple[str, str]], record: Path | None, json_to: str | None
) -> None:
    """Say what a repeat of NOTEBOOK would run, why, and roughly how long, without running anything.

    \b
    Example:  nbrewind plan analysis.ipynb -p threshold 0.3
    """
    from nbrewind.kernels.notebooks import apply_parameters, read_notebook
    from nbrewind.kernels.outlook import outlook
    from nbrewind.report.text import plan_table, planned
    from nbrewind.report.words import seconds

    content = read_notebook(notebook)
    for line in apply_parameters(content, notebook, parameters):
        note(line)
    with open_record(notebook, record) as opened:
        rows = outlook(content, notebook.absolute(), opened)
    if json_to is not None:
        write_json({"schema": 1, "cells": [planned(row) for row in rows]}, json_to)
        return
    out.print(plan_table(rows))
    certain = sum(row.seconds or 0 for row in rows if row.verdict == "executed")
    perhaps = sum(row.seconds or 0 for row in rows if row.verdict == "may run")
    out.print(
        f"about {seconds(certain)}"
        + (f", up to {seconds(certain + perhaps)}" if perhaps else "")
        + " by the last times"
    )
