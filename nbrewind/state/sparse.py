"""The canonical form of scipy's sparse matrices and arrays: what they store, without what they remember about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbrewind.state.walk import Plan, Walk, each

Parts = tuple[bytes, Sequence[Any]]

_STORED = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "coords"),
    "dia": ("data", "offsets"),
    "lil": ("data", "rows"),
}


def plan_for(kind: type, base: type) -> Plan | None:
    """The plan for `kind`, if it is a sparse matrix or array of a format that is known here."""
    if (
        getattr(base, "__module__", "").startswith("scipy.sparse.")
        and getattr(kind, "format", None) in _STORED
    ):
        return Plan(f"scipy {kind.__name__}".encode(), each(_sparse))
    return None


def _sparse(walk: Walk, value: Any) -> Parts:
    stored = tuple(getattr(value, name) for name in _STORED[value.format])
    return repr((value.format, value.shape)).encode(), (type(value), *stored)
