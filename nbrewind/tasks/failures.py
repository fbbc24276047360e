"""The ways in which a task fails, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping

from nbrewind.record.model import TaskRun

TAIL = 1 << 16
"""Bytes of a failed task's output that are kept: its end, where the reason stands."""

LIMIT = "limits."
_LIMITS = {
    "memory": "out of memory",
    "disk": "out of disk",
    "wall_time": "out of time",
    "cores": "too many cores",
}
_WORDS = {
    "max wall time": "out of time",
    "max end time": "out of time",
    "forsaken": "lost worker",
    "max retries": "lost worker",
    "stdout missing": "lost standard output",
    "output transfer error": "output could not be fetched",
    "rmonitor error": "resource monitor failed",
    "fixed location missing": "no worker has the feature that it asks for",
    "library exit": "library ended",
    "exception": "exception",
}
_REMEDIES = {
    "out of memory": "raise its memory (set_memory)",
    "out of disk": "raise its disk (set_disk)",
    "out of time": "raise its time (set_time_max, set_time_end)",
    "lost worker": "its workers went away: raise its retries, or look at the batch system's limits",
    "output could not be fetched": "look at the free space here",
}
_KILLED = frozenset({9, 137})


def kind_of(run: TaskRun) -> str:
    """Name the way in which a task failed.

    >>> from nbrewind.record.model import TaskRun
    >>> kind_of(TaskRun("", "", "", "taskvine", "command", "x", "failed", 7, "success"))
    'exit code 7'
    """
    if run.result == "success":
        note = " (killed, often for want of memory)" if run.exit_code in _KILLED else ""
        return f"exit code {run.exit_code}{note}"
    if run.result == "resource exhaustion":
        return _exhausted(run.resources)
    return _WORDS.get(run.result, run.result) or "unknown"


def remedy_of(kind: str) -> str:
    """What helps against a kind of failure, as far as that is known."""
    return _REMEDIES.get(kind, "")


def _exhausted(resources: Mapping[str, float]) -> str:
    """Which limit was passed: as the engine says, else as the numbers say."""
    for name, words in _LIMITS.items():
        if resources.get(LIMIT + name, -1) >= 0:
            return words
    for name, words in _LIMITS.items():
        allowed = resources.get(f"allocated.{name}", -1)
        if 0 < allowed < resources.get(f"measured.{name}", -1):
            return words
    return "out of memory, disk or another resource"


def tail(text: str, size: int = TAIL) -> str:
    """The end of a text, from the beginning of a line where there is one."""
    if len(text) <= size:
        return text
    end = text[-size:]
    return "…" + (end[end.index("\n") :] if "\n" in end[:-1] else end)
