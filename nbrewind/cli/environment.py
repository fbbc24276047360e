"""What runs ran in: ``env``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from attrs import asdict

from nbrewind.cli.basics import (
    Command,
    json_option,
    note,
    notebook_argument,
    open_record,
    out,
    record_option,
    write_json,
)
from nbrewind.errors import UsageError


@click.command(cls=Command)
@notebook_argument
@click.option("--run", "run_id", default="", metavar="RUN", help="Which run.  [default: the last]")
@click.option(
    "-o",
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Write environment.yml, requirements.txt and pylock.toml (and, for conda, conda-explicit.txt) there.",
)
@click.option("--offline", is_flag=True, help="Ask no package index; pylock.toml is left out.")
@record_option
@json_option
def env(
    notebook: Path | None,
    run_id: str,
    folder: Path | None,
    offline: bool,
    record: Path | None,
    json_to: str | None,
) -> None:
    """Show the environment that a run ran in and how this one differs, or write it as files for conda and pip.

    \b
    Examples:  nbrewind env analysis.ipynb
               nbrewind env analysis.ipynb -o .
    """
    from nbrewind.report import environments
    from nbrewind.report.found import find_run
    from nbrewind.report.text import run_line

    with open_record(notebook, record) as opened:
        if run_id:
            run = find_run(opened, run_id)
            found = environments.recorded(opened, run)
        else:
            last, found = environments.last_recorded(opened)
            run = last or find_run(opened, "last")
        differing = environments.differences(opened) if found and not run_id else []
        name = Path(run.notebook).stem
    if not found:
        raise UsageError(
            f"run {run.id} has no environment recorded: it did not end, or is of an older version"
        )
    if folder is not None:
        for path in _write(found, folder, name, offline=offline):
            out.print(str(path), markup=False, soft_wrap=True)
        return
    if json_to is not None:
        body = {
            "schema": 1,
            "run": run.id,
            "environment": found,
            "differs": [asdict(one) for one in differing],
        }
        write_json(body, json_to)
        return
    out.print(run_line(run))
    for line in (*environments.table(found), *environments.lines(differing)):
        out.print(line)


def _write(found: dict[str, Any], folder: Path, name: str, *, offline: bool) -> list[Path]:
    from nbrewind.environment import writing

    texts = {
        "environment.yml": writing.conda_environment(found, name),
        "requirements.txt": writing.requirements(found),
        "conda-explicit.txt": writing.explicit(found),
    }
    if not offline:
        try:
            texts["pylock.toml"] = writing.pylock(found, writing.resolve(found))
        except OSError as error:
            note(f"pylock.toml is not written: it needs the digests of packages, and pip says: {error}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [(folder / file, text) for file, text in texts.items() if text]
        for path, text in written:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"-o {folder}: cannot be written ({error.strerror}); choose another") from error
    return [path for path, _ in written]
