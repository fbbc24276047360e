"""The canonical form of types of the standard library whose own answer to pickle differs between versions of Python."""

from __future__ import annotations

import fractions
import pathlib
from collections.abc import Sequence
from typing import Any

from nbrewind.state.canonical import Plan, Walk, each

Parts = tuple[bytes, Sequence[Any]]


def plan_for(kind: type) -> Plan | None:
    """The plan of a type of the standard library that has one here."""
    if issubclass(kind, pathlib.PurePath) and kind.__module__.startswith("pathlib"):
        return Plan(f"path {kind.__name__}".encode(), each(_path, identity=False))
    if kind is fractions.Fraction:
        return Plan(b"fraction", each(_fraction, identity=False))
    return None


def _path(walk: Walk, path: pathlib.PurePath) -> Parts:
    return str(path).encode("utf-8", "surrogateescape"), ()


def _fraction(walk: Walk, value: fractions.Fraction) -> Parts:
    return b"", (value.numerator, value.denominator)
