"""What is known of one factory."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Any

from nbrewind.hpc.books import NAME

_TAIL = 5


@dataclass(slots=True)
class FactoryBook:
    """A factory whose start waits for a task.

    Parameters
    ----------
    wanted
        The user has started it.
    missing
        The programs that were not found when it was made: default name, and path as given.
    """

    wanted: bool = False
    missing: list[tuple[str, str | None]] | None = None


def factory_book(factory: Any) -> FactoryBook:
    """Return a factory's book."""
    book = factory.__dict__.get(NAME)
    if book is None:
        book = factory.__dict__[NAME] = FactoryBook()
    return book  # type: ignore[no-any-return]


def serves(factory: Any, manager: Any) -> bool:
    """Whether a factory was told to serve this manager, by port or by name."""
    options = factory._opts
    port = options.get("manager-port")
    if port is not None:
        return str(port) == str(manager.port)
    return options.get("manager-name") is not None and options.get("manager-name") == manager.name


def fresh_scratch(prefix: str) -> str:
    """A folder of its own for one factory, in the one that they share; it goes when the process ends."""
    shared = os.path.join(os.getcwd(), f"{prefix}{os.getuid()}")
    os.makedirs(shared, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="run-", dir=shared)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def describe_factory(factory: Any) -> str:
    """Say in what state a factory is, with the end of what it complained of."""
    kind = factory._opts.get("batch-type", "")
    process = factory._factory_proc
    if process is None:
        return f"  the {kind} factory is not running"
    status = process.poll()
    state = "runs" if status is None else f"ended with status {status}"
    lines = [f"  the {kind} factory {state}"]
    for path in (factory._error_file, factory._log_file):
        lines += [f"    {line}" for line in _tail(path)]
    return "\n".join(lines)


def _tail(path: str | None) -> list[str]:
    if not path or path == "/dev/null":
        return []
    try:
        with open(path, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-_TAIL:]
