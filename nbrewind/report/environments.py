"""How the environment differs from the recorded one, and what that means for reuse, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from nbrewind.environment.collecting import collect_once, stamp
from nbrewind.environment.comparing import Difference, compare, normal
from nbrewind.errors import NbrewindError
from nbrewind.record.model import CellRun, Run
from nbrewind.record.store import Record
from nbrewind.report.words import several

_SHOWN = 6


def recorded(record: Record, run: Run) -> dict[str, Any]:
    """The environment of a run; empty where it is not recorded."""
    try:
        found = json.loads(record.blob(run.environment)) if run.environment else {}
    except (KeyError, ValueError, NbrewindError):
        return {}
    return found if isinstance(found, dict) else {}


def last_recorded(record: Record) -> tuple[Run | None, dict[str, Any]]:
    """The newest run whose environment is recorded, and that."""
    for run in reversed(record.runs()):
        if found := recorded(record, run):
            return run, found
    return None, {}


def differences(record: Record) -> list[Difference]:
    """How this environment differs from that of the newest run that has one recorded."""
    run, then = last_recorded(record)
    if run is None or then.get("stamp") == stamp():
        return []
    cells = record.cells(run.id)
    return compare(then, json.loads(collect_once()), users(cells), len(cells))


def users(cells: Sequence[CellRun]) -> Mapping[str, int]:
    """How many cells used a package, by its normalised name."""
    counts: Counter[str] = Counter()
    for cell in cells:
        names = set()
        for seen in cell.evidence:
            if seen.kind == "module" and "/" not in seen.name and seen.digest:
                distribution, space, _ = seen.digest.partition(" ")
                names.add(normal(distribution if space else seen.name))
        counts.update(names)
    return counts


def lines(found: Sequence[Difference]) -> Iterator[Text]:
    """One line for each difference that matters, and one for all others."""
    if not found:
        return
    yield Text("this environment is not the recorded one:", style="bold")
    told = [one for one in found if one.meaning == "runs again"]
    for one in told:
        used = f"{several(one.cells, 'cell')} that used it, and tasks that did, run again"
        note = f"; {one.note}" if one.note else ""
        yield Text.assemble(f"  {one.name} ", (_change(one), "yellow"), f": {used}{note}")
    rest = [one for one in found if one.meaning != "runs again"]
    for meaning, words in (("unused", "used by no recorded cell"), ("ignorable", "not looked at by reuse")):
        group = [one for one in rest if one.meaning == meaning]
        if group:
            names = ", ".join(f"{one.name} {_change(one)}" for one in group[:_SHOWN])
            more = f" and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
            yield Text(f"  {words}: {names}{more}", style="dim")
    for note in dict.fromkeys(one.note for one in rest if one.note):
        yield Text(f"  {note}: {', '.join(one.name for one in rest if one.note == note)}", style="dim")


def _change(one: Difference) -> str:
    short = [text if len(text) <= 40 else text[:39] + "…" for text in (one.before, one.after)]
    return f"{short[0] or 'absent'} → {short[1] or 'absent'}"


def table(environment: Mapping[str, Any]) -> Iterator[str]:
    """A recorded environment in a few lines."""
    python, system, cpu = environment["python"], environment["system"], environment["cpu"]
    yield f"Python {python['version']} ({python['implementation']}, {python['compiler']})"
    yield f"{system['system']} {system['release']}, {system['libc'] or 'libc unknown'}, {system['machine']}"
    yield f"{cpu['model']}, {several(cpu['cores'], 'core')}"
    packages = environment["packages"]
    elsewhere, conda = sum("origin" in about for about in packages.values()), len(environment["conda"])
    yield f"{several(len(packages), 'package')}, {elsewhere} of them not from an index; {conda} of conda"
    for layer in ("threads", "locale"):
        if environment[layer]:
            yield f"{layer}: " + ", ".join(f"{name}={value}" for name, value in environment[layer].items())
    if environment["modules"]:
        yield "modules: " + " ".join(environment["modules"])
