"""The two kernels in Jupyter's list: ``kernels install``, ``list`` and ``remove``."""

from __future__ import annotations

import sys

import click

from nbrewind.cli.basics import Group, json_option, out, write_json
from nbrewind.errors import UsageError


@click.group(cls=Group)
def kernels() -> None:
    """Install, list or remove the two Jupyter kernels.

    \b
    Example:  nbrewind kernels install
    """


@kernels.command()
@click.option("--user", is_flag=True, help="For this user.")
@click.option("--sys-prefix", is_flag=True, help="In this Python environment.  [default]")
@click.option("--prefix", type=click.Path(), default=None, help="Below PREFIX/share/jupyter/kernels.")
def install(user: bool, sys_prefix: bool, prefix: str | None) -> None:
    """Install the kernels "NBRewind audit" and "NBRewind repeat".

    \b
    Example:  nbrewind kernels install --user
    """
    from nbrewind.kernels import specs

    if sum(map(bool, (user, sys_prefix, prefix))) > 1:
        raise UsageError("give one of --user, --sys-prefix and --prefix")
    try:
        folders = specs.install(user=user, prefix=None if user else prefix or sys.prefix)
    except OSError as error:
        raise UsageError(f"the kernels cannot be installed there ({error}); try --user") from error
    for folder in folders:
        out.print(f"installed {folder}")


@kernels.command(name="list")
@click.option("--prefix", type=click.Path(), default=None, help="Only below PREFIX/share/jupyter/kernels.")
@json_option
def list_(prefix: str | None, json_to: str | None) -> None:
    """Say where Jupyter finds the kernels.

    \b
    Example:  nbrewind kernels list
    """
    from nbrewind.kernels import specs

    found = specs.installed(prefix)
    if json_to is not None:
        write_json({"schema": 1, "kernels": {name: str(path) for name, path in found.items()}}, json_to)
        return
    for name in specs.NAMES:
        out.print(f"{name:<16} {found.get(name, 'not installed: nbrewind kernels install')}")


@kernels.command()
@click.option("--prefix", type=click.Path(), default=None, help="From PREFIX/share/jupyter/kernels.")
def remove(prefix: str | None) -> None:
    """Remove the kernels from where Jupyter finds them.

    \b
    Example:  nbrewind kernels remove
    """
    from nbrewind.kernels import specs

    try:
        removed = specs.remove(prefix)
    except OSError as error:
        raise UsageError(f"the kernels cannot be removed: {error.strerror} ({error.filename})") from error
    out.print(f"removed {', '.join(removed)}" if removed else "no kernels were installed")
