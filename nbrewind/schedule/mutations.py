"""Names whose values a piece of code plainly changes in place: `x.append(1)`, `x[0] = 1`, `x.a += 1`.

This is a guess for cells that were never seen to run. What it misses costs a second run, never a wrong result.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

_PURE = frozenset(
    """
    print display head tail info describe show plot hist scatter legend title format join copy keys values items
    """.split()
)
"""Methods that are called for what they show or return, also where nothing is done with it."""
_SHUFFLERS = frozenset(
    {"shuffle", "heappush", "heappop", "heapify", "insort", "setattr", "delattr", "setitem"}
)
"""Functions that change their first argument."""


@lru_cache(maxsize=1024)
def changed_names(python: str) -> frozenset[str]:
    """Names that statements of this code, functions in it included, change in place.

    Examples
    --------
    >>> sorted(changed_names("a.append(1); b[0] = c.d; e.f += 1; g = h.copy()"))
    ['a', 'b', 'e']
    """
    try:
        tree = ast.parse(python)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    return frozenset(name for node in ast.walk(tree) for name in _changed(node))


@lru_cache(maxsize=1024)
def imported_names(python: str) -> frozenset[str]:
    """Names that this code binds to modules, or to what is in them."""
    try:
        tree = ast.parse(python)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    return frozenset(
        (alias.asname or alias.name.partition(".")[0]) for node in imports for alias in node.names
    )


def _changed(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.Assign, ast.Delete)):
        for target in node.targets:
            yield from _stored(target)
    elif isinstance(node, ast.AugAssign):
        yield from _root(node.target)
    elif isinstance(node, (ast.AnnAssign, ast.For, ast.comprehension)):
        yield from _stored(node.target)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from _stored(node.optional_vars)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from _called(node.value)
    elif isinstance(node, ast.Global):
        yield from node.names
    elif isinstance(node, ast.Call):
        yield from _named_changes(node)


def _stored(target: ast.expr) -> Iterator[str]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from _stored(element)
    elif isinstance(target, (ast.Subscript, ast.Attribute)):
        yield from _root(target)


def _called(call: ast.Call) -> Iterator[str]:
    """A call of which nothing is kept was made for what it changes."""
    if isinstance(call.func, ast.Attribute) and call.func.attr not in _PURE:
        yield from _root(call.func.value)


def _named_changes(call: ast.Call) -> Iterator[str]:
    """`inplace=True`, `out=x`, `shuffle(x)`, `next(x)`, and methods that both change and return."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in _SHUFFLERS | {"next"} and call.args:
        yield from _root(call.args[0])
    if name in ("pop", "popitem", "popleft", "setdefault", "insert") and isinstance(call.func, ast.Attribute):
        yield from _root(call.func.value)
    for keyword in call.keywords:
        if keyword.arg == "out":
            yield from _root(keyword.value)
        if keyword.arg == "inplace" and isinstance(call.func, ast.Attribute):
            yield from _root(call.func.value)


def _root(node: ast.expr) -> Iterator[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
