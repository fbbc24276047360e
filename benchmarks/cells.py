"""What observing and saving cells costs, each beside the stock kernel or the raw disk in the same run."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import blake3
import numpy as np

from benchmarks.live import AUDIT, REPEAT, STOCK, Timing, folder, run, size
from benchmarks.measure import Figure

PRINTS = ["import numpy as np\nheld = np.random.default_rng(1).random(40_000_000)"] + [
    f"print({n})" for n in range(500)
]
OBJECTS = ["many = [[n] for n in range(300_000)]"] + [
    f"for one in many:\n    one[0] += {n}\nprint(many[-1])" for n in range(6)
]
HOT = ["total = 0\nstep = 1", "for _ in range(10_000_000):\n    total = total + step"]
FRAME = [
    "import numpy as np, pandas as pd\nrng = np.random.default_rng(3)",
    "frame = pd.DataFrame({f'c{n}': rng.random(2_000_000) for n in range(10)})",
    "frame['key'] = rng.integers(0, 1000, len(frame))",
    "means = frame.groupby('key').mean()",
    "frame['c0'] = frame['c0'].rolling(50, min_periods=1).median()",
    "ranked = frame.sort_values(['key', 'c1'])\nprint(ranked.iloc[:3].to_string())",
]
LARGE = ["import numpy as np\nlarge = np.ones(250_000_000)", "print(large[0])", "large[123_456_789] = 2.0"]
SAVED = ["import numpy as np", "values = np.random.default_rng(5).random(125_000_000)"]
RSS = "import resource\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
MANY = ["a0 = [0]"] + [f"a{n} = [*a{n - 1}[-3:], {n}]\nprint(a{n})" for n in range(1, 200)]


def measure(runs: int = 3) -> list[Figure]:
    """All of them."""
    return [
        *_prints(),
        _ratio("300,000 small objects touched by each cell: audit", OBJECTS, "≤ 3", runs, skip=1),
        _ratio("hot loop of 10^7 global reads and writes: audit", HOT, "≤ 1.02", runs, skip=1),
        *_frame(runs),
        *_large(),
        *_saved(),
        *_decided(),
    ]


def _in_turn(cells: Sequence[str], runs: int) -> tuple[list[Timing], list[Timing]]:
    ours, stock = [], []
    for _ in range(runs):
        for kernel, found in ((STOCK, stock), (AUDIT, ours)):
            with folder() as where:
                found.append(run(kernel, cells, where))
    return ours, stock


def _ratio(name: str, cells: Sequence[str], bound: str, runs: int, skip: int = 0) -> Figure:
    ours, stock = _in_turn(cells, runs)
    mine, theirs = ([sum(one.seconds[skip:]) for one in found] for found in (ours, stock))
    ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
    return Figure(name, statistics.median(mine), statistics.median(theirs), "ipykernel", bound, ratio)


def _prints() -> list[Figure]:
    (ours,), (stock,) = _in_turn(PRINTS, 1)

    def part(found: Timing, first: int, last: int) -> float:
        return statistics.median(found.seconds[first:last])

    figures = []
    for name, first, last in (("the first 50", 1, 51), ("the last 50", 451, 501)):
        mine, theirs = part(ours, first, last), part(stock, first, last)
        figures.append(
            Figure(
                f"printing beside 0.3 GB, {name} of 500 cells: adds",
                mine,
                theirs,
                "ipykernel",
                "≤ 0.005 s",
                mine - theirs,
            )
        )
    return figures


def _frame(runs: int) -> list[Figure]:
    audits, stocks, repeats = [], [], []
    for _ in range(runs):
        with folder() as where:
            stocks.append(run(STOCK, FRAME, where).total)
        with folder() as where:
            audits.append(run(AUDIT, FRAME, where).total)
            repeats.append(run(REPEAT, FRAME, where).total)
    stock, audit, repeat = (statistics.median(found) for found in (stocks, audits, repeats))
    ratios = (
        statistics.median(a / b for a, b in zip(found, stocks, strict=True)) for found in (audits, repeats)
    )
    return [
        Figure("160 MB frame, 6 cells: audit", audit, stock, "ipykernel", "≤ 1.10", next(ratios)),
        Figure("160 MB frame, 6 cells: unchanged repeat", repeat, stock, "ipykernel", "≤ 0.15", next(ratios)),
    ]


def _large() -> list[Figure]:
    with folder() as where:
        seconds = run(STOCK, LARGE, where).seconds[-1]
    with folder() as where:
        run(AUDIT, LARGE[:2], where)
        before = size(where)
    with folder() as where:
        ours = run(AUDIT, LARGE, where).seconds[-1]
        written = size(where) - before
    return [
        Figure(
            "one element of 2 GB changed: the cell", ours, seconds, "ipykernel", "≤ 0.3 s", ours - seconds
        ),
        Figure(
            "one element of 2 GB changed: written",
            written / 2**20,
            None,
            "",
            "≤ 2 MiB",
            written / 2**20,
            "MiB",
        ),
    ]


def _saved() -> list[Figure]:
    """1 GB: how fast it reaches the disk, and what memory that takes."""
    data = np.random.default_rng(5).random(125_000_000)
    with folder() as where:
        stock = run(STOCK, [*SAVED, RSS], where)
        by_hand = _timed(lambda: _write(where / "raw", data))
    with folder() as where:
        begun = time.perf_counter()
        ours = run(AUDIT, [*SAVED, RSS], where)
        whole = time.perf_counter() - begun
    with folder() as where:
        begun = time.perf_counter()
        run(STOCK, [*SAVED, RSS], where)
        saving = whole - (time.perf_counter() - begun)
    memory = (int(ours.text) - int(stock.text)) / 1024
    return [
        Figure(
            "1 GB saved, until the kernel has ended",
            saving,
            by_hand,
            "digest and write by hand",
            "≥ 0.8 (baseline/ours)",
            by_hand / max(saving, 1e-9),
        ),
        Figure("1 GB saved: memory above the notebook's own", memory, None, "", "≤ 128 MiB", memory, "MiB"),
    ]


def _write(path: Path, data: np.ndarray) -> None:
    blake3.blake3(data.data.cast("B")).digest()
    with path.open("wb") as file:
        file.write(data.data)
        file.flush()
        os.fsync(file.fileno())


def _timed(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _decided() -> list[Figure]:
    with folder() as where:
        empty = run(STOCK, ["pass"] * len(MANY), where).total
    with folder() as where:
        run(AUDIT, MANY, where)
        repeat = run(REPEAT, MANY, where)
        assert all(told["action"] == "restored" for told in repeat.told)
    return [
        Figure(
            "unchanged notebook of 200 cells: repeat",
            repeat.total,
            empty,
            "200 empty cells",
            "≤ 0.5 s",
            repeat.total - empty,
        )
    ]
