"""Packing, opening, inspecting and repeating a large container; baseline: storing the same files in a plain zip."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from benchmarks.measure import Figure, timed

CELLS, MEGABYTES = 32, 64
_ONE = f"""
import numpy as np
a = np.random.default_rng({{seed}}).random({MEGABYTES << 17})
print(a.shape, a[:3])
"""
_COMMAND = [sys.executable, "-m", "nbrewind"]


def measure() -> list[Figure]:
    """A record of 2 GB of incompressible arrays, one saved by each cell."""
    with tempfile.TemporaryDirectory(
        prefix="nbrewind-bench-", dir=os.environ.get("NBREWIND_BENCH_DIR")
    ) as made:
        return _measure(Path(made))


def _measure(folder: Path) -> list[Figure]:
    book = folder / "large.ipynb"
    cells = [new_code_cell(_ONE.format(seed=seed), id=f"c{seed}") for seed in range(CELLS)]
    nbformat.write(new_notebook(cells=[*cells, new_code_cell("print(a.sum())", id="last")]), book)
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    _run("audit", book, "--save", "all", "-q")
    packed, plain = folder / "large.zip", folder / "plain.zip"
    size = sum(path.stat().st_size for path in (folder / "large.nbrewind").rglob("*") if path.is_file()) / 1e6
    figures = []
    ours, memory = _timed_with_memory("pack", book, "-o", packed)
    theirs = timed(lambda: _zip(folder / "large.nbrewind", plain))
    figures.append(_rate("pack", size, ours, theirs))
    figures.append(Figure("memory of pack", memory, None, "", "≤ 100 over start", memory - _start(), "MB"))
    shutil.rmtree(folder / "large.nbrewind")
    theirs = timed(lambda: _unzip(plain, folder / "plain"))
    shutil.rmtree(folder / "plain")
    plain.unlink()
    ours, memory = _timed_with_memory("open", packed, "-o", folder / "work", "--trust")
    figures.append(_rate("open", size, ours, theirs))
    figures.append(Figure("memory of open", memory, None, "", "≤ 100 over start", memory - _start(), "MB"))
    seconds = timed(lambda: _run("inspect", packed))
    figures.append(Figure("inspect", seconds, None, "", "≤ 1", seconds))
    seconds = timed(lambda: _run("repeat", folder / "work" / book.name, "-q"))
    figures.append(Figure("repeat unchanged", seconds, None, "", "≤ 3", seconds))
    return figures


def _rate(what: str, size: float, ours: float, theirs: float) -> Figure:
    return Figure(f"{what} {size:.0f} MB", ours, theirs, "zip -0", "rate ≥ 0.6 of it", theirs / ours)


def _run(*arguments: object) -> None:
    subprocess.run(
        [*_COMMAND, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _timed_with_memory(*arguments: object) -> tuple[float, float]:
    """Seconds, and the most memory in MB that the command had."""
    return timed(lambda: _run(*arguments)), _peak(*arguments)


def _peak(*arguments: object) -> float:
    """Resident memory of a process that does the same again, to a place of its own."""
    code = (
        "import re, runpy, sys\n"
        "sys.argv[0] = 'nbrewind'\n"
        "try:\n    runpy.run_module('nbrewind', run_name='__main__')\n"
        "finally:\n    sys.stderr.write('\\n' + re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    words = [str(word) for word in arguments]
    if words[0] == "open":
        words[words.index("-o") + 1] += "-again"
    done = subprocess.run([sys.executable, "-c", code, *words], check=True, capture_output=True, text=True)
    if words[0] == "open":
        shutil.rmtree(words[words.index("-o") + 1])
    return int(done.stderr.split()[-1]) / 1024


def _start() -> float:
    """Resident memory of the command when it does nothing, in MB."""
    return _peak("inspect", "--help")


def _zip(folder: Path, target: Path) -> None:
    if shutil.which("zip"):
        subprocess.run(["zip", "-q", "-0", "-r", str(target), "."], cwd=folder, check=True)
        return
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))


def _unzip(source: Path, target: Path) -> None:
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-q", str(source), "-d", str(target)], check=True)
        return
    with zipfile.ZipFile(source) as archive:
        archive.extractall(target)
