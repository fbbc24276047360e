"""Which cluster's workers run tasks: the option ``--site`` of commands that run something."""

from __future__ import annotations

import click


def _known(_: click.Context, __: click.Parameter, value: str) -> str:
    """Read the site's file before anything runs, and name it so that a kernel in another folder finds it."""
    if not value:
        return value
    from nbrewind.batch import search

    found = search.find(value)
    search.load(value)
    return str(found.path) if found.origin == "file" else value


site_option = click.option(
    "--site",
    default="",
    envvar="NBREWIND_SITE",
    metavar="NAME|FILE",
    callback=_known,
    help="The site whose workers run tasks; see `nbrewind site list`.  [default: as the notebook says]",
)
