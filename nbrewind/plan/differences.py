"""What differs between two recorded runs, cell by cell: code, what was read, what was left, what was shown.

How long things took and whether a cell was restored or executed is told, and is no difference.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from attrs import frozen

from nbrewind.plan.decide import short
from nbrewind.plan.shown import shown_lines
from nbrewind.record.model import CellRun, Digest, Reason

Blob = Callable[[Digest], bytes | None]
"""Returns content by its digest, nothing where the record does not hold it any more."""
NOTHING = "absent"


@frozen
class CellDifference:
    """One cell in two runs.

    Parameters
    ----------
    old, new
        The cell runs; ``None`` where a run has no such cell.
    code
        Lines that differ, each beginning with ``-`` or ``+``.
    read, left
        What it saw, and what it left, with other values.
    shown
        Lines of its outputs that differ, as `code`.
    """

    old: CellRun | None
    new: CellRun | None
    code: tuple[str, ...] = ()
    read: tuple[Reason, ...] = ()
    left: tuple[Reason, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def cell(self) -> CellRun:
        """The cell as it is known last."""
        found = self.new or self.old
        assert found is not None, "a difference of nothing"
        return found

    @property
    def kind(self) -> Literal["same", "changed", "added", "removed"]:
        """What became of the cell from one run to the other."""
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "changed" if self.code or self.read or self.left or self.shown else "same"


def compare_cells(old: Iterable[CellRun], new: Iterable[CellRun], blob: Blob) -> list[CellDifference]:
    """Compare all cells of two runs, in the order of the newer one; cells that only the older one has come last.

    A cell that ran several times counts as it was left: by its last run.
    """
    before, after = _by_name(old), _by_name(new)
    found = [
        compare_cell(before[name], cell, blob) if name in before else CellDifference(None, cell)
        for name, cell in after.items()
    ]
    return found + [CellDifference(cell, None) for name, cell in before.items() if name not in after]


def _by_name(cells: Iterable[CellRun]) -> dict[str, CellRun]:
    """The last run of each cell; what has no identifier (a console's input) goes by its number among these."""
    found: dict[str, CellRun] = {}
    nameless = 0
    for cell in cells:
        nameless += not cell.cell_id
        name = cell.cell_id or f"input {nameless}"
        found.pop(name, None)
        found[name] = cell
    return found


def compare_cell(old: CellRun, new: CellRun, blob: Blob) -> CellDifference:
    """Compare two runs of one cell."""
    left = (*_variables_left(old, new), *_files(old, new), *_ambient(old, new, blob), *_end(old, new))
    return CellDifference(
        old,
        new,
        code=tuple(changed_lines(old.source.splitlines(), new.source.splitlines()))
        if old.code != new.code
        else (),
        read=tuple(_read(old, new)),
        left=left,
        shown=tuple(_shown(old, new, blob)),
    )


def changed_lines(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """Lines that were taken out (``-``) and put in (``+``), in order."""
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            yield from (f"- {line}" for line in old[i1:i2])
            yield from (f"+ {line}" for line in new[j1:j2])


def _read(old: CellRun, new: CellRun) -> Iterator[Reason]:
    before = {(seen.kind, seen.name): seen.digest for seen in old.evidence}
    after = {(seen.kind, seen.name): seen.digest for seen in new.evidence}
    for (kind, name), digest in after.items():
        if (kind, name) in before and before[kind, name] != digest:
            was, now = before[kind, name], digest
            yield Reason(
                kind, name, *_words(was, old.previews.get(name), now, new.previews.get(name)), run=old.run
            )
        elif (kind, name) not in before and _tells(kind, old, new):
            yield Reason(kind, name, "not read", _value(digest, new.previews.get(name)), old.run)
    for (kind, name), digest in before.items():
        if (kind, name) not in after and _tells(kind, old, new):
            yield Reason(kind, name, _value(digest, old.previews.get(name)), "not read", old.run)


def _tells(kind: str, old: CellRun, new: CellRun) -> bool:
    """Whether it is worth telling that only one of them read something: not after an edit, which says so itself.

    Nor for libraries: which of their modules run may depend on what ran before.
    """
    return old.code == new.code and kind != "module"


def _variables_left(old: CellRun, new: CellRun) -> Iterator[Reason]:
    before, after = _left(old), _left(new)
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now:
            values = old.previews.get(f"={name}"), new.previews.get(f"={name}")
            yield Reason("variable", name, *_words(was, values[0], now, values[1]), run=old.run)
    together = {made.names: made.digest for made in old.covariables}
    for made in new.covariables:
        names = " ".join(made.names)
        if made.names in together:
            same = all(before[name] == after[name] for name in made.names)
            if same and together[made.names] != made.digest and len(made.names) > 1:
                yield Reason("covariable", names, "share objects in one way", "in another", old.run)
        elif len(made.names) > 1 and set(made.names) <= before.keys():
            yield Reason("covariable", names, "shared otherwise", "share objects", old.run)
    gone, gone_now = set(old.deleted), set(new.deleted)
    for name in sorted((gone ^ gone_now) - before.keys() - after.keys()):
        words = ("deleted", "kept") if name in gone else ("kept", "deleted")
        yield Reason("variable", name, *words, run=old.run)


def _left(cell: CellRun) -> dict[str, Digest]:
    return {name: digest for made in cell.covariables for name, digest in made.digests.items()}


def _files(old: CellRun, new: CellRun) -> Iterator[Reason]:
    before = {written.path: written for written in old.files}
    after = {written.path: written for written in new.files}
    for path in sorted(before.keys() | after.keys()):
        was, now = before.get(path), after.get(path)
        if was is None or now is None:
            yield Reason(
                "file",
                path,
                short(was.digest) if was else "not written",
                short(now.digest) if now else "not written",
                old.run,
            )
        elif was.digest != now.digest:
            yield Reason("file", path, short(was.digest), short(now.digest), old.run)


_READABLE = ("working folder", "sys.path", "future statements")
"""Ambient state that is text. The environment's is, too, but may hold secrets."""


def _ambient(old: CellRun, new: CellRun, blob: Blob) -> Iterator[Reason]:
    before = {state.name: state for state in old.ambient}
    after = {state.name: state for state in new.ambient}
    for name in sorted(before.keys() | after.keys()):
        states = before.get(name), after.get(name)
        digests = [state.digest if state else None for state in states]
        if digests[0] != digests[1]:
            texts = [
                (blob(state.blob) or b"").decode("utf-8", "replace") if state and name in _READABLE else None
                for state in states
            ]
            yield Reason("ambient", name, *_words(digests[0], texts[0], digests[1], texts[1]), run=old.run)


def _end(old: CellRun, new: CellRun) -> Iterator[Reason]:
    if old.status != new.status:
        yield Reason("status", "", old.status, new.status, old.run)
    if old.tasks.failed != new.tasks.failed:
        yield Reason("tasks-failed", "", str(old.tasks.failed), str(new.tasks.failed), old.run)


def _shown(old: CellRun, new: CellRun, blob: Blob) -> Iterator[str]:
    if old.outputs != new.outputs:
        yield from changed_lines(_outputs(old, blob), _outputs(new, blob))


def _outputs(cell: CellRun, blob: Blob) -> list[str]:
    if not cell.outputs:
        return []
    content = blob(cell.outputs)
    if content is None:
        return [f"(outputs {short(cell.outputs)} are not in the record any more)"]
    return list(shown_lines(json.loads(content)))


def _words(was: Digest | None, before: str | None, now: Digest | None, after: str | None) -> tuple[str, str]:
    """Two values so that a person can tell them apart."""
    words = _value(was, before), _value(now, after)
    if words[0] != words[1]:
        return words
    return f"{words[0]} ({short(was)})", f"{words[1]} ({short(now)})"


def _value(digest: Digest | None, text: str | None) -> str:
    return NOTHING if digest is None else text or short(digest)


def software(found: Iterable[CellDifference]) -> Mapping[tuple[str, str, str], int]:
    """Libraries and modules that differ: name, version before, version after; and in how many cells."""
    counts: dict[tuple[str, str, str], int] = {}
    for one in found:
        for reason in one.read:
            if reason.kind == "module":
                key = (reason.name, reason.before, reason.after)
                counts[key] = counts.get(key, 0) + 1
    return counts
