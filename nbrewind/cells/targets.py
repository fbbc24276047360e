"""What a cell's code sets, changes or calls through dotted names: `cfg.x = 5`, `csv.register_dialect(…)`.

Only the syntax is looked at; what the names stand for is found out when the cell has run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Digest
from nbrewind.state.syntax import canonical_syntax

SHELL = "get_ipython()"
"""First part of a path that begins with a call of that function."""
_SETTERS = frozenset({"setattr", "delattr"})
_MAGICS = frozenset({"run_line_magic", "run_cell_magic", "magic"})
_EXTENSIONS = (["load_ext"], ["reload_ext"], ["unload_ext"])
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@frozen
class Target:
    """One such place.

    Parameters
    ----------
    path
        The names between the dots.
    act
        ``set`` binds or deletes the last of them, ``change`` stores into what it is, ``call`` calls it.
    statement
        Digest of the statement's syntax.
    names
        Names that occur in it.
    discarded
        Whether nothing is done with what the call returns.
    word
        The literal key of a store, the magic of a magic's call.
    """

    path: tuple[str, ...]
    act: Literal["set", "change", "call"]
    statement: Digest
    names: frozenset[str]
    discarded: bool = False
    word: str = ""


def targets_of(tree: ast.Module) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """Targets of the statements that run with the cell, and of those in functions that it defines."""
    outer: list[Target] = []
    inner: list[Target] = []
    pending: list[tuple[ast.AST, bool]] = [(statement, False) for statement in tree.body]
    while pending:
        node, nested = pending.pop()
        if isinstance(node, ast.stmt):
            (inner if nested else outer).extend(reversed(list(_targets(node))))
        inside = nested or isinstance(node, _FUNCTIONS)
        pending += [
            (child, inside)
            for child in ast.iter_child_nodes(node)
            if isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case))
        ]
    return tuple(reversed(outer)), tuple(reversed(inner))


def _targets(statement: ast.stmt) -> Iterator[Target]:
    if isinstance(statement, (ast.Assign, ast.Delete)):
        for place in statement.targets:
            yield from _stores(place, statement)
    elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
        yield from _stores(statement.target, statement)
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        for decorator in statement.decorator_list:
            yield from _called(decorator, statement, discarded=False)
        return
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Await):
        value = value.value
    if isinstance(value, ast.Call):
        yield from _called(value, statement, discarded=isinstance(statement, ast.Expr))


def _stores(place: ast.expr, statement: ast.stmt) -> Iterator[Target]:
    if isinstance(place, (ast.Tuple, ast.List)):
        for element in place.elts:
            yield from _stores(element, statement)
    elif isinstance(place, ast.Attribute) and (path := _path(place)):
        yield _target(path, "set", statement)
    elif isinstance(place, ast.Subscript) and (path := _path(place.value)) and len(path) > 1:
        yield _target(path, "change", statement, word=_literal(place.slice))


def _called(call: ast.expr, statement: ast.stmt, *, discarded: bool) -> Iterator[Target]:
    arguments = call.args if isinstance(call, ast.Call) else []
    function = call.func if isinstance(call, ast.Call) else call
    if isinstance(function, ast.Name) and function.id in _SETTERS and len(arguments) > 1:
        path = _path(arguments[0])
        if path and (name := _literal(arguments[1])):
            yield _target((*path, name), "set", statement)
        return
    if path := _path(function):
        words = [_literal(argument) for argument in arguments[:2]]
        if path[-1] in _MAGICS and words[:1] in _EXTENSIONS and words[1:] == ["nbrewind"]:
            return  # it sets nothing that the notebook could see, and is nothing at all in nbrewind's own kernels
        word = _literal(arguments[0]) if arguments and path[-1] in _MAGICS else ""
        yield _target(path, "call", statement, discarded=discarded, word=word)


def _target(
    path: tuple[str, ...],
    act: Literal["set", "change", "call"],
    statement: ast.stmt,
    *,
    discarded: bool = False,
    word: str = "",
) -> Target:
    digest = digest_bytes(canonical_syntax(ast.Module([statement], [])))
    names = frozenset(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
    return Target(path, act, digest, names, discarded, word)


def _path(node: ast.expr) -> tuple[str, ...]:
    """The dotted name that an expression is, empty where it is none; subscripts in it are passed over."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython":
            return (SHELL, *reversed(parts))
        elif isinstance(node, ast.Name):
            return (node.id, *reversed(parts))
        else:
            return ()


def _literal(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def imported(tree: ast.Module) -> frozenset[str]:
    """Top-level modules that any code of the cell imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return frozenset(found)
