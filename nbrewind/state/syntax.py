"""One canonical form of Python syntax, for cells and for functions.

Comments, layout and the positions of nodes are left out, so that formatting changes no digest. Docstrings
stay: a program can read them. The form does not depend on the Python version where the syntax exists in both:
absent fields and empty lists are omitted, whichever version introduced them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_LEFT_OUT = frozenset({"ctx", "type_comment", "kind", "type_ignores"})


def canonical_syntax(node: ast.AST) -> bytes:
    """Encode a syntax tree so that equal encodings mean the same program.

    Parameters
    ----------
    node
        A module, statement or expression.

    Returns
    -------
    bytes
        UTF-8 text, one token a node or leaf; unpaired surrogates in string constants survive.
    """
    return "".join(_tokens(node)).encode("utf-8", "surrogatepass")


def _tokens(root: ast.AST) -> Iterator[str]:
    """Walk with a stack of its own: a generated cell may be nested deeper than Python's recursion limit."""
    stack: list[object] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, _Token):
            yield item.text
        elif isinstance(item, ast.AST):
            yield f"({type(item).__name__}"
            stack.append(_Token(")"))
            stack.extend(reversed(list(_fields(item))))
        elif isinstance(item, list):
            yield "["
            stack.append(_Token("]"))
            stack.extend(reversed(item))
        else:
            yield _leaf(item)


class _Token:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _fields(node: ast.AST) -> Iterator[object]:
    for name, value in ast.iter_fields(node):
        if name in _LEFT_OUT or (value is None and not isinstance(node, ast.Constant)) or value == []:
            continue
        yield _Token(f" {name}=")
        yield value


def _leaf(value: object) -> str:
    """Constants with their type; `repr` of a float is exact, and tells -0.0 from 0.0."""
    return f"<{type(value).__name__} {value!r}>"
