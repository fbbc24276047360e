"""Say in neutral words what a Work Queue task is."""

from __future__ import annotations

import os
import shlex
from collections.abc import Container
from types import ModuleType
from typing import Any

from nbrewind.hpc.crew import Crew
from nbrewind.hpc.names import call_name, command_name
from nbrewind.hpc.session import Session
from nbrewind.hpc.workqueue.books import Source, manager_book, task_book
from nbrewind.tasks.spec import Call, Input, Spec
from nbrewind.tasks.urls import Content, look_at

_OPTION = "--coprocess"


class Describer:
    """Describe tasks of one engine module."""

    def __init__(self, module: ModuleType, session: Session, crew: Crew) -> None:
        self._remote, self._session, self._crew = module.RemoteTask, session, crew
        self._pages: dict[tuple[str, str], Content] = {}

    def spec(self, manager: Any, task: Any) -> Spec:
        """Describe a task that is about to be submitted to a manager."""
        book, making = task_book(task), manager_book(manager).making
        if book.coprocess:
            return self._call(manager, task)
        call = book.call
        return Spec(
            kind="python" if call is not None else "command",
            name=call_name(call) if call is not None else command_name(book.command),
            command="" if call is not None else book.command,
            call=call,
            inputs=tuple(self._input(each, making) for each in book.inputs),
            outputs=tuple(book.outputs),
            env=dict(book.env),
            flags={"serialize": "yes"} if call is not None else {},
            strange=book.strange,
        )

    def _call(self, manager: Any, task: Any) -> Spec:
        """Describe a call of a function that the workers' coprocess has."""
        book, making = task_book(task), manager_book(manager).making
        library, strange = self._coprocess(manager, book.coprocess)
        event = dict(task._event) if isinstance(task, self._remote) else {}
        args, kwargs = tuple(event.pop("fn_args", ())), dict(event.pop("fn_kwargs", {}))
        return Spec(
            kind="call",
            name=command_name(book.command),
            command=book.command,
            call=Call(None, args, kwargs),
            inputs=tuple(self._input(each, making) for each in book.inputs if each.remote != "infile"),
            outputs=tuple(book.outputs),
            env=dict(book.env),
            flags={"method": str(event.get("remote_task_exec_method", "fork"))},
            library=library,
            strange=book.strange or strange,
        )

    def _coprocess(self, manager: Any, name: str) -> tuple[dict[str, str], str]:
        """Identify the program that answers, by the factory that starts the workers with it."""
        programs = [_program(factory) for factory in self._crew.serving(manager)]
        if not programs or not all(programs):
            return {}, (
                f"calls of {name} always run, because the program behind it is not known here: start the workers "
                f'with a Factory that has extra_options = "{_OPTION} PROGRAM"'
            )
        try:
            found = sorted({self._session.contents.digest(program) for program in programs})
        except OSError as error:
            return {}, f"calls of {name} always run, because its program cannot be read: {error}"
        return {"library:name": name, "library:program": " ".join(found)}, ""

    def _input(self, source: Source, making: Container[str]) -> Input:
        if source.kind == "file":
            path = os.path.abspath(source.what)
            if path in making:
                return Input(source.remote, "unknown", "")  # the engine may read the old one or the new one
            return Input(source.remote, "file", path)
        if source.kind == "buffer":
            return Input(source.remote, "buffer", source.what)
        if source.kind == "folder":
            return Input(source.remote, "made", "an empty folder")
        if source.kind == "command":
            return Input(source.remote, "made", f"command {source.what}")
        if source.kind == "url":
            page = self._page(source.what)
            return Input(source.remote, page.kind, page.text)
        try:
            whole = self._session.contents.digest(source.what)
        except OSError:
            return Input(source.remote, "unknown", "")
        return Input(source.remote, "made", f"bytes {source.start} to {source.end} of {whole}")

    def _page(self, url: str) -> Content:
        """Ask a server once a cell."""
        where = (self._session.journal.cell_id(), url)
        if where not in self._pages:
            self._pages[where] = look_at(url)
        return self._pages[where]


def _program(factory: Any) -> str:
    """The coprocess that a factory gives its workers, or nothing."""
    words = shlex.split(str(factory._opts.get("extra-options", "")))
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == _OPTION:
            return following
        if word.startswith(_OPTION + "="):
            return word.partition("=")[2]
    return ""
