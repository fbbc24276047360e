"""Where arrays lie, and which see each other's elements."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from attrs import frozen


@frozen(eq=False)
class Stretch:
    """Memory of an array. `shared` memory is seen to change through whatever else lies there.

    `key` is the id of the array, when it is an object of the value, else 0; `strides` and `start` say where its
    elements are.
    """

    start: int
    end: int
    shared: bool
    key: int = 0
    strides: tuple[int, ...] = ()
    array: Any = None


def stretch(array: Any, key: int = 0, *, shared: bool = True) -> Stretch:
    """The memory an array covers."""
    start = end = array.__array_interface__["data"][0]
    if not array.size:
        return Stretch(start, start, shared, key)
    for extent, step in zip(array.shape, array.strides, strict=True):
        start += min(0, (extent - 1) * step)
        end += max(0, (extent - 1) * step)
    strides = tuple(
        step if extent > 1 else 0 for extent, step in zip(array.shape, array.strides, strict=True)
    )
    return Stretch(start, end + array.itemsize, shared, key, strides, array)


def of_bytes(value: Any) -> Stretch:
    """The memory of a bytearray, or of anything else that offers a plain buffer."""
    if "numpy" not in sys.modules or not len(value):
        return Stretch(0, 0, True, id(value))
    import numpy as np

    start = np.frombuffer(value, np.uint8).__array_interface__["data"][0]
    return Stretch(start, start + memoryview(value).nbytes, True, id(value), (1,), value)


def overlapping(stretches: Iterable[Stretch]) -> list[list[Stretch]]:
    """Partition stretches of memory into those that touch each other's bytes."""
    clusters: list[list[Stretch]] = []
    end = -1
    for one in sorted(stretches, key=lambda each: each.start):
        if one.start < end:
            clusters[-1].append(one)
        else:
            clusters.append([one])
        end = max(end, one.end)
    return clusters
