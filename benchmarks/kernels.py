"""How much later our kernel starts than ipykernel, and what it adds to a cell that does nothing."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from jupyter_client.manager import start_new_kernel

from benchmarks.measure import Figure


def _session(name: str, cells: int) -> tuple[float, float]:
    """Seconds until the first reply, and the median seconds of a trivial cell."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        manager, client = start_new_kernel(kernel_name=name, cwd=folder)
        try:
            client.execute_interactive("pass", silent=False)
            ready = time.perf_counter() - started
            times = []
            for number in range(cells):
                begun = time.perf_counter()
                client.execute_interactive(f"x = {number}")
                times.append(time.perf_counter() - begun)
        finally:
            client.stop_channels()
            manager.shutdown_kernel()
    return ready, statistics.median(times)


def measure(runs: int = 5, cells: int = 40) -> list[Figure]:
    """Start kernels in turn, stock and ours."""
    names = ("python3", "nbrewind-audit", "nbrewind-repeat")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(runs):
        for name in names:
            found[name].append(_session(name, cells))
    starts = {name: statistics.median(start for start, _ in rows) for name, rows in found.items()}
    trivial = {name: statistics.median(cell for _, cell in rows) for name, rows in found.items()}
    figures = []
    for name in names[1:]:
        later, added = starts[name] - starts["python3"], trivial[name] - trivial["python3"]
        figures.append(
            Figure(f"{name}: starts later by", starts[name], starts["python3"], "ipykernel", "≤ 0.3 s", later)
        )
        figures.append(
            Figure(
                f"{name}: adds to a trivial cell",
                trivial[name],
                trivial["python3"],
                "ipykernel",
                "≤ 0.010 s",
                added,
            )
        )
    return figures


def scratch() -> Path:
    """A folder of its own for one run."""
    return Path(tempfile.mkdtemp(prefix="nbrewind-bench-"))
