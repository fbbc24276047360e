"""One page on what verifying a record found, to hand in with an artifact: who, where, in what, with which result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbrewind.environment.comparing import Difference
from nbrewind.record.model import Run
from nbrewind.report.page.frame import framed
from nbrewind.report.page.tree import Node, node, table
from nbrewind.report.words import place, seconds, several, when

_BADGES = {"identical": "done", "close": "executed", "different": "failed"}


def verified_page(
    run: Run,
    against: Sequence[Run],
    outcome: Mapping[str, Any],
    differing: Sequence[Difference],
    tolerance: float,
) -> str:
    """A verification as one HTML document.

    Parameters
    ----------
    run
        The run that verified.
    against
        The runs whose cells it was compared with.
    outcome
        What ``repeat --verify --json`` says.
    differing
        How the environment differs from the recorded one.
    tolerance
        Relative difference of floating-point numbers up to which they are close.
    """
    checks = outcome.get("verify", {}).get("cells", [])
    return framed(
        f"{run.notebook}: verification {run.id}",
        node("h1", f"{run.notebook}: verification"),
        node("p", _verdict(outcome)),
        _facts(run, against, outcome, tolerance),
        node("h2", "Cells"),
        table(("cell", "result", "compared", "what is not identical"), [_row(check) for check in checks])
        or node("p", "No cell was recorded as it is now, so none could be compared."),
        node("h2", "Environment"),
        table(("what", "recorded", "here", "note"), [_environment(one) for one in differing])
        or node("p", "As recorded."),
    )


def _verdict(outcome: Mapping[str, Any]) -> str:
    """The result in one sentence."""
    counts = outcome.get("verify", {})
    checked = len(counts.get("cells", []))
    if outcome["status"] == "failed":
        return f"The notebook failed: {outcome.get('error', 'a cell raised an exception')}."
    if not checked:
        return "Nothing could be compared with the record."
    told = ", ".join(f"{counts[word]} {word}" for word in _BADGES if counts.get(word))
    return f"{several(checked, 'cell')} of {len(outcome['cells'])} ran again and gave, against the record: {told}."


def _facts(run: Run, against: Sequence[Run], outcome: Mapping[str, Any], tolerance: float) -> Node:
    tasks = outcome["tasks"]
    facts = [
        ("verified", f"{when(run.started)}, by {place(run)}, run {run.id}"),
        ("with", f"Python {run.python}, nbrewind {run.version}"),
        ("took", seconds(outcome["seconds"])),
        ("tasks", f"{tasks['submitted']} ran, {tasks['reused']} were taken from the record"),
        (
            "close means",
            f"numbers within a relative difference of {tolerance:g}; texts alike but for addresses and times",
        ),
    ]
    facts += [
        ("recorded", f"{when(one.started)}, by {place(one)}, run {one.id}, Python {one.python}")
        for one in against
    ]
    return node("dl", *(part for name, fact in facts for part in (node("dt", name), node("dd", fact))))


def _row(check: Mapping[str, Any]) -> tuple[Node | str, ...]:
    verdict = check["verdict"]
    found = [node("p", _finding(one)) for one in check["findings"]]
    badge = node("span", verdict, class_=f"badge {_BADGES[verdict]}")
    return f"{check['index']} ({check['id']})", badge, str(check["compared"]), node("div", *found)


def _finding(found: Mapping[str, Any]) -> str:
    values = f": {found['before']} → {found['after']}" if found["before"] or found["after"] else ""
    return f"{found['kind']} {found['name']} {found['verdict']}{values}"


def _environment(one: Difference) -> tuple[Node | str, ...]:
    used = f"used by {several(one.cells, 'cell')}" if one.cells else one.meaning
    return one.name, one.before or "absent", one.after or "absent", "; ".join(filter(None, (used, one.note)))
