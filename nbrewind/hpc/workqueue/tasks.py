"""Note what is said about tasks, and pin the functions of Python tasks when the engine pickles them."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from nbrewind.errors import Undigestible
from nbrewind.hpc.books import NAME
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.workqueue.books import Pinned, Source, TaskBook, task_book
from nbrewind.tasks.programs import script
from nbrewind.tasks.spec import Call, Output


class TaskPatches:
    """Watch the tasks of one engine module."""

    def __init__(self, patches: Patches, module: ModuleType, session: Session) -> None:
        self._module, self._session = module, session
        task, python = module.Task, module.PythonTask
        patches.method(task, "__init__", _new)
        patches.method(task, "clone", _clone)
        noted: dict[str, Callable[..., None]] = {
            "specify_command": _command,
            "specify_file": self._file,
            "specify_directory": self._directory,
            "specify_url": _url,
            "specify_file_command": _file_command,
            "specify_file_piece": self._piece,
            "specify_buffer": _buffer,
            "specify_environment_variable": _variable,
            "specify_coprocess": _coprocess,
        }
        for name, note in noted.items():
            patches.method(task, name, _noting(note))
        patches.method(python, "_serialize_python_function", self._pin)
        patches.method(python, "_specify_IO_files", self._own_files)
        patches.method(python, "_create_wrapper", self._wrapper)

    def _when(self, flags: int | None, failure_only: bool | None) -> Any:
        if failure_only or (failure_only is None and (flags or 0) & self._module.WORK_QUEUE_FAILURE_ONLY):
            return "failure"
        return "success" if (flags or 0) & self._module.WORK_QUEUE_SUCCESS_ONLY else "always"

    def _file(
        self,
        book: TaskBook,
        local: Any,
        remote: Any = None,
        type: int | None = None,
        flags: int | None = None,
        cache: bool | None = None,
        failure_only: bool | None = None,
    ) -> None:
        local = str(local)
        name = str(remote) if remote else os.path.basename(local)
        if type == self._module.WORK_QUEUE_OUTPUT:
            when = self._when(flags, failure_only)
            book.outputs.append(Output(name, "file", os.path.abspath(local), when))
        else:
            book.inputs.append(Source("file", local, name))

    def _directory(
        self,
        book: TaskBook,
        local: Any,
        remote: Any = None,
        type: int | None = None,
        flags: int | None = None,
        recursive: bool = False,
        cache: bool | None = None,
        failure_only: bool | None = None,
    ) -> None:
        if recursive or type == self._module.WORK_QUEUE_OUTPUT:
            self._file(book, local, remote, type, flags, cache, failure_only)
        else:
            name = str(remote) if remote else os.path.basename(str(local))
            book.inputs.append(Source("folder", str(local), name))

    def _piece(
        self,
        book: TaskBook,
        local: Any,
        remote: Any = None,
        start_byte: int = 0,
        end_byte: int = 0,
        type: int | None = None,
        *more: Any,
        **options: Any,
    ) -> None:
        local = str(local)
        name = str(remote) if remote else os.path.basename(local)
        if type == self._module.WORK_QUEUE_OUTPUT:
            book.strange = "it leaves a piece of a file"
        book.inputs.append(Source("piece", local, name, start_byte, end_byte))

    def _pin(self, original: Method) -> Method:
        def serialize(task: Any, function: Any, args: Any, kwargs: Any) -> Any:
            call = Call(function, tuple(args), dict(kwargs))
            task.__dict__[NAME] = TaskBook(call=call, pinned=self._pinned(call))
            return original(task, function, args, kwargs)

        return serialize

    def _pinned(self, call: Call) -> Pinned:
        identity = self._session.identity
        parts: dict[str, Any] = {"function": _or_error(identity.function, call.function)}
        arguments = [(f"arg{number}", value) for number, value in enumerate(call.args)]
        arguments += [(f"arg:{name}", value) for name, value in call.kwargs.items()]
        for where, value in arguments:
            parts[where] = _or_error(identity.value, value, where)
        return Pinned(parts)

    def _own_files(self, original: Method) -> Method:
        """Leave the files of the engine's own out of what identifies a task, and fetch what the worker noted."""

        def specify(task: Any) -> None:
            book = task_book(task)
            original(task)
            if self._session.options.observe:
                name = f"s_{os.path.basename(task._out_file)[2:]}"
                book.report = os.path.join(task._tmpdir, name)
                task.specify_output_file(book.report, name, cache=False)
            book.inputs.clear()
            book.outputs.clear()

        return specify

    def _wrapper(self, original: Method) -> Method:
        def create(task: Any) -> Any:
            if not self._session.options.observe:
                return original(task)
            with open(task._wrapper, "w", encoding="utf-8") as file:
                file.write(script(shown=True))
            return None

        return create


def _or_error(identify: Callable[..., Any], *what: Any) -> Any:
    try:
        return identify(*what)
    except Undigestible as error:
        return error


def _new(original: Method) -> Method:
    def init(task: Any, command: Any, *args: Any, **kwargs: Any) -> None:
        book = task.__dict__.setdefault(NAME, TaskBook())
        book.command = command
        original(task, command, *args, **kwargs)

    return init


def _clone(original: Method) -> Method:
    def clone(task: Any) -> Any:
        new = original(task)
        new.__dict__[NAME] = task_book(task).copy()
        return new

    return clone


def _noting(note: Callable[..., None]) -> Callable[[Method], Method]:
    """Note what a method was told, once the engine has taken it."""

    def make(original: Method) -> Method:
        def specify(task: Any, *args: Any, **kwargs: Any) -> Any:
            done = original(task, *args, **kwargs)
            note(task_book(task), *args, **kwargs)
            return done

        return specify

    return make


def _command(book: TaskBook, command: str) -> None:
    book.command = command


def _url(book: TaskBook, url: Any, remote_name: Any, *more: Any, **options: Any) -> None:
    book.inputs.append(Source("url", str(url), str(remote_name)))


def _file_command(book: TaskBook, cmd: str, remote_name: Any, *more: Any, **options: Any) -> None:
    book.inputs.append(Source("command", cmd, str(remote_name)))


def _buffer(book: TaskBook, buffer: Any, remote_name: Any, *more: Any, **options: Any) -> None:
    content = buffer.encode("utf-8", "surrogateescape") if isinstance(buffer, str) else bytes(buffer)
    book.inputs.append(Source("buffer", content, str(remote_name)))


def _variable(book: TaskBook, name: str, value: str | None = None) -> None:
    book.env[name] = value


def _coprocess(book: TaskBook, coprocess: str) -> None:
    book.coprocess = coprocess
