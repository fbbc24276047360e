"""Replace attributes of other people's classes, and put them back."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

Method = Callable[..., Any]


class Patches:
    """A list of replacements that can be undone.

    Classes keep their identity: `isinstance`, subclasses and names in modules stay as they are.
    """

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def method(self, owner: type, name: str, make: Callable[[Method], Method]) -> None:
        """Replace a method by ``make(original)``; a class without that method is left alone."""
        original = owner.__dict__.get(name)
        if original is None:
            return
        replacement = functools.wraps(original)(make(original))
        self._set(owner, name, original, replacement)

    def function(self, module: ModuleType, name: str, make: Callable[[Method], Method]) -> None:
        """Replace a function of a module by ``make(original)``; whoever has taken it out before keeps the original."""
        original = getattr(module, name)
        self._set(module, name, original, functools.wraps(original)(make(original)))

    def getter(self, owner: type, name: str, make: Callable[[Method], Method]) -> None:
        """Replace the getter of a property by ``make(original)``."""
        original = owner.__dict__.get(name)
        if not isinstance(original, property) or original.fget is None:
            return
        getter = functools.wraps(original.fget)(make(original.fget))
        replacement = property(getter, original.fset, original.fdel, original.__doc__)
        self._set(owner, name, original, replacement)

    def undo(self) -> None:
        """Put everything back, last replacement first."""
        while self._undo:
            self._undo.pop()()

    def _set(self, owner: type | ModuleType, name: str, original: Any, replacement: Any) -> None:
        setattr(owner, name, replacement)
        self._undo.append(lambda: setattr(owner, name, original))
