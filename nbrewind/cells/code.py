"""A cell's code: its digest, the names it uses, and what hides names from view."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from attrs import frozen

from nbrewind.cells.bytecode import Names, all_names, immediate_names
from nbrewind.cells.targets import Target, imported, targets_of
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import Digest
from nbrewind.state.syntax import canonical_syntax

HISTORY = frozenset({"_", "__", "___", "Out", "_oh", "In", "_ih", "_dh", "_i", "_ii", "_iii"})
_HISTORY_NAME = re.compile(r"_i?\d+\Z")
_IDENTIFIER = re.compile(r"[^\W\d]\w*")

_OPENERS = frozenset({"globals", "locals", "vars", "dir", "exec", "eval", "compile", "__import__"})
_FRAME_READERS = frozenset(
    {
        "_getframe",
        "currentframe",
        "user_ns",
        "user_global_ns",
        "f_globals",
        "f_back",
        "__globals__",
        "__subclasses__",
        "get_objects",
        "get_referrers",
    }
)
_TAME_MAGICS = frozenset(
    """alias autosave bookmark capture cd colors conda config debug dirs doctest_mode echo env html
    javascript js latex ls magic man markdown matplotlib mkdir more mv notebook nbrewind page
    pastebin pinfo pip popd pprint precision prun psource pushd pwd rewind rm rmdir set_env svg system sx
    time timeit unalias writefile""".split()
)
_WORDY_CALLS = frozenset(
    """print title suptitle xlabel ylabel zlabel set_title set_xlabel set_ylabel set_zlabel
    set_label text annotate legend figtext format join split startswith endswith replace strip
    encode warn debug info warning error getLogger ValueError TypeError RuntimeError KeyError
    Exception""".split()
)


@frozen
class CellCode:
    """What can be said of a cell before it runs.

    Parameters
    ----------
    source
        As typed.
    digest
        Of its canonical syntax: comments and layout do not count, a trailing semicolon does.
    names
        Used when it runs, without the bodies of functions that it only defines.
    mentioned
        Every name that it or a function in it could load, identifiers in string constants included.
    quoted
        Identifiers in string constants that may name a variable (`df.query("x > @cut")`).
    bound_first, shielded
        Names that its own statements bind before they read them; those of them that no call comes before.
    words
        Every name and attribute that occurs in it.
    opens
        What makes it read every variable, in a few words (empty: nothing does).
    history
        Names of IPython's input and output history that it uses.
    shows
        Whether it has expressions at its top level, of which IPython may show the values.
    targets, inner_targets
        What it sets or calls through dotted names when it runs; what functions that it defines do when they run.
    imports
        Top-level modules that it imports.
    """

    source: str
    digest: Digest
    names: Names = Names()
    mentioned: frozenset[str] = frozenset()
    quoted: frozenset[str] = frozenset()
    bound_first: frozenset[str] = frozenset()
    shielded: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    opens: str = ""
    history: frozenset[str] = frozenset()
    shows: bool = False
    targets: tuple[Target, ...] = ()
    inner_targets: tuple[Target, ...] = ()
    imports: frozenset[str] = frozenset()
    valid: bool = True


def read_cell(source: str, transform: Callable[[str], str]) -> CellCode:
    """Analyse a cell.

    Parameters
    ----------
    source
        As typed, magics included.
    transform
        IPython's transformation of magics and shell escapes into Python (`InteractiveShell.transform_cell`).

    Returns
    -------
    CellCode
        With ``valid=False`` where the code does not compile: the cell will fail, and nothing is known of it.
    """
    try:
        python = transform(source)
    except Exception:  # noqa: BLE001 - a transformer is a plug-in of the user's; the cell then fails by itself
        return _unreadable(source)
    return _analyse(source, python)


@lru_cache(maxsize=1024)
def _analyse(source: str, python: str) -> CellCode:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        with warnings.catch_warnings():  # the cell shows its own when it runs
            warnings.simplefilter("ignore")
            tree = compile(python, "<cell>", "exec", flags, dont_inherit=True)
            code = compile(python, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return _unreadable(source)
    everything = all_names(code)
    quoted = frozenset(_quoted_names(tree))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    targets, inner_targets = targets_of(tree)
    mentioned = everything.loads | _identifiers_in_strings(tree)
    bound_first, shielded = _bound_first(tree)
    return CellCode(
        source=source,
        digest=digest_bytes(canonical_syntax(tree) + (b" quiet" if _is_quiet(python) else b"")),
        names=immediate_names(code),
        mentioned=mentioned,
        quoted=quoted,
        bound_first=bound_first,
        shielded=shielded,
        words=everything.loads | everything.stores | attributes | mentioned_in_magics(tree),
        opens=_opener(everything.loads, attributes, tree),
        targets=targets,
        inner_targets=inner_targets,
        imports=imported(tree),
        shows=any(isinstance(statement, ast.Expr) for statement in tree.body),
        history=frozenset(name for name in everything.loads | mentioned_in_magics(tree) if is_history(name)),
    )


def _unreadable(source: str) -> CellCode:
    return CellCode(
        source,
        digest_bytes(b"unreadable " + source.encode("utf-8", "surrogatepass")),
        opens="it has a syntax error",
        valid=False,
    )


def is_history(name: str) -> bool:
    """Whether IPython binds this name to earlier input or output."""
    return name in HISTORY or bool(_HISTORY_NAME.match(name))


def _is_quiet(python: str) -> bool:
    """Whether a trailing semicolon suppresses the display of the last value, as IPython decides it."""
    import tokenize
    from io import StringIO

    last = ""
    skipped = (
        tokenize.NEWLINE,
        tokenize.NL,
        tokenize.ENDMARKER,
        tokenize.COMMENT,
        tokenize.DEDENT,
        tokenize.INDENT,
    )
    try:
        for token in tokenize.generate_tokens(StringIO(python).readline):
            if token.type not in skipped:
                last = token.string
    except (tokenize.TokenError, SyntaxError):
        return False
    return last == ";"


def _strings(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def _identifiers_in_strings(tree: ast.AST) -> frozenset[str]:
    return frozenset(name for text in _strings(tree) for name in _IDENTIFIER.findall(text))


def mentioned_in_magics(tree: ast.AST) -> frozenset[str]:
    """Identifiers in the arguments of magics and shell escapes: their text is code, or is expanded as such."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _magic_name(node) is not None]
    calls += [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) in {"system", "getoutput"}
    ]
    return frozenset(name for call in calls for text in _strings(call) for name in _IDENTIFIER.findall(text))


def _quoted_names(tree: ast.AST) -> Iterator[str]:
    """Identifiers in strings, but for the strings that are plainly words for people or keys of a container."""
    wordy: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in _WORDY_CALLS:
            parts: Iterable[ast.AST] = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        elif isinstance(node, ast.JoinedStr):
            parts = [value for value in node.values if isinstance(value, ast.Constant)]
        elif isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            parts = [
                s.value for s in node.body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)
            ]
        else:
            continue
        wordy.update(id(leaf) for part in parts for leaf in _constants_of(part))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in wordy:
            yield from _IDENTIFIER.findall(node.value)


def _constants_of(node: ast.AST) -> Iterator[ast.Constant]:
    """Constants that are this node or a plain part of it, not those inside a further call."""
    if isinstance(node, ast.Constant):
        yield node
    elif isinstance(node, (ast.Tuple, ast.List, ast.JoinedStr, ast.BinOp, ast.IfExp, ast.keyword)):
        for child in ast.iter_child_nodes(node):
            yield from _constants_of(child)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _magic_name(node: ast.Call) -> str | None:
    if _called(node) not in {"run_line_magic", "run_cell_magic"} or not node.args:
        return None
    first = node.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "?"


def _opener(loads: frozenset[str], attributes: set[str], tree: ast.AST) -> str:
    """Why the cell may read any variable."""
    named = (loads & _OPENERS) | ((loads | attributes) & _FRAME_READERS)
    if named:
        return f"uses {sorted(named)[0]}"
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and (magic := _magic_name(node)) is not None
            and magic not in _TAME_MAGICS
        ):
            return f"uses the magic %{magic}"
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return f"imports * from {node.module or '.'}"
    return ""


def _bound_first(tree: ast.Module) -> tuple[frozenset[str], frozenset[str]]:
    """Names that straight-line code at the top binds before it reads them, and those among them that no call precedes.

    A function called in between may read any variable, so a caller without run-time observation uses the second set.
    """
    inert = True
    read: set[str] = set()
    bound: set[str] = set()
    shielded: set[str] = set()
    for statement in tree.body:
        read |= _names_read(statement) - bound
        inert = inert and _is_inert(statement)
        fresh = {name for name in _surely_bound(statement) if name not in read}
        bound |= fresh
        if inert:
            shielded |= fresh
    return frozenset(bound), frozenset(shielded)


def _names_read(statement: ast.stmt) -> set[str]:
    found = {
        n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)
    }
    augmented = [n.target for n in ast.walk(statement) if isinstance(n, ast.AugAssign)]
    return found | {target.id for target in augmented if isinstance(target, ast.Name)}


def _surely_bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _target_names(target)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _target_names(statement.target)
    elif isinstance(statement, (ast.Import, ast.ImportFrom)):
        yield from (
            alias.asname or alias.name.split(".")[0] for alias in statement.names if alias.name != "*"
        )
    elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name


def _target_names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for element in target.elts:
            yield from _target_names(element.value if isinstance(element, ast.Starred) else element)


def _is_inert(statement: ast.stmt) -> bool:
    """Whether it cannot run a function of the notebook: an import, an undecorated definition, constants."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        parts = [
            *statement.decorator_list,
            *statement.args.defaults,
            *(d for d in statement.args.kw_defaults if d),
        ]
        return all(isinstance(part, ast.Constant) for part in parts)
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(isinstance(t, ast.Name) for t in targets) and _is_plain(statement.value)
    return isinstance(statement, (ast.Pass, ast.Global)) or (
        isinstance(statement, ast.Expr) and _is_plain(statement.value)
    )


def _is_plain(value: ast.expr | None) -> bool:
    """Constants and displays of constants; names and operators on them could run methods of the notebook's classes."""
    if value is None or isinstance(value, (ast.Constant, ast.Lambda)):
        return True
    if isinstance(value, (ast.Tuple, ast.List)):
        return all(_is_plain(element) for element in value.elts)
    if isinstance(value, ast.Dict):
        return all(isinstance(key, ast.Constant) for key in value.keys) and all(map(_is_plain, value.values))
    if isinstance(value, ast.UnaryOp):
        return isinstance(value.operand, ast.Constant)
    if isinstance(value, ast.BinOp):
        return isinstance(value.left, ast.Constant) and isinstance(value.right, ast.Constant)
    return False
