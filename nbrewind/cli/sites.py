"""Which cluster's workers run tasks: the option ``--site`` of commands that run something."""

from __future__ import annotations

import click

site_option = click.option("--site", default="", metavar="NAME", help="The site whose workers run tasks.")
