"""The ``nbrewind`` command."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from nbrewind import __version__
from nbrewind.errors import NbrewindError, UsageError
from nbrewind.kernels.settings import Kind, Settings, record_folder

F = TypeVar("F", bound=Callable[..., Any])

_out = Console(highlight=False, soft_wrap=True)
if not _out.is_terminal:
    _out.width = 200  # a file or a pipe has no edge to fold at
_err = Console(stderr=True, highlight=False)

_PATH = click.Path(readable=False, path_type=Path)  # what is wrong with a path is said where it is opened

json_option = click.option(
    "--json",
    "json_to",
    is_flag=False,
    flag_value="-",
    default=None,
    metavar="[FILE]",
    help="Report as JSON, to FILE or standard output.",
)
record_option = click.option(
    "--record",
    type=_PATH,
    default=None,
    metavar="DIR",
    help="The record's folder [default: NAME.nbrewind beside the notebook].",
)


class _Command(click.Command):
    """Lets ``--json`` stand before a notebook without taking it for the FILE to write."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for place, (option, value) in enumerate(itertools.pairwise(args)):
            if option == "--json" and value.endswith((".ipynb", ".nbrewind")):
                args[place] = "--json=-"
        return super().parse_args(ctx, args)


class _Group(click.Group):
    """Turns nbrewind's own errors into one line and their exit status."""

    command_class = _Command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NbrewindError as error:
            _err.print(f"[red]nbrewind:[/] {_plain(str(error))}", soft_wrap=True)
            ctx.exit(error.exit_code)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nbrewind")
def main() -> None:
    """Audit and repeat Jupyter notebooks that drive a cluster: only what a change affects runs again.

    \b
    nbrewind audit  analysis.ipynb      run every cell and record it
    nbrewind plan   analysis.ipynb      what would run now, and why
    nbrewind repeat analysis.ipynb      run only that
    """


def _run_options(command: F) -> F:
    options = [
        click.argument("notebook", type=_PATH),
        click.option(
            "-o",
            "--out",
            type=_PATH,
            default=None,
            metavar="OUT.ipynb",
            help="Write the executed notebook here.",
        ),
        click.option(
            "-p",
            "--parameter",
            "parameters",
            nargs=2,
            multiple=True,
            metavar="NAME VALUE",
            help="Set a parameter; may be given several times.",
        ),
        record_option,
        click.option("--site", default="", metavar="NAME", help="The site whose workers run tasks."),
        click.option("--fresh", is_flag=True, help="Reuse nothing; record everything anew."),
        click.option(
            "--save",
            "policy",
            type=click.Choice(["auto", "all", "none"]),
            default="auto",
            help="Which variables are saved.  [default: auto]",
        ),
        click.option(
            "--worker-deadline",
            type=float,
            default=0.0,
            metavar="SECONDS",
            help="Give up when tasks have waited this long without any worker.  [default: never]",
        ),
        click.option("-q", "--quiet", is_flag=True, help="No progress, no table."),
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@_run_options
def audit(**options: Any) -> None:
    """Run every cell of a NOTEBOOK and record it; tasks that the record holds are not submitted again.

    \b
    Example:  nbrewind audit analysis.ipynb -o executed.ipynb
    """
    _run("audit", rerun=(), **options)


@main.command()
@_run_options
@click.option(
    "--rerun", multiple=True, metavar="CELL", help="Run this cell (identifier or index) in any case."
)
def repeat(**options: Any) -> None:
    """Run only the cells of a NOTEBOOK that a change affects, and submit only the tasks that it affects.

    \b
    Example:  nbrewind repeat analysis.ipynb -p threshold 0.3 -o executed.ipynb
    """
    _run("repeat", **options)


def _run(
    kind: Kind,
    *,
    notebook: Path,
    out: Path | None,
    parameters: Sequence[tuple[str, str]],
    record: Path | None,
    json_to: str | None,
    quiet: bool,
    rerun: tuple[str, ...],
    **more: Any,
) -> None:
    from nbrewind.kernels import headless
    from nbrewind.report.progress import ConsoleProgress
    from nbrewind.report.text import summary

    _check_json(json_to)
    notebook = notebook.absolute()
    folder = record.absolute() if record else record_folder(notebook)
    settings = Settings(kind=kind, notebook=notebook, record=folder, rerun=tuple(rerun), quiet=True, **more)
    progress = ConsoleProgress(_err, quiet=quiet)
    try:
        outcome = headless.run(
            settings, out=out.absolute() if out else None, parameters=tuple(parameters), progress=progress
        )
    finally:
        progress.close()
    if json_to is not None:
        _write_json(outcome.as_json(), json_to)
    if not quiet:
        console = _err if json_to == "-" else _out
        console.print(summary(outcome.cells, outcome.tasks, outcome.seconds))
    if outcome.error:
        _err.print(f"[red]nbrewind:[/] {_plain(outcome.error)}", soft_wrap=True)
    sys.exit(outcome.exit_code)


def _check_json(target: str | None) -> None:
    """Find out before a long run that its report could not be written."""
    if target is not None and target != "-" and not os.access(Path(target).absolute().parent, os.W_OK):
        raise UsageError(
            f"--json {target}: the folder {Path(target).absolute().parent} cannot be written; choose another"
        )


def _write_json(body: Any, target: str) -> None:
    text = json.dumps(body, indent=1, ensure_ascii=False)
    if target == "-":
        click.echo(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {target}: cannot be written ({error.strerror}); choose another") from error


def _open_record(notebook: Path | None, record: Path | None) -> Any:
    """Open the record of a notebook for reading; a RECORD folder may be given in its place."""
    from nbrewind.record.store import Record

    if record is None and notebook is not None:
        record = notebook if notebook.is_dir() else record_folder(notebook)
    if record is None:
        found = sorted(Path().glob("*.nbrewind"))
        if len(found) != 1:
            names = ", ".join(path.name for path in found) or "none"
            raise UsageError(
                f"name a notebook or --record DIR: this folder has {len(found)} records ({names})"
            )
        record = found[0]
    if not (record / "record.json").exists():
        raise UsageError(f"{record}: no record there; `nbrewind audit NOTEBOOK` makes one")
    return Record.open(record, create=False)


@main.command()
@click.argument("notebook", type=_PATH)
@click.option(
    "-p", "--parameter", "parameters", nargs=2, multiple=True, metavar="NAME VALUE", help="Set a parameter."
)
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
    from nbrewind.report.text import plan_table, planned, seconds

    content = read_notebook(notebook)
    apply_parameters(content, notebook, parameters)
    rows = outlook(content, notebook.absolute(), _open_record(notebook, record))
    if json_to is not None:
        _write_json({"schema": 1, "cells": [planned(row) for row in rows]}, json_to)
        return
    _out.print(plan_table(rows))
    certain = sum(row.seconds or 0 for row in rows if row.verdict == "executed")
    perhaps = sum(row.seconds or 0 for row in rows if row.verdict == "may run")
    _out.print(
        f"about {seconds(certain)}"
        + (f", up to {seconds(certain + perhaps)}" if perhaps else "")
        + " by the last times"
    )


@main.command()
@click.argument("cell_or_task", metavar="CELL|TASK")
@click.argument("notebook", type=_PATH, required=False)
@record_option
@json_option
def explain(cell_or_task: str, notebook: Path | None, record: Path | None, json_to: str | None) -> None:
    """Say what a CELL (identifier or index) or TASK (beginning of its key) read and left, and why it last ran.

    \b
    Example:  nbrewind explain collect analysis.ipynb
    """
    from nbrewind.report.explain import explanation

    with _open_record(notebook, record) as opened:
        body, renderable = explanation(opened, cell_or_task)
    if json_to is not None:
        _write_json(body, json_to)
    else:
        _out.print(renderable)


@main.command()
@click.argument("notebook", type=_PATH, required=False)
@record_option
@json_option
def runs(notebook: Path | None, record: Path | None, json_to: str | None) -> None:
    """List the runs of a record.

    \b
    Example:  nbrewind runs analysis.ipynb
    """
    from attrs import asdict

    from nbrewind.report.text import runs_table

    with _open_record(notebook, record) as opened:
        found = [(run, opened.cells(run.id)) for run in opened.runs()]
    if json_to is not None:
        _write_json(
            {"schema": 1, "runs": [{**asdict(run), "cells": len(cells)} for run, cells in found]}, json_to
        )
    else:
        _out.print(runs_table(found))


@main.command()
@click.argument("notebook", type=_PATH, required=False)
@click.option("--run", "run_id", default="last", metavar="RUN", help="Which run.  [default: the last]")
@click.option("--tasks", is_flag=True, help="Its tasks instead of its cells.")
@record_option
@json_option
def show(notebook: Path | None, run_id: str, tasks: bool, record: Path | None, json_to: str | None) -> None:
    """Show what one run did, cell by cell or task by task.

    \b
    Example:  nbrewind show analysis.ipynb --tasks
    """
    from attrs import asdict

    from nbrewind.report.text import cells_table, tasks_table

    with _open_record(notebook, record) as opened:
        run = opened.run(run_id)
        rows: list[Any] = list(opened.tasks(run.id)) if tasks else opened.cells(run.id)
    if json_to is not None:
        _write_json(
            {"schema": 1, "run": asdict(run), "tasks" if tasks else "cells": [asdict(row) for row in rows]},
            json_to,
        )
    else:
        _out.print(f"run {run.id}: {run.kind} of {run.notebook} on {run.host}, {run.status}")
        _out.print(tasks_table(rows) if tasks else cells_table(rows))


@main.command()
@click.argument("notebook", type=_PATH, required=False)
@click.option(
    "--keep-runs", type=click.IntRange(1), default=None, metavar="N", help="Keep the newest N runs."
)
@click.option("--older-than", type=float, default=None, metavar="DAYS", help="Remove runs older than this.")
@click.option(
    "--max-size",
    type=float,
    default=None,
    metavar="GB",
    help="Remove the oldest runs until the record is smaller.",
)
@click.option("--pin", multiple=True, metavar="RUN", help="Keep this run in any case.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@record_option
@json_option
def gc(
    notebook: Path | None,
    keep_runs: int | None,
    older_than: float | None,
    max_size: float | None,
    pin: tuple[str, ...],
    dry_run: bool,
    record: Path | None,
    json_to: str | None,
) -> None:
    """Remove old runs from a record, and what only they refer to.

    \b
    Example:  nbrewind gc analysis.ipynb --keep-runs 5
    """
    from attrs import asdict

    with _open_record(notebook, record) as opened:
        report = opened.gc(
            keep_runs=keep_runs,
            older_than=None if older_than is None else older_than * 86400,
            max_bytes=None if max_size is None else int(max_size * 1e9),
            pinned={opened.run(prefix).id for prefix in pin},
            dry_run=dry_run,
        )
    if json_to is not None:
        _write_json({"schema": 1, **asdict(report)}, json_to)
    else:
        number = f"{len(report.runs)} run" + "s" * (len(report.runs) != 1)
        size = f"{report.freed / 1e6:.1f} MB"
        _out.print(f"would remove {number} and free {size}" if dry_run else f"removed {number}, freed {size}")


@main.group()
def kernels() -> None:
    """Install, list or remove the two Jupyter kernels.

    \b
    Example:  nbrewind kernels install
    """


@kernels.command()
@click.option("--user", is_flag=True, help="For this user.")
@click.option("--sys-prefix", is_flag=True, help="In this Python environment.  [default]")
@click.option("--prefix", type=click.Path(), default=None, help="Below PREFIX/share/jupyter/kernels.")
def install(user: bool, sys_prefix: bool, prefix: str | None) -> None:
    """Install the kernels "NBRewind audit" and "NBRewind repeat".

    \b
    Example:  nbrewind kernels install --user
    """
    from nbrewind.kernels import specs

    if sum(map(bool, (user, sys_prefix, prefix))) > 1:
        raise UsageError("give one of --user, --sys-prefix and --prefix")
    try:
        folders = specs.install(user=user, prefix=None if user else prefix or sys.prefix)
    except OSError as error:
        raise UsageError(f"the kernels cannot be installed there ({error}); try --user") from error
    for folder in folders:
        _out.print(f"installed {folder}")


@kernels.command(name="list")
@click.option("--prefix", type=click.Path(), default=None, help="Only below PREFIX/share/jupyter/kernels.")
@json_option
def list_(prefix: str | None, json_to: str | None) -> None:
    """Say where Jupyter finds the kernels.

    \b
    Example:  nbrewind kernels list
    """
    from nbrewind.kernels import specs

    found = specs.installed(prefix)
    if json_to is not None:
        _write_json({"schema": 1, "kernels": {name: str(path) for name, path in found.items()}}, json_to)
        return
    for name in specs.NAMES:
        _out.print(f"{name:<16} {found.get(name, 'not installed: nbrewind kernels install')}")


@kernels.command()
@click.option("--prefix", type=click.Path(), default=None, help="From PREFIX/share/jupyter/kernels.")
def remove(prefix: str | None) -> None:
    """Remove the kernels from where Jupyter finds them.

    \b
    Example:  nbrewind kernels remove
    """
    from nbrewind.kernels import specs

    try:
        removed = specs.remove(prefix)
    except OSError as error:
        raise UsageError(f"the kernels cannot be removed: {error.strerror} ({error.filename})") from error
    _out.print(f"removed {', '.join(removed)}" if removed else "no kernels were installed")


@main.command()
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
        _write_json({"schema": 1, "checks": body}, json_to)
    else:
        marks = {"ok": "[green]✓[/]", "missing": "[yellow]–[/]", "bad": "[red]✗[/]"}
        for finding in findings:
            remedy = f"  [dim]→ {_plain(finding.remedy)}[/]" if finding.remedy else ""
            _out.print(f"{marks[finding.state]} {finding.check:<22} {_plain(finding.found)}{remedy}")
    if any(finding.state == "bad" for finding in findings):
        sys.exit(3)


if __name__ == "__main__":
    main()
