"""What Work Queue brought back, and served tasks that hold what it would have."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from types import ModuleType
from typing import Any

import cloudpickle

from nbrewind.hpc.books import ManagerBook, Served, served
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.resources import ALWAYS, BOXES, METRICS, MONITORED, fill, note
from nbrewind.hpc.session import Session
from nbrewind.hpc.tickets import Hit, Returned, Ticket
from nbrewind.hpc.workqueue.books import task_book
from nbrewind.tasks.observed import parse

_METRICS = (*METRICS, "bytes_transferred")
_SAME = {
    "time_task_submit": "time_when_submitted",
    "time_task_finish": "time_when_done",
    "cmd_execution_time": "time_workers_execute_last",
    "total_cmd_execution_time": "time_workers_execute_all",
    "total_bytes_received": "bytes_received",
    "total_bytes_sent": "bytes_sent",
    "total_bytes_transferred": "bytes_transferred",
}
_WORDS = {"input miss": "input missing", "output miss": "output missing", "stdout miss": "stdout missing"}


class Results:
    """Outputs of the tasks of one engine module."""

    def __init__(self, patches: Patches, module: ModuleType, session: Session) -> None:
        self._module, self._session = module, session
        patches.getter(module.Task, "std_output", _stdout)
        patches.getter(module.Task, "output", _stdout)

    def place(self, task: Any, it: Served) -> None:
        """Let the engine's structure hold what it would after the task ran; output files are in place already."""
        run, structure = it.hit.run, task._task
        structure.taskid = it.task_id
        structure.result = self._module.WORK_QUEUE_RESULT_SUCCESS
        structure.return_status = run.exit_code or 0
        structure.hostname, _, structure.host = run.host.partition(" ")
        for name in (*_METRICS, *_SAME):
            setattr(structure, name, int(run.resources.get(f"metric.{_SAME.get(name, name)}", 0)))
        for group in ("measured", "allocated"):
            if (found := getattr(structure, f"resources_{group}")) is not None:
                fill(found, run.resources, group)
        if isinstance(task, self._module.PythonTask) and it.hit.output is not None:
            task._output_loaded = False
            with open(task._out_file, "wb") as file:
                file.write(it.hit.output)

    def record(self, task: Any, ticket: Ticket, book: ManagerBook) -> None:
        """Record a task that the engine gave back."""
        ticket.recorded = True
        run = self._session.returned(ticket, self._returned(task, ticket))
        book.done += run.status == "done"
        book.failed += run.status == "failed"
        book.estimate.one_came_back()

    def _returned(self, task: Any, ticket: Ticket) -> Returned:
        structure = task._task
        resources = {f"metric.{name}": float(getattr(structure, name)) for name in _METRICS}
        measured = structure.resources_measured
        note(resources, "measured", measured, ALWAYS)
        if measured is not None and measured.cpu_time >= 0:
            note(resources, "measured", measured, MONITORED)
        note(resources, "allocated", structure.resources_allocated, BOXES)
        note(resources, "requested", structure.resources_requested, BOXES)
        word = str(task.result_str).lower().replace("_", " ")
        result, stdout, output, report = _WORDS.get(word, word), structure.output or "", None, None
        if ticket.spec.kind == "python" and result == "success":
            output = task._out_file if os.path.exists(task._out_file) else None
            report, stdout, raised = self._report(task, stdout)
            result = "exception" if raised else result
        elif ticket.spec.kind == "call" and result == "success":
            result = "success" if _answered(stdout) else "exception"
        return Returned(
            exit_code=structure.return_status,
            result=result,
            stdout=stdout,
            host=f"{structure.hostname or ''} {structure.host or ''}".strip(),
            started=ticket.submitted,
            finished=time.time(),
            seconds=resources["metric.time_workers_execute_last"] / 1e6,
            resources=resources,
            output=output,
            report=report,
            machine={"host": structure.hostname} if structure.hostname else {},
            attempts=max(1, structure.try_count),
        )

    def _report(self, task: Any, stdout: str) -> tuple[bytes | None, str, bool]:
        """What the worker noted; what the function itself printed; whether its result is an exception."""
        path = task_book(task).report
        if not path:
            return None, stdout, _is_exception(task._out_file)
        data = b""
        with suppress(OSError), open(path, "rb") as file:
            data = file.read()
        found = parse(data)
        printed = stdout.encode("utf-8", "surrogateescape")
        kept = printed[: len(printed) - found.shown] if found.shown else printed
        return data, kept.decode("utf-8", "surrogateescape"), found.raised


def _answered(stdout: str) -> bool:
    """Whether a coprocess says that the function returned."""
    try:
        return bool(json.loads(stdout)["StatusCode"] == 200)
    except (ValueError, KeyError, TypeError):
        return False


def _is_exception(path: str) -> bool:
    """Whether the result in a file is an exception, or cannot be told."""
    try:
        with open(path, "rb") as file:
            return isinstance(cloudpickle.load(file), BaseException)
    except Exception:  # noqa: BLE001 - loading a result may fail in any way
        return True


def _stdout(original: Method) -> Method:
    """Answer what a served task printed; the engine's own program prints the result of a function, too."""

    def stdout(task: Any) -> Any:
        it = served(task)
        if it is None:
            return original(task)
        return _printed(task, it.hit)

    return stdout


def _printed(task: Any, hit: Hit) -> str:
    shown = f"{task.output}\n" if hit.run.kind == "python" else ""
    return (hit.stdout or "") + shown
