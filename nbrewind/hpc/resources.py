"""What engines measure of tasks: numbers that the record keeps under ``GROUP.NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BOXES = ("cores", "gpus", "memory", "disk")
ALWAYS = (*BOXES, "wall_time", "start", "end")
MONITORED = (
    "cpu_time",
    "cores_avg",
    "virtual_memory",
    "swap_memory",
    "bandwidth",
    "bytes_read",
    "bytes_written",
    "bytes_received",
    "bytes_sent",
    "total_files",
    "total_processes",
    "max_concurrent_processes",
)
"""Measured by the resource monitor alone, all or none."""


METRICS = (
    "time_when_submitted",
    "time_when_done",
    "time_when_commit_start",
    "time_when_commit_end",
    "time_when_retrieval",
    "time_workers_execute_last",
    "time_workers_execute_all",
    "bytes_received",
    "bytes_sent",
)
"""What both engines count of a task, in microseconds and bytes."""


def note(resources: dict[str, float], group: str, found: Any, names: tuple[str, ...]) -> None:
    """Add the numbers of an engine's structure that are known: it has -1 for the others."""
    for name in names if found is not None else ():
        value = getattr(found, name)
        if value >= 0:
            resources[f"{group}.{name}"] = float(value)


def fill(found: Any, recorded: Mapping[str, float], group: str) -> None:
    """Put recorded numbers into an engine's structure."""
    for key, value in recorded.items():
        prefix, _, name = key.partition(".")
        if prefix == group:
            setattr(found, name, value)
