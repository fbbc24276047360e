"""The canonical form of pyarrow's arrays and tables: their values, however they are cut into chunks and lie in
memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]

from nbrewind.state.walk import Plan, Walk, each

Parts = tuple[bytes, Sequence[Any]]


def plan_for(kind: type, base: type) -> Plan | None:
    """The plan for `kind`, if pyarrow's `base` decides it."""
    for known, parts in _KNOWN.items():
        if base is known:
            return Plan(f"pyarrow {known.__name__}".encode(), each(parts, identity=False))
    return None


def _array(walk: Walk, array: Any) -> Parts:
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if isinstance(whole, pa.ChunkedArray):  # nothing in it, or too large for one chunk
        return _text(array.type, len(array)), tuple(whole.chunks)
    return _text(array.type, len(whole)), _contents(whole)


def _contents(array: Any) -> tuple[Any, ...]:
    kind, missing = array.type, None
    if array.null_count:
        missing = np.asarray(array.is_null().to_numpy(zero_copy_only=False))
    if pa.types.is_dictionary(kind):
        return missing, array.indices, array.dictionary
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return missing, *_strings(array, np.int32)
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return missing, *_strings(array, np.int64)
    width = _width(kind)
    if not width:
        return missing, array.to_pylist()
    data = np.frombuffer(array.buffers()[1] or b"", np.uint8)
    rows = data[array.offset * width : (array.offset + len(array)) * width].reshape(len(array), width)
    if missing is not None:
        rows = np.where(missing[:, None], np.uint8(0), rows)
    return missing, np.ascontiguousarray(rows)


def _width(kind: Any) -> int:
    """Bytes that each value takes, where they are whole ones and say all; else 0."""
    try:
        bits = int(kind.bit_width)
    except ValueError:
        return 0
    return 0 if pa.types.is_nested(kind) or bits % 8 else bits // 8


def _strings(array: Any, kind: Any) -> tuple[Any, Any]:
    """The length of each string, and all of them one after the other."""
    if array.null_count:
        array = array.fill_null(b"" if "binary" in str(array.type) else "")
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets or b"", kind)[array.offset : array.offset + len(array) + 1]
    if not len(ends):
        return np.zeros(0, kind), b""
    return np.diff(ends), np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]


def _table(walk: Walk, table: Any) -> Parts:
    return _schema_text(table.schema), tuple(table.columns)


def _schema(walk: Walk, schema: Any) -> Parts:
    return _schema_text(schema), ()


def _schema_text(schema: Any) -> bytes:
    return bytes(schema.serialize())


def _scalar(walk: Walk, value: Any) -> Parts:
    return _text(value.type), (value.as_py(),)


def _type(walk: Walk, kind: Any) -> Parts:
    return _text(kind), ()


def _text(*parts: object) -> bytes:
    return "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")


_KNOWN = {
    pa.ChunkedArray: _array,
    pa.Array: _array,
    pa.Table: _table,
    pa.RecordBatch: _table,
    pa.Schema: _schema,
    pa.Scalar: _scalar,
    pa.DataType: _type,
}
