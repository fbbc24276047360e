"""A manager that is created again on the port of an earlier one takes its place.

A cell that creates ``Manager(port=9123)`` is often run again, while its first manager still lives in the
variable that is about to be overwritten. That first manager is closed when it was made by the same cell, or
when it has no task left. Otherwise the engine says, as ever, that the port is taken.
"""

from __future__ import annotations

import weakref
from types import FunctionType, ModuleType
from typing import Any

from nbrewind.hpc.patching import Method, Patches
from nbrewind.hpc.session import Session
from nbrewind.hpc.taskvine.books import manager_book
from nbrewind.hpc.taskvine.crew import Crew

_REPLACED = "another one was created on its port; use the newer one, or give one of them another port"
_ENDED = "it was closed or deleted; create it again"
_PORT = (
    "another program listens there, or an earlier manager that still has tasks; port=0 takes any free port"
)


class Ports:
    """The live managers of this process by the port that their author asked for."""

    def __init__(self, patches: Patches, module: ModuleType, session: Session, crew: Crew) -> None:
        self._session, self._crew = session, crew
        self._empty: Method = module.Manager.empty
        self._default = module.cvine.VINE_DEFAULT_PORT
        self._live: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        patches.method(module.Manager, "__init__", self._new)
        for name, attribute in list(vars(module.Manager).items()):
            if not name.startswith("_") and isinstance(attribute, FunctionType):
                patches.method(module.Manager, name, _open)
            elif not name.startswith("_"):
                patches.getter(module.Manager, name, _open)
        patches.method(module.Manager, "_free", self._free)

    def _new(self, original: Method) -> Method:
        def init(manager: Any, port: Any = self._default, *args: Any, **kwargs: Any) -> None:
            self._session.journal.effect("manager")
            asked = port if isinstance(port, int) else 0
            if asked and asked in self._live:
                self._make_way(asked)
            manager_book(manager).cell = self._session.journal.cell_id()
            try:
                original(manager, port, *args, **kwargs)
            except Exception as error:
                if "on port" in str(error):
                    error.add_note(_PORT)
                raise
            manager_book(manager).port = asked
            self._crew.meet(manager)
            if asked:
                self._live[asked] = manager

        return init

    def _make_way(self, port: int) -> None:
        old = self._live.get(port)
        if old is None or old._taskvine is None:
            return
        book = manager_book(old)
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
            book = manager_book(manager)
            for ticket in book.tickets.values():
                if not ticket.recorded:
                    self._session.abandoned(ticket, "its manager was closed")
            original(manager)
            book.hits.clear()
            book.late.clear()
            book.by_tag.clear()
            book.tickets.clear()

        return free


def _open(original: Method) -> Method:
    """Refuse to use a manager that was closed: the engine would crash the process."""

    def checked(manager: Any, *args: Any, **kwargs: Any) -> Any:
        if manager.__dict__.get("_taskvine") is None and "_taskvine" in manager.__dict__:
            raise RuntimeError(f"this manager was closed, because {manager_book(manager).closed or _ENDED}")
        return original(manager, *args, **kwargs)

    return checked
