"""What people do to notebooks, done to any notebook by rule."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from benchmarks.corpus.sources import Cells

Edited = tuple[Cells, int]
"""A notebook after an edit, and the index of the cell that was edited."""


def number(cells: Cells) -> Edited | None:
    """One number, a third of the way down, is another."""
    return _constant(cells, (int, float), lambda value: value + 1)


def string(cells: Cells) -> Edited | None:
    """One text, a third of the way down, is longer."""
    return _constant(cells, str, lambda value: value + "!")


def insert(cells: Cells) -> Edited:
    """A cell more, in the middle, that depends on nothing."""
    at = len(cells) // 2
    return [*cells[:at], ("inserted", "inserted_here = 6 * 7\ninserted_here"), *cells[at:]], at


def delete(cells: Cells) -> Edited | None:
    """One cell less, in the middle."""
    at = len(cells) // 2
    return ([*cells[:at], *cells[at + 1 :]], at) if len(cells) > 2 else None


def move(cells: Cells) -> Edited | None:
    """A cell in the middle trades places with the next."""
    at = len(cells) // 2
    if at + 1 >= len(cells):
        return None
    return [*cells[:at], cells[at + 1], cells[at], *cells[at + 2 :]], at


def comment(cells: Cells) -> Edited | None:
    """A comment more, at the end of a cell in the middle."""
    for at in _from(cells, len(cells) // 2):
        name, code = cells[at]
        if _parsed(code) is not None:
            return [*cells[:at], (name, f"{code.rstrip()}\n# as before"), *cells[at + 1 :]], at
    return None


KINDS: dict[str, Callable[[Cells], Edited | None]] = {
    each.__name__: each for each in (number, string, insert, delete, move, comment)
}


def _constant(cells: Cells, kinds: type | tuple[type, ...], changed: Callable) -> Edited | None:
    """Change the first constant of a kind that an assignment or a call holds."""
    for at in _from(cells, len(cells) // 3):
        name, code = cells[at]
        for node in _constants(code):
            if isinstance(node.value, kinds) and not isinstance(node.value, bool):
                fresh = _replaced(code, node, repr(changed(node.value)))
                return [*cells[:at], (name, fresh), *cells[at + 1 :]], at
    return None


def _from(cells: Cells, start: int) -> Iterator[int]:
    """Indices of all cells but the first, beginning in the middle."""
    yield from range(max(start, 1), len(cells))
    yield from range(1, max(start, 1))


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except SyntaxError:
        return None


def _constants(code: str) -> Iterator[ast.Constant]:
    for node in ast.walk(_parsed(code) or ast.Module([], [])):
        if isinstance(node, (ast.Assign, ast.Call, ast.keyword)):
            held = node.args if isinstance(node, ast.Call) else [node.value]
            yield from (one for one in held if isinstance(one, ast.Constant))


def _replaced(code: str, node: ast.Constant, text: str) -> str:
    """The code with other text in the place of a node; columns of `ast` count bytes."""
    lines = code.encode().split(b"\n")
    assert node.end_lineno is not None
    before = lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :]
    return b"\n".join(
        [*lines[: node.lineno - 1], before + text.encode() + after, *lines[node.end_lineno :]]
    ).decode()
