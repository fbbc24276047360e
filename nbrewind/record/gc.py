"""Removing runs from a record, and all that no remaining run refers to."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from nbrewind.record.catalog import Catalog
from nbrewind.record.model import Run


@frozen
class GcReport:
    """What was removed, or with `dry_run` would be; bytes are of the whole record."""

    runs: tuple[str, ...]
    kept: tuple[str, ...]
    objects: int
    checkpoints: int
    bytes_before: int
    bytes_after: int
    dry_run: bool

    @property
    def freed(self) -> int:
        """Bytes given back."""
        return self.bytes_before - self.bytes_after


def collect(
    folder: Path,
    catalog: Catalog,
    runs: list[Run],
    *,
    keep_runs: int | None,
    older_than: float | None,
    max_bytes: int | None,
    pinned: frozenset[str],
    dry_run: bool,
) -> GcReport:
    """Collect garbage."""
    raise NotImplementedError
