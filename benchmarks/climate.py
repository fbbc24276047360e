"""The climate example: audit against ipykernel, an unchanged repeat, one changed parameter against that alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from benchmarks.kernels import scratch
from benchmarks.measure import Figure, paired, timed

EXAMPLE = Path(__file__).parents[1] / "examples" / "climate" / "station_trends.ipynb"
BEFORE = "windows = [1, 3, 5, 10, 30]"
CHANGED = "[1, 3, 5, 15, 30]"


def _notebook(folder: Path, windows: str | None = None) -> Path:
    path = folder / EXAMPLE.name
    book = nbformat.read(EXAMPLE, as_version=4)
    if windows is not None:
        for cell in book.cells:
            if "parameters" in cell.metadata.get("tags", []):
                assert BEFORE in cell.source
                cell.source = cell.source.replace(BEFORE, f"windows = {windows}")
    nbformat.write(book, path)
    return path


def _stock(windows: str | None = None) -> float:
    folder = scratch()
    path = _notebook(folder, windows)
    command = [sys.executable, "-m", "jupyter", "execute", "--kernel_name=python3", path.name]
    seconds = timed(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True))
    shutil.rmtree(folder)
    return seconds


def _ours(folder: Path, *arguments: str) -> float:
    command = [sys.executable, "-m", "nbrewind", *arguments, "--quiet"]
    return timed(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True))


def _audit() -> float:
    folder = scratch()
    seconds = _ours(folder, "audit", _notebook(folder).name)
    shutil.rmtree(folder)
    return seconds


def measure(pairs: int = 3) -> list[Figure]:
    """All three, each beside its baseline."""
    figures = []
    audit, stock, ratio = paired(_audit, _stock, pairs)
    figures.append(Figure("audit of the example", audit, stock, "ipykernel, same workers", "≤ 1.10", ratio))

    folder = scratch()
    path = _notebook(folder)
    _ours(folder, "audit", path.name)
    unchanged = sorted(_ours(folder, "repeat", path.name) for _ in range(pairs))[pairs // 2]
    figures.append(Figure("unchanged repeat", unchanged, stock, "running again", "≤ 5 s", unchanged))

    record = folder / "station_trends.nbrewind"
    keep = folder / "kept"
    shutil.copytree(record, keep)

    def changed() -> float:
        shutil.rmtree(record)
        shutil.copytree(keep, record)
        return _ours(folder, "repeat", path.name, "-p", "windows", CHANGED)

    ours, only, ratio = paired(changed, lambda: _stock("[15]"), pairs)
    figures.append(Figure("one parameter changed", ours, only, "only the affected tasks", "≤ 1.15", ratio))
    shutil.rmtree(folder)
    return figures
