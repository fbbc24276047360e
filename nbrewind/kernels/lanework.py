"""How a lane runs cells: this process's copy of the session observes them, and nothing that they show leaves it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from attrs import evolve

from nbrewind.cells.ambient import UNSAVED
from nbrewind.cells.code import CellCode
from nbrewind.kernels import widgets
from nbrewind.kernels.cells import Cell
from nbrewind.kernels.outputs import OutputTap, with_payload
from nbrewind.kernels.session import Session, kept_secret
from nbrewind.plan.decide import Hit
from nbrewind.record.redaction import REDACTOR
from nbrewind.schedule.gate import Gate
from nbrewind.schedule.lane import RefusedError
from nbrewind.schedule.parcel import Finished, Packer

RunPlain = Callable[[Cell], Any]
"""Makes the coroutine that runs a cell as ipykernel would."""

_FLUSH_SECONDS = 0.2
_LOOP = "call_soon call_soon_threadsafe call_later call_at create_task run_in_executor add_reader add_writer".split()


class LaneWork:
    """Runs cells in a lane.

    Parameters
    ----------
    session
        The spine's; the lane has a copy of it.
    kernel
        ipykernel's.
    tap
        Sees what cells show.
    run_plain
        Runs a cell.
    cells
        Those of the notebook that are to come, by their number.
    here
        Number of the cell whose turn it is on the spine.
    packer
        Packs what they leave.
    """

    def __init__(
        self,
        session: Session,
        kernel: Any,
        tap: OutputTap,
        run_plain: RunPlain,
        cells: Mapping[int, tuple[Cell, CellCode]],
        here: int,
        packer: Packer,
    ) -> None:
        self._session, self._kernel, self._tap, self._run_plain = session, kernel, tap, run_plain
        self._cells, self._here, self._packer = cells, here, packer
        self._count = session.shell.execution_count
        self._gate: Gate
        self._loop = asyncio.get_running_loop()
        self._ambient = session.observer.ambient.everything()

    def begin(self, gate: Gate) -> None:
        """The lane begins: nothing here may reach the front end, the event loop, or files unasked."""
        self._gate = gate
        session = self._session
        session.pid = os.getpid()
        session.observer.files.gate = gate
        session.observer.ambient.put_back(self._ambient)
        self._name_code_as_the_spine()
        self._kernel._input_request = lambda *_args, **_more: gate.refuse("it asks for input")
        _close_loop(self._loop, gate)
        session.journal.refuse_tasks(lambda: gate.refuse("it submits tasks"))
        self._streams = _Streams(self._tap, session.shell)
        self._tap.go_silent(lambda: gate.refuse(widgets.CONTROLS))

    def _name_code_as_the_spine(self) -> None:
        import ipykernel.compiler

        folder = os.path.join(
            os.path.dirname(ipykernel.compiler.get_tmp_directory()), f"ipykernel_{os.getppid()}"
        )
        ipykernel.compiler.get_tmp_directory = lambda: folder

    def restored(self, number: int) -> bool:
        """Take over what is recorded of a cell, if it holds here and all its files lie there."""
        cell, code = self._cells[number]
        decision = self._session.decide(cell, code)
        if not isinstance(decision, Hit):
            return False
        present = self._session.now
        if any(present.digest("file", one.path) != one.digest for one in decision.trace.files):
            return False
        self._session.take_over(cell, decision.trace)
        return True

    def run(self, number: int) -> int:
        """Run a cell; returns the descriptor of its parcel.

        Raises
        ------
        NbrewindError
            It raised, cannot travel, or must run on the spine.
        """
        cell, code = self._cells[number]
        session, shell = self._session, self._session.shell
        if shell.should_run_async(cell.source, transformed_cell=shell.transform_cell(cell.source)):
            raise RefusedError("it awaits")
        if session.missing(code):
            raise RefusedError("it needs something that has to be made again")
        shell.execution_count = self._count + number - self._here
        modules = set(sys.modules)
        session.begin(cell, code)
        reply, outputs = self._execute(cell)
        if reply["status"] != "ok":
            raise RefusedError(f"it raised {reply.get('ename', 'an exception')}")
        REDACTOR.take()
        shown = json.dumps(REDACTOR.message(outputs)).encode()
        run, observation = session.left(cell, code, (), shown, ok=True)
        run = evolve(run, redacted=(*REDACTOR.take(), *kept_secret(run)))
        if run.open:
            raise RefusedError(run.open)
        self._check_modules(modules)
        for name, (_, state) in observation.ambient.writes.items():
            if state.startswith(UNSAVED):
                raise RefusedError(f"the {name} state cannot travel")
        finished = Finished(
            run,
            outputs,
            shown,
            observation.ambient.writes,
            observation.files,
            observation.named,
            self._gate.looked,
            self._gate.settled,
        )
        return self._packer.pack(finished)

    def _execute(self, cell: Cell) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        self._tap.start(self._kernel.parent_id())
        coroutine = self._run_plain(cell)
        try:
            coroutine.send(None)
        except StopIteration as end:
            reply: dict[str, Any] = end.value
        else:
            raise RefusedError("it awaits")
        self._streams.settle()
        return reply, with_payload(self._tap.stop(), reply["payload"])

    def _check_modules(self, before: set[str]) -> None:
        """A module beside the notebook does things when it is imported; that belongs on the spine."""
        for name in sys.modules.keys() - before:
            file = getattr(sys.modules[name], "__file__", None)
            if isinstance(file, str) and self._session.observer.paths.is_data(file):
                raise RefusedError(f"it imports {name}")


def _close_loop(loop: Any, gate: Gate) -> None:
    """The event loop is the spine's. It counts as running, as it does for cells on the spine."""

    def refused(*_args: Any, **_more: Any) -> NoReturn:
        gate.refuse("it uses the kernel's event loop")

    asyncio._set_running_loop(loop)
    for name in _LOOP:
        setattr(loop, name, refused)


class _Streams:
    """Standard output and error of a lane: what is written to them is kept with the cell's outputs.

    The stream objects stay the same, since the notebook may hold them. Pieces are joined as ipykernel joins them.
    """

    def __init__(self, tap: OutputTap, shell: Any) -> None:
        self._tap = tap
        self._parts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._since: dict[str, float] = {}
        self._lock = threading.RLock()
        self._pipes: list[int] = []
        for name in self._parts:
            stream = getattr(sys, name)
            if getattr(stream, "pub_thread", None) is None:
                continue
            watched = getattr(stream, "_should_watch", False)
            stream.write = self._writer(name)
            stream.flush = self._flusher(name)
            if watched:
                self._watch(name, stream._original_stdstream_fd)

    def _writer(self, name: str) -> Callable[[str], int]:
        def write(text: str) -> int:
            if not isinstance(text, str):
                raise TypeError(f"write() argument must be str, not {type(text)}")
            with self._lock:
                now = time.monotonic()
                if now - self._since.setdefault(name, now) > _FLUSH_SECONDS:
                    self._flush(name)
                self._parts[name].append(text)
            return len(text)

        return write

    def _flusher(self, name: str) -> Callable[[], None]:
        def flush() -> None:
            with self._lock:
                self._flush(name)

        return flush

    def _flush(self, name: str) -> None:
        text, self._parts[name] = "".join(self._parts[name]), []
        self._since.pop(name, None)
        if text:
            self._tap.add({"type": "stream", "content": {"name": name, "text": text}})

    def _watch(self, name: str, descriptor: int) -> None:
        """Also what C code writes."""
        reading, writing = os.pipe()
        os.dup2(writing, descriptor)
        os.close(writing)
        self._pipes.append(reading)
        write = self._writer(name)

        def pump() -> None:
            while data := os.read(reading, 1 << 16):
                write(data.decode(errors="replace"))

        threading.Thread(target=pump, name=f"nbrewind-{name}", daemon=True).start()

    def settle(self) -> None:
        """All that has been written is among the outputs."""
        import select

        while select.select(self._pipes, [], [], 0)[0]:
            time.sleep(0.001)
        for name in self._parts:
            with self._lock:
                self._flush(name)
