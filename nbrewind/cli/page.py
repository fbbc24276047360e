"""A run as a page to read, keep and send: ``report``."""

from __future__ import annotations

from pathlib import Path

import click

from nbrewind.cli.basics import (
    PATH,
    Command,
    check_json,
    json_option,
    notebook_among,
    open_record,
    out,
    record_option,
    write_json,
)
from nbrewind.errors import UsageError


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[RUN] [NOTEBOOK]")
@click.option(
    "-o",
    "--out",
    "target",
    type=PATH,
    default=None,
    metavar="FILE.html",
    help="Where to.  [default: NOTEBOOK.report.html]",
)
@record_option
@json_option
def report(names: tuple[str, ...], target: Path | None, record: Path | None, json_to: str | None) -> None:
    """Write one HTML page about a RUN, by default the last: cells, reasons, outputs, tasks, workers, files.

    The page needs nothing else: no network, no other file, no script.

    \b
    Example:  nbrewind report analysis.ipynb -o analysis.html
    """
    from nbrewind.report.found import find_run
    from nbrewind.report.page import page
    from nbrewind.report.words import size

    check_json(json_to)
    notebook, words = notebook_among(names)
    if len(words) > 1:
        raise UsageError(f"report is about one run: {' and '.join(words)} are {len(words)}")
    with open_record(notebook, record) as opened:
        run = find_run(opened, words[0] if words else "last")
        target = target or Path(f"{Path(run.notebook).stem}.report.html")
        content = page(opened, run).encode("utf-8")
    try:
        target.write_bytes(content)
    except OSError as error:
        raise UsageError(f"-o {target}: cannot be written ({error.strerror}); choose another file") from error
    if json_to is not None:
        write_json(
            {"schema": 1, "run": run.id, "file": str(target.absolute()), "bytes": len(content)}, json_to
        )
    else:
        out.print(f"{target}: run {run.id}, {size(len(content))}")
