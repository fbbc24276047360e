"""Containers: ``pack``, ``open``, ``inspect``, ``verify``."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
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
from nbrewind.errors import ContainerError, NotTrusted, UsageError
from nbrewind.kernels.settings import record_folder
from nbrewind.record.foreign import UNTRUSTED
from nbrewind.report.words import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbrewind.container.manifest import Manifest
    from nbrewind.container.opening import Listing, Opened
    from nbrewind.container.pack import Prepared
    from nbrewind.container.signing import Signature

signers_option = click.option(
    "--allowed-signers",
    "signers",
    type=PATH,
    default=None,
    metavar="FILE",
    help="Whose signatures are trusted, in ssh-keygen's format.  [default: allowed_signers in ~/.config/nbrewind]",
)
trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Reuse what came in a container, whoever made it, which loads its pickled values.",
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
@click.option("--prov", is_flag=True, help="Put the last run's provenance in as PROV-JSON too.")
@click.option("--bagit", "bag", is_flag=True, help="Make it a BagIt bag.")
@click.option("--sign", "key", type=PATH, default=None, metavar="KEY", help="Sign it with this SSH key.")
@click.option("--dry-run", is_flag=True, help="Only say how large it would be.")
@json_option
def pack(
    notebook: Path,
    place: Path | None,
    record: Path | None,
    key: Path | None,
    json_to: str | None,
    dry_run: bool,
    **more: Any,
) -> None:
    """Pack a NOTEBOOK with its record, saved values and data into one container that can be repeated elsewhere.

    \b
    Examples:  nbrewind pack analysis.ipynb -o analysis.zip
               nbrewind pack analysis.ipynb -o analysis.zip --state none --data reference
    """
    from nbrewind.container import pack as packing
    from nbrewind.container.signing import sign
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
            signed = None if key is None else partial(sign, key=key.expanduser())
            manifest = packing.write(prepared, goal, choice, signed)
        for path in packing.changed(manifest, prepared.seen):
            note(f"{path} has changed since the last run read it; the container has it as it is now")
        _report_pack(manifest, prepared, place, json_to)


def _report_pack(manifest: Manifest | None, prepared: Prepared, place: Path, json_to: str | None) -> None:
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
    "-o",
    "--out",
    "folder",
    type=PATH,
    default=None,
    metavar="DIR",
    help="Where.  [default: NAME.opened beside it]",
)
@trust_option
@signers_option
@json_option
def open_(
    container: str, folder: Path | None, trust: bool, signers: Path | None, json_to: str | None
) -> None:
    """Open a CONTAINER into a folder, with every digest verified. Nothing of it is executed or unpickled.

    \b
    Example:  nbrewind open analysis.zip -o analysis
    """
    check_json(json_to)
    opened, signature = open_container(container, folder, trust=trust, signers=signers)
    if json_to is not None:
        body = {
            "schema": 1,
            "folder": str(opened.folder),
            "notebook": str(opened.notebook),
            "digest": opened.manifest.digest,
            "signature": signature_json(signature),
            "trusted": opened.foreign.trusted,
        }
        write_json(body, json_to)
        return
    out.print(str(opened.notebook))
    for reference in opened.manifest.references:
        note(f"{printable(reference.path)} is not in the container ({printable(reference.why)})")
    if not opened.foreign.trusted:
        note(f"{signature}. {UNTRUSTED}")


def open_container(
    container: str, folder: Path | None, *, trust: bool, signers: Path | None
) -> tuple[Opened, Signature]:
    """Open a container, or find the folder where it was opened before; trust it if its signer is, or if told to.

    Raises
    ------
    NotTrusted
        Its signature is not of it. Nothing was written.
    """
    from nbrewind.container.archive import opened as opened_archive
    from nbrewind.container.opening import Opened, open_into, read_listing
    from nbrewind.container.places import opened_at, working_folder
    from nbrewind.record.foreign import read_foreign

    with opened_archive(container) as source:
        listing = read_listing(source)
        manifest, signature = listing.manifest, _signature(listing, signers)
        if signature.status == "invalid":
            raise NotTrusted(f"{source.where}: {signature}; get it again from where it comes from")
        place, there = (folder.absolute(), False) if folder else working_folder(container, manifest)
        there = there or (place.is_dir() and opened_at(place) == manifest.digest)
        if there:
            found = Opened(place, manifest, read_foreign(place / manifest.record))
        else:
            with _bar("opening", manifest.size) as told:
                found = open_into(source, listing, place, told)
    if trust or signature.status == "trusted":
        found.foreign.trust()
    return found, signature


def _signature(listing: Listing, signers: Path | None) -> Signature:
    from nbrewind.container.signing import check, default_allowed_signers

    return check(listing.raw, listing.signature, signers or default_allowed_signers())


def signature_json(signature: Signature) -> dict[str, str]:
    """A signature as commands report it."""
    return {"status": signature.status, "signer": signature.signer, "key": signature.key}


@click.command(cls=Command)
@click.argument("container")
@signers_option
@json_option
def inspect(container: str, signers: Path | None, json_to: str | None) -> None:
    """Show what a CONTAINER (a file, folder or web address) holds and who ran it where, from its manifest alone.

    \b
    Example:  nbrewind inspect https://example.org/analysis.zip
    """
    from nbrewind.container.archive import opened as opened_archive
    from nbrewind.container.opening import read_listing
    from nbrewind.report.container import contents, contents_json

    check_json(json_to)
    with opened_archive(container) as source:
        listing = read_listing(source)
        signature = _signature(listing, signers)
    if json_to is not None:
        write_json(contents_json(listing.manifest) | {"signature": signature_json(signature)}, json_to)
        return
    for part in contents(listing.manifest):
        out.print(part)
    out.print(printable(str(signature)))


@click.command(cls=Command)
@click.argument("container")
@signers_option
@json_option
@click.pass_context
def verify(context: click.Context, container: str, signers: Path | None, json_to: str | None) -> None:
    """Read all of a CONTAINER, compare every digest, and check its signature.

    The exit status is 2 if it is damaged, and 4 if its signature is wrong, or is not of one of the allowed signers.

    \b
    Example:  nbrewind verify analysis.zip --allowed-signers ~/.ssh/allowed_signers
    """
    from nbrewind.container.archive import opened as opened_archive
    from nbrewind.container.opening import read_listing, unlisted
    from nbrewind.container.opening import verify as compare
    from nbrewind.report.words import several, size

    check_json(json_to)
    with opened_archive(container) as source:
        listing = read_listing(source)
        manifest = listing.manifest
        with _bar("verifying", manifest.size) as told:
            compare(source, manifest, told)
        more = unlisted(source, manifest)
    if more:
        raise ContainerError(
            f"{container}: {several(len(more), 'file')} in it not in its manifest, such as {more[0]!r}; "
            "it was worked in, or something was added"
        )
    signature = _signature(listing, signers)
    if json_to is not None:
        body = {
            "schema": 1,
            "container": container,
            "digest": manifest.digest,
            "files": len(manifest.members),
            "size": manifest.size,
            "signature": signature_json(signature),
        }
        write_json(body, json_to)
    else:
        out.print(
            f"{container}: {several(len(manifest.members), 'file')}, {size(manifest.size)}, every digest is right"
        )
        out.print(printable(str(signature)))
    if signature.status == "invalid" or (signers is not None and signature.status != "trusted"):
        context.exit(NotTrusted.exit_code)
