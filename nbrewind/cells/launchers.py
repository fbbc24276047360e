"""Commands that start workers: how one is told from others, by its words and by the scripts that it names."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar

WORKERS = ("vine_worker", "work_queue_worker")
FACTORIES = ("vine_factory", "work_queue_factory")
SUBMITTERS = (
    "vine_submit_workers",
    *(f"{kind}_submit_workers" for kind in ("slurm", "pbs", "torque", "uge", "condor")),
)
SUBMIT = ("sbatch", "qsub", "condor_submit")
"""Commands of batch systems: they start workers when their job does."""
CANCEL = ("scancel", "qdel", "condor_rm")
PROGRAMS = (*WORKERS, *FACTORIES, *SUBMITTERS, *SUBMIT, *CANCEL)

SCRIPT_BYTES = 64 * 1024
"""Size up to which a file that a command names is taken for a script."""

_ENGINES = re.compile(rf"(?<![\w.])(?<!(?<!:)-)(?:{'|'.join((*WORKERS, *FACTORIES, *SUBMITTERS))})(?![\w-])")
_SUBMITS = re.compile(rf"(?<![\w.-])(?:{'|'.join(SUBMIT)})(?![\w-])")
_CANCELS = re.compile(rf"(?<![\w.-])(?:{'|'.join(CANCEL)})(?![\w-])")
_HARMLESS = frozenset({"echo", "sleep", "cd", "export", "true", "wait", ":", "set"})
_BEFORE = frozenset({"nohup", "setsid", "env", "exec", "time", "nice", "command"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")

under_way: ContextVar[Sequence[str]] = ContextVar("under_way", default=())
"""The words of a command that is being started by means that do not show them to audit hooks."""


def names_engine(text: str) -> bool:
    """Whether a text speaks of a program that is a worker or starts some.

    Examples
    --------
    >>> names_engine("srun vine_worker $HOST 9123"), names_engine("${W:-vine_worker}"), names_engine("my_vine_worker")
    (True, True, False)
    """
    return bool(_ENGINES.search(text))


def cancels(text: str) -> bool:
    """Whether a text speaks of a command that cancels jobs."""
    return bool(_CANCELS.search(text))


def submits(text: str) -> bool:
    """Whether a text speaks of a command that submits jobs: what they are may come by its input."""
    return bool(_SUBMITS.search(text))


def may_start_workers(words: Iterable[str], folder: str) -> bool:
    """Whether a command may start workers: one of its words, or a script that one of them names, speaks of it.

    Parameters
    ----------
    words
        The command: program and arguments, or one text for a shell.
    folder
        Where it runs.
    """
    words = list(words)
    return any(map(names_engine, words)) or any(
        names_engine(text)
        for word in words
        for part in _parts(word)
        if (text := script(part, folder)) is not None
    )


def script(name: str, folder: str) -> str | None:
    """Return the text of a file that a command names, if it is one that may be a script."""
    path = os.path.join(folder, name)
    try:
        if not name or not os.path.isfile(path) or os.path.getsize(path) > SCRIPT_BYTES:
            return None
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def only_starts_workers(command: str) -> bool:
    """Whether a text for a shell does nothing but start or cancel workers: no other program reads files.

    Examples
    --------
    >>> only_starts_workers("nohup vine_factory -T slurm localhost 9123 > log 2>&1 &")
    True
    >>> only_starts_workers("./prepare.sh && sbatch workers.sh")
    False
    """
    found = False
    for words in _commands(command):
        program = next((word for word in words if word not in _BEFORE and not _ASSIGNMENT.match(word)), "")
        if os.path.basename(program) in PROGRAMS:
            found = True
        elif program and program not in _HARMLESS:
            return False
    return found and "$(" not in command and "`" not in command


def _commands(text: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    try:
        for word in lexer:
            if skip:
                skip = False
            elif set(word) <= set("<>&") and set(word) & set("<>"):
                skip = True  # what is redirected, and where to, is no command
            elif set(word) <= set(";&|()"):
                yield words
                words = []
            else:
                words.append(word)
    except ValueError:
        words = ["?"]
    yield words


def _parts(word: str) -> list[str]:
    """The words of a text for a shell; one word stays one."""
    try:
        return shlex.split(word) if any(each.isspace() for each in word) else [word]
    except ValueError:
        return word.split()
