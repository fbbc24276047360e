"""A notebook's state kept after each cell and brought back: time, bytes, truth, beside stock kernel and peers."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.live import AUDIT, REPEAT, STOCK, Timing, folder, run, size
from benchmarks.measure import Figure, console
from benchmarks.peers import KERNEL, PEERS, Peer, bytes_below, install
from benchmarks.state_cells import CELLS, CHECKS, MUTATIONS, SEEN, SETUP, asked

_CHANGES = [SETUP, *MUTATIONS]
_TOUCH = "_sums = [big.sum(), float(frame.sum().sum()), design.sum(), masked.sum()]"
_BYTES = (
    "_kept = [big, design, masked.data, masked.mask]\n"
    "print(sum(one.nbytes for one in _kept) + int(frame.memory_usage(index=False).sum()))"
)


@frozen
class Kept:
    """What one recorder did: seconds of the cells, bytes on disk, and how much of the state was right afterwards."""

    seconds: float
    stored: int
    right: int
    noticed: int


def measure(runs: int = 3) -> list[Figure]:
    """Ours, then each peer that installs here."""
    truth, changed = _answers(STOCK, CELLS, CHECKS), _answers(STOCK, _CHANGES, SEEN)
    figures = [*_times(runs), *_restored(), *_truth(truth, changed)]
    home = install()
    if home is None:
        console.print("the peers cannot be installed here; nothing is measured beside them")
        return figures
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(home), os.environ.get("JUPYTER_PATH")]))
    bare = _run(KERNEL, CELLS).total
    truth, changed = _answers(KERNEL, CELLS, CHECKS), _answers(KERNEL, _CHANGES, SEEN)
    for peer in PEERS:
        kept = _peer(peer, truth, changed)
        name = f"for comparison, {peer.name}"
        figures += [
            Figure(f"{name}: audit", kept.seconds, bare, "ipykernel", "", kept.seconds / bare),
            Figure(f"{name}: on disk", kept.stored / 2**20, None, "", "", kept.stored / 2**20, "MiB"),
            Figure(f"{name}: state checks right", kept.right, len(CHECKS), "all", "", kept.right, ""),
            Figure(f"{name}: changes noticed", kept.noticed, len(SEEN), "all", "", kept.noticed, ""),
        ]
    return figures


def _run(kernel: str, cells: Sequence[str]) -> Timing:
    with folder() as where:
        return run(kernel, cells, where)


def _answers(kernel: str, cells: Sequence[str], expressions: list[str]) -> list[str]:
    """What the expressions are worth where nothing interrupted."""
    return list(json.loads(_run(kernel, [*cells, asked(expressions)]).text))


def _times(runs: int) -> list[Figure]:
    stocks, audits, stored = [], [], 0
    for _ in range(runs):
        stocks.append(_run(STOCK, CELLS).total)
        with folder() as where:
            audits.append(run(AUDIT, CELLS, where).total)
            stored = size(where)
    distinct = int(_run(STOCK, [*CELLS, _BYTES]).text)
    ratio = statistics.median(a / b for a, b in zip(audits, stocks, strict=True))
    return [
        Figure(
            "14 cells, 281 MB of state: audit",
            statistics.median(audits),
            statistics.median(stocks),
            "ipykernel",
            "≤ 1.08",
            ratio,
        ),
        Figure(
            "the same: bytes on disk",
            stored / 2**20,
            distinct / 2**20,
            "distinct bytes",
            "≤ 1.02",
            stored / distinct,
            "MiB",
        ),
    ]


def _restored() -> list[Figure]:
    with folder() as where:
        run(AUDIT, CELLS, where)
        untouched = run(REPEAT, [*CELLS, "same is big"], where)
        touched = run(REPEAT, [*CELLS, _TOUCH], where)
        assert all(told["action"] == "restored" for told in untouched.told[: len(CELLS)])
    again = _run(STOCK, [*CELLS, _TOUCH])
    return [
        Figure(
            "the same: a variable of it, restored untouched",
            untouched.seconds[-1],
            None,
            "",
            "≤ 0.1 s",
            untouched.seconds[-1],
        ),
        Figure(
            "the same: restored, all data touched",
            touched.seconds[-1],
            again.total,
            "running again",
            "≤ 0.3 s",
            touched.seconds[-1],
        ),
    ]


def _truth(truth: list[str], changed: list[str]) -> list[Figure]:
    counts = []
    for cells, expressions, expected in ((CELLS, CHECKS, truth), (_CHANGES, SEEN, changed)):
        with folder() as where:
            run(AUDIT, cells, where)
            found = json.loads(run(REPEAT, [*cells, asked(expressions)], where).text)
        counts.append(_agreeing(expressions, found, expected, "nbrewind"))
    right, noticed = counts
    return [
        Figure("the same: state checks right", right, len(CHECKS), "all", "= 20", right, ""),
        Figure("changes in place noticed", noticed, len(SEEN), "all", "= 24", noticed, ""),
    ]


def _agreeing(expressions: list[str], found: list[str], expected: list[str], who: str) -> int:
    for text, got, wanted in zip(expressions, found, expected, strict=True):
        if got != wanted:
            console.print(f"{who}: {text} is {got[:80]}, not {wanted[:80]}")
    return sum(got == wanted for got, wanted in zip(found, expected, strict=True))


def _peer(peer: Peer, truth: list[str], changed: list[str]) -> Kept:
    with folder() as where:
        kept = run(KERNEL, [peer.first, *CELLS], where)
        stored = bytes_below([where / peer.store])
        right = _brought_back(peer, where, CHECKS, truth)
    with folder() as where:
        run(KERNEL, [peer.first, *_CHANGES], where)
        noticed = _brought_back(peer, where, SEEN, changed)
    return Kept(sum(kept.seconds[1:]), stored, right, noticed)


def _brought_back(peer: Peer, where: Path, expressions: list[str], expected: list[str]) -> int:
    try:
        found = json.loads(run(KERNEL, [peer.restore, asked(expressions)], where).text)
    except (RuntimeError, json.JSONDecodeError) as error:
        console.print(f"{peer.name}: {str(error)[:300]}")
        return 0
    return _agreeing(expressions, found, expected, peer.name)
