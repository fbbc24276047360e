"""Containers: ``pack``, ``open``, ``inspect``, ``verify``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbrewind.cli.basics import (
    PATH,
    Command,
    check_json,
    err,
    json_option,
    note,
    out,
    record_option,
    write_json,
)
from nbrewind.errors import UsageError
from nbrewind.kernels.settings import record_folder
from nbrewind.record.foreign import UNTRUSTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbrewind.container.manifest import Manifest
    from nbrewind.container.opening import Opened

trust_option = click.option(
    "--trust", is_flag=True, help="Reuse what the container's record holds, which loads its pickled values."
)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, where it can take longer than a moment."""
    if not err.is_terminal or total < 200_000_000:
        yield lambda count: None
        return
    from rich.progress import Progress

    with Progress(console=err, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


@click.command(cls=Command)
@click.argument("notebook", type=PATH)
@click.option(
    "-o", "--out", "place", type=PATH, default=None, metavar="FILE.zip|DIR", help="What to write: a name with .zip "
    "makes one file, any other a folder.  [default: NAME.zip beside the notebook]",
)  # fmt: skip
@record_option
@click.option(
    "--state",
    type=click.Choice(["all", "needed", "none"]),
    default="needed",
    help="Saved values: of all runs, those that the last good run is restored from, or none.  [default: needed]",
)
@click.option(
    "--tasks",
    type=click.Choice(["all", "reused", "none"]),
    default="all",
    help="Results of tasks: all, those that the last good run used, or none.  [default: all]",
)
@click.option(
    "--data",
    type=click.Choice(["auto", "include", "reference"]),
    default="auto",
    help="Files that the notebook read: small ones go along, all do, or none does.  [default: auto]",
)
@click.option("--since", default="", metavar="RUN", help="Only what came after this run.")
@click.option(
    "--url", default="", metavar="URL", help="Where the container will be found; the notebook then says so."
)
@click.option("--bagit", "bag", is_flag=True, help="Make it a BagIt bag.")
@click.option("--dry-run", is_flag=True, help="Only say how large it would be.")
@json_option
def pack(
    notebook: Path, place: Path | None, record: Path | None, json_to: str | None, dry_run: bool, **more: Any
) -> None:
    """Pack a NOTEBOOK with its record, saved values and data into one container that can be repeated elsewhere.

    \b
    Examples:  nbrewind pack analysis.ipynb -o analysis.zip
               nbrewind pack analysis.ipynb -o analysis.zip --state none --data reference
    """
    from nbrewind.container import pack as packing
    from nbrewind.container.storing import check_free, target
    from nbrewind.record.store import Record
    from nbrewind.report.container import preview

    check_json(json_to)
    choice = packing.Choice(**more)
    notebook = notebook.absolute()
    place = (place or notebook.with_suffix(".zip")).absolute()
    folder = place.suffix != ".zip"
    check_free(place, folder=folder)
    source = record.absolute() if record else record_folder(notebook)
    if not (source / "record.json").exists():
        raise UsageError(f"{source}: no record there; run `nbrewind audit {notebook.name}` first")
    with Record.open(source, create=False) as opened, packing.prepared(opened, notebook, choice) as prepared:
        err.print(preview(prepared, place))
        if dry_run:
            _report_pack(None, prepared, place, json_to)
            return
        with target(place, folder=folder) as goal:
            manifest = packing.write(prepared, goal, choice)
        for path in packing.changed(manifest, prepared.seen):
            note(f"{path} has changed since the last run read it; the container has it as it is now")
        _report_pack(manifest, prepared, place, json_to)


def _report_pack(manifest: Manifest | None, prepared: Any, place: Path, json_to: str | None) -> None:
    from nbrewind.report.words import size

    if json_to is not None:
        body = {
            "schema": 1,
            "container": str(place),
            "written": manifest is not None,
            "digest": manifest.digest if manifest else None,
            "size": manifest.size if manifest else prepared.size,
            "parts": {
                kind: {"files": number, "bytes": count} for kind, (number, count) in prepared.sizes.items()
            },
            "references": [each.path for each in prepared.references],
        }
        write_json(body, json_to)
    elif manifest is not None:
        out.print(f"{place}: {len(manifest.members)} files, {size(manifest.size)}")


@click.command("open", cls=Command)
@click.argument("container")
@click.option(
    "-o", "--out", "folder", type=PATH, default=None, metavar="DIR", help="Where.  [default: NAME.opened beside it]"
)  # fmt: skip
@trust_option
@json_option
def open_(container: str, folder: Path | None, trust: bool, json_to: str | None) -> None:
    """Open a CONTAINER into a folder, with every digest verified. Nothing of it is executed or unpickled.

    \b
    Example:  nbrewind open analysis.zip -o analysis
    """
    check_json(json_to)
    opened = open_container(container, folder, trust=trust)
    if json_to is not None:
        body = {
            "schema": 1,
            "folder": str(opened.folder),
            "notebook": str(opened.notebook),
            "digest": opened.manifest.digest,
            "trusted": opened.foreign.trusted,
        }
        write_json(body, json_to)
        return
    out.print(str(opened.notebook))
    if not opened.foreign.trusted:
        note(UNTRUSTED)


def open_container(container: str, folder: Path | None, *, trust: bool) -> Opened:
    """Open a container, or find the folder where it was opened before."""
    from nbrewind.container.archive import opened as opened_archive
    from nbrewind.container.opening import Opened, open_into, read_manifest
    from nbrewind.container.places import opened_at, working_folder
    from nbrewind.record.foreign import read_foreign

    with opened_archive(container) as source:
        manifest = read_manifest(source)
        place, there = (folder.absolute(), False) if folder else working_folder(container, manifest)
        there = there or (place.is_dir() and opened_at(place) == manifest.digest)
        if there:
            found = Opened(place, manifest, read_foreign(place / manifest.record))
        else:
            with _bar("opening", manifest.size) as told:
                found = open_into(source, manifest, place, told)
    if trust:
        found.foreign.trust()
    return found
