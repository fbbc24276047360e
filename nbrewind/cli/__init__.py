"""The `nbrewind` command: one module for each family of commands, put together here.

A module holds functions that read arguments, call the layers below, and print; nothing is decided in it. What all
commands share is in `basics`: consoles, options, opening a record, reporting as JSON.
"""

from __future__ import annotations

import click

from nbrewind import __version__
from nbrewind.cli.basics import Group
from nbrewind.cli.container import inspect, open_, pack, verify
from nbrewind.cli.environment import env
from nbrewind.cli.forecast import plan
from nbrewind.cli.graph import convert, graph
from nbrewind.cli.kernels import kernels
from nbrewind.cli.machine import doctor
from nbrewind.cli.notebooks import audit, repeat
from nbrewind.cli.page import report
from nbrewind.cli.records import diff, explain, gc, runs, show
from nbrewind.cli.script import run
from nbrewind.cli.site import site

__all__ = ["main"]


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nbrewind")
def main() -> None:
    """Audit and repeat Jupyter notebooks that drive a cluster: only what a change affects runs again.

    \b
    nbrewind audit  analysis.ipynb      run every cell and record it
    nbrewind plan   analysis.ipynb      what would run now, and why
    nbrewind repeat analysis.ipynb      run only that
    """


for _command in (
    audit,
    repeat,
    run,
    plan,
    graph,
    convert,
    runs,
    show,
    explain,
    diff,
    report,
    pack,
    open_,
    inspect,
    verify,
    env,
    gc,
    kernels,
    site,
    doctor,
):
    main.add_command(_command)

if __name__ == "__main__":
    main()
