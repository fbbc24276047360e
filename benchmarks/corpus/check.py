"""One notebook put to the test: audit, unchanged repeat and repeats after edits, against the stock kernel."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from benchmarks.corpus.edits import KINDS
from benchmarks.corpus.play import Played, play
from benchmarks.corpus.sources import Cells, Entry
from benchmarks.live import AUDIT, REPEAT, STOCK


@frozen
class Wrong:
    """A cell that showed what no clean run shows."""

    cell: int
    action: str
    expected: str
    shown: str


@frozen
class Trial:
    """A repeat beside a clean run of the same cells, in seconds."""

    kind: str
    cells: int
    executed: int
    stock: float
    ours: float
    wrong: tuple[Wrong, ...] = ()
    why: tuple[str, ...] = ()


@frozen
class Result:
    """What became of one notebook."""

    notebook: str
    cells: int
    stock: float
    audit: float
    random: int
    wrong: tuple[Wrong, ...]
    trials: tuple[Trial, ...] = field(default=())

    def mistakes(self) -> int:
        """Cells that showed something wrong, over all runs."""
        return len(self.wrong) + sum(len(trial.wrong) for trial in self.trials)


class Bench:
    """A folder in which runs follow each other, always at the same place."""

    def __init__(self, source: Path, base: Path, limit: float) -> None:
        self._source = source
        self._limit = limit
        self._audited = base / "audited"
        self.folder = base / "run"

    def clean(self, cells: Cells) -> Played:
        """By the stock kernel, with the files that the notebook came with."""
        self._lay(self._source)
        return play(STOCK, cells, self.folder, self._limit)

    def audit(self, cells: Cells) -> Played:
        """By the audit kernel; record and files are kept for repeats."""
        self._lay(self._source)
        found = play(AUDIT, cells, self.folder, self._limit)
        shutil.copytree(self.folder, self._audited, symlinks=True)
        return found

    def repeat(self, cells: Cells) -> Played:
        """By the repeat kernel, with the record and files that the audit left."""
        self._lay(self._audited)
        return play(REPEAT, cells, self.folder, self._limit)

    def _lay(self, source: Path) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder, symlinks=True)


@contextmanager
def bench(entry: Entry, limit: float) -> Iterator[Bench]:
    """A place for the runs of one notebook, with a copy of the folder that it came in."""
    with tempfile.TemporaryDirectory(prefix="nbrewind-corpus-", ignore_cleanup_errors=True) as base:
        yield Bench(entry.path.parent, Path(base), limit)


def check(entry: Entry, kinds: Sequence[str], limit: float) -> Result:
    """All runs of one notebook."""
    cells = entry.cells()
    with bench(entry, limit) as place:
        clean, again = place.clean(cells), place.clean(cells)
        audit = place.audit(cells)
        trials = [_trial("unchanged", place, cells, clean)]
        for kind in kinds:
            edited = KINDS[kind](cells)
            if edited is not None:
                trials.append(_trial(f"{kind} {edited[1]}", place, edited[0], place.clean(edited[0])))
        random = clean.differs(again)
        wrong = _wrong(clean, audit, place, cells, random)
        return Result(entry.name, len(cells), clean.total, audit.total, len(random), wrong, tuple(trials))


def _trial(kind: str, place: Bench, cells: Cells, clean: Played) -> Trial:
    repeat = place.repeat(cells)
    wrong = _wrong(clean, repeat, place, cells, None)
    executed = repeat.executed()
    why = tuple(f"{number}: {repeat.told[number].get('why', '')[:120]}" for number in executed)
    return Trial(kind, len(cells), len(executed), clean.total, repeat.total, wrong, why)


def _wrong(
    clean: Played, ours: Played, place: Bench, cells: Cells, random: list[int] | None
) -> tuple[Wrong, ...]:
    """Cells that differ from a clean run, but for those in which two clean runs differ."""
    found = clean.differs(ours)
    if found and random is None:
        random = clean.differs(place.clean(cells))
    return tuple(
        Wrong(n, ours.told[n].get("action", ""), *_around(clean.shown[n], ours.shown[n]))
        for n in found
        if n not in (random or ())
    )


def _around(expected: Any, shown: Any, width: int = 160) -> tuple[str, str]:
    """Both as text, from shortly before the first difference."""
    one, other = repr(expected), repr(shown)
    same = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
    start = max(same - width // 4, 0)
    return one[start : start + width], other[start : start + width]
