"""How arrays are pickled: large memory out of band, views as views of what else is saved."""

from __future__ import annotations

import ctypes
import pickle
import sys
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from nbrewind.state import rebuild
from nbrewind.state.memory import stretch

OUT_OF_BAND = 4096
"""Memory from this size on is kept out of the stream, in bytes."""

Reduced = Any


@frozen
class Typed:
    """What memory holds: elements of a type, in a shape, in C or Fortran order."""

    dtype: Any
    shape: tuple[int, ...]
    order: str
    own: bool = False
    """Whether it is the array's own memory, not a copy made for saving it."""


class ArrayReducer:
    """Reduces the arrays of one co-variable.

    Parameters
    ----------
    shared
        Groups of arrays that share memory.
    alive
        Takes what must live until the memory is copied.

    Attributes
    ----------
    awaited
        What each buffer that pickle is about to report holds, by its id.
    """

    def __init__(self, shared: Sequence[Sequence[Any]], alive: list[Any]) -> None:
        self.awaited: dict[int, Typed] = {}
        self._alive = alive
        self._groups = {id(array): group for group in shared for array in group}
        self._owners: dict[int, Any] = {}

    def array(self, array: Any) -> Reduced:
        """Reduce an array to a view of its group's owner, to memory out of band, or as NumPy does."""
        group = self._groups.get(id(array))
        if group is not None:
            owner = self._owner(group)
            if owner is not array:
                start = owner.__array_interface__["data"][0]
                offset = array.__array_interface__["data"][0] - start
                where = (offset, array.dtype, array.shape, array.strides, array.flags.writeable)
                return rebuild.view, (owner, *where)
        if array.dtype.hasobject or array.dtype.kind == "T" or array.nbytes < OUT_OF_BAND:
            return self._small(array)
        return self._large(array)

    def _small(self, array: Any) -> Reduced:
        if array.flags.writeable:
            return NotImplemented
        copy = array.copy(order="K")
        self._alive.append(copy)
        return rebuild.readonly, (copy,)

    def _large(self, array: Any) -> Reduced:
        import numpy as np

        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        lying = array.T if order == "F" else np.ascontiguousarray(array)
        own = order == "F" or array.flags.c_contiguous
        flat = lying.reshape(-1).view(np.uint8)
        buffer = pickle.PickleBuffer(flat)
        self.awaited[id(buffer)] = Typed(array.dtype, lying.shape, order, own)
        self._alive += (buffer, flat)
        return rebuild.array, (buffer, array.dtype, array.shape, order, array.flags.writeable)

    def _owner(self, group: Sequence[Any]) -> Any:
        """The array of a group that covers the memory of all, or one made to."""
        known = self._owners.get(id(group))
        if known is None:
            known = self._owners[id(group)] = covering(group)
            self._alive.append(known)
        return known


def covering(group: Sequence[Any]) -> Any:
    """An array that spans the memory of all arrays of a group; one of them where it can be."""
    import numpy as np

    start = min(stretch(each).start for each in group)
    end = max(stretch(each).end for each in group)
    for array in sorted(group, key=lambda each: each.flags.c_contiguous, reverse=True):
        if array.nbytes == end - start and (array.flags.c_contiguous or array.flags.f_contiguous):
            return array
    base = group[0]
    while isinstance(base.base, np.ndarray):
        base = base.base
    if base.dtype.hasobject:
        return base
    memory = (ctypes.c_char * (end - start)).from_address(start)
    return np.frombuffer(memory, np.uint8)


def subclass_reducer(kind: type) -> Callable[[Any], Reduced] | None:
    """How to reduce arrays of a class derived from NumPy's, where its own answer loses something."""
    if "numpy" not in sys.modules:
        return None
    import numpy as np

    if not issubclass(kind, np.ndarray):
        return None
    if kind is np.ma.MaskedArray:
        return _reduce_masked
    return _reduce_subclass if kind.__reduce__ is np.ndarray.__reduce__ else None


def _reduce_masked(array: Any) -> Reduced:
    import numpy as np

    mask = None if array.mask is np.ma.nomask else np.asarray(array.mask)
    return rebuild.masked, (
        np.asarray(array.data),
        mask,
        array._fill_value,
        bool(array.hardmask),
        vars(array)["_optinfo"],
    )


def _reduce_subclass(array: Any) -> Reduced:
    import numpy as np

    return rebuild.subclass, (array.view(np.ndarray), type(array), getattr(array, "__dict__", None))
