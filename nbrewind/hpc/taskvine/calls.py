"""What a Python task calls: its function or a library's, its arguments, and the results of others among them."""

from __future__ import annotations

import os
import pickle
from types import ModuleType
from typing import Any

from nbrewind.errors import Undigestible
from nbrewind.hpc.taskvine.books import ManagerBook, TaskBook, file_book, task_book
from nbrewind.tasks.observed import parse
from nbrewind.tasks.spec import Call, Input

_HOOKS = (
    "submit_finalize",
    "_add_inputs_outputs",
    "_fn_wrapper",
    "_fn_buffer",
    "_python_function_command",
)
_SUCCESS = b"\x8c\x07Success\x94\x88\x8c\x06Reason\x94Nu."
"""How the pickled answer of a library ends when its function returned."""


class Calls:
    """Take Python tasks and function calls of one engine module apart."""

    def __init__(self, module: ModuleType) -> None:
        self._python, self._library_call = module.PythonTask, module.FunctionCall
        self._future = module.VineFuture
        ours = (module.Task, module.PythonTask, module.FunctionCall)
        futures = (module.FuturePythonTask, module.FutureFunctionCall)
        self._known = {
            hook: {vars(cls)[hook] for cls in (*ours, *futures) if hook in vars(cls)} for hook in _HOOKS
        }

    def is_python(self, task: Any) -> bool:
        """Whether the task runs a pickled function."""
        return isinstance(task, self._python) and not self.is_library_call(task)

    def is_library_call(self, task: Any) -> bool:
        """Whether the task asks a library for a function by name."""
        return isinstance(task, self._library_call)

    def call(self, task: Any) -> tuple[Call | None, tuple[Input, ...]]:
        """Return what is called, and the results of other tasks that it takes as files."""
        definition = self._definition(task)
        if definition is None:
            return None, ()
        function, args, kwargs = definition
        plain, inputs = self._futures(args)
        return Call(function, plain, dict(kwargs)), inputs

    def results(self, task: Any) -> list[Any]:
        """Return the files with the results of other tasks that arguments stand for."""
        definition = self._definition(task)
        args = definition[1] if definition is not None else ()
        return [each._task._output_file for each in args if isinstance(each, self._future)]

    def _definition(self, task: Any) -> tuple[Any, Any, Any] | None:
        """Return function, arguments and named arguments, unless they are gone or not there."""
        if self.is_library_call(task):
            return None if task._event is None else (None, task._event["fn_args"], task._event["fn_kwargs"])
        definition = getattr(task, "_fn_def", None)
        return definition if definition is not None and len(definition) == 3 else None

    def flags(self, task: Any) -> dict[str, str]:
        """Return the switches that change what comes back."""
        flags = {"serialize": "yes" if task._serialize_output else "no"}
        if task._tmp_output_enabled:
            flags["output"] = "temp"
        return flags

    def strange(self, task: Any) -> str:
        """Say why a task cannot be described: its class does something of its own at submission."""
        for hook in _HOOKS if isinstance(task, self._python) else _HOOKS[:1]:
            if getattr(type(task), hook, None) not in self._known[hook]:
                return f"{type(task).__name__} always runs, because it has a {hook} of its own"
        return ""

    def remember(self, task: Any, book: TaskBook) -> None:
        """Do to a served task what submission does, and keep what a later run for its files would need."""
        name = "_event" if self.is_library_call(task) else "_fn_def"
        if task._tmp_output_enabled:
            book.call = (name, getattr(task, name))
        setattr(task, name, None)

    def restore(self, task: Any, book: TaskBook) -> None:
        """Undo `remember`."""
        if book.call is not None:
            setattr(task, *book.call)

    def _futures(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Input, ...]]:
        plain: list[Any] = []
        inputs: list[Input] = []
        for number, value in enumerate(args):
            if not isinstance(value, self._future):
                plain.append(value)
                continue
            remote = f"future{number}"
            plain.append(("the result in", remote))
            made = file_book(value._task._output_file)
            source = f"{made.key}:{made.remote}" if made.key else ""
            inputs.append(Input(remote, "temp" if made.key else "unknown", source))
        return tuple(plain), tuple(inputs)


def complaint(path: str) -> str:
    """Return why the function of a library did not return, from its pickled answer; nothing when it did."""
    with open(path, "rb") as file:
        file.seek(-min(len(_SUCCESS), os.path.getsize(path)), os.SEEK_END)
        if file.read() == _SUCCESS:
            return ""
        file.seek(0)
        try:
            answer = pickle.load(file)
            return "" if answer["Success"] else str(answer["Reason"])
        except Exception as error:  # noqa: BLE001 - whatever cannot be read is no success
            return f"the answer of the library cannot be read: {error}"


def unseen(report: bytes | None) -> tuple[str, str]:
    """Return of a call whose answer stays on its worker what it raised, and why that is not known; else nothing."""
    found = parse(report or b"")
    if not found.complete:
        return "", "its answer stays on the worker, which did not say whether the function returned"
    return ("the function raised an exception, which stays on the worker" if found.raised else ""), ""


def library_parts(task: Any, manager: Any, book: ManagerBook) -> tuple[dict[str, str], str]:
    """Return what identifies the library that a call asks, or why nothing does.

    Returns
    -------
    dict, str
        Ingredients for the key of the call; the reason why there are none.
    """
    name = task.get_library_required()
    library = manager._library_table.get(name)
    identify = task_book(library).library if library is not None else None
    if identify is None:
        return {}, f"nothing is known of the library {name}, so its calls always run"
    try:
        return identify(task.command), ""
    except Undigestible as error:
        return {}, f"calls of {name} always run, because {error}"
