"""The canonical form of types of the standard library whose own answer to pickle differs between versions of Python.

They are known by name: none of their modules is imported before the user does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.registry import home
from nbrewind.state.walk import Plan, Walk, each

Parts = tuple[bytes, Sequence[Any]]


def plan_for(kind: type) -> Plan | None:
    """The plan of a type of the standard library that has one here."""
    module = home(kind).partition(".")[0]
    if module == "pathlib":
        return Plan(f"path {kind.__name__}".encode(), each(_path, identity=False))
    if (module, kind.__name__) == ("fractions", "Fraction"):
        return Plan(b"fraction", each(_fraction, identity=False))
    if (module, kind.__name__) == ("zoneinfo", "ZoneInfo"):
        return Plan(b"time zone", each(_zone, identity=False))
    return None


def _path(walk: Walk, path: Any) -> Parts:
    return str(path).encode("utf-8", "surrogateescape"), ()


def _zone(walk: Walk, zone: Any) -> Parts:
    if zone.key is None:
        raise HookError("it is a time zone without a name")
    return zone.key.encode(), ()


def _fraction(walk: Walk, value: Any) -> Parts:
    return b"", (value.numerator, value.denominator)
