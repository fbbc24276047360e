"""Run Python tasks and calls through our own programs on the worker, which also note what they use."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.taskvine.books import manager_book, task_book
from nbrewind.hpc.taskvine.libraries import REPORT
from nbrewind.tasks.programs import script


class WatchPatches:
    """Replace the program that the engine sends with Python tasks, and fetch what it noted."""

    def __init__(self, patches: Patches, module: ModuleType, session: Session) -> None:
        self._session = session
        self._future = module.FuturePythonTask
        patches.method(module.PythonTask, "_fn_wrapper", self._wrapper)
        patches.method(module.FuturePythonTask, "_fn_wrapper", self._wrapper)
        patches.method(module.PythonTask, "_add_inputs_outputs", self._add_report)
        patches.method(module.FunctionCall, "submit_finalize", self._add_call_report)

    def _wrapper(self, original: Method) -> Method:
        def wrapper(task: Any, manager: Any, serialize: bool) -> Any:
            if not self._watched(task):
                return original(task, manager, serialize)
            kind = (bool(serialize), isinstance(task, self._future))
            programs = manager_book(manager).programs
            if kind not in programs:
                path = os.path.join(manager.staging_directory, f"nbrewind_wrapper_{kind[0]:d}{kind[1]:d}")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(script(serialize=kind[0], futures=kind[1]))
                programs[kind] = manager.declare_file(path, cache=True)
            return programs[kind]

        return wrapper

    def _add_report(self, original: Method) -> Method:
        def add(task: Any, manager: Any, *definition: Any) -> Any:
            done = original(task, manager, *definition)
            if self._watched(task):
                book = task_book(task)
                book.report = manager.declare_buffer()
                task.add_output(book.report, f"s_{task._id}")
            return done

        return add

    def _add_call_report(self, original: Method) -> Method:
        """A call leaves a report if its library was made to."""

        def submit_finalize(task: Any) -> Any:
            done = original(task)
            library = task.manager._library_table.get(task.get_library_required())
            if library is not None and task_book(library).reports:
                book = task_book(task)
                book.report = task.manager.declare_buffer()
                task.add_output(book.report, REPORT)
            return done

        return submit_finalize

    def _watched(self, task: Any) -> bool:
        return self._session.options.observe and not task_book(task).unwatched
