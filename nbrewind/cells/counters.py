"""Numbers that libraries count with: what they name their next object, such as ``sys[4]`` after ``sys[3]``.

A library's own code moves them, so no statement of the notebook tells. The interpreter's monitoring reports each
function of a library that starts; those whose bytecode sets a global name or an attribute are looked at once, and what
they could move is read before they run. Only whole numbers count: other data that libraries change by themselves are
caches and marks of what has been set up, which must not be put back without what they stand for.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Mapping
from types import CodeType
from typing import Any

from nbrewind.cells.modules import is_evidence
from nbrewind.state.names import find, importable

Place = tuple[str, str, str]
"""A module, the qualified name of a class in it ("" for the module itself), and an attribute."""

_GLOBAL = dis.opmap["STORE_GLOBAL"]
_ATTRIBUTE = dis.opmap["STORE_ATTR"]


class Counters:
    """Counters that the code of libraries could move while a cell runs."""

    def __init__(self) -> None:
        self._stores: dict[int, tuple[CodeType, tuple[str, ...], tuple[str, ...]]] = {}
        self._classes: dict[str, tuple[int, dict[str, list[type]]]] = {}
        self._before: dict[Place, int] = {}
        self._noted: set[int] = set()

    def start(self) -> None:
        """A cell begins."""
        self._before, self._noted = {}, set()

    def note(self, code: CodeType, module: str, variables: Mapping[str, Any]) -> None:
        """Code of a library is about to run: read what it could move."""
        if id(code) in self._noted or not is_evidence(module):
            return
        self._noted.add(id(code))
        known = self._stores.get(id(code))
        if known is None:
            known = self._stores[id(code)] = (code, *_stores(code))
        _, names, attributes = known
        for name in names:
            if type(variables.get(name)) is int:
                self._before.setdefault((module, "", name), variables[name])
        if attributes:
            classes = self._holders(module, variables)
            for name in attributes:
                for kind in classes.get(name, ()):
                    self._note_attribute(kind, name)

    def moved(self) -> dict[Place, int]:
        """The counters that moved since the cell began, with what they were."""
        return {place: before for place, before in self._before.items() if _moved(place, before)}

    def _note_attribute(self, kind: type, name: str) -> None:
        value = vars(kind).get(name)
        place = importable(kind)
        if type(value) is int and place:
            module, _, qualname = place.partition(":")
            self._before.setdefault((module, qualname, name), value)

    def _holders(self, module: str, variables: Mapping[str, Any]) -> Mapping[str, list[type]]:
        """Classes that a module knows, by the names of whole numbers that are attributes of theirs."""
        size, found = self._classes.get(module, (0, {}))
        if size != len(variables):
            found = {}
            for kind in {base for value in list(variables.values()) for base in _line(value)}:
                for name, value in vars(kind).items():
                    if type(value) is int and not name.startswith("__"):
                        found.setdefault(name, []).append(kind)
            self._classes[module] = len(variables), found
        return found


def _line(value: Any) -> tuple[type, ...]:
    """A class with those that it inherits from; nothing for another value."""
    return value.__mro__[:-1] if issubclass(type(value), type) else ()


def _stores(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the globals and of the attributes that code sets."""
    text = code.co_code
    if _GLOBAL not in text and _ATTRIBUTE not in text:
        return (), ()
    found: dict[int, dict[str, None]] = {_GLOBAL: {}, _ATTRIBUTE: {}}
    high = 0
    for place in range(0, len(text), 2):
        operation, low = text[place], text[place + 1]
        if operation == dis.EXTENDED_ARG:
            high = (high | low) << 8
            continue
        if operation in found:
            found[operation][code.co_names[high | low]] = None
        high = 0
    return tuple(found[_GLOBAL]), tuple(found[_ATTRIBUTE])


def _moved(place: Place, before: int) -> bool:
    module, owner, name = place
    holder = find(module, owner) if owner else sys.modules.get(module)
    now = getattr(holder, "__dict__", {}).get(name)
    return type(now) is int and now != before
