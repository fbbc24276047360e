"""One notebook played by one kernel: what each cell showed, how long it took, what the kernel told about it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

from attrs import field, frozen
from jupyter_client.manager import KernelManager

from benchmarks.corpus.sources import Cells

_SHOWN = frozenset({"stream", "display_data", "execute_result", "error", "update_display_data"})
_PASSING = re.compile(
    r"0x[0-9a-f]{6,}"  # addresses
    r"|[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"  # ids drawn at random
    r"|\b[0-9.e+-]+ ?(?:ns|[µμu]s|ms|s|min|seconds|it/s|s/it)\b"  # durations
    r"|\d+:\d+(?::\d+)?|ipykernel_\d+/\d+|<?-?\w*-\d+-[0-9a-f]+>?"  # clocks, process numbers
    r"|\x1b\[[0-9;]*m"
)


@frozen
class Played:
    """A run: of each cell, outputs without what differs from one clean run to the next, and seconds."""

    shown: tuple[Any, ...] = field(repr=False)
    seconds: tuple[float, ...]
    told: tuple[dict[str, Any], ...] = field(repr=False)

    @property
    def total(self) -> float:
        """Seconds of all cells."""
        return sum(self.seconds)

    def executed(self) -> list[int]:
        """Indices of the cells that nbrewind did not restore."""
        return [number for number, told in enumerate(self.told) if told.get("action") != "restored"]

    def differs(self, other: Played) -> list[int]:
        """Indices of the cells that showed something else."""
        return [n for n, (mine, its) in enumerate(zip(self.shown, other.shown, strict=True)) if mine != its]


def play(kernel: str, cells: Cells, folder: Path, limit: float) -> Played:
    """Run all cells, also after one that fails, in a new kernel in a folder; its sockets lie beside the folder.

    Raises
    ------
    TimeoutError
        A cell was not done after `limit` seconds.
    """
    environment = {**os.environ, "JPY_SESSION_NAME": str(folder / "notebook.ipynb")}
    manager = KernelManager(kernel_name=kernel, transport="ipc", ip=str(folder.with_name("k")))
    manager.start_kernel(cwd=str(folder), env=environment)
    client = manager.client()
    shown, seconds, told = [], [], []
    try:
        client.start_channels()
        client.wait_for_ready(timeout=limit)
        client.execute_interactive("pass", store_history=False, silent=True)
        for name, code in cells:
            client.session.metadata = {"cellId": name}
            outputs: list[list[Any]] = []
            begun = time.perf_counter()
            reply = client.execute_interactive(
                code,
                timeout=limit,
                output_hook=lambda message, outputs=outputs: _note(message, outputs),
                allow_stdin=False,
                stop_on_error=False,
            )
            seconds.append(time.perf_counter() - begun)
            told.append(reply["metadata"].get("nbrewind", {}))
            shown.append(_lasting(outputs))
    finally:
        client.session.metadata = {}
        client.stop_channels()
        manager.shutdown_kernel(now=len(told) < len(cells))
    return Played(tuple(shown), tuple(seconds), tuple(told))


def _note(message: dict[str, Any], outputs: list[list[Any]]) -> None:
    kind, content = message["msg_type"], dict(message["content"])
    if kind not in _SHOWN or "nbrewind" in content.get("metadata", {}):
        return
    content.pop("traceback", None)
    if kind == "stream" and outputs and outputs[-1][0] == kind and outputs[-1][1]["name"] == content["name"]:
        outputs[-1][1]["text"] += content["text"]
    else:
        outputs.append([kind, content])


def _lasting(shown: Any) -> Any:
    if isinstance(shown, dict):
        return {
            key: _lasting(one) for key, one in shown.items() if key not in ("execution_count", "transient")
        }
    if isinstance(shown, list):
        return [_lasting(one) for one in shown]
    return _PASSING.sub("*", shown) if isinstance(shown, str) else shown
