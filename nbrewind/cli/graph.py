"""How cells depend on each other: ``graph``, and ``convert``, which writes it into a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbrewind.cli.basics import PATH, Command, json_option, open_record, out, record_option, write_json
from nbrewind.errors import UsageError

if TYPE_CHECKING:
    from nbrewind.plan.graph import Graph


@click.command(cls=Command)
@click.argument("notebook", type=PATH)
@click.option("--run", "run_id", default="", metavar="RUN", help="The cells of this run, as they ran.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["text", "mermaid", "dot"]),
    default="text",
    help="A table, or a drawing for Markdown or Graphviz.  [default: text]",
)
@click.option("-o", "--out", "target", type=PATH, default=None, metavar="FILE", help="Write it here.")
@record_option
@json_option
def graph(
    notebook: Path, run_id: str, form: str, target: Path | None, record: Path | None, json_to: str | None
) -> None:
    """Show which cell of NOTEBOOK reads what which other cell left, and what running cells side by side could gain.

    Cells that have run as they are now are known by their record: variables, files and ambient state. What the others
    read and leave is predicted from their code.

    \b
    Examples:  nbrewind graph analysis.ipynb
               nbrewind graph analysis.ipynb --as dot | dot -Tsvg > cells.svg
    """
    from nbrewind.report.graph import as_dot, as_json, as_mermaid, as_text

    found = _graph(notebook, run_id, record)
    if json_to is not None:
        write_json(as_json(found), json_to)
        return
    if form == "text" and target is None:
        for part in as_text(found):
            out.print(part)
        return
    if form == "text":
        raise UsageError("-o takes a drawing: give --as mermaid or --as dot, or --json FILE")
    text = as_mermaid(found) if form == "mermaid" else as_dot(found)
    if target is None:
        click.echo(text, nl=False)
    else:
        _write(text, target)


@click.command(cls=Command)
@click.argument("notebook", type=PATH)
@click.option(
    "--to",
    "form",
    type=click.Choice(["explicit", "linear"]),
    required=True,
    help="explicit: say in each cell's metadata what it reads of which other cell, and what it leaves. "
    "linear: put cells that say so into an order that gives each what it reads.",
)
@click.option("-o", "--out", "target", type=PATH, required=True, metavar="OUT.ipynb", help="Write it here.")
@record_option
def convert(notebook: Path, form: str, target: Path, record: Path | None) -> None:
    """Turn a NOTEBOOK into one whose cells say what they read and leave, or such a one into a plain one.

    \b
    Examples:  nbrewind convert analysis.ipynb --to explicit -o flow.ipynb
               nbrewind convert flow.ipynb --to linear -o analysis.ipynb
    """
    import nbformat

    from nbrewind.kernels.dataflow import make_explicit, make_linear
    from nbrewind.kernels.notebooks import read_notebook

    content = read_notebook(notebook)
    if form == "explicit":
        make_explicit(content, _graph(notebook, "", record))
    else:
        make_linear(content, notebook)
    _write(nbformat.writes(content) + "\n", target)


def _graph(notebook: Path, run_id: str, record: Path | None) -> Graph:
    from nbrewind.kernels.dependencies import notebook_graph, run_graph
    from nbrewind.kernels.notebooks import read_notebook
    from nbrewind.kernels.settings import record_folder
    from nbrewind.report.found import find_run

    if run_id or notebook.is_dir():
        with open_record(notebook, record) as opened:
            return run_graph(opened, find_run(opened, run_id or "last").id)
    content = read_notebook(notebook)
    if record is None and not (record_folder(notebook) / "record.json").exists():
        return notebook_graph(content, notebook.absolute(), None)
    with open_record(notebook, record) as opened:
        return notebook_graph(content, notebook.absolute(), opened)


def _write(text: str, target: Path) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"-o {target}: cannot be written ({error.strerror}); choose another") from error
