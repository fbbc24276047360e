"""The notebook's names that one code object uses."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

from attrs import frozen

_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_CLASSDEREF"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_DELETES = frozenset({"DELETE_NAME", "DELETE_GLOBAL"})
_GLOBAL_ONLY = frozenset({"LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL"})


@frozen
class Names:
    """Global names that code loads, binds and deletes."""

    loads: frozenset[str] = frozenset()
    stores: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()

    def __or__(self, other: Names) -> Names:
        return Names(self.loads | other.loads, self.stores | other.stores, self.deletes | other.deletes)


@lru_cache(maxsize=4096)
def own_names(code: CodeType, *, top: bool) -> Names:
    """Names used by this code object itself, not by those nested in it.

    Parameters
    ----------
    code
        Compiled module, function, class body or comprehension.
    top
        Whether it runs with the notebook's namespace as its locals, so that a plain store binds a variable there.
    """
    loads, stores, deletes = set(), set(), set()
    for instruction in dis.get_instructions(code):
        name, target = instruction.opname, instruction.argval
        if name in _LOADS:
            loads.add(target)
        elif not top and name not in _GLOBAL_ONLY:
            continue
        elif name in _STORES:
            stores.add(target)
        elif name in _DELETES:
            deletes.add(target)
    return Names(frozenset(loads), frozenset(stores), frozenset(deletes))


def nested(code: CodeType) -> Iterator[CodeType]:
    """Code objects inside this one, at any depth."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from nested(constant)


def is_definition(code: CodeType) -> bool:
    """Whether it is the body of a named function: bound to a name, so it is judged when something calls that name."""
    optimized = code.co_flags & 0x1  # CO_OPTIMIZED: a function, not a class body or module
    return bool(optimized) and not code.co_name.startswith("<")


def immediate_names(code: CodeType) -> Names:
    """Names used by this code and by whatever nested in it may run without being called by a name of its own."""
    found = own_names(code, top=True)
    pending = [code]
    while pending:
        for constant in pending.pop().co_consts:
            if isinstance(constant, CodeType) and not is_definition(constant):
                found |= own_names(constant, top=False)
                pending.append(constant)
    return found


def all_names(code: CodeType) -> Names:
    """Names used by this code and everything nested in it."""
    found = own_names(code, top=True)
    for inner in nested(code):
        found |= own_names(inner, top=False)
    return found
