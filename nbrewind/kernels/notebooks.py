"""Reading a notebook that is to run, with every way in which it can be wrong."""

from __future__ import annotations

import ast
import difflib
import json
import keyword
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat

from nbrewind.errors import NotebookError, UsageError

PARAMETERS = "parameters"
_NO_PYTHON = re.compile(r"^(\s*)[%!].*$", re.MULTILINE)
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


def read_notebook(path: Path) -> Any:
    """Read and check a notebook.

    Returns
    -------
    nbformat.NotebookNode
        In format 4, every cell with an identifier.

    Raises
    ------
    NotebookError
        It is missing, no JSON, no notebook, in another language, or has no code cells.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotebookError(f"{path}: there is no such file; give the path of a .ipynb notebook") from None
    except IsADirectoryError:
        raise NotebookError(f"{path}: this is a folder; give the path of a .ipynb notebook in it") from None
    except UnicodeDecodeError as error:
        raise NotebookError(
            f"{path}: not UTF-8 text at byte {error.start}; a notebook is a JSON file"
        ) from None
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise NotebookError(
            f"{path}: not JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            "restore it from a backup, or save it again from Jupyter"
        ) from None
    except RecursionError:
        raise NotebookError(f"{path}: nested too deeply to be a notebook") from None
    return _checked(path, content)


def _checked(path: Path, content: Any) -> Any:
    if not isinstance(content, dict) or "nbformat" not in content:
        raise NotebookError(f"{path}: JSON, but no notebook: it has no 'nbformat'; give a .ipynb file")
    try:
        notebook = nbformat.reads(json.dumps(content), as_version=4)
        nbformat.validate(_with_ids(notebook))
    except Exception as error:  # noqa: BLE001 - nbformat raises whatever a malformed file leads it to
        reason = str(error).strip().split("\n")[0]
        raise NotebookError(
            f"{path}: not a valid notebook: {reason}; open and save it in Jupyter to repair it"
        ) from None
    language = notebook.metadata.get("kernelspec", {}).get("language") or notebook.metadata.get(
        "language_info", {}
    ).get("name")
    if language and language.lower() not in ("python", "ipython"):
        raise NotebookError(f"{path}: a notebook in {language}; nbrewind runs Python notebooks")
    if not any(cell.cell_type == "code" for cell in notebook.cells):
        raise NotebookError(f"{path}: it has no code cells, so there is nothing to run")
    return notebook


def _with_ids(notebook: Any) -> Any:
    """Identifiers for cells of older formats: by position, so that they are the same each time."""
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        notebook.nbformat_minor = 5
    seen: set[str] = set()
    for position, cell in enumerate(notebook.cells):
        own = cell.get("id", "")
        if not _ID.match(own) or own in seen:
            own = f"cell-{position}"
        cell["id"] = own
        seen.add(own)
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    """Its code cells, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def check_cells(notebook: Any, path: Path, names: Iterable[str]) -> None:
    """Raise `UsageError` unless each of these is the identifier or index of a code cell."""
    cells = code_cells(notebook)
    known = {cell.id for cell in cells} | {str(index) for index in range(len(cells))}
    for name in names:
        if name not in known:
            raise UsageError(
                f"--rerun {name}: {path} has no such code cell; give an identifier, "
                f"or an index from 0 to {len(cells) - 1}"
            )


def apply_parameters(notebook: Any, path: Path, parameters: Iterable[tuple[str, str]]) -> list[str]:
    """Make ``-p NAME VALUE`` take effect in the source of the cells that are about to run.

    The assignment goes right after the one that it overrides, in the cell tagged ``parameters`` or else in the first
    cell that assigns the name; a name that the tagged cell does not assign is added at its end.

    Returns
    -------
    list of str
        A sentence for each name that looks like a slip: no parameter of the notebook.

    Raises
    ------
    UsageError
        A name is not an identifier, or no cell could take it.
    """
    notes = []
    known = _parameters(notebook)
    for name, text in parameters:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(f"-p {name}: a parameter's name must be a Python identifier")
        cell, line = _place(notebook, name)
        if cell is None:
            raise UsageError(
                f"{path}: no cell is tagged 'parameters' and none assigns {name!r}, so -p {name} has no effect; "
                + (_near(name, known) or "tag the cell that holds the parameters")
            )
        if name not in known:
            hint = _near(name, known) or f"its parameters: {', '.join(known) or 'none'}"
            notes.append(
                f"-p {name} is no parameter of {path.name} ({hint}); it is set in cell {cell.id!r} all the same"
            )
        lines = cell.source.split("\n")
        lines[line:line] = [f"{name} = {_literal(text)!r}"]
        cell.source = "\n".join(lines)
    return notes


def _parameters(notebook: Any) -> list[str]:
    """Names that the tagged cells assign or else, where no cell is tagged, any cell."""
    cells = code_cells(notebook)
    tagged = [cell for cell in cells if PARAMETERS in cell.metadata.get("tags", [])]
    return list(dict.fromkeys(name for cell in tagged or cells for name, _ in _assignments(cell.source)))


def _near(name: str, known: list[str]) -> str:
    """A question about what may have been meant, empty where nothing comes near."""
    folded = {each.casefold(): each for each in known}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[found[0]]!r}?" if found else ""


def _place(notebook: Any, name: str) -> tuple[Any, int]:
    """The cell that takes a parameter, and the line before which its assignment goes."""
    cells = code_cells(notebook)
    tagged = [cell for cell in cells if PARAMETERS in cell.metadata.get("tags", [])]
    for cell in tagged or cells:
        line = _after_assignment(cell.source, name)
        if line is not None:
            return cell, line
    return (tagged[0], tagged[0].source.count("\n") + 1) if tagged else (None, 0)


def _after_assignment(source: str, name: str) -> int | None:
    return next((end for target, end in reversed(_assignments(source)) if target == name), None)


def _assignments(source: str) -> list[tuple[str, int]]:
    """Names that top-level statements assign, in order, and the last line of each statement."""
    try:
        tree = ast.parse(_NO_PYTHON.sub(r"\1pass", source))
    except (SyntaxError, ValueError):
        return []
    found = []
    for statement in tree.body:
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            continue
        end = statement.end_lineno or statement.lineno
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
            bound = [node for node in ast.walk(target) if isinstance(node, ast.Name)]
            found += [(node.id, end) for node in bound if isinstance(node.ctx, ast.Store)]
    return found


def _literal(text: str) -> Any:
    """A value that is Python or JSON syntax is that value; anything else is text."""
    words = {"true": True, "false": False, "null": None, "none": None}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
