"""Managers: submit what the record does not hold, and give back both kinds of tasks in one stream."""

from __future__ import annotations

import time
from collections import OrderedDict
from pickle import PicklingError
from types import ModuleType
from typing import Any

from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.taskvine.books import ManagerBook, Served, TaskBook, manager_book, task_book
from nbrewind.hpc.taskvine.crew import Crew
from nbrewind.hpc.taskvine.dask import is_vertex
from nbrewind.hpc.taskvine.describe import Describer
from nbrewind.hpc.taskvine.frozen import FrozenFunctions
from nbrewind.hpc.taskvine.results import Results
from nbrewind.hpc.taskvine.tasks import TaskPatches
from nbrewind.hpc.tickets import Hit, Miss
from nbrewind.tasks.unsent import unsent

FOREVER = "wait_forever"
_RETRIEVED = 4
_BACK = ("RETRIEVED", _RETRIEVED)
SLICE = 2
"""Seconds that one call of the engine's `wait` lasts; in between, interrupts and absent workers are seen."""


class ManagerPatches:
    """Stand between the user's managers and the engine's."""

    def __init__(
        self,
        patches: Patches,
        module: ModuleType,
        session: Session,
        tasks: TaskPatches,
        crew: Crew,
        describer: Describer,
    ) -> None:
        manager = module.Manager
        self._cvine, self._session, self._tasks, self._crew = module.cvine, session, tasks, crew
        self._describer = describer
        self._results = Results(module, session, describer.calls)
        tasks.need = lambda task, file: self._results.need(task.manager, file, self._again)
        self._submit: Method = manager.submit
        self._empty: Method = manager.empty
        self._wait_id: Method = manager.wait_for_task_id
        patches.method(manager, "submit", lambda _: lambda m, task: self.submit(m, task))
        patches.method(manager, "wait_for_tag", self._wait_for_tag)
        patches.method(manager, "wait_for_task_id", self._wait_for_task_id)
        patches.method(manager, "fetch_file", self._fetch_file)
        patches.method(manager, "empty", self._is_empty)
        patches.method(manager, "hungry", self._hungry)
        patches.getter(manager, "stats", self._stats)
        patches.method(manager, "stats_category", self._stats_category)
        patches.method(manager, "cancel_by_task_id", self._cancel_by_task_id)
        patches.method(manager, "cancel_by_task_tag", self._cancel_by_task_tag)
        patches.method(manager, "cancel_all", self._cancel_all)
        patches.method(manager, "task_state", self._task_state)
        patches.method(module.Task, "set_tag", self._set_tag)

    def submit(self, manager: Any, task: Any) -> int:
        """Serve a task from the record, or give it to the engine."""
        book = manager_book(manager)
        self._session.journal.effect("manager")
        mine = task_book(task)
        if mine.submitted:
            return self._submit_twice(manager, task, mine)
        self._check_library(manager, task)
        spec = self._describer.spec(task, book, manager)
        identity = self._session.identity
        frozen = identity if is_vertex(task) else FrozenFunctions(identity, manager, task, book)
        try:
            decision = self._session.decide(spec, frozen)
            if isinstance(decision, Hit):
                return self._serve(manager, task, book, decision)
            return self._run(manager, task, book, spec, decision)
        except (TypeError, AttributeError, PicklingError) as error:
            if spec.call is not None and (parts := unsent(spec.call)):
                error.add_note(
                    f"{spec.name} was not submitted, because this cannot be sent to workers: {'; '.join(parts)}. "
                    "Make it inside the function, or pass what it is made of."
                )
            raise

    def _submit_twice(self, manager: Any, task: Any, mine: TaskBook) -> int:
        """Refuse a task that was submitted before, as the engine does; it knows nothing of served ones."""
        if mine.served is None or mine.again:
            return int(self._submit(manager, task))
        task.manager = manager
        task.submit_finalize()
        raise ValueError("invalid task description")

    def _serve(self, manager: Any, task: Any, book: ManagerBook, hit: Hit) -> int:
        number = int(self._cvine.vine_set_task_id_min(manager._taskvine, 0))
        self._cvine.vine_set_task_id_min(manager._taskvine, number + 1)
        task_id = number - book.shift
        mine = task_book(task)
        mine.submitted = True
        mine.served = it = Served(task_id, number, hit, task.tag)
        task.manager = manager
        self._results.place(manager, task, hit)
        manager._task_table[number] = task
        book.hits[task_id] = task
        if it.tag is not None:
            book.by_tag.setdefault(it.tag, OrderedDict())[task_id] = task
        self._session.reused(hit)
        return task_id

    def _check_library(self, manager: Any, task: Any) -> None:
        """Refuse a call of a library that is not installed, as the engine does.

        It forgets a removed library only when a worker is connected, and none may be.
        """
        if self._describer.calls.is_library_call(task):
            name = task.get_library_required()
            if name not in manager._library_table or not manager.check_library_exists(name):
                raise ValueError(f"invalid library name '{name}'")

    def _run(self, manager: Any, task: Any, book: ManagerBook, spec: Any, miss: Miss) -> int:
        self._crew.needed(manager)
        for mount in task_book(task).inputs:
            self._results.need(manager, mount.file, self._again)
        self._tasks.tell(task)
        number = int(self._submit(manager, task))
        mine = task_book(task)
        mine.submitted = True
        ticket = self._session.submitted(spec, miss, "taskvine")
        book.tickets[number] = ticket
        self._crew.show(manager, book)
        book.waiting_since = book.waiting_since or time.monotonic()
        self._results.expect(manager, task, ticket)
        if not book.shift:
            return number
        mine.shown_id = number - book.shift
        book.engine_ids[mine.shown_id] = number
        return mine.shown_id

    def _again(self, task: Any) -> int:
        """Submit a served producer for the sake of its temporary files; its other outputs are in place."""
        manager = task.manager
        book, mine = manager_book(manager), task_book(task)
        self._crew.needed(manager)
        for mount in mine.inputs:
            self._results.need(manager, mount.file, self._again)
        kept = task.__dict__.get("_output_file")
        self._tasks.tell(task, temps=True)
        self._describer.calls.restore(task, mine)
        task.submit_finalize()
        self._results.replaced(task, kept)
        number = int(self._cvine.vine_submit(manager._taskvine, task._task))
        manager._task_table[number] = task
        book.extras[number] = task
        book.shift += 1
        return number

    def _fetch_file(self, original: Method) -> Method:
        def fetch_file(manager: Any, file: Any) -> Any:
            again = self._results.need(manager, file, self._again)
            book = manager_book(manager)
            while again in book.extras:
                back = self._wait_id(manager, again, SLICE)
                if back is not None:
                    book.extras.pop(again, None)
                self._crew.watch(manager, book)
            found = original(manager, file)
            self._results.fetched(file)
            return found

        return fetch_file

    def _wait_for_tag(self, original: Method) -> Method:
        def wait_for_tag(manager: Any, tag: str | None, timeout: Any = FOREVER) -> Any:
            book = manager_book(manager)
            for task in book.late:
                if tag is None or task.tag == tag:
                    book.late.remove(task)
                    return task
            waiting = book.hits if tag is None else book.by_tag.get(tag)
            if waiting:
                return self._hand_over(manager, book, next(iter(waiting)))
            return self._wait(manager, book, timeout, lambda seconds: original(manager, tag, seconds))

        return wait_for_tag

    def _wait_for_task_id(self, original: Method) -> Method:
        def wait_for_task_id(manager: Any, task_id: int, timeout: Any = FOREVER) -> Any:
            book = manager_book(manager)
            for task in book.late:
                if task.id == task_id:
                    book.late.remove(task)
                    return task
            if task_id in book.hits:
                return self._hand_over(manager, book, task_id)
            number = book.engine_ids.get(task_id, task_id)
            return self._wait(manager, book, timeout, lambda seconds: original(manager, number, seconds))

        return wait_for_task_id

    def _hand_over(self, manager: Any, book: ManagerBook, task_id: int) -> Any:
        task = book.hits.pop(task_id)
        it = task_book(task).served
        assert it is not None
        self._forget_tag(book, it)
        it.pending = False
        book.served += 1
        book.served_categories[task.category] += 1
        self._crew.show(manager, book)
        manager._task_table.pop(it.number, None)
        manager._update_status_display(force=not book.hits)
        return task

    def _forget_tag(self, book: ManagerBook, it: Served) -> None:
        if it.tag is not None:
            tagged = book.by_tag[it.tag]
            tagged.pop(it.task_id, None)
            if not tagged:
                del book.by_tag[it.tag]

    def _wait(self, manager: Any, book: ManagerBook, timeout: Any, wait: Method) -> Any:
        """Wait in slices for a task of the user's; those that only we wanted are not theirs to see."""
        self._session.journal.effect("manager")
        if not isinstance(timeout, int) and timeout != FOREVER:
            return wait(timeout)
        end = None if timeout == FOREVER or timeout < 0 else time.monotonic() + timeout
        if self._nothing_there(manager, book):
            return None
        while True:
            left = SLICE if end is None else max(0, min(SLICE, round(end - time.monotonic())))
            started = time.monotonic()
            task = wait(left)
            self._crew.show(manager, book, returned=task is not None)
            if task is not None:
                mine = self._came_back(task, book)
                if mine:
                    self._crew.check(manager, book, task)
                    return task
                if self._user_empty(manager, book):
                    return None
                continue
            now = time.monotonic()
            early = left > 0 and now - started < left - 1.05  # the engine saw no reason to go on
            if early or self._nobody_left(manager, book, end) or (end is not None and now >= end - 0.5):
                return None
            self._crew.watch(manager, book)

    def _came_back(self, task: Any, book: ManagerBook) -> bool:
        task_id = int(self._cvine.vine_task_get_id(task._task))
        if task_id in book.extras:
            del book.extras[task_id]
            return False
        ticket = book.tickets.pop(task_id, None)
        if ticket is not None and not ticket.recorded:
            self._results.record(task, ticket, book)
        if ticket is not None and ticket.spec.kind == "python":
            ran = ticket.unfit is None and task.result == "success"
            book.probe.note(task.addrport or "", ticket.unfit, good=ran)
        if not book.tickets:
            book.waiting_since = 0.0
        return True

    def collect(self, manager: Any) -> None:
        """Record the tasks that have come back although nobody waits for them, such as links of a chain."""
        book = manager_book(manager)
        for number, ticket in book.tickets.items():
            task = manager._task_table.get(number)
            if not ticket.recorded and task is not None and task.state in _BACK:
                self._results.record(task, ticket, book)

    def abandon(self, manager: Any) -> None:
        """Record the tasks that will not come back any more: the kernel ends."""
        tickets = manager_book(manager).tickets
        for ticket in tickets.values():
            if not ticket.recorded:
                self._session.abandoned(ticket, "the notebook ended before it came back")
        tickets.clear()

    def _nothing_there(self, manager: Any, book: ManagerBook) -> bool:
        """Whether waiting cannot help: nothing runs, and the workers that were asked for are held back."""
        if book.tickets or book.extras or not self._empty(manager):
            book.idle_waits = 0
            return False
        return not self._crew.busy(manager, book)

    def _nobody_left(self, manager: Any, book: ManagerBook, end: float | None) -> bool:
        """Whether waiting on would never end, or would wait for nothing but tasks of ours."""
        return self._user_empty(manager, book) and (end is None or bool(book.extras))

    def _user_empty(self, manager: Any, book: ManagerBook) -> bool:
        if book.hits:
            return False
        return bool(self._empty(manager)) or (bool(book.extras) and not book.tickets)

    def _is_empty(self, original: Method) -> Method:
        def empty(manager: Any) -> Any:
            book = manager_book(manager)
            if book.hits or book.late:
                return 0
            if book.extras and not book.tickets:
                return 1
            return original(manager)

        return empty

    def _hungry(self, original: Method) -> Method:
        return lambda manager: max(0, original(manager) - len(manager_book(manager).hits))

    def _stats(self, original: Method) -> Method:
        def stats(manager: Any) -> Any:
            found, book = original(manager), manager_book(manager)
            found.tasks_submitted += len(book.hits) + book.served
            found.tasks_with_results += len(book.hits)
            found.tasks_done += book.served
            found.tasks_cancelled += book.cancelled
            return found

        return stats

    def _stats_category(self, original: Method) -> Method:
        def stats(manager: Any, category: str) -> Any:
            found, book = original(manager, category), manager_book(manager)
            waiting = sum(task.category == category for task in book.hits.values())
            done = book.served_categories[category]
            found.tasks_submitted += waiting + done
            found.tasks_with_results += waiting
            found.tasks_done += done
            return found

        return stats

    def _cancel_by_task_id(self, original: Method) -> Method:
        def cancel(manager: Any, task_id: int) -> Any:
            book = manager_book(manager)
            if task_id in book.hits:
                return self._cancel(book, book.hits[task_id])
            return original(manager, book.engine_ids.get(task_id, task_id))

        return cancel

    def _cancel_by_task_tag(self, original: Method) -> Method:
        def cancel(manager: Any, tag: str) -> Any:
            book = manager_book(manager)
            for task in book.by_tag.get(tag, {}).values():
                if self._cancel(book, task):
                    return 1
            return original(manager, tag)

        return cancel

    def _cancel_all(self, original: Method) -> Method:
        def cancel(manager: Any) -> Any:
            book = manager_book(manager)
            return original(manager) + sum(self._cancel(book, task) for task in book.hits.values())

        return cancel

    def _cancel(self, book: ManagerBook, task: Any) -> int:
        it = task_book(task).served
        if it is None or it.cancelled:
            return 0
        it.cancelled = True
        book.cancelled += 1
        return 1

    def _task_state(self, original: Method) -> Method:
        def task_state(manager: Any, task_id: int) -> Any:
            book = manager_book(manager)
            state = original(manager, book.engine_ids.get(task_id, task_id))
            return _RETRIEVED if task_id in book.hits else state

        return task_state

    def _set_tag(self, original: Method) -> Method:
        def set_tag(task: Any, tag: str) -> Any:
            done = original(task, tag)
            it = task_book(task).served
            if it is not None and it.pending:
                book = manager_book(task.manager)
                self._forget_tag(book, it)
                it.tag = tag
                book.by_tag.setdefault(tag, OrderedDict())[it.task_id] = task
            return done

        return set_tag
