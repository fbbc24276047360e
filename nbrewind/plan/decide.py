"""Whether a cell's recorded effects still hold.

A recorded cell run is evidence: *this code, having seen these digests, left those*. It may be taken over when the code
is the same and everything that it saw has the same digest now.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Protocol

from attrs import frozen

from nbrewind.record.model import CellRun, Covariable, Digest, Evidence, Reason

CANDIDATES = 64
"""How many recorded runs of the same code are compared, newest first."""


class Present(Protocol):
    """The state of things now."""

    def digest(self, kind: str, name: str) -> Digest | None:
        """Digest of what `Evidence` of this kind and name means, now."""

    def covariable(self, name: str) -> Covariable | None:
        """The co-variable that holds a variable now."""

    def is_live_opaque(self, name: str) -> bool:
        """Whether a variable holds a living thing that cannot be saved, such as a manager."""


@frozen
class Hit:
    """The effects of `trace` hold."""

    trace: CellRun


@frozen
class Miss:
    """The cell must run. `nearest` is the recorded run that came closest, if any."""

    because: tuple[Reason, ...]
    nearest: CellRun | None = None


Decision = Hit | Miss


def decide(
    traces: Iterable[CellRun],
    present: Present,
    usable: Callable[[CellRun], Reason | None] = lambda _trace: None,
) -> Decision:
    """Find a recorded run of this code whose evidence holds.

    Parameters
    ----------
    traces
        Recorded runs of the same code, newest first.
    present
        What things are now.
    usable
        Says why a matching trace cannot be used after all, for example because its outputs are gone.

    Returns
    -------
    Hit or Miss
        A miss carries the reasons of the trace that came closest.
    """
    best: Miss | None = None
    for trace in islice(traces, CANDIDATES):
        reasons = compare(trace, present)
        if not reasons and (problem := usable(trace)) is not None:
            reasons = (problem,)
        if not reasons:
            return Hit(trace)
        if best is None or len(reasons) < len(best.because):
            best = Miss(reasons, trace)
    return best or Miss(())


def compare(trace: CellRun, present: Present) -> tuple[Reason, ...]:
    """Every way in which things differ from what the trace saw; empty if it may be taken over."""
    if trace.open:
        return (Reason("open", trace.open, run=trace.run),)
    if trace.tasks.failed:
        return (Reason("tasks-failed", f"{trace.tasks.failed} tasks", run=trace.run),)
    if trace.volatile:
        return (Reason("volatile", run=trace.run),)
    return (*_differences(trace, present), *_aliased(trace, present), *_joined(trace, present))


def _differences(trace: CellRun, present: Present) -> Iterable[Reason]:
    for seen in trace.evidence:
        if seen.kind in ("variable", "covariable"):
            living = [name for name in seen.name.split() if present.is_live_opaque(name)]
            if living:
                yield Reason("live", living[0], run=trace.run)
                continue
        now = _present_digest(seen, present)
        if now != seen.digest and not _made_itself(seen, trace, present):
            yield Reason(seen.kind, seen.name, before=short(seen.digest), after=short(now), run=trace.run)


def _made_itself(seen: Evidence, trace: CellRun, present: Present) -> bool:
    """Whether the cell saw that a file was not there, made it, and it is there as the cell left it.

    So it is after any run of the notebook, and running the cell once more would tell that run from this one.
    """
    if seen.kind not in ("file", "exists") or seen.digest is not None:
        return False
    left = {written.path: written.digest for written in trace.files}.get(seen.name)
    return left is not None and present.digest("file", seen.name) == left


def _present_digest(seen: Evidence, present: Present) -> Digest | None:
    if seen.kind != "covariable":
        return present.digest(seen.kind, seen.name)
    names = tuple(seen.name.split())
    held = present.covariable(names[0])
    if held is None:
        return None
    if held.digest == "unknown":
        return held.digest
    return held.digest if held.names == names else "shared otherwise"


def _aliased(trace: CellRun, present: Present) -> Iterable[Reason]:
    """Variables that shared nothing then must share nothing now."""
    holders: dict[tuple[str, ...], str] = {}
    for seen in trace.evidence:
        if seen.kind not in ("variable", "covariable") or seen.digest is None:
            continue
        name = seen.name.split()[0]
        held = present.covariable(name)
        if held is None:
            continue
        other = holders.setdefault(held.names, name)
        if other != name:
            yield Reason(
                "covariable", f"{other} {name}", before="separate", after="share objects", run=trace.run
            )


def _joined(trace: CellRun, present: Present) -> Iterable[Reason]:
    """What it changed in place and no other variable shared then, no other may share now: that would not change."""
    for name in trace.carried:
        held = present.covariable(name)
        if held is not None and len(held.names) > 1:
            names = " ".join([name, *(other for other in held.names if other != name)])
            yield Reason("covariable", names, before="separate", after="share objects", run=trace.run)


def short(digest: Digest | None) -> str:
    """A digest as a person can tell two apart."""
    if digest is None:
        return "absent"
    algorithm, colon, rest = digest.partition(":")
    return rest[:8] if colon else algorithm


def code_change(before: str, after: str) -> Reason:
    """What an edit changed, as its first differing lines."""
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            return Reason("code", f"line {j1 + 1}", before=_first(old[i1:i2]), after=_first(new[j1:j2]))
    return Reason("code")


def _first(lines: list[str]) -> str:
    text = lines[0].strip() if lines else ""
    return text if len(text) <= 60 else text[:59] + "…"
