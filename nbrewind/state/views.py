"""The canonical form of what looks into something else: views of dictionaries and of memory, descriptors, modules."""

from __future__ import annotations

import gc
import types
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.references import Parts, text
from nbrewind.state.walk import Plan, Walk, each


def _proxy(walk: Walk, value: types.MappingProxyType[Any, Any]) -> Parts:
    (under,) = gc.get_referents(value)[:1] or ({},)
    return b"", (under if type(under) is dict else dict(value),)


def _view(walk: Walk, value: Any) -> Parts:
    return b"", tuple(gc.get_referents(value)[:1])


def _memoryview(walk: Walk, view: memoryview) -> Parts:
    try:
        where = memory_place(view)
    except ValueError as error:
        raise HookError(str(error)) from error
    return text(*where), (view.obj,)


def memory_place(view: memoryview) -> tuple[int, int, str, tuple[int, ...], bool]:
    """Where in its object a memoryview lies: offset and size in bytes, format, shape, and whether it is read-only.

    Raises
    ------
    ValueError
        It was released, or leaves bytes out.
    """
    import numpy as np

    if not view.c_contiguous:
        raise ValueError("it is a memoryview with gaps")
    with memoryview(view.obj) as whole:
        start = np.frombuffer(whole, np.uint8).__array_interface__["data"][0] if whole.nbytes else 0
    offset = np.frombuffer(view, np.uint8).__array_interface__["data"][0] - start if view.nbytes else 0
    return offset, view.nbytes, view.format, tuple(view.shape or ()), view.readonly


def _module(walk: Walk, value: types.ModuleType) -> Parts:
    walk.modules.add(value.__name__.partition(".")[0])
    return text(value.__name__), ()


def _descriptor(walk: Walk, value: Any) -> Parts:
    return text(value.__name__), (value.__objclass__,)


VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
DESCRIPTORS: tuple[type, ...] = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
)
PLANS: dict[Any, Plan] = {
    types.ModuleType: Plan(b"module", each(_module, identity=False)),
    memoryview: Plan(b"memoryview", each(_memoryview)),
    types.MappingProxyType: Plan(b"mappingproxy", each(_proxy)),
    **{kind: Plan(kind.__name__.encode(), each(_view)) for kind in VIEWS},
    **{kind: Plan(kind.__name__.encode(), each(_descriptor, identity=False)) for kind in DESCRIPTORS},
}
