"""Kernels that run lists of cells, timed as a front end meets them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import field, frozen
from jupyter_client.manager import start_new_kernel

STOCK, AUDIT, REPEAT = "python3", "nbrewind-audit", "nbrewind-repeat"


@frozen
class Timing:
    """Seconds of each cell, from request to reply, and what the last cell printed."""

    seconds: tuple[float, ...]
    text: str = ""
    told: tuple[dict, ...] = field(default=(), repr=False)

    @property
    def total(self) -> float:
        return sum(self.seconds)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of its own for one run."""
    path = Path(tempfile.mkdtemp(prefix="nbrewind-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def run(kernel: str, cells: Sequence[str], where: Path, timeout: float = 600) -> Timing:
    """Run cells in a new kernel, whose start and end are not counted.

    Raises
    ------
    RuntimeError
        A cell failed.
    """
    manager, client = start_new_kernel(kernel_name=kernel, cwd=str(where))
    seconds, told = [], []
    try:
        client.execute_interactive("pass", store_history=False, silent=True)
        for number, code in enumerate(cells):
            client.session.metadata = {"cellId": f"cell-{number}"}
            printed: list[str] = []

            def note(message: dict, printed: list[str] = printed) -> None:
                if message["msg_type"] == "stream":
                    printed.append(message["content"]["text"])

            begun = time.perf_counter()
            reply = client.execute_interactive(code, timeout=timeout, output_hook=note)
            seconds.append(time.perf_counter() - begun)
            told.append(reply["metadata"].get("nbrewind", {}))
            if reply["content"]["status"] != "ok":
                raise RuntimeError(f"{kernel}: {code!r}: {reply['content']['evalue']}")
    finally:
        client.session.metadata = {}
        client.stop_channels()
        manager.shutdown_kernel()
    return Timing(tuple(seconds), "".join(printed), tuple(told))


def size(path: Path) -> int:
    """Bytes on disk below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
