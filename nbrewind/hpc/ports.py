"""A manager that is created again on the port of an earlier one takes its place.

A cell that creates ``Manager(port=9123)`` is often run again, while its first manager still lives in the
variable that is about to be overwritten. That first manager is closed when it was made by the same cell, or
when it has no task left. Otherwise the engine says, as ever, that the port is taken.
"""

from __future__ import annotations

import weakref
from types import FunctionType
from typing import Any

from nbrewind.hpc.crew import Crew
from nbrewind.hpc.engine import Engine
from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session

_REPLACED = "another one was created on its port; use the newer one, or give one of them another port"
_ENDED = "it was closed or deleted; create it again"
_PORT = (
    "another program listens there, or an earlier manager that still has tasks; port=0 takes any free port"
)


class Ports:
    """The live managers of this process by the port that their author asked for."""

    def __init__(self, patches: Patches, engine: Engine, session: Session, crew: Crew) -> None:
        self._engine, self._session, self._crew = engine, session, crew
        self._live: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        patches.method(engine.manager, "__init__", self._new)
        for name, attribute in list(vars(engine.manager).items()):
            if not name.startswith("_") and isinstance(attribute, FunctionType):
                patches.method(engine.manager, name, self._open)
            elif not name.startswith("_"):
                patches.getter(engine.manager, name, self._open)
        patches.method(engine.manager, "_free", self._free)

    def _new(self, original: Method) -> Method:
        def init(manager: Any, port: Any = self._engine.port, *args: Any, **kwargs: Any) -> None:
            self._session.journal.effect("manager")
            asked = port if isinstance(port, int) else 0
            if asked and asked in self._live:
                self._make_way(asked)
            self._engine.book(manager).cell = self._session.journal.cell_id()
            try:
                self._crew.places.make(original, manager, port, args, kwargs)
            except Exception as error:
                if "on port" in str(error):
                    error.add_note(_PORT)
                raise
            self._engine.book(manager).port = asked
            self._crew.meet(manager)
            if asked:
                self._live[asked] = manager

        return init

    def _make_way(self, port: int) -> None:
        old = self._live.get(port)
        if old is None or not self._engine.is_open(old):
            return
        book = self._engine.book(old)
        left = len(book.hits) + len(book.tickets)
        if left and book.cell != self._session.journal.cell_id():
            return
        if left:
            self._session.journal.notice(
                f"the manager on port {port} was created again: {left} of its tasks had not come back"
            )
        book.closed = _REPLACED
        old._free()

    def _free(self, original: Method) -> Method:
        def free(manager: Any) -> None:
            book = self._engine.book(manager)
            for ticket in book.tickets.values():
                if not ticket.recorded:
                    self._session.abandoned(ticket, "its manager was closed")
            original(manager)
            book.hits.clear()
            book.late.clear()
            book.by_tag.clear()
            book.tickets.clear()

        return free

    def _open(self, original: Method) -> Method:
        """Refuse to use a manager that was closed: the engine would crash the process."""
        handle = self._engine.handle

        def checked(manager: Any, *args: Any, **kwargs: Any) -> Any:
            if manager.__dict__.get(handle, manager) is None:
                why = self._engine.book(manager).closed or _ENDED
                raise RuntimeError(f"this manager was closed, because {why}")
            return original(manager, *args, **kwargs)

        return checked
