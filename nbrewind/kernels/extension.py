"""The third door: ``%load_ext nbrewind`` records the cells of a kernel that nbrewind did not start.

Such a kernel runs every cell, so nothing is restored; its record serves the repeat kernel and the command line.
"""

from __future__ import annotations

import atexit
import sys
from contextlib import suppress
from typing import Any

from nbrewind.cells.code import CellCode
from nbrewind.errors import NbrewindError
from nbrewind.kernels import magics
from nbrewind.kernels.cells import Cell, cell_of
from nbrewind.kernels.outputs import OutputTap, flush, with_payload
from nbrewind.kernels.rebuild import Rebuilder
from nbrewind.kernels.rewind import Rewinder
from nbrewind.kernels.session import Session
from nbrewind.kernels.settings import settings_from
from nbrewind.kernels.unseen import run_unseen
from nbrewind.record.model import Reason

_ATTRIBUTE = "_nbrewind_extension"


class Extension:
    """Records what a stock shell runs, from its own events.

    Parameters
    ----------
    shell
        IPython's shell; outputs are recorded where it belongs to a Jupyter kernel.

    Raises
    ------
    NbrewindError
        The record cannot be used.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._kernel: Any = getattr(shell, "kernel", None)
        self._tap: OutputTap | None = None
        if self._kernel is not None:
            self._tap = OutputTap(self._kernel.session, self._kernel.iopub_thread)
        self._session = Session(shell, settings_from("audit"), self._notify)
        self._session.install()
        self._session.variables.begin_anew()
        self._rebuilder = Rebuilder(self._session, self._run_unseen)
        self._records = True
        self._depth = 0
        self._running: tuple[Cell, CellCode] | None = None
        magics.install(shell, self._rewinder)
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)

    def close(self) -> None:
        """Stop recording and end the run."""
        for name, callback in (("pre_run_cell", self._before), ("post_run_cell", self._after)):
            with suppress(ValueError):
                self._shell.events.unregister(name, callback)
        magics.remove(self._shell)
        if self._tap is not None:
            self._tap.close()
        self._session.close()

    def _notify(self, text: str) -> None:
        """Show a line below the cell, where the record does not see it."""
        line = f"[nbrewind] {text}\n"
        if self._tap is None:
            sys.stderr.write(line)
            return
        flush()
        with self._tap.unseen():
            self._kernel.send_response(self._kernel.iopub_socket, "stream", {"name": "stderr", "text": line})

    def _give_up(self, error: Exception) -> None:
        """Let the shell go on unrecorded after an error of nbrewind's own."""
        self._records, self._running = False, None
        self._notify(
            f"an error of nbrewind's own ({type(error).__name__}: {error}) ends recording in this session; "
            "restart the kernel to record again"
        )

    def _before(self, info: Any) -> None:
        """Called by IPython before each cell; also before one that another cell runs, which is a part of that."""
        self._depth += 1
        if self._depth > 1 or not self._records or not info.raw_cell or not info.raw_cell.strip():
            return
        parent = self._parent()
        cell = cell_of(info.raw_cell, getattr(info, "cell_id", None), parent.get("metadata"))
        try:
            self._session.catch_up()
            code = self._session.read(cell)
            if self._tap is not None:
                self._tap.start(str(parent.get("header", {}).get("msg_id", "")))
            self._session.begin(cell, code)
        except Exception as error:  # noqa: BLE001 - the user's cell must run whatever is wrong here
            self._give_up(error)
            return
        self._running = (cell, code)

    def _after(self, result: Any) -> None:
        """Called by IPython after each cell."""
        self._depth = max(0, self._depth - 1)
        if self._depth or self._running is None:
            return
        (cell, code), self._running = self._running, None
        outputs = self._tap.stop() if self._tap is not None else []
        outputs = with_payload(outputs, self._shell.payload_manager.read_payload())
        ok = result is not None and (result.success or cell.may_fail)
        because = (Reason("fresh" if self._session.settings.fresh else "audit"),)
        try:
            self._session.finish(cell, code, because, ok=ok, outputs=outputs)
        except Exception as error:  # noqa: BLE001 - what the cell did stands, whatever is wrong here
            self._give_up(error)

    def _parent(self) -> Any:
        """The request that the kernel now serves."""
        return (self._kernel.get_parent("shell") if self._kernel is not None else None) or {}

    async def _run_unseen(self, source: str, shows: bool) -> tuple[BaseException | None, Any]:
        return await run_unseen(self._shell, self._tap, self._session.history, source, shows)

    def _rewinder(self) -> Rewinder | None:
        """What goes back; this shell cannot bring values in when something needs them, so all come at once."""
        return Rewinder(self._session, self._rebuilder, eager=True) if self._records else None


def load(shell: Any) -> None:
    """Begin to record the shell's cells; a second call, or one in a kernel of nbrewind's own, changes nothing."""
    own_kernel = type(getattr(shell, "kernel", None)).__module__.startswith("nbrewind.")
    if own_kernel or getattr(shell, _ATTRIBUTE, None) is not None:
        return
    try:
        extension = Extension(shell)
    except (NbrewindError, OSError) as error:
        print(f"[nbrewind] nothing is recorded: {error}", file=sys.stderr)
        return
    setattr(shell, _ATTRIBUTE, extension)
    atexit.register(unload, shell)


def unload(shell: Any) -> None:
    """End recording."""
    extension = getattr(shell, _ATTRIBUTE, None)
    if extension is not None:
        setattr(shell, _ATTRIBUTE, None)
        extension.close()
