"""The identity of functions: what their code says, however it is laid out and whichever Python compiled it.

A function written in a notebook is identified by the syntax tree of its source, found through `linecache`,
where IPython keeps each cell. The source only counts when compiling it gives this very code object: files
change after they were imported. Without it the structure of the code object stands in, tagged with the
version of Python.
"""

from __future__ import annotations

import ast
import copy
import dis
import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType

from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Digest
from nbrewind.state.syntax import canonical_syntax

_GLOBAL = frozenset(
    {"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_NAME"}
)
_FUTURE = 0x1FE0000
"""Bits of `co_flags` that ``from __future__`` sets."""
_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def function_identity(function: FunctionType) -> Digest:
    """Digest of a function's code: neither its defaults nor its closure, nor the values of globals.

    The name counts, as its author can see it; position, layout, comments and annotations do not.
    """
    return digest_bytes(
        function.__qualname__.encode("utf-8", "surrogatepass") + b"\0" + code_identity(function.__code__)
    )


def code_identity(code: CodeType) -> bytes:
    """Canonical bytes of one code object, from its source where that is known."""
    known = _identities.get(id(code))
    if known is None or known[0] is not code:
        if len(_identities) > 20_000:
            _identities.clear()
        known = _identities[id(code)] = (code, _from_source(code) or _from_code(code))
    return known[1]


_identities: dict[int, tuple[CodeType, bytes]] = {}


def global_names(code: CodeType) -> frozenset[str]:
    """Names that the code, or code nested in it, looks up or sets outside its own scopes."""
    known = _globals.get(id(code))
    if known is None or known[0] is not code:
        if len(_globals) > 20_000:
            _globals.clear()
        names = {
            str(each.argval)
            for one in nested(code)
            for each in dis.get_instructions(one)
            if each.opname in _GLOBAL
        }
        known = _globals[id(code)] = (code, frozenset(names - _IMPLIED))
    return known[1]


_globals: dict[int, tuple[CodeType, frozenset[str]]] = {}
_IMPLIED = {
    "__name__",
    "__module__",
    "__qualname__",
    "__doc__",
    "__annotations__",
    "__builtins__",
    "__file__",
}


def nested(code: CodeType) -> Iterator[CodeType]:
    """The code object and all that are nested in it."""
    stack = [code]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(const for const in one.co_consts if isinstance(const, CodeType))


def source_of(code: CodeType) -> str | None:
    """The text of the whole file or cell that this code was compiled from, when it still says the same."""
    text = "".join(linecache.getlines(code.co_filename))
    return text if text and code in _compiled(text, code.co_filename, code.co_flags & _FUTURE)[1] else None


def _from_source(code: CodeType) -> bytes | None:
    text = source_of(code)
    if text is None:
        return None
    definition = _definition(_compiled(text, code.co_filename, code.co_flags & _FUTURE)[0], code)
    if definition is None:
        return None
    scope = f"{sorted(code.co_freevars)} {code.co_flags & _FUTURE:x} "
    return b"source " + scope.encode("utf-8", "surrogatepass") + canonical_syntax(_bare(definition))


@lru_cache(maxsize=256)
def _compiled(text: str, filename: str, future: int) -> tuple[ast.AST, frozenset[CodeType]]:
    flags = future | _AWAIT
    try:
        tree = compile(text, filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        code = compile(text, filename, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], []), frozenset()
    return tree, frozenset(nested(code))


def _definition(tree: ast.AST, code: CodeType) -> _Definition | None:
    """The node that the code was compiled from; ``None`` where two could be it."""
    found: list[_Definition] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min((each.lineno for each in node.decorator_list), default=node.lineno)
            if node.name == code.co_name and first == code.co_firstlineno:
                found.append(node)
        elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and _spans(node.body, code):
            found.append(node)
    if len(found) > 1:
        found.sort(key=_extent)
        if _extent(found[0]) == _extent(found[1]):
            return None
    return found[0] if found else None


def _spans(body: ast.expr, code: CodeType) -> bool:
    """Whether all the instructions come from within this expression."""
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    seen = False
    for line, end_line, column, end_column in code.co_positions():
        if (
            line is None
            or end_line is None
            or column is None
            or end_column is None
            or (column, end_column) == (0, 0)
        ):
            continue
        if not (start <= (line, column) and (end_line, end_column) <= end):
            return False
        seen = True
    return seen


def _extent(node: _Definition) -> tuple[int, int]:
    return (node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset


def _bare(node: _Definition) -> ast.AST:
    """The definition without what is evaluated outside it: decorators, defaults, annotations."""
    bare = copy.copy(node)
    bare.args = copy.copy(node.args)
    bare.args.defaults, bare.args.kw_defaults = [], []
    for field in ("posonlyargs", "args", "kwonlyargs"):
        setattr(bare.args, field, [ast.arg(each.arg) for each in getattr(node.args, field)])
    bare.args.vararg = ast.arg(node.args.vararg.arg) if node.args.vararg else None
    bare.args.kwarg = ast.arg(node.args.kwarg.arg) if node.args.kwarg else None
    if not isinstance(bare, ast.Lambda):
        bare.decorator_list, bare.returns, bare.name = [], None, ""
    return bare


def _from_code(code: CodeType) -> bytes:
    version = f"code {sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]} "
    return version.encode() + repr(_structure(code)).encode("utf-8", "surrogatepass")


def _structure(code: CodeType) -> tuple[object, ...]:
    return (
        code.co_name,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        code.co_code,
        code.co_exceptiontable,
        (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        tuple(_constant(const) for const in code.co_consts),
    )


def _constant(value: object) -> object:
    """Constants by type and content: ``1``, ``1.0`` and ``True`` differ, and frozen sets have no order."""
    if isinstance(value, CodeType):
        return _structure(value)
    if isinstance(value, tuple):
        return ("tuple", *map(_constant, value))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(map(repr, map(_constant, value))))
    if isinstance(value, int) and not isinstance(value, bool):
        return ("int", hex(value))
    return (type(value).__name__, repr(value))
