"""Say in neutral words what a TaskVine task is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from nbrewind.hpc.names import call_name, command_name
from nbrewind.hpc.taskvine.books import ManagerBook, Mount, file_book, task_book
from nbrewind.hpc.taskvine.calls import Calls, library_parts
from nbrewind.hpc.taskvine.dask import is_vertex, vertex
from nbrewind.record.model import Digest
from nbrewind.tasks.content import Contents
from nbrewind.tasks.spec import Input, Output, Spec
from nbrewind.tasks.urls import look_at


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
        self._cvine, self._contents = module.cvine, contents
        self.calls = Calls(module)

    def spec(self, task: Any, book: ManagerBook, manager: Any = None) -> Spec:
        """Describe a task that is about to be submitted to a manager."""
        mine, calls = task_book(task), self.calls
        call, taken = calls.call(task) if hasattr(task, "_fn_def") else (None, ())
        kind: Any = (
            "call" if calls.is_library_call(task) else "python" if calls.is_python(task) else "command"
        )
        strange = mine.strange or calls.strange(task)
        mounts = mine.inputs
        if call is not None and is_vertex(task):
            arguments = call.args
            found = vertex(
                task, arguments, lambda each: self.input(each.file, each.remote, book), self._contents
            )
            call, strange = found.call, strange or found.strange
            mounts = [mount for mount in mounts if mount.remote not in found.files]
        library: dict[str, str] = {}
        command = "" if kind == "python" else mine.command or task.command or ""
        if kind == "call" and manager is not None and not strange:
            library, strange = library_parts(task, manager, book)
        if kind != "command" and call is None:
            strange = strange or "its function is gone: it was submitted before"
        return Spec(
            kind=kind,
            name=call_name(call) if call and call.function else command_name(command),
            command=command,
            call=call,
            inputs=(*(self.input(mount.file, mount.remote, book) for mount in mounts), *taken),
            outputs=tuple(self._output(mount) for mount in mine.outputs),
            env=dict(mine.env),
            environments=tuple(self.input(file, "environment", book) for file in mine.environments),
            flags=calls.flags(task) if kind != "command" else {},
            library=library,
            makers={name: _stamp(file) for name, file in self._on_workers(task)},
            strange=strange,
        )

    def input(self, file: Any, remote: str, manager: ManagerBook) -> Input:
        """Describe where an input file's content comes from."""
        book = file_book(file)
        if book.origin is not None:
            origin = book.origin()
            return Input(remote, "made" if origin else "unknown", origin)
        if book.key and (book.temp or book.recalled):
            return Input(remote, "temp", f"{book.key}:{book.remote}")
        kind = file.type()
        if kind == self._cvine.VINE_FILE:
            path = os.path.abspath(file.source())
            if not book.pending and path in manager.making:
                return Input(remote, "unknown", "")  # the engine may read the old one or the new one
            return Input(remote, "file", path, self._late(file) if book.pending else None)
        if kind == self._cvine.VINE_BUFFER:
            late = self._late(file) if book.pending else None
            return Input(remote, "buffer", lambda: self._cvine.vine_file_contents_as_bytes(file._file), late)
        if kind == self._cvine.VINE_URL:
            book.content = found = book.content or look_at(file.source())
            return Input(remote, found.kind, found.text)
        return Input(remote, "unknown", "")

    def _on_workers(self, task: Any) -> Iterator[tuple[str, Any]]:
        """The files that live on workers alone, with their identity, among what a task takes, or mini tasks for it."""
        files = [mount.file for mount in task_book(task).inputs] + self.calls.results(task)
        for file in files:
            book = file_book(file)
            if book.minitask is not None:
                yield from self._on_workers(book.minitask)
            elif book.key and (book.temp or book.recalled):
                yield f"{book.key}:{book.remote}", file

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


def _stamp(file: Any) -> Callable[[], Digest]:
    return lambda: file_book(file).stamp


def _option(mount: Mount, position: int, name: str) -> bool:
    if name in mount.kwargs:
        return bool(mount.kwargs[name])
    return len(mount.args) > position and bool(mount.args[position])
