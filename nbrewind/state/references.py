"""What is encoded as a reference by name, and what by its content."""

from __future__ import annotations

import marshal
from collections.abc import Callable, Sequence
from typing import Any

from nbrewind.state.names import bound, importable
from nbrewind.state.walk import MARSHAL, Walk, each

Parts = tuple[bytes, Sequence[Any]]


def by_name(walk: Walk, value: Any) -> bytes | None:
    """How a function or class is referred to, where it need not be contained."""
    name = importable(value)
    if name is not None:
        walk.modules.add(name.partition(":")[0].partition(".")[0])
        return b"library " + name.encode("utf-8", "surrogatepass")
    variable = bound(value, walk.scope.namespace) if walk.depth else None
    if variable is None:
        return None
    head = variable.partition(".")[0]
    if id(walk.scope.namespace[head]) in walk.met:
        return None
    walk.needs.add(head)
    walk.held.add(head)
    return b"notebook " + variable.encode("utf-8", "surrogatepass")


def named_or(parts: Callable[[Walk, Any], Parts]) -> Callable[[Walk, Sequence[Any]], None]:
    """Encode by name what has one, by its parts what has none; only the latter is numbered."""
    contained = each(parts)

    def encode(walk: Walk, group: Sequence[Any]) -> None:
        names: list[bytes] = []
        others: list[Any] = []
        for value in group:
            name = None if id(value) in walk.met else by_name(walk, value)
            names.append(name or b"")
            if name is None:
                others.append(value)
        walk.emit(marshal.dumps(names, MARSHAL))
        contained(walk, others)

    return encode


def text(*parts: object) -> bytes:
    """Words as one token."""
    return "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
