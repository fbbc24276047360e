"""The third door: ``%load_ext nbrewind`` records the cells of a kernel that nbrewind did not start.

Such a kernel runs every cell, so nothing is restored; its record serves the repeat kernel and the command line.
"""

from __future__ import annotations

import sys
from typing import Any

from nbrewind.errors import NbrewindError
from nbrewind.kernels.outputs import OutputTap, with_payload
from nbrewind.kernels.session import Cell, Session
from nbrewind.kernels.settings import settings_from
from nbrewind.record.model import Reason

_ATTRIBUTE = "_nbrewind_extension"


class Extension:
    """Records what a stock shell runs, from its own events.

    Parameters
    ----------
    shell
        IPython's shell; outputs are recorded where it belongs to a Jupyter kernel.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._session = Session(shell, settings_from("audit"), self._notify)
        self._session.install()
        kernel: Any = getattr(shell, "kernel", None)
        self._kernel: Any = kernel
        self._tap = OutputTap(kernel.session, kernel.iopub_thread) if kernel is not None else None
        self._running: tuple[Any, Any] | None = None
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)

    def close(self) -> None:
        """Stop recording and end the run."""
        self._shell.events.unregister("pre_run_cell", self._before)
        self._shell.events.unregister("post_run_cell", self._after)
        if self._tap is not None:
            self._tap.close()
        self._session.close()

    def _notify(self, text: str) -> None:
        print(f"[nbrewind] {text}", file=sys.stderr)

    def _before(self, info: Any) -> None:
        if not info.raw_cell or not info.raw_cell.strip():
            return
        cell = Cell(info.raw_cell, getattr(info, "cell_id", None) or "")
        code = self._session.read(cell)
        if self._tap is not None:
            parent = self._kernel.get_parent("shell") or {}
            self._tap.start(str(parent.get("header", {}).get("msg_id", "")))
        self._session.begin(cell, code)
        self._running = (cell, code)

    def _after(self, result: Any) -> None:
        if self._running is None:
            return
        (cell, code), self._running = self._running, None
        outputs = self._tap.stop() if self._tap is not None else []
        outputs = with_payload(outputs, self._shell.payload_manager.read_payload())
        ok = result is not None and result.success
        self._session.finish(cell, code, (Reason("audit"),), ok=ok, outputs=outputs)


def load(shell: Any) -> None:
    """Begin to record the shell's cells; a second call changes nothing."""
    if getattr(shell, _ATTRIBUTE, None) is not None:
        return
    if type(getattr(shell, "kernel", None)).__module__.startswith("nbrewind."):
        print("[nbrewind] this kernel records already", file=sys.stderr)
        return
    try:
        extension = Extension(shell)
    except (NbrewindError, OSError) as error:
        print(f"[nbrewind] nothing is recorded: {error}", file=sys.stderr)
        return
    setattr(shell, _ATTRIBUTE, extension)
    import atexit

    atexit.register(unload, shell)


def unload(shell: Any) -> None:
    """End recording."""
    extension = getattr(shell, _ATTRIBUTE, None)
    if extension is not None:
        setattr(shell, _ATTRIBUTE, None)
        extension.close()
