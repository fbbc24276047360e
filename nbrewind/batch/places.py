"""Where in a TOML file a key stands: `tomllib` says what a file holds, and not in which line."""

from __future__ import annotations

import re
import tomllib

Path = tuple[str | int, ...]
"""The way to a key: names of tables, and numbers in arrays of tables."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def lines(text: str) -> dict[Path, int]:
    r"""Return the line, counted from 1, of each table and key of a valid TOML text.

    Examples
    --------
    >>> lines('[scheduler]\ntype = "pbs"\n')[("scheduler", "type")]
    2
    """
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    rest = ""
    for number, line in enumerate(text.splitlines(), start=1):
        rest += line + "\n"
        if not rest.strip() or rest.lstrip().startswith("#"):
            rest = ""
        elif header := _HEADER.fullmatch(line) if rest == line + "\n" else None:
            table = _parts(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                found.setdefault(table, number)
                table = (*table, counts[table])
            found[table] = number
            rest = ""
        elif _complete(rest):
            if match := _KEY.match(rest):
                first = number - rest.count("\n") + 1
                found[(*table, *_parts(match[1]))] = first
            rest = ""
    return found


def _complete(statement: str) -> bool:
    """Whether a statement ends here; arrays and strings may go on in the next line."""
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _parts(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def place(found: dict[Path, int], path: Path) -> int | None:
    """Return the line of a key, or of the closest table around it."""
    while path:
        if path in found:
            return found[path]
        path = path[:-1]
    return None
