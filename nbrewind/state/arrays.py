"""The canonical form of NumPy's arrays, types of elements, scalars and generators.

An array is its type, the type of its elements, its shape, and its elements in C order. How it lies in memory,
whether it is a view, and whether it may be written do not count by themselves; that two arrays of a value
share memory does. Bytes that are no part of an element (padding, the unused end of an extended float) are
left out.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from nbrewind.state.buffers import CHUNK, name_of
from nbrewind.state.memory import stretch
from nbrewind.state.registry import home
from nbrewind.state.walk import MARSHAL, Plan, Walk, each, packed

Parts = tuple[bytes, Sequence[Any]]
Array = np.ndarray[Any, Any]


def plan_for(kind: type, base: type) -> Plan | None:
    """The plan for `kind`, if NumPy's `base` decides it."""
    if base is np.ma.MaskedArray:
        return Plan(_tag(kind), each(_masked, numbered=True))
    if base is np.ndarray:
        return Plan(_tag(kind), _arrays if kind is np.ndarray else each(_subclass, numbered=True))
    if base is np.generic:
        return Plan(b"numpy scalar", each(_scalar, identity=False))
    if base is np.dtype:
        return Plan(b"dtype", each(_dtype, identity=False))
    if base is np.ufunc and kind is np.ufunc:
        return Plan(b"ufunc", each(_ufunc, identity=False))
    return None


def _tag(kind: type) -> bytes:
    return (
        b"ndarray" if kind is np.ndarray else f"numpy {home(kind).partition('.')[0]}.{kind.__name__}".encode()
    )


def _arrays(walk: Walk, group: Sequence[Array]) -> None:
    """Encode arrays. Most are small, as in the transforms of a plot: they cost next to nothing but their bytes."""
    tokens: list[bytes] = []
    counts: list[int] = []
    for array in walk.fresh(group, numbered=[array.base is not None for array in group]):
        children: Sequence[Any] = ()
        if array.nbytes > _TINY or not array.size or array.dtype.char not in _PLAIN:
            token, children = array_parts(walk, array)
        else:
            if (
                array.base is not None or id(array) in walk.met
            ):  # else it is held once, and nothing looks into it
                _note_place(walk, array)
            walk.size += array.nbytes
            token = _prefix(array.dtype.str, array.shape)
            if walk.scope.hashing:
                token += name_of(array.tobytes())
        tokens.append(token)
        counts.append(len(children))
        walk.push(children)
        walk.scope.alive.append(children)
    walk.emit(marshal.dumps(tokens, MARSHAL))
    walk.emit(packed("Q", counts))


_TINY = 4096
_PLAIN = frozenset("?bBhHiIlLqQefdFD")
"""Types whose elements are nothing but their bytes."""


@lru_cache(maxsize=1024)
def _prefix(dtype: str, shape: tuple[int, ...]) -> bytes:
    return repr((dtype_token(np.dtype(dtype)), shape)).encode()


def array_parts(walk: Walk, array: Array) -> Parts:
    """Take an array apart, and note where it lies."""
    _note_place(walk, array)
    return array_content(walk, array)


def _note_place(walk: Walk, array: Array) -> None:
    walk.stretches.append(stretch(array, id(array)))
    if array.base is not None:
        owner = array
        while isinstance(owner, np.ndarray) and owner.base is not None:
            owner = owner.base
        if not isinstance(owner, np.ndarray | bytes):
            walk.owners.add(id(owner.obj if isinstance(owner, memoryview) else owner))


def array_content(walk: Walk, array: Array) -> Parts:
    """Bytes and children of an array; objects in it are children."""
    array = array if type(array) is np.ndarray else array.view(np.ndarray)
    dtype, shape = array.dtype, array.shape
    token = repr((dtype_token(dtype), shape)).encode()
    if dtype.hasobject:
        return token, array.ravel(order="C").tolist()
    if dtype.kind == "T":
        return token, (*array.ravel(order="C").tolist(), getattr(dtype, "na_object", None))
    walk.size += array.nbytes
    if not walk.scope.hashing or not array.size:
        return token, ()
    return token + b"".join(_names(walk, array)), ()


def _names(walk: Walk, array: Array) -> Iterator[bytes]:
    """Name the elements: one name, or one for each field where there is padding between them."""
    if array.dtype.subdtype is not None or not array.dtype.itemsize:
        return
    if array.dtype.names is not None:
        if _padded(array.dtype):
            for name in array.dtype.names:
                yield from _names(walk, array[name])
            return
    elif array.dtype.kind in "gG" or array.dtype.char in "gG":
        yield _pieces(walk, _significant(array))
        return
    if array.flags.c_contiguous:
        yield walk.scope.buffers.at(as_bytes(array), array.__array_interface__["data"][0]).name
    else:
        yield _pieces(walk, array)


def _pieces(walk: Walk, array: Array) -> bytes:
    key = (array.__array_interface__["data"][0] + 1, array.nbytes)
    return walk.scope.buffers.pieces(pieces(array), key).name


def pieces(array: Array) -> Iterator[memoryview]:
    """The elements of an array in C order, in pieces of `CHUNK` bytes, copying no more than a few at a
    time.
    """
    if array.nbytes <= CHUNK or array.ndim == 0 or (array.shape[0] == 1 and array.ndim == 1):
        yield from _cut(np.ascontiguousarray(array))
        return
    row = array.nbytes // array.shape[0]
    rows = max(1, CHUNK // row)
    rest = b""
    for start in range(0, array.shape[0], rows):
        block = as_bytes(np.ascontiguousarray(array[start : start + rows]))
        if not rest and block.nbytes == CHUNK:
            yield block
            continue
        data = memoryview(rest + block)
        whole = len(data) - len(data) % CHUNK
        for at in range(0, whole, CHUNK):
            yield data[at : at + CHUNK]
        rest = bytes(data[whole:])
    if rest:
        yield memoryview(rest)


def as_bytes(array: Array) -> memoryview:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8).data


def _cut(array: Array) -> Iterator[memoryview]:
    view = as_bytes(array)
    for at in range(0, view.nbytes, CHUNK):
        yield view[at : at + CHUNK]


def _significant(array: Array) -> Array:
    """The ten bytes of each extended float that are its value."""
    parts = np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, 16)
    return np.ascontiguousarray(parts[:, :10])


def _padded(dtype: Any) -> bool:
    if dtype.names is None:
        return (
            (dtype.subdtype is not None and _padded(dtype.subdtype[0]))
            or dtype.kind in "gG"
            or dtype.char in "gG"
        )
    fields = [dtype.fields[name][0] for name in dtype.names]
    return sum(field.itemsize for field in fields) != dtype.itemsize or any(map(_padded, fields))


def dtype_token(dtype: Any) -> str:
    """The type of elements, byte order and fields included."""
    if dtype.names is None:
        if dtype.subdtype is not None:
            return f"({dtype_token(dtype.subdtype[0])}, {dtype.subdtype[1]})"
        return str(dtype.str) if dtype.kind != "T" else repr(dtype)
    fields = [(name, dtype_token(dtype.fields[name][0]), *dtype.fields[name][1:]) for name in dtype.names]
    return f"{fields} {dtype.itemsize} {dtype.isalignedstruct}"


def _subclass(walk: Walk, array: Array) -> Parts:
    token, children = array_parts(walk, array)
    return token, (type(array), getattr(array, "__dict__", None), *children)


def _masked(walk: Walk, array: Any) -> Parts:
    mask = None if array.mask is np.ma.nomask else np.asarray(array.mask)
    walk.stretches.append(stretch(array.data, id(array)))
    token, children = array_content(walk, array.data)
    return token, (type(array), mask, array.fill_value, bool(array.hardmask), *children)


def _scalar(walk: Walk, value: Any) -> Parts:
    token, children = array_content(walk, np.asarray(value))
    return token, children


def _dtype(walk: Walk, dtype: Any) -> Parts:
    return dtype_token(dtype).encode(), (dtype.metadata and dict(dtype.metadata),)


def _ufunc(walk: Walk, ufunc: Any) -> Parts:
    return ufunc.__name__.encode(), ()
