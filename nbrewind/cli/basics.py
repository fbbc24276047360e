"""What all commands share: consoles, options, errors as exit codes, opening a record, reporting as JSON."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from nbrewind.errors import NbrewindError, UsageError
from nbrewind.kernels.settings import record_folder

if TYPE_CHECKING:
    from nbrewind.record.store import Record

# what is printed comes from notebooks: no markup and no emoji codes are looked for in it
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
if not out.is_terminal:
    out.width = 200  # a file or a pipe has no edge to fold at
err = Console(stderr=True, highlight=False, emoji=False)

PATH = click.Path(readable=False, path_type=Path)  # what is wrong with a path is said where it is opened

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
    type=PATH,
    default=None,
    metavar="DIR",
    help="The record's folder [default: NAME.nbrewind beside the notebook].",
)
parameter_option = click.option(
    "-p",
    "--parameter",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter; may be given several times.",
)
notebook_argument = click.argument("notebook", type=PATH, required=False)


_VALUE_LEFT_OUT = {"--json": "--json=-", "--verify": "--verify=1"}


class Command(click.Command):
    """Lets options whose value may be left out stand before a notebook without taking it for that value."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Called by click with what follows the command's name."""
        for place, (option, value) in enumerate(itertools.pairwise(args)):
            if option in _VALUE_LEFT_OUT and value.endswith((".ipynb", ".nbrewind", ".py")):
                args[place] = _VALUE_LEFT_OUT[option]
        return super().parse_args(ctx, args)


class Group(click.Group):
    """Turns nbrewind's own errors into one line and their exit status."""

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Called by click."""
        try:
            return super().invoke(ctx)
        except NbrewindError as error:
            complain(str(error))
            ctx.exit(error.exit_code)


def complain(text: str) -> None:
    """Say on standard error what went wrong."""
    err.print(f"[red]nbrewind:[/] {escape(text)}", soft_wrap=True)


def note(text: str) -> None:
    """Say on standard error what the user should know."""
    err.print(f"[yellow]note:[/] {escape(text)}", soft_wrap=True)


def check_json(target: str | None) -> None:
    """Find out before a long run that its report could not be written.

    Raises
    ------
    UsageError
        The folder cannot be written.
    """
    if target is not None and target != "-" and not os.access(Path(target).absolute().parent, os.W_OK):
        raise UsageError(
            f"--json {target}: the folder {Path(target).absolute().parent} cannot be written; choose another"
        )


def write_json(body: Any, target: str) -> None:
    """Print a report, or write it to a file.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    text = json.dumps(body, indent=1, ensure_ascii=False)
    if target == "-":
        click.echo(text)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {target}: cannot be written ({error.strerror}); choose another") from error


def notebook_among(names: Iterable[str]) -> tuple[Path | None, list[str]]:
    """The notebook (or record's folder) among arguments, and the others: names of runs and cells.

    Raises
    ------
    UsageError
        There are two notebooks.
    """
    words = list(names)
    paths = [word for word in words if word.endswith((".ipynb", ".nbrewind", ".py")) or "/" in word]
    if len(paths) > 1:
        raise UsageError(f"name one notebook: {' and '.join(paths)} are {len(paths)}")
    return (Path(paths[0]) if paths else None), [word for word in words if word not in paths]


def open_record(notebook: Path | None, record: Path | None) -> Record:
    """Open the record of a notebook for reading; a record's folder may be given in its place.

    Raises
    ------
    UsageError
        There is none, or none is named and the current folder does not have exactly one.
    """
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
