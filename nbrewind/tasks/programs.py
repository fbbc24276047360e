"""The texts of the programs that run on workers, put together from `nbrewind.tasks.remote`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from nbrewind.cells.calls import WATCHED
from nbrewind.tasks import remote
from nbrewind.tasks.bare import bare

_COMMON = ("files", "notes", "watch", "surroundings", "report")


@cache
def script(*, serialize: bool = True, futures: bool = False, shown: bool = False) -> str:
    """Return the program that runs one function.

    It is called as ``python3 PROGRAM FUNCTION ARGUMENTS OUTPUT``. What it saw goes to a file named like the output,
    with ``s_`` for ``o_``.

    Parameters
    ----------
    serialize
        Whether the result is pickled.
    futures
        Whether arguments may stand for results of other tasks.
    shown
        Whether the result is printed, and an exception is one, as in Work Queue.
    """
    return f"{_joined('functions')}\nmain(sys.argv[1:], {serialize}, {futures}, {shown})\n"


@cache
def library_script(program: str, report: str) -> str:
    """Return the program that runs the engine's program of a library, and notes what each call uses.

    Parameters
    ----------
    program
        The engine's program, in the library's sandbox.
    report
        The name under which a call leaves its report in its own sandbox.
    """
    return f"{_joined('library')}\nserve({program!r}, {report!r})\n"


def _joined(last: str) -> str:
    folder = Path(remote.__path__[0])
    parts = [bare((folder / f"{name}.py").read_text(encoding="utf-8")) for name in (*_COMMON, last)]
    known = {place: (call.path, call.use, call.mode) for place, call in WATCHED.items()}
    return "\n\n".join([*parts, f"CALLS.update({known!r})"])
