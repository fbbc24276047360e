"""Which environment variables the notebook's own code reads."""

from __future__ import annotations

import os
import sys
from typing import Any

_PASSED_ON_BY = ("os", "collections.abc", "_collections_abc", __name__)


class EnvironmentReads:
    """Notes the variables that code of the notebook looks up in `os.environ` while a cell runs.

    Look-ups by libraries are left out: they configure software, which is recorded as such.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._keys: set[str] | None = None
        self._before: dict[str, str | None] = {}

    def install(self) -> None:
        """Give `os.environ` a class that reports to us; it stays the same object."""
        watch = self

        class Watched(type(os.environ)):  # type: ignore[misc]
            def __getitem__(self, key: str) -> str:
                watch._note(key)
                value: str = super().__getitem__(key)
                return value

            def __setitem__(self, key: str, value: str) -> None:
                watch._keep(key, self._now(key))
                super().__setitem__(key, value)

            def __delitem__(self, key: str) -> None:
                watch._keep(key, self._now(key))
                super().__delitem__(key)

            def _now(self, key: str) -> str | None:
                try:
                    return str(super().__getitem__(key))
                except (KeyError, TypeError):
                    return None

        Watched.__name__, Watched.__qualname__, Watched.__module__ = "_Environ", "_Environ", "os"
        os.environ.__class__ = Watched

    def start(self) -> None:
        """A cell begins."""
        self._before = {}
        self._keys = set()

    def stop(self) -> dict[str, str | None]:
        """The cell has ended: which variables did it read, and what were they before it began?"""
        keys, self._keys = self._keys or set(), None
        return {key: self._before[key] if key in self._before else os.environ.get(key) for key in keys}

    def _keep(self, key: str, value: str | None) -> None:
        """Remember what a variable is before the cell sets it for the first time."""
        if self._keys is not None:
            self._before.setdefault(key, value)

    def _note(self, key: str) -> None:
        if self._keys is None or not isinstance(key, str):
            return
        frame = sys._getframe(2)
        while frame is not None and frame.f_globals.get("__name__") in _PASSED_ON_BY:
            frame = frame.f_back  # type: ignore[assignment]
        if frame is not None and frame.f_globals is self._namespace:
            self._keys.add(key)
