"""What differs between two environments, and what that means for reuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from attrs import frozen

Meaning = Literal["runs again", "unused", "ignorable"]


@frozen
class Difference:
    """One thing that is not what it was.

    Parameters
    ----------
    layer
        ``python``, ``packages``, ``conda``, ``modules``, ``system``, ``cpu``, ``threads`` or ``locale``.
    name
        In this layer.
    before, after
        In a few words; empty: absent.
    meaning
        ``runs again``: what used it does; ``unused``: no recorded cell did; ``ignorable``: reuse does not look at it.
    cells
        How many recorded cells used it.
    note
        What else the user should know.
    """

    layer: str
    name: str
    before: str
    after: str
    meaning: Meaning
    cells: int = 0
    note: str = ""


def compare(
    then: Mapping[str, Any], now: Mapping[str, Any], used: Mapping[str, int], cells: int
) -> list[Difference]:
    """Everything that differs, what matters most first.

    Parameters
    ----------
    then, now
        As `nbrewind.environment.collecting.collect` describes them.
    used
        How many cells of the record used a package, by its normalised name.
    cells
        How many cells there are.
    """
    if then.get("stamp") == now.get("stamp"):
        return []
    found = [*_python(then, now, cells), *_packages(then, now, used), *_others(then, now)]
    rank = {"runs again": 0, "unused": 1, "ignorable": 2}
    return sorted(found, key=lambda one: rank[one.meaning])


def normal(name: str) -> str:
    """A distribution's name as names are compared.

    >>> normal("Scikit.Learn")
    'scikit_learn'
    """
    return name.replace("-", "_").replace(".", "_").lower()


def _python(then: Mapping[str, Any], now: Mapping[str, Any], cells: int) -> Iterator[Difference]:
    before, after = (one.get("python", {}).get("version", "") for one in (then, now))
    if before == after:
        return
    if before.split(".")[:2] == after.split(".")[:2]:
        yield Difference("python", "python", before, after, "ignorable", note="same minor version")
        return
    note = "values that the other version pickled are not restored here; their cells make them again"
    yield Difference("python", "python", before, after, "runs again", cells, note)


def _packages(
    then: Mapping[str, Any], now: Mapping[str, Any], used: Mapping[str, int]
) -> Iterator[Difference]:
    before, after = (
        {normal(name): (name, about) for name, about in one.get("packages", {}).items()}
        for one in (then, now)
    )
    for key in sorted(before.keys() | after.keys()):
        name, old = before.get(key, (after.get(key, ("", {}))[0], {}))
        new = after.get(key, ("", {}))[1]
        count = used.get(key, 0)
        if old.get("version") != new.get("version"):
            versions = str(old.get("version", "")), str(new.get("version", ""))
            if old or count:
                yield Difference("packages", name, *versions, "runs again" if count else "unused", count)
        elif _commit(old) != _commit(new) or old.get("files") != new.get("files"):
            what = _commit(old) or str(old.get("version", "")), _commit(new) or str(new.get("version", ""))
            note = "same version with other files, which reuse does not notice"
            if count:
                yield Difference("packages", name, *what, "ignorable", count, note)


def _commit(about: Mapping[str, Any]) -> str:
    """The revision that a package was built from, where that is known."""
    return str(about.get("origin", {}).get("vcs_info", {}).get("commit_id", ""))[:12]


_NOTES = {
    "cpu": "floating-point results may differ in their last digits",
    "threads": "floating-point results may differ in their last digits",
    "libc": "mathematical functions may differ in their last digits",
}


def _others(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for layer in ("system", "cpu", "threads", "locale"):
        before, after = then.get(layer, {}), now.get(layer, {})
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                words = _words(before.get(name), after.get(name))
                note = _NOTES.get(name) or _NOTES.get(layer, "")
                yield Difference(layer, name, *words, "ignorable", note=note)
    before, after = then.get("modules", []), now.get("modules", [])
    if before != after:
        yield Difference("modules", "modules", *_words(before, after), "ignorable")


def _words(before: Any, after: Any) -> tuple[str, str]:
    """Two values in few words; of lists, what only one of them has."""
    if isinstance(before, list) and isinstance(after, list):
        gone, come = (
            " ".join(x for x in one if x not in other) for one, other in ((before, after), (after, before))
        )
        return gone or "nothing else", come or "nothing else"
    return "" if before is None else str(before), "" if after is None else str(after)
