"""Program text without what only people and type checkers need, for interpreters older than this one."""

from __future__ import annotations

import ast

_FOR_CHECKERS = frozenset({"__future__", "typing"})
_OURS = "nbrewind."


def bare(source: str) -> str:
    r"""Leave out annotations, docstrings and the imports that only these need, or that name modules sent along.

    >>> print(bare("from typing import Any\ndef f(x: int) -> Any:\n    'Say.'\n    y: int = x\n    return y"))
    def f(x):
        y = x
        return y
    """
    return ast.unparse(_Bare().visit(ast.parse(source)))


class _Bare(ast.NodeTransformer):
    """Takes out what is not executed, or only for its own sake."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        module = node.module or ""
        return None if module in _FOR_CHECKERS or module.startswith(_OURS) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if node.value is None:
            return None
        return ast.copy_location(ast.Assign([node.target], node.value, lineno=node.lineno), node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._without_docstring(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._without_docstring(node)

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._without_docstring(node)

    def _without_docstring(self, node: ast.FunctionDef | ast.ClassDef | ast.Module) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node
