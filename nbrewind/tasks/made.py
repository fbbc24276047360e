"""Files that live on workers alone: no content names them, so what made them does.

The key of a task that takes one has the producer's key in it. That leaves out what the producer met when it ran: files
that it opened, versions that it imported, and what it took itself. The *stamp* of a run sums that up, and is kept as
evidence of whoever takes what the run made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nbrewind.record.model import Digest, Evidence, TaskRun
from nbrewind.tasks.keys import combine


def stamp(run: TaskRun, facts: Mapping[str, str]) -> Digest:
    """Return what of a finished run its key does not tell.

    Parameters
    ----------
    run
        The run.
    facts
        What is compared of the environment that it ran in.
    """
    parts = {f"{seen.kind}:{seen.name}": seen.digest or "" for seen in run.inputs}
    return combine({"key": run.key, **parts, **facts})


def evidence(stamps: Mapping[str, Digest]) -> tuple[Evidence, ...]:
    """Return the stamps of what a task took, by the identity of each file, as evidence."""
    return tuple(Evidence("made", name, digest) for name, digest in sorted(stamps.items()))


def made_anew(inputs: Iterable[Evidence], stamps: Mapping[str, Digest]) -> bool:
    """Whether a task would take something else now than when it ran.

    >>> made_anew([Evidence("made", "k:out", "s1")], {"k:out": "s1"})
    False
    >>> made_anew([Evidence("made", "k:out", "s1")], {"k:out": "s2"})
    True

    What is still being made has no stamp yet:

    >>> made_anew([Evidence("made", "k:out", "s1")], {"k:out": ""})
    True
    """
    then = {seen.name: seen.digest for seen in inputs if seen.kind == "made"}
    return any(not digest or then.get(name) != digest for name, digest in stamps.items())
