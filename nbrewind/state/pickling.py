"""Values as streams: pickle protocol 5, with what the notebook defines tied to its namespace, and memory out of
band.
"""

from __future__ import annotations

import builtins
import io
import pickle
import types
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field

from nbrewind.errors import Unsaveable
from nbrewind.state.array_reducer import OUT_OF_BAND, ArrayReducer, Typed, subclass_reducer
from nbrewind.state.code_reducer import CodeReducer
from nbrewind.state.guard import HookError, attempt
from nbrewind.state.reducing import BY_NAME_OR_PARTS, REDUCERS, plain_exception, reduce_exception, refusing
from nbrewind.state.registry import REGISTRY, home

Reduced = Any


@define
class Stream:
    """Some values as one stream of bytes, and the memory that it refers to, in order."""

    data: bytes
    memory: list[memoryview] = field(factory=list)
    typed: dict[int, Typed] = field(factory=dict)
    alive: list[Any] = field(factory=list)


def dump(
    values: Sequence[Any],
    namespace: dict[str, Any],
    shared: Sequence[Sequence[Any]] = (),
    *,
    pinned: bool = False,
    deadline: Callable[[int], None] | None = None,
) -> Stream:
    """Serialise the values of a co-variable together.

    Parameters
    ----------
    values
        In the order of the names.
    namespace
        The notebook's; what it holds by name is referred to by name, except the values themselves.
    shared
        Groups of arrays that share memory.
    pinned
        Whether the values hold the namespace or the builtins as a dictionary.
    deadline
        Called with the bytes written now and then; may raise.

    Raises
    ------
    Unsaveable
        Some part of it can be neither pickled nor reduced; says which.
    """
    file = _Watched(deadline)
    kind = _PinnedPickler if pinned else Pickler
    pickler = kind(file, values, namespace, shared)
    try:
        attempt(pickler.dump, tuple(values))
    except HookError as error:
        if isinstance(error.__cause__, Unsaveable | TimeoutError):
            raise error.__cause__ from None
        raise Unsaveable(str(error)) from error
    return Stream(file.getvalue(), pickler.memory, pickler.typed, pickler.alive)


class _Watched(io.BytesIO):
    def __init__(self, deadline: Callable[[int], None] | None) -> None:
        super().__init__()
        self._deadline = deadline

    def write(self, data: Any) -> int:
        if self._deadline is not None:
            self._deadline(self.tell())
        return super().write(data)


class Pickler(pickle.Pickler):
    """Pickles one co-variable; see `dump`."""

    def __init__(
        self, file: Any, values: Sequence[Any], namespace: dict[str, Any], shared: Sequence[Sequence[Any]]
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=self._out_of_band)
        self.memory: list[memoryview] = []
        self.typed: dict[int, Typed] = {}
        self.alive: list[Any] = []
        self._namespace = namespace
        self._code = CodeReducer(namespace, {id(value) for value in values}, self.alive)
        self._arrays = ArrayReducer(shared, self.alive)
        self._reducers: dict[type, Callable[[Any], Reduced] | None] = {}

    def reducer_override(self, value: Any) -> Reduced:
        """How to save anything but the interpreter's plain types."""
        kind = type(value)
        try:
            reducer = self._reducers[kind]
        except KeyError:
            reducer = self._reducers[kind] = self._reducer(kind)
        return NotImplemented if reducer is None else reducer(value)

    def _out_of_band(self, buffer: pickle.PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < OUT_OF_BAND:
            return True
        typed = self._arrays.awaited.pop(id(buffer), None)
        if typed is not None:
            self.typed[len(self.memory)] = typed
        self.memory.append(view)
        return False

    def _reducer(self, kind: type) -> Callable[[Any], Reduced] | None:
        own = [
            vars(base)["__nbrewind_reduce__"] for base in kind.__mro__ if "__nbrewind_reduce__" in vars(base)
        ]
        if own:
            return lambda value: own[0](value)
        entry = REGISTRY.of(kind)
        if entry is not None and entry.opaque:
            return refusing(f"{home(kind)}.{kind.__qualname__}: {entry.opaque}")
        if entry is not None and entry.reduce is not None:
            return entry.reduce
        return self._of_code(kind) or self._of_library(kind)

    def _of_code(self, kind: type) -> Callable[[Any], Reduced] | None:
        if issubclass(kind, type):
            return self._code.class_of
        if kind is types.FunctionType:
            return self._code.function
        if kind is types.CellType:
            return self._code.cell
        parts = BY_NAME_OR_PARTS.get(kind)
        return None if parts is None else self._code.named_or(parts)

    def _of_library(self, kind: type) -> Callable[[Any], Reduced] | None:
        if issubclass(kind, BaseException) and plain_exception(kind):
            return reduce_exception
        if home(kind) == "numpy" and kind.__name__ == "ndarray":
            return self._arrays.array
        return REDUCERS.get(kind) or subclass_reducer(kind)


class _PinnedPickler(Pickler):
    """For values that hold the namespace or the builtins themselves; asking of each object costs time."""

    def persistent_id(self, value: Any) -> Any:
        """Name of a dictionary that is not saved."""
        if value is self._namespace:
            return "namespace"
        return "builtins" if value is vars(builtins) else None
