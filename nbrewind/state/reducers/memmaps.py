"""NumPy's memory maps of files: mapped again, if the file still holds what it held."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from xxhash import xxh3_128_hexdigest

from nbrewind.errors import RecordError
from nbrewind.state.guard import HookError
from nbrewind.state.registry import register_reducer


def reduce_memmap(array: Any) -> tuple[Any, ...]:
    """A map as the arguments that map the same part of the file again.

    Raises
    ------
    HookError
        The file has no name, or was replaced.
    """
    if array._mmap is None:  # the result of a computation on a map
        return as_memmap, (np.array(array),)
    if not array.filename:
        raise HookError("it maps a file without a name")
    if array.mode in ("r+", "w+"):
        array.flush()
    start = int(np.frombuffer(array._mmap, np.uint8).__array_interface__["data"][0])
    first = array.offset - array.offset % _granularity()
    place = array.__array_interface__["data"][0] - start + first
    if array.mode != "c" and os.stat(array.filename).st_size < place + array.nbytes:
        raise HookError("the file that it maps was cut short")
    mode = "r+" if array.mode == "w+" else array.mode
    content = xxh3_128_hexdigest(np.ascontiguousarray(array))
    return map_again, (
        str(array.filename),
        mode,
        int(place),
        array.dtype,
        array.shape,
        array.strides,
        content,
    )


def _granularity() -> int:
    import mmap

    return mmap.ALLOCATIONGRANULARITY


def digest_memmap(array: Any) -> tuple[Any, ...]:
    """Its values, and what writing to it would change."""
    return (
        np.asarray(array).copy(),
        str(array.filename or ""),
        "r" if array.mode == "r" else "w",
        array._mmap is None,
    )


def map_again(
    path: str,
    mode: str,
    offset: int,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    content: str,
) -> Any:
    """Map part of a file.

    Raises
    ------
    RecordError
        It does not hold what it held.
    """
    extent = (
        sum((size - 1) * max(step, 0) for size, step in zip(shape, strides, strict=True)) + dtype.itemsize
    )
    make: Any = np.memmap
    whole = make(path, np.uint8, mode, offset, (extent,))
    found = np.ndarray.__new__(np.memmap, shape, dtype, buffer=whole, strides=strides)
    if xxh3_128_hexdigest(np.ascontiguousarray(found)) != content:
        raise RecordError(f"{path} no longer holds what was mapped; the cell must run again")
    for name in ("_mmap", "filename", "offset", "mode"):
        setattr(found, name, getattr(whole, name))
    return found


def as_memmap(array: Any) -> Any:
    """An array in memory that calls itself a map."""
    return array.view(np.memmap)


register_reducer("numpy.memmap", reduce_memmap, digest=digest_memmap, subclasses=False)
