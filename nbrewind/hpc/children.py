"""The ways in which Python code starts other programs, made to show those that may start workers."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nbrewind.cells import launchers
from nbrewind.cells.imports import ImportWatch
from nbrewind.hpc import stand_in
from nbrewind.hpc.patching import Method, Patches

if TYPE_CHECKING:
    from nbrewind.hpc.launches import Launches

_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "csh", "tcsh")


class ChildPatches:
    """Gives commands that may start workers the environment in which `Launches` sees them.

    Parameters
    ----------
    launches
        Returns what is known of such commands.
    cell
        Returns the cell that runs.
    source
        Returns its code: a script that it gives to a shell is nowhere else.
    """

    def __init__(
        self, launches: Callable[[], Launches], cell: Callable[[], str], source: Callable[[], str]
    ) -> None:
        self._launches, self._cell, self._source = launches, cell, source
        self._patches = Patches()
        self._imports = ImportWatch()

    def install(self) -> None:
        """Replace `subprocess.Popen`, `os.system` and what IPython starts commands by."""
        self._patches.method(subprocess.Popen, "__init__", self._popen)
        self._patches.function(os, "system", self._system)
        self._imports.after("pexpect.pty_spawn", self._pexpect)

    def uninstall(self) -> None:
        """Put everything back."""
        self._imports.remove()
        self._patches.undo()

    def _popen(self, original: Method) -> Method:
        signature = inspect.signature(original)

        def init(process: Any, *args: Any, **kwargs: Any) -> None:
            try:
                given = signature.bind(process, *args, **kwargs).arguments
            except TypeError:
                given = {}
            words = _words(given.get("args"))
            folder = os.fspath(given.get("cwd") or ".")
            if not words or not self._concerns(words, folder):
                original(process, *args, **kwargs)
                return
            environment = os.environ if given.get("env") is None else given["env"]
            command, given["env"] = self._launches().announce(self._cell(), _texts(environment))
            if not given.get("shell") and given.get("executable") is None:
                own = self._launches().program(words[0])
                if own != words[0]:
                    given["args"] = [own, *words[1:]]
                    if os.sep in words[0]:  # the program need not lie on the PATH that it is to have
                        given["env"][stand_in.ORIGINAL] = words[0]
            asked = args[0] if args else kwargs.get("args")
            more = given.pop("kwargs", {})
            del given["self"]
            original(process, **given, **more)
            process.args, command.pid = asked, process.pid

        return init

    def _system(self, original: Method) -> Method:
        def system(command: Any) -> Any:
            words = _words(command)
            if not words or not self._concerns(words, "."):
                return original(command)
            _, environment = self._launches().announce(self._cell(), os.environ)
            changed = {name: value for name, value in environment.items() if os.environ.get(name) != value}
            for name, value in changed.items():
                os.putenv(name, value)  # seen by programs alone, and not in os.environ
            try:
                return original(command)
            finally:
                for name in changed:
                    if name in os.environ:
                        os.putenv(name, os.environ[name])
                    else:
                        os.unsetenv(name)

        return system

    def _pexpect(self, module: ModuleType) -> None:
        self._patches.method(module.spawn, "__init__", self._spawn)

    def _spawn(self, original: Method) -> Method:
        signature = inspect.signature(original)

        def init(child: Any, *args: Any, **kwargs: Any) -> None:
            given = signature.bind(child, *args, **kwargs).arguments
            words = [*_words(given.get("command")), *_words(given.get("args"))]
            if not words or not self._concerns(words, os.fspath(given.get("cwd") or ".")):
                original(child, *args, **kwargs)
                return
            environment = os.environ if given.get("env") is None else given["env"]
            command, given["env"] = self._launches().announce(self._cell(), _texts(environment))
            del given["self"]
            token = launchers.under_way.set([words[0], *words])
            try:
                original(child, **given)
            finally:
                launchers.under_way.reset(token)
            command.pid = child.pid

        return init

    def _concerns(self, words: list[str], folder: str) -> bool:
        """Whether a command may start workers; a shell may be given the script by a pipe."""
        if _own_doing():
            return False
        texts = [*words, self._source()] if os.path.basename(words[0]) in _SHELLS else words
        if any(map(launchers.submits, texts)) or any(map(launchers.cancels, texts)):
            return True
        return launchers.may_start_workers(texts, folder)


def _words(command: Any) -> list[str]:
    """The words of a command as Python code gives it; empty where they cannot be told."""
    if isinstance(command, (str, bytes, os.PathLike)):
        return [os.fsdecode(command)]
    try:
        return [os.fsdecode(word) for word in command]
    except TypeError:
        return []


def _texts(environment: Mapping[Any, Any]) -> dict[str, str]:
    return {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}


def _own_doing() -> bool:
    """Whether an engine or nbrewind itself starts a program, not the notebook's code."""
    frame = sys._getframe(3)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name == "__main__":
            return False
        if name.startswith(("ndcctools.", "nbrewind.hpc", "nbrewind.batch")):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
