"""Say in neutral words what a TaskVine task is."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from nbrewind.hpc.taskvine.books import ManagerBook, Mount, TaskBook, file_book, task_book
from nbrewind.record.model import Digest
from nbrewind.tasks.content import Contents
from nbrewind.tasks.spec import Call, Input, Output, Spec

_PYTHON_HOOKS = (
    "submit_finalize",
    "_add_inputs_outputs",
    "_fn_wrapper",
    "_fn_buffer",
    "_python_function_command",
)
_NAME = 80


class Describer:
    """Describe tasks of one engine module.

    Parameters
    ----------
    module
        ``ndcctools.taskvine``.
    contents
        Digests of local files.
    """

    def __init__(self, module: ModuleType, contents: Contents) -> None:
        self._module, self._cvine, self._contents = module, module.cvine, contents
        self._known = {
            hook: {vars(cls)[hook] for cls in (module.Task, module.PythonTask) if hook in vars(cls)}
            for hook in _PYTHON_HOOKS
        }

    def spec(self, task: Any, manager: ManagerBook) -> Spec:
        """Describe a task that is about to be submitted."""
        book = task_book(task)
        python = isinstance(task, self._module.PythonTask)
        call = self._call(task, book) if python else None
        command = task.command or ""
        return Spec(
            kind="python" if python else "command",
            name=_call_name(call) if call else " ".join(command.split())[:_NAME],
            command="" if python else command,
            call=call,
            inputs=tuple(self.input(mount.file, mount.remote, manager) for mount in book.inputs),
            outputs=tuple(self._output(mount) for mount in book.outputs),
            env=dict(book.env),
            environments=tuple(self.input(file, "environment", manager) for file in book.environments),
            flags=self._flags(task) if python else {},
            strange=book.strange or self._strange(task, python, call),
        )

    def input(self, file: Any, remote: str, manager: ManagerBook) -> Input:
        """Describe where an input file's content comes from."""
        book = file_book(file)
        if book.origin is not None:
            return Input(remote, "made", book.origin())
        if book.key and (book.temp or book.recalled):
            return Input(remote, "temp", f"{book.key}:{book.remote}")
        kind = file.type()
        if kind == self._cvine.VINE_FILE:
            path = os.path.abspath(file.source())
            if not book.pending and path in manager.making:
                return Input(
                    remote, "unknown", ""
                )  # nothing says whether the engine reads the old or the new one
            return Input(remote, "file", path, self._late(file) if book.pending else None)
        if kind == self._cvine.VINE_BUFFER:
            late = self._late(file) if book.pending else None
            return Input(remote, "buffer", lambda: self._cvine.vine_file_contents_as_bytes(file._file), late)
        if kind == self._cvine.VINE_URL:
            return Input(remote, "url", file.source())
        return Input(remote, "unknown", "")

    def _late(self, file: Any) -> Callable[[], Digest]:
        return lambda: file_book(file).made

    def _output(self, mount: Mount) -> Output:
        kind = mount.file.type()
        when: Any = "always"
        if _option(mount, 1, "failure_only"):
            when = "failure"
        elif _option(mount, 2, "success_only"):
            when = "success"
        if kind == self._cvine.VINE_FILE:
            return Output(mount.remote, "file", os.path.abspath(mount.file.source()), when)
        return Output(mount.remote, "temp" if kind == self._cvine.VINE_TEMP else "buffer", when=when)

    def _call(self, task: Any, book: TaskBook) -> Call | None:
        definition = task._fn_def
        if definition is None or len(definition) != 3:
            return None
        function, args, kwargs = definition
        return Call(function, tuple(args), dict(kwargs))

    def _flags(self, task: Any) -> dict[str, str]:
        flags = {"serialize": "yes" if task._serialize_output else "no"}
        if task._tmp_output_enabled:
            flags["output"] = "temp"
        return flags

    def _strange(self, task: Any, python: bool, call: Call | None) -> str:
        """Say why a task cannot be described: its class does something of its own at submission."""
        if isinstance(task, self._module.FunctionCall):
            return f"{type(task).__name__} is not reused yet"
        if python and call is None:
            return "it has no function any more"
        for hook in _PYTHON_HOOKS if python else _PYTHON_HOOKS[:1]:
            if getattr(type(task), hook, None) not in self._known[hook]:
                return f"{type(task).__name__} has a {hook} of its own"
        return ""


def _option(mount: Mount, position: int, name: str) -> bool:
    if name in mount.kwargs:
        return bool(mount.kwargs[name])
    return len(mount.args) > position and bool(mount.args[position])


def _call_name(call: Call) -> str:
    function = call.function
    while hasattr(function, "func") and not hasattr(function, "__qualname__"):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__))
