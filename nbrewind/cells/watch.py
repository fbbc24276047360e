"""Which code runs during a cell, seen by the interpreter's own monitoring at no cost to hot loops.

Each code object reports its first start in a cell and is then left alone (`sys.monitoring.DISABLE`). Python 3.11 has no
such monitoring: `NamesWatch.observes` is false there, and callers fall back on what the syntax could reach.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import CodeType
from typing import Any

from nbrewind.cells import calls
from nbrewind.cells.bytecode import own_names
from nbrewind.cells.counters import Counters
from nbrewind.cells.locations import ASKING

_MISSING = object()
_CO_OPTIMIZED = 0x1
_OWN_THREADS = "nbrewind-"
OBSERVES = sys.version_info >= (3, 12)


class NamesWatch:
    """Names of the notebook that code other than the cell's own top level loads, and modules whose code runs.

    Parameters
    ----------
    namespace
        The notebook's variables.
    files
        Told each path that a watched library function is called with, and what for.
    counters
        Told of each function of a library before it runs.

    Attributes
    ----------
    words
        Names that code of the notebook which ran uses.
    asking
        Names by which code of modules that ran may have asked where it lies, by module.
    """

    def __init__(
        self, namespace: dict[str, Any], files: Callable[[Any, calls.Use], None], counters: Counters
    ) -> None:
        self._namespace = namespace
        self._files = files
        self._counters = counters
        self._before: dict[str, Any] = {}
        self._own_file = ""
        self._tool: int | None = None
        self.loads: set[str] = set()
        self.stores: set[str] = set()
        self.names_used: set[str] = set()
        self.modules: dict[str, str | None] = {}
        self.words: set[str] = set()
        self.asking: dict[str, set[str]] = {}
        self._resting = self._counting = False
        self.stirred = False

    @property
    def observes(self) -> bool:
        """Whether this interpreter can observe, and its monitoring has a place for us."""
        return self._tool is not None

    def install(self) -> None:
        """Take a monitoring slot, once a kernel."""
        if not OBSERVES or self._tool is not None:
            return
        monitoring = sys.monitoring
        for tool in (4, 3):
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, "nbrewind")
                events = monitoring.events
                monitoring.register_callback(tool, events.PY_START, self._started)
                monitoring.register_callback(tool, events.PY_RESUME, self._started)
                self._tool = tool
                return

    def uninstall(self) -> None:
        """Give the slot back."""
        if self._tool is not None:
            sys.monitoring.set_events(self._tool, 0)
            sys.monitoring.free_tool_id(self._tool)
            self._tool = None

    def start(self, own_file: str) -> None:
        """Watch from here: a cell begins, whose own statements are compiled under the name `own_file`."""
        self._own_file, self._resting = own_file, False
        self._before = dict(self._namespace)
        self.loads, self.stores, self.names_used, self.modules = set(), set(), set(), {}
        self.words, self.asking = set(), {}
        if self._tool is not None:
            events = sys.monitoring.events
            sys.monitoring.set_events(self._tool, events.PY_START | events.PY_RESUME)
            sys.monitoring.restart_events()

    def start_again(self) -> None:
        """Forget what was seen so far of the cell."""
        self.start(self._own_file)

    def stop(self) -> None:
        """The cell has ended."""
        if self._tool is not None:
            sys.monitoring.set_events(self._tool, 0)
        self._before = {}

    def rest(self) -> None:
        """Watch out for code of the notebook that runs between cells; `stirred` tells."""
        self._resting, self.stirred = True, False
        if self._tool is not None:
            sys.monitoring.set_events(self._tool, sys.monitoring.events.PY_START)
            sys.monitoring.restart_events()

    def count(self, *, on: bool) -> None:
        """A cell runs again, of which only the counters are of interest; or it has ended."""
        self._counting = on
        if on and self._tool is not None:
            sys.monitoring.restart_events()

    def _started(self, code: CodeType, _offset: int) -> Any:
        frame = sys._getframe(1)
        variables = frame.f_globals
        if self._resting:
            self.stirred = self.stirred or variables is self._namespace
            if self._counting and isinstance(name := variables.get("__name__"), str):
                self._counters.note(code, name, variables)
            return sys.monitoring.DISABLE
        if variables is self._namespace:
            self._note(code, top=not code.co_flags & _CO_OPTIMIZED and frame.f_locals is variables)
            return sys.monitoring.DISABLE
        if threading.current_thread().name.startswith(_OWN_THREADS):
            return None  # not the cell's doing; and it must not keep the cell's own call from being seen
        name = variables.get("__name__")
        if code.co_name in calls.NAMES and (call := calls.watched(name, code.co_qualname)) is not None:
            self._files(*call.seen(frame))
            return None
        if name not in self.modules and isinstance(name, str):
            self.modules[name] = variables.get("__file__")
        if isinstance(name, str):
            self._counters.note(code, name, variables)
        self.names_used.add(code.co_name)
        if not ASKING.isdisjoint(code.co_names):
            self.asking.setdefault(str(name), set()).update(ASKING.intersection(code.co_names))
        return sys.monitoring.DISABLE

    def _note(self, code: CodeType, *, top: bool) -> None:
        """A name counts as loaded if it still has the value from before the cell: later loads see the cell's own."""
        names = own_names(code, top=top)
        self.names_used.update(code.co_names)
        self.words.update(code.co_names)
        self.stores |= names.stores | names.deletes
        if top and code.co_filename == self._own_file:
            return  # the cell's own statements: their order is known from the syntax
        for name in names.loads:
            if self._namespace.get(name, _MISSING) is self._before.get(name, _MISSING):
                self.loads.add(name)
