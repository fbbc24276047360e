"""Running a cell again where nobody sees it: outputs held back, IPython's history as it was."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from nbrewind.kernels.history import History
from nbrewind.kernels.outputs import OutputTap


async def run_unseen(
    shell: Any, tap: OutputTap | None, history: History, source: str, shows: bool
) -> tuple[BaseException | None, Any]:
    """Run code in the notebook's namespace.

    Parameters
    ----------
    shell
        IPython's.
    tap
        Holds back what a kernel sends; ``None`` for a shell in a terminal.
    history
        Knows what the underscores are bound to.
    source
        The cell.
    shows
        Whether its last value is evaluated.

    Returns
    -------
    tuple
        The exception that it raised, if any, and its last value.
    """
    number, outputs = shell.execution_count, dict(shell.user_ns["_oh"])
    with _held_back(tap):
        result = await shell.run_cell_async(
            source, store_history=False, silent=not shows, transformed_cell=shell.transform_cell(source)
        )
        shell.events.trigger("post_execute")
    if shows:
        shell.user_ns["_oh"].clear()
        shell.user_ns["_oh"].update(outputs)
        shell.user_ns.pop(f"_{number}", None)
        history.settle()
    return result.error_before_exec or result.error_in_exec, result.result


@contextlib.contextmanager
def _held_back(tap: OutputTap | None) -> Any:
    if tap is None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
        return
    tap.mute(True)
    try:
        yield
    finally:
        tap.mute(False)
