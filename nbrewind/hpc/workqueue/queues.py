"""Queues: submit what the record does not hold, and give back both kinds of tasks in one stream."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from nbrewind.hpc.books import ManagerBook, Served
from nbrewind.hpc.crew import Crew
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.streams import Stream
from nbrewind.hpc.tickets import Hit, Ticket
from nbrewind.hpc.workqueue.books import manager_book, task_book
from nbrewind.hpc.workqueue.describe import Describer
from nbrewind.hpc.workqueue.results import Results


class QueuePatches(Stream):
    """Stand between the user's queues and the engine's."""

    def __init__(
        self,
        patches: Patches,
        module: ModuleType,
        engine: Engine,
        session: Session,
        crew: Crew,
        describer: Describer,
        results: Results,
    ) -> None:
        super().__init__(engine, session, crew)
        self.forever = module.WORK_QUEUE_WAITFORTASK
        self._module, self._describer, self._results = module, describer, results
        queue = module.WorkQueue
        self._submit: Method = queue.submit
        self.patch(patches, queue)
        patches.method(queue, "submit", lambda _: lambda manager, task: self.submit(manager, task))
        patches.method(queue, "cancel_by_taskid", self._cancel_by_taskid)
        patches.method(queue, "cancel_by_tasktag", self._cancel_by_tasktag)
        patches.method(queue, "task_state", self._task_state)
        patches.method(module.Task, "specify_tag", self.set_tag)

    def submit(self, manager: Any, task: Any) -> int:
        """Serve a task from the record, or give it to the engine; a task that came back may be submitted again."""
        book, mine = manager_book(manager), task_book(task)
        self._session.journal.effect("manager")
        if task._manager is not None and task.id in task._manager._task_table:
            return int(self._submit(manager, task))  # it is still out: the engine's own refusal
        mine.served = None
        spec = self._describer.spec(manager, task)
        decision = self._session.decide(spec, mine.pinned or self._session.identity)
        if isinstance(decision, Hit):
            return self._serve(manager, task, book, decision)
        self._crew.needed(manager)
        number = int(self._submit(manager, task))
        self.expect(manager, book, number, self._session.submitted(spec, decision, self._engine.name))
        return number

    def number(self, task: Any) -> int:
        """Return the engine's number of a task."""
        return int(task._task.taskid)

    def address(self, task: Any) -> str:
        """Return where a task ran."""
        return task._task.host or ""

    def is_back(self, task: Any) -> bool:
        """Whether a task has come back, though nobody waited for it."""
        state = self._module.work_queue_task_state(task._manager._work_queue, task.id)
        return bool(state == self._module.WORK_QUEUE_TASK_RETRIEVED)

    def record(self, task: Any, ticket: Ticket, book: ManagerBook) -> None:
        """Record a task that came back."""
        self._results.record(task, ticket, book)

    def _serve(self, manager: Any, task: Any, book: ManagerBook, hit: Hit) -> int:
        number = int(self._module.work_queue_specify_min_taskid(manager._work_queue, 0))
        self._module.work_queue_specify_min_taskid(manager._work_queue, number + 1)
        it = Served(number, number, hit, task.tag)
        self._results.place(task, it)
        task_book(task).served = it
        task._manager = manager
        self.enter(manager, book, task, it)
        return number

    def _cancel_by_taskid(self, original: Method) -> Method:
        """Give a cancelled task back at once, as the engine does."""

        def cancel(manager: Any, task_id: int) -> Any:
            book = manager_book(manager)
            if task_id in book.hits:
                return self._cancel_served(manager, book, task_id)
            return self._cancelled(book, original(manager, task_id))

        return cancel

    def _cancel_by_tasktag(self, original: Method) -> Method:
        def cancel(manager: Any, tag: str) -> Any:
            book = manager_book(manager)
            for task_id in book.by_tag.get(tag, ()):
                return self._cancel_served(manager, book, task_id)
            return self._cancelled(book, original(manager, tag))

        return cancel

    def _cancel_served(self, manager: Any, book: ManagerBook, task_id: int) -> Any:
        book.cancelled += 1
        book.withdrawn += 1
        return self.withdraw(manager, book, task_id)

    def _cancelled(self, book: ManagerBook, task: Any) -> Any:
        ticket = book.tickets.pop(self.number(task), None) if task is not None else None
        if ticket is not None and not ticket.recorded:
            self._session.abandoned(ticket, "it was cancelled")
            self.forget(ticket, book)
        return task

    def _task_state(self, original: Method) -> Method:
        def task_state(manager: Any, task_id: int) -> Any:
            waits = task_id in manager_book(manager).hits
            return self._module.WORK_QUEUE_TASK_RETRIEVED if waits else original(manager, task_id)

        return task_state
