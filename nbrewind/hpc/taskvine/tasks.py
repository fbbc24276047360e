"""Keep what is said about tasks and files, and tell the engine of files only when a task really runs.

An output that is declared to the engine is *pending* there until a task made it, and whoever takes it as an
input waits. A task that the record serves never runs, so its outputs must never be declared. Therefore
`add_input` and `add_output` reach the engine when the task is submitted to it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from nbrewind.hpc.books import NAME
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.taskvine.books import Mount, TaskBook, file_book, task_book

_PACKAGES = ("add_environment", "add_execution_context", "add_poncho_package", "add_starch_package")


class TaskPatches:
    """Watch the tasks of one engine module."""

    def __init__(self, patches: Patches, module: ModuleType) -> None:
        task = module.Task
        self._cvine = module.cvine
        self._add_input: Method = task.add_input
        self._add_output: Method = task.add_output
        self.need: Callable[[Any, Any], object] = lambda task, file: None
        patches.method(task, "__init__", _new)
        patches.method(task, "set_command", _set_command)
        patches.method(task, "add_input", lambda original: self._mount(original, outputs=False))
        patches.method(task, "add_output", lambda original: self._mount(original, outputs=True))
        patches.method(task, "set_env_var", _set_env_var)
        patches.method(task, "clone", self._clone)
        for name in _PACKAGES:
            patches.method(task, name, _add_package)
            patches.method(module.FuturePythonTask, name, _add_package)

    def tell(self, task: Any, *, temps: bool = False) -> None:
        """Tell the engine of a task's inputs and outputs, and hold none back from now on.

        With `temps`, tell it of no outputs but temporary ones: the others are in place.
        """
        book = task_book(task)
        for mount in book.inputs[book.told_inputs :]:
            file_book(mount.file).known = True
            self._add_input(task, mount.file, mount.remote, *mount.args, **mount.kwargs)
        for mount in book.outputs[book.told_outputs :]:
            if not temps or mount.file.type() == self._cvine.VINE_TEMP:
                file_book(mount.file).known = True
                self._add_output(task, mount.file, mount.remote, *mount.args, **mount.kwargs)
        book.told_inputs, book.told_outputs = len(book.inputs), len(book.outputs)
        book.direct = True

    def _mount(self, original: Method, *, outputs: bool) -> Method:
        types = (self._cvine.VINE_FILE, self._cvine.VINE_BUFFER, self._cvine.VINE_TEMP)

        def add(task: Any, file: Any, remote_name: str, *args: Any, **kwargs: Any) -> Any:
            book = task_book(task)
            valid = isinstance(remote_name, str) and not remote_name.startswith("/")
            if book.direct and not outputs:
                self.need(task, file)
                if file_book(file).producer is not None:
                    book.taken.append(file)
            if book.direct or not valid or (outputs and file.type() not in types):
                file_book(file).known = True
                return original(task, file, remote_name, *args, **kwargs)
            mounts = book.outputs if outputs else book.inputs
            mounts.append(Mount(file, remote_name, args, kwargs))
            return None

        return add

    def _clone(self, original: Method) -> Method:
        def clone(task: Any) -> Any:
            new = original(task)
            new.__dict__[NAME] = task_book(task).copy()
            return new

        return clone


def _new(original: Method) -> Method:
    def init(task: Any, command: Any, **task_info: Any) -> None:
        task.__dict__[NAME] = TaskBook(command=command)
        original(task, command, **task_info)

    return init


def _set_command(original: Method) -> Method:
    """Note the command as its author wrote it: the engine puts that of an environment around it."""

    def set_command(task: Any, command: str) -> Any:
        done = original(task, command)
        task_book(task).command = command
        return done

    return set_command


def _set_env_var(original: Method) -> Method:
    def set_env_var(task: Any, name: str, value: str | None = None) -> Any:
        done = original(task, name, value)
        task_book(task).env[name] = value
        return done

    return set_env_var


def _add_package(original: Method) -> Method:
    def add(task: Any, file: Any) -> Any:
        done = original(task, file)
        task_book(task).environments.append(file)
        return done

    return add
