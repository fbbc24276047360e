"""How much a record holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from nbrewind.record.catalog import Catalog


@frozen
class Counts:
    """Numbers for ``nbrewind show``; bytes are as files on disk.

    `tasks` counts by status, `blobs` those in the logs, `objects` the big ones.
    """

    runs: int
    cells: int
    tasks: Mapping[str, int]
    blobs: int
    blob_bytes: int
    objects: int
    object_bytes: int
    checkpoints: int
    checkpoint_bytes: int
    log_bytes: int
    index_bytes: int

    @property
    def total_bytes(self) -> int:
        """All files together."""
        return self.object_bytes + self.checkpoint_bytes + self.log_bytes + self.index_bytes


def files_below(folder: Path) -> list[tuple[Path, int]]:
    """Files below a folder and their sizes; those that go away meanwhile are left out."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            try:
                found.append((path, path.stat().st_size))
            except OSError:
                continue
    return sorted(found)


def count(folder: Path, catalog: Catalog) -> Counts:
    """Count what is in a record."""
    runs = len(catalog.runs_json())
    tasks = catalog.ask(lambda index: index.totals("status, count(*)", "tasks"))
    cells = catalog.ask(lambda index: index.totals("NULL, count(*)", "cells"))
    blobs = catalog.ask(lambda index: index.totals("NULL, count(*), sum(size)", "blobs"))
    objects = [size for path, size in files_below(folder / "objects") if path.suffix != ".tmp"]
    checkpoints = [size for path, size in files_below(folder / "checkpoints") if path.suffix == ".h5"]
    return Counts(
        runs=runs,
        cells=sum(row[1] for row in cells),
        tasks={str(status): number for status, number in tasks},
        blobs=sum(row[1] for row in blobs),
        blob_bytes=sum(row[2] for row in blobs),
        objects=len(objects),
        object_bytes=sum(objects),
        checkpoints=len(checkpoints),
        checkpoint_bytes=sum(checkpoints),
        log_bytes=sum(size for _, size in files_below(folder / "runs")),
        index_bytes=(folder / "index.sqlite").stat().st_size if (folder / "index.sqlite").exists() else 0,
    )
