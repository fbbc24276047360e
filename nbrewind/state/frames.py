"""The canonical form of pandas' objects: what is in them, column by column.

How columns are gathered in blocks, which memory they share under copy-on-write, and the caches of an index
are left out. Frames do not link through memory: pandas copies before it writes. An array that was taken out
of a frame does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nbrewind.state.arrays import array_content
from nbrewind.state.canonical import BASIC
from nbrewind.state.memory import stretch
from nbrewind.state.walk import Plan, Walk, each

Parts = tuple[bytes, Sequence[Any]]

_COPIES = int(pd.__version__.partition(".")[0]) >= 3
"""Whether pandas always copies before it writes."""


class Held:
    """Values inside an object of pandas: without an identity that anyone could see."""

    __slots__ = ("values",)

    def __init__(self, values: Any) -> None:
        self.values = values


def plan_for(kind: type, base: type) -> Plan | None:
    """The plan for `kind`, if pandas' `base` decides it."""
    for known, parts in _KNOWN.items():
        if base is known:
            return Plan(f"pandas {kind.__name__}".encode(), each(parts))
    if base is pd.api.extensions.ExtensionArray:
        return Plan(f"pandas {kind.__name__}".encode(), each(_extension))
    if kind in _IMMUTABLE or issubclass(kind, _OFFSETS):
        return Plan(f"pandas {kind.__name__}".encode(), each(_immutable, identity=False))
    return None


def _frame(walk: Walk, frame: Any) -> Parts:
    columns = frame._iter_column_arrays()
    return b"", (type(frame), frame.columns, frame.index, *_extras(frame), *map(Held, columns))


def _series(walk: Walk, series: Any) -> Parts:
    return b"", (type(series), series.name, series.index, *_extras(series), Held(series._values))


def _extras(value: Any) -> tuple[Any, ...]:
    own = {name: getattr(value, name, None) for name in value._metadata if name not in ("name", "_name")}
    return value.attrs, bool(value.flags.allows_duplicate_labels), tuple(own.items())


def _index(walk: Walk, index: Any) -> Parts:
    freq = getattr(index, "freq", None)
    return b"", (type(index), tuple(index.names), freq and str(freq), Held(index._data))


def _range_index(walk: Walk, index: Any) -> Parts:
    return b"", (tuple(index.names), index.start, index.stop, index.step)


def _multi_index(walk: Walk, index: Any) -> Parts:
    codes = [Held(np.asarray(each)) for each in index.codes]
    return b"", (tuple(index.names), len(codes), *index.levels, *codes)


def _immutable(walk: Walk, value: Any) -> Parts:
    answer = value.__reduce__()
    return b"", answer if isinstance(answer, tuple) else (answer,)


def _held(walk: Walk, held: Held) -> Parts:
    values = held.values
    if isinstance(values, np.ndarray):
        walk.stretches.append(stretch(values, shared=not _COPIES))
        return array_content(walk, values)
    return _extension(walk, values)


def _extension(walk: Walk, values: Any) -> Parts:
    kind = type(values).__name__
    dtype = str(values.dtype)
    if isinstance(values, pd.Categorical):
        return _text(kind, values.ordered), (Held(values.codes), values.categories)
    if isinstance(values, pd.arrays.IntervalArray):
        return _text(kind, dtype), (values.left, values.right)
    if isinstance(values, pd.arrays.SparseArray):
        return _text(kind, dtype, len(values)), (
            Held(values.sp_values),
            values.sp_index.indices,
            values.fill_value,
        )
    if hasattr(values, "_pa_array"):
        return _text(kind, dtype), (values._pa_array,)
    if hasattr(values, "_mask") and hasattr(values, "_data"):
        clean = np.where(values._mask, np.zeros((), values._data.dtype), values._data)
        return _text(kind, dtype), (Held(clean), Held(values._mask))
    if hasattr(values, "_ndarray"):
        return _text(kind, dtype, getattr(values, "freq", None)), (Held(values._ndarray), _missing(values))
    function, *rest = values.__reduce_ex__(4)
    return _text(kind, dtype), (
        function,
        *(tuple(each) if hasattr(each, "__next__") else each for each in rest),
    )


def _missing(values: Any) -> Any:
    return getattr(values.dtype, "na_value", None) if isinstance(values.dtype, pd.StringDtype) else None


def _text(*parts: object) -> bytes:
    return "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")


_KNOWN = {
    pd.DataFrame: _frame,
    pd.Series: _series,
    pd.RangeIndex: _range_index,
    pd.MultiIndex: _multi_index,
    pd.Index: _index,
}
_IMMUTABLE = (pd.Timestamp, pd.Timedelta, pd.Period, pd.Interval, type(pd.NaT), type(pd.NA))
_OFFSETS = (pd.offsets.BaseOffset,)
BASIC[Held] = Plan(b"held", each(_held, identity=False))
