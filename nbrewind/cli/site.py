"""Clusters, and how workers are started there: the commands ``site …``."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from rich.text import Text

from nbrewind.cli.basics import PATH, Group, json_option, out, write_json
from nbrewind.errors import SiteFileError, UsageError

if TYPE_CHECKING:
    from nbrewind.batch.checking import Finding


@click.group(cls=Group)
def site() -> None:
    """Say how workers are started at a cluster, and check that they can be.

    \b
    nbrewind site list                   which sites are known
    nbrewind site new mine --from slurm  begin a file for yours
    """


@site.command(name="list")
@json_option
def list_(json_to: str | None) -> None:
    """List the sites that --site can name, and where their files lie.

    \b
    Example:  nbrewind site list
    """
    from nbrewind.batch import search

    rows: list[dict[str, object]] = []
    for found in search.available():
        row: dict[str, object] = {"name": found.name, "origin": found.origin, "path": str(found.path)}
        try:
            read = search.read_all(found)
        except SiteFileError as error:
            rows.append({**row, "error": str(error)})
            continue
        about = {
            "type": read.scheduler.type,
            "verified": read.site.verified,
            "description": read.site.description,
        }
        rows.append({**row, **about})
    if json_to is not None:
        write_json({"schema": 1, "sites": rows}, json_to)
        return
    for row in rows:
        out.print(_row(row))


def _row(row: dict[str, object]) -> Text:
    head = f"{row['name']:<18} {row['origin']:<9} "
    if "error" in row:
        return Text.assemble(head, ("cannot be read: ", "red"), str(row["error"]).splitlines()[0])
    state = "" if row["verified"] else "unverified: "
    return Text.assemble(head, f"{row['type']:<7} ", (state, "yellow"), str(row["description"]))


@site.command()
@click.argument("name")
@click.option("--full", is_flag=True, help="With the keys that have their default.")
@json_option
def show(name: str, full: bool, json_to: str | None) -> None:
    """Show the site NAME (or a file) with all that it extends, as TOML; every mistake of its file is reported.

    \b
    Example:  nbrewind site show slurm --full
    """
    from nbrewind.batch import search
    from nbrewind.batch.schema import table
    from nbrewind.batch.writing import toml

    found = search.find(name)
    read = search.load(name)
    if json_to is not None:
        body = {
            "name": found.name,
            "origin": found.origin,
            "path": str(found.path),
            "site": table(read, full=full),
        }
        write_json({"schema": 1, **body}, json_to)
        return
    out.print(Text(f"# {found.path}\n", "dim"))
    click.echo(toml(read, full=full), nl=False)


@site.command()
@click.argument("name")
@click.option(
    "--from", "base", default="slurm", metavar="SITE", help="The site that it extends.  [default: slurm]"
)
@click.option(
    "-o",
    "--out",
    "target",
    type=PATH,
    default=None,
    metavar="FILE",
    help="Write here, not to your own folder.",
)
def new(name: str, base: str, target: Path | None) -> None:
    """Begin a site file NAME of your own, which extends another.

    \b
    Example:  nbrewind site new mine --from pbs
    """
    from nbrewind.batch import search
    from nbrewind.batch.writing import beginning

    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{name!r} is no name for a site: use letters, digits, - and _")
    kind = search.load(base).scheduler.type
    path = target or dict(reversed(list(search.folders())))["user"] / f"{name}.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(beginning(name, base, kind, f"{date.today():%Y-%m-%d}"))
    except FileExistsError as error:
        raise UsageError(f"{path} exists; edit it, or choose another name") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); choose another with --out") from error
    out.print(f"wrote {path}; edit it, then: nbrewind site check {name if target is None else path}")


@site.command()
def schema() -> None:
    """Print the JSON Schema of site files, for editors.

    \b
    Example:  nbrewind site schema > site.schema.json
    """
    from nbrewind.batch.schema import schema as made

    click.echo(json.dumps(made(), indent=1, ensure_ascii=False))


@site.command()
@click.argument("name")
@click.option(
    "--engine", type=click.Choice(["taskvine", "work_queue"]), default="taskvine", help="Whose workers."
)
@click.option(
    "--cores", type=click.IntRange(min=1), default=None, help="Of each worker, in place of the site's."
)
@click.option(
    "--workers", type=click.IntRange(min=1), default=None, help="The most workers, in place of the site's."
)
@json_option
def render(name: str, engine: str, cores: int | None, workers: int | None, json_to: str | None) -> None:
    """Print exactly what would be submitted at the site NAME: the factory, its configuration, the job.

    HOST, PORT and the folder of a run stand for what is known only when a manager is there. Nothing is started.

    \b
    Example:  nbrewind site render slurm --cores 4
    """
    from nbrewind.batch import search
    from nbrewind.batch.rendering import as_json, as_text, preview

    planned = preview(search.load(name), engine, cores=cores, workers=workers)
    if json_to is not None:
        write_json({"schema": 1, **as_json(planned)}, json_to)
        return
    click.echo(as_text(planned), nl=False)


@site.command()
@click.option("--cancel", is_flag=True, help="Cancel those that nobody looks after any more.")
@json_option
def jobs(cancel: bool, json_to: str | None) -> None:
    """List the workers that nbrewind started from this account, and cancel those whose kernel was killed.

    Workers end with their kernel, also when it is killed. Jobs are forgotten only where their guardian was killed
    too, or the login node went down.

    \b
    Example:  nbrewind site jobs --cancel
    """
    from nbrewind.batch import forgotten

    rows: list[dict[str, Any]] = []
    for each in forgotten.found():
        gone = cancel and each.state == "forgotten" and forgotten.cancel(each)
        state = "cancelled" if gone else each.state
        rows.append({"name": each.name, "type": each.kind, "state": state, "jobs": list(each.jobs)})
        rows[-1] |= {"manager": f"{each.host}:{each.port}", "folder": str(each.folder)}
    if json_to is not None:
        write_json({"schema": 1, "crews": rows}, json_to)
        return
    for row in rows:
        numbers = ", ".join(row["jobs"]) or "none"
        out.print(
            Text(f"{row['name']}  {row['type']:<7} {row['state']:<10} jobs: {numbers}  for {row['manager']}")
        )
    if not rows:
        out.print("no workers of nbrewind are there")
    if any(row["state"] == "forgotten" for row in rows):
        remedy = "the scheduler did not take them back; try again, or cancel the jobs yourself"
        out.print(Text(remedy if cancel else "nbrewind site jobs --cancel cancels what is forgotten", "dim"))
        sys.exit(3 if cancel else 0)


@site.command()
@click.argument("name")
@click.option(
    "--wait", "patience", type=float, default=60.0, show_default=True, help="Seconds for the probe job."
)
@json_option
def check(name: str, patience: float, json_to: str | None) -> None:
    """Try everything that workers at the site NAME need, with a small probe job; each failure has its remedy.

    \b
    Example:  nbrewind site check mine --wait 600
    """
    from nbrewind.batch import search
    from nbrewind.batch.checking import check as checked

    findings = []
    beside = Path.cwd() / ".nbrewind-check"
    try:
        for finding in checked(search.load(name), beside, patience=patience):
            findings.append(finding)
            if json_to is None:
                out.print(_finding(finding))
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if json_to is not None:
        rows = [attrs.asdict(finding) for finding in findings]
        write_json({"schema": 1, "checks": rows}, json_to)
    if any(finding.state == "bad" for finding in findings):
        sys.exit(3)


_MARKS = {"ok": ("✓", "green"), "bad": ("✗", "red"), "skipped": ("–", "yellow")}


def _finding(finding: Finding) -> Text:
    remedy = f"  → {finding.remedy}" if finding.remedy else ""
    took = f"  {finding.seconds:.1f} s" if finding.seconds >= 0.1 else ""
    text = f" {finding.check:<12} {finding.found}"
    return Text.assemble(_MARKS[finding.state], text, (took, "dim"), (remedy, "dim"))
