"""Outputs of tasks: what the engine brought back, and what the record held where the engine would have it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from nbrewind.hpc.books import NAME
from nbrewind.hpc.resources import ALWAYS, BOXES, METRICS, MONITORED, note
from nbrewind.hpc.session import Session
from nbrewind.hpc.taskvine.attempts import Attempts
from nbrewind.hpc.taskvine.books import (
    FileBook,
    ManagerBook,
    file_book,
    task_book,
)
from nbrewind.hpc.taskvine.calls import Calls, complaint, unseen
from nbrewind.hpc.tickets import Hit, Returned, Ticket
from nbrewind.record.model import TaskRun

_WORKER = {
    "hostname": "host",
    "os": "os",
    "arch": "arch",
    "version": "engine",
    "cores_total": "cores",
    "memory_total": "memory",
    "disk_total": "disk",
    "gpus_total": "gpus",
}
"""Of the engine's description of a worker, what does not change while it lives, and our names for it."""


class Results:
    """Outputs of the tasks of one engine module."""

    def __init__(self, module: ModuleType, session: Session, calls: Calls) -> None:
        self._module, self._cvine, self._session, self._calls = module, module.cvine, session, calls

    def place(self, manager: Any, task: Any, hit: Hit) -> None:
        """Give a served task's files what they would hold; output files on disk are in place already."""
        book = task_book(task)
        buffers = dict(hit.buffers)
        for mount in book.outputs:
            mine = self._produced(mount.file, task, mount.remote, hit.key.digest)
            mine.pending = False
            self._known(mine, hit.run)
            if mount.remote in buffers:
                self._hold(manager, mount.file, buffers[mount.remote])
        if isinstance(task, self._module.PythonTask):
            self._calls.remember(task, book)
            if task._tmp_output_enabled:
                task._output_file = manager.declare_temp()
                self._known(self._produced(task._output_file, task, "output", hit.key.digest), hit.run)

    def _produced(self, file: Any, task: Any, remote: str, key: str) -> FileBook:
        mine = file_book(file)
        mine.producer, mine.remote, mine.key, mine.stamp = task, remote, key, ""
        mine.temp = file.type() == self._cvine.VINE_TEMP
        return mine

    def expect(self, manager: Any, task: Any, ticket: Ticket) -> None:
        """Note which files a task that now runs will make."""
        for mount in task_book(task).outputs:
            self._produced(mount.file, task, mount.remote, ticket.digest).pending = True
        made = task.__dict__.get("_output_file")
        if made is not None:
            self._produced(made, task, "output", ticket.digest).pending = True

    def need(self, manager: Any, file: Any, again: Callable[[Any], int]) -> int:
        """See to it that a temporary file exists whose producer the record had served.

        Returns
        -------
        int
            The number under which its producer runs again, 0 where it need not.
        """
        mine = file.__dict__.get(NAME)
        if mine is None or not mine.temp:
            return 0
        book = task_book(mine.producer)
        if book.served is None or (not book.again and self._recalled(manager, file, mine)):
            return 0
        if not book.again:
            book.again = again(mine.producer)
        return book.again

    def _recalled(self, manager: Any, file: Any, mine: FileBook) -> bool:
        """Put the recorded content of a temporary file in its place."""
        content = self._session.content(mine.key, mine.stamp, mine.remote)
        if content is not None:
            self._hold(manager, file, content)
            mine.temp, mine.recalled = False, True
        return content is not None

    def fetched(self, file: Any) -> None:
        """Record the content of a temporary file that the user has fetched: it may be asked for again."""
        mine = file.__dict__.get(NAME)
        if mine is None or not mine.temp or not mine.key or mine.pending:
            return
        content = self._cvine.vine_file_contents_as_bytes(file._file)
        if content:
            self._session.keep(mine.key, mine.stamp, mine.remote, content)

    def _hold(self, manager: Any, file: Any, content: bytes) -> None:
        """Let the engine hold known content under a file object of the user's."""
        level = self._cvine.VINE_CACHE_LEVEL_TASK
        file._file = self._cvine.vine_declare_buffer(manager._taskvine, content, level, 0)

    def replaced(self, task: Any, kept: Any) -> None:
        """Let the file object that the user holds stand for the file that the engine will make."""
        made = task.__dict__.get("_output_file")
        if kept is not None and made is not None and made is not kept:
            kept._file = made._file
            task._output_file = kept

    def makers(self, task: Any) -> list[Any]:
        """Return the tasks whose files a task took, and theirs, that are not known to be back; first ones first."""
        found: list[Any] = []
        seen = {id(task)}
        waiting = [(task, False)]
        while waiting:
            one, done = waiting.pop()
            if done:
                found.append(one)
                continue
            waiting.append((one, True))
            for maker in _pending_makers(one):
                if id(maker) not in seen:
                    seen.add(id(maker))
                    waiting.append((maker, False))
        return found[:-1]

    def record(self, task: Any, ticket: Ticket, manager: ManagerBook) -> None:
        """Record a task that the engine gave back."""
        ticket.recorded = True
        back = self._returned(task, ticket, manager)
        run = self._session.returned(ticket, back)
        manager.estimate.one_came_back()
        manager.done += run.status == "done"
        manager.failed += run.status == "failed"
        files = {file.path: file.digest for file in run.files}
        for mount in task_book(task).outputs:
            mine = file_book(mount.file)
            mine.pending = False
            mine.made = files.get(mount.remote) or ""
            self._known(mine, run)
        output_file = task.__dict__.get("_output_file")
        if output_file is not None:
            mine = file_book(output_file)
            mine.pending, mine.made = False, run.output
            self._known(mine, run)

    def _known(self, mine: FileBook, run: TaskRun) -> None:
        """What a task made has an identity if its result may be reused."""
        if run.status == "done" and run.key:
            mine.stamp = self._session.stamp(run) if mine.temp else ""
        else:
            mine.key = ""

    def _returned(self, task: Any, ticket: Ticket, manager: ManagerBook) -> Returned:
        pointer, metric = task._task, self._cvine.vine_task_get_metric
        resources = {f"metric.{name}": float(metric(pointer, name)) for name in METRICS}
        measured = self._cvine.vine_task_get_resources(pointer, "measured")
        note(resources, "measured", measured, ALWAYS)
        if measured is not None and measured.cpu_time >= 0:
            note(resources, "measured", measured, MONITORED)
        if measured is not None and measured.limits_exceeded is not None:
            note(resources, "limits", measured.limits_exceeded, BOXES)
        for group in ("allocated", "requested"):
            note(resources, group, self._cvine.vine_task_get_resources(pointer, group), BOXES)
        result, exit_code, output = task.result, task.exit_code, self._output(task)
        stdout, address, name = task.std_output or "", task.addrport or "", task.hostname or ""
        good = result == "success" and exit_code == 0
        report = self._report(task)
        reason = unsure = ""
        if result == "success" and self._calls.is_library_call(task):
            reason, unsure = (complaint(output), "") if output else unseen(report)
            result, stdout = ("exception", stdout + reason) if reason else (result, stdout)
        return Returned(
            exit_code=exit_code,
            result=result,
            stdout=stdout,
            host=f"{name} {address}".strip(),
            started=ticket.submitted,
            finished=time.time(),
            seconds=resources.get("metric.time_workers_execute_last", 0) / 1e6,
            resources=resources,
            output=output,
            buffers=self._buffers(task) if good else {},
            report=report,
            machine=_machine(task.manager, name, address, manager),
            cancelled=result == "cancelled",
            attempts=self._attempts(task, manager, resources, good=good),
            unsure=unsure,
        )

    def _attempts(self, task: Any, manager: ManagerBook, resources: dict[str, float], *, good: bool) -> int:
        """How often the engine sent a task to a worker; most ran once, and their times say so."""
        once = resources["metric.time_workers_execute_all"] == resources["metric.time_workers_execute_last"]
        if once and good:
            return 1
        if manager.attempts is None:
            manager.attempts = Attempts(task.manager.logging_directory)
        return manager.attempts.of(int(self._cvine.vine_task_get_id(task._task)))

    def _output(self, task: Any) -> str | None:
        if (
            not isinstance(task, self._module.PythonTask)
            or task._tmp_output_enabled
            or task._output_file is None
        ):
            return None
        path = task._output_file.source()
        return path if path and os.path.exists(path) else None

    def _report(self, task: Any) -> bytes | None:
        """What the worker noted; the engine need not keep it."""
        book = task_book(task)
        if book.report is None:
            return None
        found = self._cvine.vine_file_contents_as_bytes(book.report._file)
        task.manager.undeclare_file(book.report)
        book.report = None
        return found or b""

    def _buffers(self, task: Any) -> dict[str, bytes]:
        return {
            mount.remote: self._cvine.vine_file_contents_as_bytes(mount.file._file) or b""
            for mount in task_book(task).outputs
            if mount.file.type() == self._cvine.VINE_BUFFER
        }


def _pending_makers(task: Any) -> Iterator[Any]:
    """The tasks that still make what a task takes."""
    book = task_book(task)
    for file in (*(mount.file for mount in book.inputs), *book.taken):
        mine = file_book(file)
        if mine.pending and mine.producer is not None:
            yield mine.producer


def _machine(manager: Any, name: str, address: str, book: ManagerBook) -> dict[str, Any]:
    """What the engine knows of the worker that ran a task; one that is gone meanwhile has left its name."""
    if not address:
        return {}
    if address not in book.machines:
        found: dict[str, Any] = {"host": name}
        for worker in _workers(manager):
            if worker.get("addrport") == address:
                found |= {ours: worker[theirs] for theirs, ours in _WORKER.items() if theirs in worker}
        book.machines[address] = found
    return book.machines[address]


def _workers(manager: Any) -> list[dict[str, Any]]:
    """Ask the engine for its workers; its answer is no JSON while some commands run there."""
    try:
        return list(manager.status("workers"))
    except ValueError:
        return []
