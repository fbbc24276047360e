"""Both kinds of tasks in one stream: those that the record served, and those that the engine ran."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from nbrewind.hpc.books import ManagerBook, Served, served
from nbrewind.hpc.crew import Crew
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.tickets import Ticket

SLICE = 2
"""Seconds that one call of the engine's `wait` lasts; in between, interrupts and absent workers are seen."""


class Stream(ABC):
    """What the managers of all engines do with the tasks that are out, and those that were served."""

    forever: Any
    """What stands for no limit where a time is given; negative numbers do, too."""

    def __init__(self, engine: Engine, session: Session, crew: Crew) -> None:
        self._engine, self._session, self._crew = engine, session, crew
        self._empty: Method = engine.manager.empty

    @abstractmethod
    def number(self, task: Any) -> int:
        """Return the engine's number of a task."""

    @abstractmethod
    def address(self, task: Any) -> str:
        """Return where a task ran."""

    @abstractmethod
    def is_back(self, task: Any) -> bool:
        """Whether a task has come back, though nobody waited for it."""

    @abstractmethod
    def record(self, task: Any, ticket: Ticket, book: Any) -> None:
        """Record a task that came back."""

    def patch(self, patches: Patches, manager: Any) -> None:
        """Replace the methods of managers that all engines have."""
        patches.method(manager, "wait_for_tag", self._wait_for_tag)
        patches.method(manager, "empty", self._is_empty)
        patches.method(manager, "hungry", self._hungry)
        patches.getter(manager, "stats", self._stats)
        patches.method(manager, "stats_category", self._stats_category)

    def enter(self, manager: Any, book: ManagerBook, task: Any, it: Served) -> None:
        """Let a served task wait for its user."""
        manager._task_table[it.number] = task
        book.hits[it.task_id] = task
        if it.tag is not None:
            book.by_tag.setdefault(it.tag, OrderedDict())[it.task_id] = task
        self._session.reused(it.hit)

    def expect(self, manager: Any, book: ManagerBook, number: int, ticket: Ticket) -> None:
        """Expect a task back from the engine."""
        book.tickets[number] = ticket
        for output in ticket.spec.outputs:
            if output.kind == "file":
                self._session.contest(ticket, book.making.get(output.path), output.path)
                book.making[output.path] = ticket
        self._crew.show(manager, book)
        book.waiting_since = book.waiting_since or time.monotonic()

    def take_late(self, book: ManagerBook, wanted: Callable[[Any], bool]) -> Any:
        """Return a task that came back before, when the user had to be told something."""
        for task in book.late:
            if wanted(task):
                book.late.remove(task)
                return task
        return None

    def hand_over(self, manager: Any, book: ManagerBook, task_id: int) -> Any:
        """Give a served task to its user."""
        task = self.withdraw(manager, book, task_id)
        book.served += 1
        book.served_categories[task.category] += 1
        self._crew.show(manager, book)
        manager._update_status_display(force=not book.hits)
        return task

    def withdraw(self, manager: Any, book: ManagerBook, task_id: int) -> Any:
        """Take a served task off the stream."""
        task = book.hits.pop(task_id)
        it = served(task)
        assert it is not None
        self._forget_tag(book, it)
        it.pending = False
        manager._task_table.pop(it.number, None)
        return task

    def wait(self, manager: Any, book: ManagerBook, timeout: Any, wait: Method) -> Any:
        """Wait in slices for a task of the user's; those that only we wanted are not theirs to see."""
        self._session.journal.effect("manager")
        if not isinstance(timeout, int) and timeout != self.forever:
            return wait(timeout)
        end = None if timeout == self.forever or timeout < 0 else time.monotonic() + timeout
        if self._nothing_there(manager, book):
            return None
        self._crew.begin(manager)
        while True:
            left = SLICE if end is None else max(0, min(SLICE, round(end - time.monotonic())))
            started = time.monotonic()
            task = wait(left)
            self._crew.show(manager, book, returned=task is not None)
            if task is not None:
                if self._came_back(task, book):
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

    def note_back(self, task: Any, ticket: Ticket, book: ManagerBook) -> None:
        """Record a task, and expect its files no more."""
        self.record(task, ticket, book)
        self.forget(ticket, book)

    def forget(self, ticket: Ticket, book: ManagerBook) -> None:
        """Expect the files of a task no more."""
        for output in ticket.spec.outputs:
            if book.making.get(output.path) is ticket:
                del book.making[output.path]

    def collect(self, manager: Any) -> None:
        """Record the tasks that have come back although nobody waits for them, such as links of a chain."""
        book = self._engine.book(manager)
        for number, ticket in book.tickets.items():
            task = manager._task_table.get(number)
            if not ticket.recorded and task is not None and self.is_back(task):
                self.note_back(task, ticket, book)

    def abandon(self, manager: Any) -> None:
        """Record the tasks that will not come back any more: the kernel ends."""
        tickets = self._engine.book(manager).tickets
        for ticket in tickets.values():
            if not ticket.recorded:
                self._session.abandoned(ticket, "the notebook ended before it came back")
        tickets.clear()

    def cancel(self, book: ManagerBook, task: Any) -> int:
        """Let a served task come back as a cancelled one."""
        it = served(task)
        if it is None or it.cancelled:
            return 0
        it.cancelled = True
        book.cancelled += 1
        return 1

    def set_tag(self, original: Method) -> Method:
        """Let a served task be found by a tag that it is given while it waits."""

        def set_tag(task: Any, tag: str) -> Any:
            done = original(task, tag)
            it = served(task)
            if it is not None and it.pending:
                book = self._engine.book(task._manager)
                self._forget_tag(book, it)
                it.tag = tag
                book.by_tag.setdefault(tag, OrderedDict())[it.task_id] = task
            return done

        return set_tag

    def _wait_for_tag(self, original: Method) -> Method:
        def wait_for_tag(manager: Any, tag: str | None, timeout: Any = self.forever) -> Any:
            book = self._engine.book(manager)
            late = self.take_late(book, lambda task: tag is None or task.tag == tag)
            if late is not None:
                return late
            waiting = book.hits if tag is None else book.by_tag.get(tag)
            if waiting:
                return self.hand_over(manager, book, next(iter(waiting)))
            return self.wait(manager, book, timeout, lambda seconds: original(manager, tag, seconds))

        return wait_for_tag

    def _came_back(self, task: Any, book: ManagerBook) -> bool:
        number = self.number(task)
        if number in book.extras:
            del book.extras[number]
            return False
        ticket = book.tickets.pop(number, None)
        if ticket is not None and not ticket.recorded:
            self.note_back(task, ticket, book)
        if ticket is not None and ticket.spec.kind == "python":
            ran = ticket.unfit is None and ticket.ran
            book.probe.note(self.address(task), ticket.unfit, good=ran)
        if not book.tickets:
            book.waiting_since = 0.0
        return True

    def _forget_tag(self, book: ManagerBook, it: Served) -> None:
        if it.tag is not None:
            tagged = book.by_tag[it.tag]
            tagged.pop(it.task_id, None)
            if not tagged:
                del book.by_tag[it.tag]

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
            book = self._engine.book(manager)
            if book.hits or book.late:
                return 0
            if book.extras and not book.tickets:
                return 1
            return original(manager)

        return empty

    def _hungry(self, original: Method) -> Method:
        return lambda manager: max(0, original(manager) - len(self._engine.book(manager).hits))

    def _stats(self, original: Method) -> Method:
        def stats(manager: Any) -> Any:
            found, book = original(manager), self._engine.book(manager)
            found.tasks_submitted += len(book.hits) + book.served + book.withdrawn
            found.tasks_with_results += len(book.hits)
            found.tasks_done += book.served
            found.tasks_cancelled += book.cancelled
            return found

        return stats

    def _stats_category(self, original: Method) -> Method:
        def stats(manager: Any, category: str) -> Any:
            found, book = original(manager, category), self._engine.book(manager)
            waiting = sum(task.category == category for task in book.hits.values())
            done = book.served_categories[category]
            found.tasks_submitted += waiting + done
            found.tasks_with_results += waiting
            found.tasks_done += done
            return found

        return stats
