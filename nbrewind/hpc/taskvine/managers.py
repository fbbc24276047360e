"""Managers: submit what the record does not hold, and give back both kinds of tasks in one stream."""

from __future__ import annotations

from pickle import PicklingError
from types import ModuleType
from typing import Any

from nbrewind.hpc.books import Served
from nbrewind.hpc.crew import Crew
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.streams import SLICE, Stream
from nbrewind.hpc.taskvine.books import ManagerBook, TaskBook, manager_book, task_book
from nbrewind.hpc.taskvine.dask import is_vertex
from nbrewind.hpc.taskvine.describe import Describer
from nbrewind.hpc.taskvine.frozen import FrozenFunctions
from nbrewind.hpc.taskvine.results import Results
from nbrewind.hpc.taskvine.tasks import TaskPatches
from nbrewind.hpc.tickets import Hit, Miss, Ticket
from nbrewind.tasks.unsent import unsent

FOREVER = "wait_forever"
_RETRIEVED = 4
_BACK = ("RETRIEVED", _RETRIEVED)


class ManagerPatches(Stream):
    """Stand between the user's managers and the engine's."""

    forever = FOREVER

    def __init__(
        self,
        patches: Patches,
        module: ModuleType,
        engine: Engine,
        session: Session,
        tasks: TaskPatches,
        crew: Crew,
        describer: Describer,
    ) -> None:
        manager = module.Manager
        super().__init__(engine, session, crew)
        self._cvine, self._tasks, self._describer = module.cvine, tasks, describer
        self._results = Results(module, session, describer.calls)
        tasks.need = lambda task, file: self._results.need(task.manager, file, self._again)
        self._submit: Method = manager.submit
        self._wait_id: Method = manager.wait_for_task_id
        patches.method(manager, "submit", lambda _: lambda m, task: self.submit(m, task))
        self.patch(patches, manager)
        patches.method(manager, "wait_for_task_id", self._wait_for_task_id)
        patches.method(manager, "fetch_file", self._fetch_file)
        patches.method(manager, "cancel_by_task_id", self._cancel_by_task_id)
        patches.method(manager, "cancel_by_task_tag", self._cancel_by_task_tag)
        patches.method(manager, "cancel_all", self._cancel_all)
        patches.method(manager, "task_state", self._task_state)
        patches.method(module.Task, "set_tag", self.set_tag)

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
        self.enter(manager, book, task, it)
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
        ticket = self._session.submitted(spec, miss, self._engine.name)
        self.expect(manager, book, number, ticket)
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

    def _wait_for_task_id(self, original: Method) -> Method:
        def wait_for_task_id(manager: Any, task_id: int, timeout: Any = FOREVER) -> Any:
            book = manager_book(manager)
            late = self.take_late(book, lambda task: bool(task.id == task_id))
            if late is not None:
                return late
            if task_id in book.hits:
                return self.hand_over(manager, book, task_id)
            number = book.engine_ids.get(task_id, task_id)
            return self.wait(manager, book, timeout, lambda seconds: original(manager, number, seconds))

        return wait_for_task_id

    def number(self, task: Any) -> int:
        """Return the engine's number of a task."""
        return int(self._cvine.vine_task_get_id(task._task))

    def address(self, task: Any) -> str:
        """Return where a task ran."""
        return task.addrport or ""

    def is_back(self, task: Any) -> bool:
        """Whether a task has come back, though nobody waited for it."""
        return task.state in _BACK

    def record(self, task: Any, ticket: Ticket, book: Any) -> None:
        """Record a task that came back, after those whose results it took on its worker."""
        for maker in self._results.makers(task):
            known = book.tickets.get(self.number(maker))
            if known is not None and not known.recorded and self.is_back(maker):
                self._results.record(maker, known, book)
                self.forget(known, book)
        self._results.record(task, ticket, book)

    def _cancel_by_task_id(self, original: Method) -> Method:
        def cancel(manager: Any, task_id: int) -> Any:
            book = manager_book(manager)
            if task_id in book.hits:
                return self.cancel(book, book.hits[task_id])
            return original(manager, book.engine_ids.get(task_id, task_id))

        return cancel

    def _cancel_by_task_tag(self, original: Method) -> Method:
        def cancel(manager: Any, tag: str) -> Any:
            book = manager_book(manager)
            for task in book.by_tag.get(tag, {}).values():
                if self.cancel(book, task):
                    return 1
            return original(manager, tag)

        return cancel

    def _cancel_all(self, original: Method) -> Method:
        def cancel(manager: Any) -> Any:
            book = manager_book(manager)
            return original(manager) + sum(self.cancel(book, task) for task in book.hits.values())

        return cancel

    def _task_state(self, original: Method) -> Method:
        def task_state(manager: Any, task_id: int) -> Any:
            book = manager_book(manager)
            state = original(manager, book.engine_ids.get(task_id, task_id))
            return _RETRIEVED if task_id in book.hits else state

        return task_state
