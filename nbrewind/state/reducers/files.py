"""Open files: by path, mode and position. What is written to them is recorded with the cell's files."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from nbrewind.state.guard import HookError
from nbrewind.state.held import content, refuse_writer
from nbrewind.state.registry import register_reducer

_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_BINARY = {"BufferedReader": "rb", "BufferedWriter": "wb", "BufferedRandom": "r+b", "FileIO": "rb"}


def reduce_file(file: Any) -> tuple[Any, ...]:
    """A file as the arguments that open it again where it stood.

    Raises
    ------
    HookError
        It is a pipe, a terminal, or was deleted.
    """
    for name in _STREAMS:
        if getattr(sys, name, None) is file:
            return getattr, (sys, name)
    path, mode = file.name, _mode(file)
    text = (file.encoding, file.errors, file.newlines) if isinstance(file, io.TextIOBase) else None
    if file.closed:
        return closed_file, (type(file).__name__, path, mode, text)
    if not isinstance(path, (str, bytes)) or not file.seekable():
        raise HookError("it is a pipe, a terminal, or a file without a name")
    if file.writable():
        file.flush()
    try:
        same = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except OSError:
        same = False
    if not same:
        raise HookError(f"{os.fsdecode(path)} is no longer the file that was opened")
    return open_file, (type(file).__name__, os.path.abspath(path), mode, file.tell(), text and text[:2])


def _mode(file: Any) -> str:
    mode = getattr(file, "mode", None)
    return mode if isinstance(mode, str) else _BINARY[type(file).__name__]


def digest_file(file: Any) -> tuple[Any, ...]:
    """What tells two open files apart: not the descriptor; for readers the content counts."""
    function, arguments = reduce_file(file)
    if function is not open_file:
        return (function.__name__, *arguments)
    if file.writable():
        raise refuse_writer(file.name)
    return (function.__name__, *arguments, content(file.name))


def open_file(kind: str, path: str, mode: str, position: int, text: tuple[str, str] | None) -> Any:
    """Open a file again, without cutting it off, where it stood."""
    binary = "b" in mode or text is None
    again = "r" if "r" in mode and "+" not in mode else "a" if "a" in mode and "+" not in mode else "r+"
    again = "a+" if "a" in mode and "+" in mode else again
    if kind == "FileIO":
        file: Any = io.FileIO(path, again)
    elif binary:
        file = open(path, again.replace("b", "") + "b")  # noqa: SIM115 - the notebook closes it
    else:
        encoding, errors = text or (None, None)
        file = open(path, again, encoding=encoding, errors=errors)  # noqa: SIM115 - the notebook closes it
        file.mode = mode
    file.seek(position)
    return file


def closed_file(kind: str, path: Any, mode: str, text: tuple[str, str, Any] | None) -> Any:
    """A closed file of that name."""
    raw = io.FileIO(os.devnull, "r+" if "+" in mode else "r" if "r" in mode else "a" if "a" in mode else "w")
    raw.name = path
    file: Any = raw
    if kind != "FileIO":
        wrap: Any = (
            io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        )
        file = wrap(raw)
    if text is not None:
        file = io.TextIOWrapper(file, encoding=text[0], errors=text[1])
        file.mode = mode
    file.close()
    return file


for _name in ("TextIOWrapper", *_BINARY):
    register_reducer(f"_io.{_name}", reduce_file, digest=digest_file, subclasses=False)
