"""Whether a cell came to know where it runs: the notebook's folder, the home folder, scratch.

What it found there goes by symbolic paths and is the same wherever the notebook lies. A cell that learned the absolute
path itself may have made anything of it, so that path is evidence, of the kind ``place``. It is learned by asking for
it, which shows in the names that code uses, or some other way, which shows where the path appears in what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from nbrewind.state.functions import nested

HERE, HOME = ".", "~"
_ASKING = {
    HERE: frozenset(
        """getcwd getcwdb cwd abspath realpath resolve absolute relpath pwd __file__ getfile getsourcefile getabsfile
        _dh""".split()
    ),
    HOME: frozenset("home expanduser expandvars gethomedir userhome".split()),
}
ASKING = _ASKING[HERE] | _ASKING[HOME]
"""Names of functions and attributes that tell where things are."""
_WORD = re.compile(r"[^\W\d]\w*")
_SHELL = {
    HERE: re.compile(r"\b(pwd|PWD|OLDPWD|realpath|readlink|abspath|getcwd|dirname|basename)\b"),
    HOME: re.compile(r"\bHOME\b|(?<![\w/])~"),
}
TEXT_LIMIT = 4 << 20
"""Largest file that a cell wrote in which paths are looked for, in bytes."""


def asked_by(words: Iterable[str]) -> set[str]:
    """Places that code with these names may ask for."""
    found = frozenset(words)
    return {sign for sign, names in _ASKING.items() if not names.isdisjoint(found)}


def asked_in_source(source: str) -> set[str]:
    """The same of the text of a module."""
    return asked_by(_WORD.findall(source))


def asked_in_shell(text: str) -> set[str]:
    """Places that a command may ask for."""
    return {sign for sign, pattern in _SHELL.items() if pattern.search(text)}


def words_of(values: Iterable[Any]) -> Iterator[str]:
    """Names that the code of the notebook's functions, and of the methods of its classes, uses."""
    for value in values:
        if issubclass(type(value), type):
            if vars(value).get("__module__") != "__main__":
                continue
            yield from words_of(
                one for one in vars(value).values() if isinstance(getattr(one, "__func__", one), FunctionType)
            )
            continue
        function = (
            getattr(value, "__func__", value) if isinstance(value, (staticmethod, classmethod)) else value
        )
        if isinstance(function, FunctionType) and function.__module__ == "__main__":
            code: CodeType = function.__code__
            for one in (code, *nested(code)):
                yield from one.co_names
