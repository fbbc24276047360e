"""Running a plain Python script: ``run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nbrewind.cli.basics import PATH, check_json, record_option
from nbrewind.cli.sites import site_option
from nbrewind.errors import UsageError
from nbrewind.tasks.policies import POLICIES


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@record_option
@site_option
@click.option("--fresh", is_flag=True, help="Reuse no task; record all anew.")
@click.option(
    "--worker-deadline",
    type=float,
    default=0.0,
    metavar="SECONDS",
    help="Give up when tasks have waited this long without any worker.  [default: never]",
)
@click.option(
    "--environments",
    type=click.Choice(POLICIES),
    default="compatible",
    help="How like the workers' software must be to that which made a task's result, for the result to be reused.  "
    "[default: compatible]",
)
@click.option("-q", "--quiet", is_flag=True, help="No line about tasks at the end.")
@click.option("--json", "json_to", type=str, default=None, metavar="FILE", help="Report as JSON, to FILE.")
@click.argument("script", type=PATH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    script: Path, arguments: tuple[str, ...], record: Path | None, json_to: str | None, **options: Any
) -> None:
    """Run a Python SCRIPT as python does; TaskVine tasks that its record holds are not submitted again.

    Options of nbrewind come before SCRIPT, all that follows is the script's own.

    \b
    Example:  nbrewind run analysis.py --input data.csv
    """
    from nbrewind.kernels.script import start

    check_json(json_to)
    if json_to == "-":
        raise UsageError("--json -: standard output is the script's; name a file")
    where = {
        "record": str(record.absolute()) if record else "",
        "json": json_to and str(Path(json_to).absolute()),
    }
    start(script, arguments, {**options, **where})
