"""Workers: started for the first task that must run, and missed aloud when they do not come."""

from __future__ import annotations

import os
import time
import weakref
from contextlib import suppress
from typing import Any

from nbrewind.errors import NbrewindError, WorkersMissing, WorkersUnfit
from nbrewind.hpc.books import NAME, ManagerBook
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.factories import FactoryBook, describe_factory, factory_book, fresh_scratch, serves
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.places import Places
from nbrewind.hpc.session import Session
from nbrewind.tasks.tally import Tally

_PATIENCE = 2
_REPEAT = 5
"""The second notice comes after this many times the first delay, and so on."""


class Crew:
    """The factories of this process and the managers that they serve."""

    def __init__(self, patches: Patches, engine: Engine, session: Session) -> None:
        factory = engine.factory
        self._engine, self._session = engine, session
        self.places = Places(patches, engine, session)
        self._factories: weakref.WeakSet[Any] = weakref.WeakSet()
        self._managers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._start: Method = factory.start
        self._stop: Method = factory.stop
        self._find: Method = factory._find_exe
        self._stats: Method = engine.manager.stats.fget
        patches.method(factory, "__init__", self._new)
        patches.method(factory, "_find_exe", self._find_later)
        patches.method(factory, "start", lambda _: lambda it: self.start(it))
        patches.method(factory, "stop", lambda _: lambda it: self.stop(it))

    def meet(self, manager: Any) -> None:
        """Know a new manager."""
        self._managers.add(manager)

    def start(self, factory: Any) -> Any:
        """Start a factory if a task waits for it, else when one does."""
        book = factory_book(factory)
        if factory._factory_proc is not None:
            self._start(factory)
            return factory
        book.wanted = True
        for manager in self._served_by(factory):
            if self._engine.book(manager).tickets and factory._factory_proc is None:
                self._start_for(factory, manager)
        return factory

    def stop(self, factory: Any) -> Any:
        """Stop a factory, or forget that it was wanted."""
        book = factory_book(factory)
        held_back, book.wanted = book.wanted and factory._factory_proc is None, False
        if self.places.site is not None:
            others = [each for each in list(self._factories) if factory_book(each).wanted]
            served = {id(manager) for each in others for manager in self._served_by(each)}
            self.places.stopped([each for each in self._served_by(factory) if id(each) not in served])
        return None if held_back else self._stop(factory)

    def needed(self, manager: Any) -> None:
        """Start the factories that were to serve a manager: one of its tasks must run."""
        if self.places.site is not None:
            self.places.needed(manager, self.serving(manager))
            return
        for factory in list(self._factories):
            if self._held_back(factory, manager):
                self._start_now(factory)

    def begin(self, manager: Any) -> None:
        """Start the site's workers that are needed by now: nothing more is submitted for a moment."""
        if self.places.site is not None:
            self.places.begin(manager)
            self.places.watch(manager, self._stats(manager).workers_connected, self.serving(manager))

    def begin_quietly(self, manager: Any) -> None:
        """As `begin`, when the cell is over: what goes wrong is raised to the next that waits."""
        with suppress(NbrewindError):
            self.places.begin(manager)
        self.places.release(manager, self.serving(manager))

    def _held_back(self, factory: Any, manager: Any) -> bool:
        """Whether a factory was started by the user for this manager, and not by us."""
        wanted = factory_book(factory).wanted and factory._factory_proc is None
        if self.places.site is not None and self.places.started(manager):
            return False
        return wanted and manager in self._served_by(factory)

    def busy(self, manager: Any, book: ManagerBook) -> bool:
        """Whether waiting may bring news: workers may connect, for whoever looks for them.

        Whoever waits again and again with nothing to wait for, does look for them.
        """
        held_back = [factory for factory in self._factories if self._held_back(factory, manager)]
        if not held_back:
            return True
        book.idle_waits += 1
        if book.idle_waits <= _PATIENCE:
            return False
        for factory in held_back:
            with suppress(OSError):
                self._start_for(factory, manager)
        return True

    def managers(self) -> list[Any]:
        """The managers that are open."""
        return [manager for manager in self._managers if self._engine.is_open(manager)]

    def serving(self, manager: Any) -> list[Any]:
        """The factories that start workers for a manager."""
        return [factory for factory in self._factories if manager in self._served_by(factory)]

    def stop_all(self) -> None:
        """Stop every factory that still runs."""
        for factory in list(self._factories):
            if factory._factory_proc is not None:
                self._stop(factory)
        self.places.stop_all()

    def watch(self, manager: Any, book: ManagerBook) -> None:
        """Tell the user, sparingly, that tasks wait and no worker is there.

        Raises
        ------
        WorkersMissing
            None came within the deadline that the user set.
        """
        connected = self._stats(manager).workers_connected
        if self.places.site is not None:
            self.places.watch(manager, connected, self.serving(manager))
        if not book.tickets or connected > 0:
            book.waiting_since, book.told_at = (time.monotonic() if book.tickets else 0.0), 0.0
            return
        waited = time.monotonic() - (book.waiting_since or time.monotonic())
        options = self._session.options
        deadline = options.worker_deadline
        if deadline is not None and waited >= deadline:
            raise WorkersMissing(self._complaint(manager, book, waited))
        if waited >= max(options.worker_timeout, book.told_at * _REPEAT):
            book.told_at = waited
            self._session.journal.notice(self._complaint(manager, book, waited))

    def show(self, manager: Any, book: ManagerBook, *, returned: bool = False) -> None:
        """Show the user how the tasks of a manager stand, if it is time to.

        With `returned`, one more than the engine counts was running until just now.
        """
        if self._session.pace.due():
            self._session.pace.show(self._tally(manager, book, int(returned)))

    def show_last(self, manager: Any, book: ManagerBook) -> None:
        """Show how they stand when the cell ends, if it was shown anything of them."""
        if self._session.pace.shows(_label(manager)):
            self._session.pace.show(self._tally(manager, book))

    def _tally(self, manager: Any, book: ManagerBook, more: int = 0) -> Tally:
        stats, out = self._stats(manager), len(book.tickets)
        running = min(stats.tasks_on_workers + more, out)
        return Tally(
            manager=_label(manager),
            reused=book.served + len(book.hits),
            done=book.done,
            failed=book.failed,
            running=running,
            waiting=out - running,
            workers=stats.workers_connected,
            left=book.estimate.seconds(out),
        )

    def check(self, manager: Any, book: ManagerBook, task: Any) -> None:
        """Let the cell fail, once, when no worker can run the notebook's Python tasks; `task` is not lost.

        Raises
        ------
        WorkersUnfit
            With what differs, and the remedy.
        """
        if book.probe.good or not book.probe.unfit:
            return
        verdict = book.probe.verdict(self._stats(manager).workers_connected, len(book.tickets))
        if verdict is not None:
            book.late.append(task)
            self._session.failures.told(verdict)
            raise WorkersUnfit(str(verdict))

    def _complaint(self, manager: Any, book: ManagerBook, waited: float) -> str:
        count = len(book.tickets)
        lines = [
            f"{count} task{'s wait' if count > 1 else ' waits'} at the manager on port {manager.port}, and "
            f"no worker has come for {waited:.0f} s"
        ]
        if book.workers is not None:
            return "\n".join([*lines, book.workers.describe(0)])
        factories = self.serving(manager)
        lines += [describe_factory(factory) for factory in factories]
        if not factories:
            lines.append(f"  start one with: {self._engine.worker} {os.uname().nodename} {manager.port}")
        return "\n".join(lines)

    def _start_for(self, factory: Any, manager: Any) -> None:
        if self.places.site is not None:
            self.places.needed(manager, self.serving(manager))
            self.places.begin(manager)
        else:
            self._start_now(factory)

    def _served_by(self, factory: Any) -> list[Any]:
        """The managers that a factory names; all of them where that cannot be told."""
        alive = self.managers()
        return [manager for manager in alive if serves(factory, manager)] or alive

    def _start_now(self, factory: Any) -> None:
        book = factory_book(factory)
        if book.missing is not None:
            book.wanted = False
            self._resolve(factory, book)
            book.wanted = True
        if self._engine.scratch and not factory.scratch_dir:
            factory.scratch_dir = fresh_scratch(self._engine.scratch)
        self._start(factory)
        self._session.journal.effect("factory")

    def _resolve(self, factory: Any, book: FactoryBook) -> None:
        """Look again for the programs that were absent at construction; raises the engine's own error."""
        for default, path in book.missing or ():
            found = self._find(factory, path, default)
            if default == self._engine.launcher:
                factory._factory_binary = found
            else:
                factory._opts["worker-binary"] = found
        book.missing = None

    def _new(self, original: Method) -> Method:
        def init(factory: Any, *args: Any, **kwargs: Any) -> None:
            factory.__dict__[NAME] = FactoryBook()
            original(factory, *args, **kwargs)
            self._factories.add(factory)

        return init

    def _find_later(self, original: Method) -> Method:
        def find(factory: Any, path: str | None, default: str) -> str:
            try:
                return str(original(factory, path, default))
            except OSError:
                book = factory_book(factory)
                book.missing = [*(book.missing or ()), (default, path)]
                return path or default

        return find


def _label(manager: Any) -> str:
    """What a person knows a manager by."""
    return str(manager.name or f"on port {manager.port}")
