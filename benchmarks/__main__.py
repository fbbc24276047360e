"""Run the measurements: ``python -m benchmarks [kernels|cells|state|tasks|climate|container]… [--json FILE]``."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks import cells, climate, container, kernels, state, tasks
from benchmarks.measure import Figure, console, show

SUITES = {
    "kernels": kernels.measure,
    "cells": cells.measure,
    "state": state.measure,
    "tasks": tasks.measure,
    "climate": climate.measure,
    "container": container.measure,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(SUITES)))
@click.option("--json", "target", type=click.Path(path_type=Path), default=None)
def main(names: tuple[str, ...], target: Path | None) -> None:
    """Measure and print, in seconds and ratios, medians of runs in turn."""
    figures: list[Figure] = []
    for name in names or SUITES:
        console.print(f"measuring {name} …")
        figures += SUITES[name]()
    show(figures, target)


if __name__ == "__main__":
    main()
