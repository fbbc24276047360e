"""What the getters of a task answer when the record served it."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cloudpickle

from nbrewind.hpc.books import Served, served
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.resources import fill
from nbrewind.hpc.taskvine.books import task_book


def patch_getters(patches: Patches, module: ModuleType) -> None:
    """Let a served task answer from the record; any other asks the engine."""
    answers: dict[str, Any] = {
        "state": lambda it: "RETRIEVED" if it.pending else "DONE",
        "exit_code": lambda it: -1 if it.cancelled else it.hit.run.exit_code,
        "result": lambda it: "cancelled" if it.cancelled else it.hit.run.result,
        "std_output": _stdout,
        "hostname": lambda it: None if it.cancelled else it.hit.run.host.partition(" ")[0] or None,
        "addrport": lambda it: None if it.cancelled else it.hit.run.host.partition(" ")[2] or None,
        "limits_exceeded": lambda it: None,
        "resources_measured": lambda it: _resources(it, "measured"),
        "resources_allocated": lambda it: _resources(it, "allocated"),
    }
    for name, answer in answers.items():
        patches.getter(module.Task, name, _answering(answer))
    patches.getter(module.Task, "id", _id)
    patches.getter(module.Task, "output", _answering(_stdout))
    patches.getter(module.PythonTask, "output", _loading(_result))
    patches.getter(module.FunctionCall, "output", _loading(_answer))
    patches.getter(module.PythonTask, "output_file", _output_file)
    patches.method(module.Task, "get_metric", _metric)


def _answering(answer: Any) -> Any:
    def make(original: Method) -> Method:
        def getter(task: Any) -> Any:
            it = served(task)
            return original(task) if it is None else answer(it)

        return getter

    return make


def _id(original: Method) -> Method:
    def task_id(task: Any) -> Any:
        book = task_book(task)
        if book.served is not None:
            return book.served.task_id
        return book.shown_id or original(task)

    return task_id


def _stdout(it: Served) -> str | None:
    return None if it.cancelled else it.hit.stdout


def _loading(load: Callable[[Served, bool], Any]) -> Callable[[Method], Method]:
    """Load a recorded result when it is asked for, and leave the rest to the engine's own getter."""

    def make(original: Method) -> Method:
        def output(task: Any) -> Any:
            it = served(task)
            loaded = it is None or task._output_loaded or task._tmp_output_enabled
            if it is not None and not loaded and task.successful():
                task._output = load(it, task._serialize_output)
                task._output_loaded = True
            return original(task)

        return output

    return make


def _result(it: Served, serialized: bool) -> Any:
    """Unpickle a recorded result; as in the engine, what cannot be loaded is the exception that says so."""
    data = it.hit.output
    if data is None or not serialized:
        return data
    try:
        return cloudpickle.loads(data)
    except Exception as error:  # noqa: BLE001 - the engine's own contract for results
        return error


def _answer(it: Served, serialized: bool) -> Any:
    """Take what a library answered apart, as the engine does."""
    answer = _result(it, serialized)
    return (answer["Result"] if answer["Success"] else answer["Reason"]) if type(answer) is dict else answer


def _output_file(original: Method) -> Method:
    """Make the file of a served result when somebody asks for it: few ever do."""

    def output_file(task: Any) -> Any:
        it = served(task)
        if it is not None and task._output_file is None and it.hit.output is not None:
            path = os.path.join(task.manager.staging_directory, "outputs", task._id)
            with open(path, "wb") as file:
                file.write(it.hit.output)
            task._output_file = task.manager.declare_file(path, cache=task._cache_output)
        return original(task)

    return output_file


def _metric(original: Method) -> Method:
    def get_metric(task: Any, name: str) -> Any:
        it = served(task)
        return original(task, name) if it is None else int(it.hit.run.resources.get(f"metric.{name}", 0))

    return get_metric


def _resources(it: Served, prefix: str) -> Any:
    """Build the engine's own structure from the recorded numbers."""
    from ndcctools.resource_monitor import rmsummary_create

    if it.cancelled:
        return None
    if prefix not in it.summaries:
        summary = it.summaries[prefix] = rmsummary_create(-1)
        fill(summary, it.hit.run.resources, prefix)
    return it.summaries[prefix]
