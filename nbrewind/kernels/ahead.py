"""The cells of a notebook that are still to come, and what is expected of each."""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType, ModuleType

from attrs import evolve

from nbrewind.cells.code import CellCode
from nbrewind.kernels.cells import Cell
from nbrewind.kernels.session import Session
from nbrewind.record.model import CellRun, Covariable, Digest
from nbrewind.schedule.access import Access, Place, aside, predicted_access, recorded_access
from nbrewind.schedule.mutations import changed_names, imported_names
from nbrewind.schedule.outlook import Prospect, foresee

WINDOW = 64
"""How many cells are looked ahead."""
_STAYS = frozenset(
    """_io socket ssl sqlite3 h5py threading _thread concurrent multiprocessing subprocess asyncio ndcctools selectors
    select zmq _asyncio _socket _ssl _sqlite3 _queue queue netCDF4 tables mmap""".split()
)
"""Modules whose objects stay in their process."""
_UNCHANGING = (ModuleType, FunctionType, str, bytes, int, float, complex, tuple, frozenset, type(None))


class Ahead:
    """Knows the notebook's cells, and how far it has come.

    Parameters
    ----------
    session
        The spine's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._next = 0
        self._access: dict[int, Access] = {}
        self._bodies: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
        self._living: dict[Digest, str] = {}
        self._imported: frozenset[str] = frozenset()
        self.cells: dict[int, tuple[Cell, CellCode]] = {}

    def expect(self, cells: Sequence[Cell]) -> None:
        """These cells come, in this order."""
        self.cells = {number: (cell, self._session.read(cell)) for number, cell in enumerate(cells)}
        self._next, self._access = 0, {}
        self._imported = frozenset().union(*(imported_names(self._python(number)) for number in self.cells))

    def arrive(self, cell: Cell) -> int | None:
        """The number of a cell whose turn has come; ``None`` if it is not the one that was expected."""
        for number in range(self._next, min(self._next + WINDOW, len(self.cells))):
            if self.cells[number][0] == cell:
                self._next = number + 1
                return number
            if number >= self._next:
                break
        self.cells = {}
        return None

    def took_place(self, run: CellRun) -> None:
        """A cell has run: whether what it left may be used in lanes is known now."""
        for made in run.covariables:
            self._living[made.digest] = self._lives(made)

    def _lives(self, made: Covariable) -> str:
        if made.opaque:
            return made.opaque
        for kind in self._session.analyser.measure(made).types:
            module = kind.__module__
            if isinstance(module, str) and module.partition(".")[0] in _STAYS:
                return f"{module}.{kind.__qualname__}"
        return ""

    def prospects(self, here: int) -> list[Prospect]:
        """What is expected of the cells from this one on."""
        self._bodies = {}
        rows = []
        for number in range(here, min(here + WINDOW, len(self.cells))):
            rows.append((number, self.expected(number)))
            self._note_bodies(number)
        return foresee(rows, self._present)

    def _present(self, place: Place) -> bool:
        kind, name = place
        return kind != "variable" or self._session.variables.version(name) is not None

    def expected(self, number: int) -> Access:
        """What one cell is expected to read and write."""
        access = self._access.get(number)
        if access is None:
            access = self._access[number] = self._first_look(number)
        if access.level == "predicted":
            access = self._through_functions(access)
        if not access.aside and (why := self._living_in(access)):
            access = evolve(access, aside=why)
        return access

    def _first_look(self, number: int) -> Access:
        _, code = self.cells[number]
        session = self._session
        run = next(iter(session.recording.record.traces(code.digest)), None)
        if run is not None:
            known = recorded_access(run)
            learned = run.foresight.why if run.foresight is not None and run.foresight.refused else ""
            return evolve(known, opens=code.opens, aside=learned or aside(code))
        reached = frozenset(code.names.loads | code.quoted | code.names.deletes)
        return predicted_access(code, self._changes(number), reached)

    def _python(self, number: int) -> str:
        """A cell's source with its magics turned into Python; empty where that cannot be."""
        cell, code = self.cells[number]
        return self._session.shell.transform_cell(cell.source) if code.valid else ""

    def _changes(self, number: int) -> frozenset[str]:
        """Names whose values a cell plainly changes; those of modules are none."""
        namespace = self._session.variables.namespace
        return frozenset(
            name
            for name in changed_names(self._python(number)) - self._imported
            if not isinstance(namespace.get(name), _UNCHANGING)
        )

    def _note_bodies(self, number: int) -> None:
        """What functions and classes that a cell to come defines will use when they are called."""
        _, code = self.cells[number]
        inner = code.mentioned - code.names.loads
        if inner:
            changed = self._changes(number) & inner
            self._bodies.update(dict.fromkeys(code.names.stores, (inner, changed)))

    def _through_functions(self, access: Access) -> Access:
        """With all that the functions which it names may use."""
        names = {name for kind, name in access.reads if kind == "variable"}
        reached = set(self._session.variables.closure(names))
        changed: set[str] = set()
        pending = set(names)
        while pending:
            found: set[str] = set()
            for name in pending & self._bodies.keys():
                used, written = self._bodies[name]
                found |= used
                changed |= written
            pending = found - reached
            reached |= found
        more = {("variable", name) for name in reached | changed}
        return evolve(
            access,
            reads=access.reads | more,
            writes=access.writes | {("variable", name) for name in changed},
        )

    def _living_in(self, access: Access) -> str:
        """A variable among those it uses that must not be used in another process, and why."""
        for kind, name in access.reads:
            held = self._session.variables.version(name) if kind == "variable" else None
            if held is not None and (why := self._living.get(held.digest, held.opaque)):
                return f"it uses {name} ({why})"
        return ""
