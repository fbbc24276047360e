"""Running notebooks: ``audit`` and ``repeat``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from attrs import asdict

from nbrewind.cli.basics import (
    PATH,
    Command,
    check_json,
    complain,
    err,
    json_option,
    out,
    parameter_option,
    record_option,
    write_json,
)
from nbrewind.cli.container import open_container, signers_option, trust_option
from nbrewind.cli.sites import site_option
from nbrewind.errors import NbrewindError, UsageError
from nbrewind.kernels.settings import Kind, Settings, record_folder
from nbrewind.report.words import printable
from nbrewind.tasks.policies import POLICIES

if TYPE_CHECKING:
    from nbrewind.environment.comparing import Difference
    from nbrewind.kernels.headless import Outcome

F = TypeVar("F", bound=Callable[..., Any])


def _run_options(command: F) -> F:
    options = [
        click.argument("notebook"),
        click.option(
            "-o",
            "--out",
            "executed",
            type=PATH,
            default=None,
            metavar="OUT.ipynb",
            help="Write the executed notebook here.",
        ),
        parameter_option,
        record_option,
        site_option,
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
        click.option(
            "--environments",
            type=click.Choice(POLICIES),
            default="compatible",
            help="How like the workers' software must be to that which made a task's result, for the result to be "
            "reused.  [default: compatible]",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1),
            default=1,
            metavar="N",
            help="Run up to this many cells at the same time, with the outcome of running them in order.  [default: 1]",
        ),
        click.option("-q", "--quiet", is_flag=True, help="No progress, no table."),
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=Command)
@_run_options
def audit(**options: Any) -> None:
    """Run every cell of a NOTEBOOK and record it; tasks that the record holds are not submitted again.

    \b
    Example:  nbrewind audit analysis.ipynb -o executed.ipynb
    """
    _run("audit", rerun=(), **options)


@click.command(cls=Command)
@_run_options
@click.option(
    "--rerun", multiple=True, metavar="CELL", help="Run this cell (identifier or index) in any case."
)
@click.option(
    "--verify",
    type=click.FloatRange(0, 1, min_open=True),
    is_flag=False,
    flag_value=1.0,
    default=None,
    metavar="[FRACTION]",
    help="Run recorded cells and their tasks again, all or this share of them, and compare with the record.",
)
@trust_option
@signers_option
@click.option(
    "--isolated",
    is_flag=True,
    help="Run every cell in an interpreter of its own, with nothing of the cells before it but what the record holds.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=1e-9,
    metavar="REL",
    help="With --verify: relative difference of numbers that still counts as close.  [default: 1e-9]",
)
@click.option(
    "--html",
    "page",
    type=PATH,
    default=None,
    metavar="FILE.html",
    help="With --verify: write what was found as one page that needs nothing else.",
)
def repeat(**options: Any) -> None:
    """Run only the cells of a NOTEBOOK that a change affects, and submit only the tasks that it affects.

    A CONTAINER is opened first, in NAME.opened beside it; its runs are recorded there.

    \b
    Examples:  nbrewind repeat analysis.ipynb -p threshold 0.3 -o executed.ipynb
               nbrewind repeat analysis.ipynb --verify --html verified.html
               nbrewind repeat analysis.zip --site b --trust
    """
    verify = options.pop("verify") or 0.0
    if options["isolated"]:
        if verify:
            raise UsageError("--verify compares within one interpreter; give --verify or --isolated")
        if options["jobs"] > 1:
            raise UsageError("--isolated runs one cell after the other; give --jobs or --isolated")
        options["policy"] = "all"
    if options["page"] and not verify:
        raise UsageError("--html writes what --verify finds; give both")
    if verify and options["fresh"]:
        raise UsageError(
            "--fresh reuses nothing, so there is nothing for --verify to compare; give one of them"
        )
    trust, signers = options.pop("trust"), options.pop("signers")
    options["notebook"] = _notebook_of(options["notebook"], options["record"], trust=trust, signers=signers)
    _run("repeat", verify=verify, **options)


def _notebook_of(given: str, record: Path | None, *, trust: bool, signers: Path | None) -> str:
    """The notebook that is meant: of a container, the one in the folder where it is opened."""
    from nbrewind.container.places import is_container, notebook_in
    from nbrewind.record.foreign import read_foreign

    inside = notebook_in(given)
    if inside is not None or not is_container(given):
        given = given if inside is None else str(inside)
        if trust:
            read_foreign(record or record_folder(Path(given).absolute())).trust()
        return given
    if record is not None:
        raise UsageError(
            f"{given}: a container brings its record; open it with `nbrewind open` to use --record"
        )
    opened, signature = open_container(given, None, trust=trust, signers=signers)
    err.print(f"{opened.notebook} ({printable(str(signature))})", style="dim", markup=False)
    return str(opened.notebook)


def _differing(folder: Path) -> list[Difference]:
    """How this environment differs from the recorded one; nothing where there is no record that can be read."""
    from nbrewind.record.store import Record
    from nbrewind.report.environments import differences

    if not (folder / "record.json").exists():
        return []
    try:
        with Record.open(folder, create=False) as record:
            return differences(record)
    except (NbrewindError, OSError):
        return []  # whatever is wrong with it, the kernel says so


def _write_page(
    target: Path, folder: Path, outcome: Outcome, differing: Sequence[Difference], tolerance: float
) -> None:
    """Write what a verification found as one page."""
    from nbrewind.record.store import Record
    from nbrewind.report.page.verified import verified_page

    with Record.open(folder, create=False) as record:
        names = dict.fromkeys(check["trace"].partition("/")[0] for check in outcome.checks)
        against = [record.run(name) for name in names]
        text = verified_page(record.run(outcome.run), against, outcome.as_json(), differing, tolerance)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--html {target}: cannot be written ({error.strerror}); choose another") from error


def _run(
    kind: Kind,
    *,
    notebook: str,
    executed: Path | None,
    parameters: Sequence[tuple[str, str]],
    record: Path | None,
    json_to: str | None,
    quiet: bool,
    rerun: tuple[str, ...],
    page: Path | None = None,
    **more: Any,
) -> None:
    from nbrewind.kernels import headless
    from nbrewind.kernels.isolated import IsolatedClient
    from nbrewind.report.environments import lines
    from nbrewind.report.lines import summary
    from nbrewind.report.progress import ConsoleProgress
    from nbrewind.report.verification import verification

    check_json(json_to)
    if page is not None:
        headless.check_out(page.absolute())
    path = Path(notebook).absolute()
    folder = record.absolute() if record else record_folder(path)
    settings = Settings(kind=kind, notebook=path, record=folder, rerun=tuple(rerun), quiet=True, **more)
    differing = _differing(folder) if kind == "repeat" else []
    for line in lines(differing) if not quiet else ():
        err.print(line)
    progress = ConsoleProgress(err, quiet=quiet)
    try:
        outcome = headless.run(
            settings,
            out=executed.absolute() if executed else None,
            parameters=tuple(parameters),
            progress=progress,
            client_class=IsolatedClient if settings.isolated else headless.Client,
        )
    finally:
        progress.close()
    if json_to is not None:
        environment = {"environment": [asdict(one) for one in differing]} if differing else {}
        write_json({**outcome.as_json(), **environment}, json_to)
    if page is not None and outcome.run:
        _write_page(page, folder, outcome, differing, settings.tolerance)
    if not quiet:
        console = err if json_to == "-" else out
        console.print(summary(outcome.cells, outcome.tasks, outcome.seconds))
        for line in verification(outcome.checks) if settings.verify else ():
            console.print(line)
    if outcome.error:
        complain(outcome.error)
    sys.exit(outcome.exit_code)
