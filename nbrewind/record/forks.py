"""Records across `os.fork`: the child finds every lock free and no transaction open; it may read and not write."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Holdable(Protocol):
    """What must stand still while the process forks."""

    def hold(self) -> None:
        """Called before, in the forking thread."""

    def unhold(self) -> None:
        """Called after, in the forking thread and in the child."""


_known: weakref.WeakSet[Holdable] = weakref.WeakSet()
_held: list[Holdable] = []


def register(item: Holdable) -> None:
    """Hold it at each fork from now on, as long as it lives."""
    _known.add(item)


def forget(item: Holdable) -> None:
    """Hold it no more."""
    _known.discard(item)


def _before() -> None:
    for item in list(_known):
        item.hold()
        _held.append(item)


def _after() -> None:
    while _held:
        _held.pop().unhold()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
