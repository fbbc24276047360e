"""Running a notebook without a front end, in a kernel that talks through files of the user's own.

What the kernel finds out about each cell comes back in the metadata of its reply.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import nbformat
from attrs import define, field
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from nbrewind.errors import (
    EngineMissing,
    KernelFailed,
    SiteUnusable,
    UsageError,
    WorkersMissing,
    WorkersUnfit,
)
from nbrewind.kernels.asking import FLUSH, REFUSAL, answer_in, check_refusal
from nbrewind.kernels.cells import Cell, announced
from nbrewind.kernels.checks import summed_up
from nbrewind.kernels.live_line import PROGRESS
from nbrewind.kernels.notebooks import apply_parameters, check_cells, code_cells, read_notebook
from nbrewind.kernels.private import private_manager
from nbrewind.kernels.settings import Settings
from nbrewind.tasks.tally import Tally


class Progress(Protocol):
    """Told how a run goes on."""

    def begin(self, total: int) -> None:
        """So many code cells will be looked at."""

    def cell(self, index: int, source: str) -> None:
        """A code cell is being looked at now."""

    def done(self, entry: dict[str, Any]) -> None:
        """A cell is done with; `entry` is what ``--json`` says of it."""

    def note(self, text: str) -> None:
        """Something that the user should know."""

    def tasks(self, tallies: Sequence[Tally]) -> None:
        """How the tasks of the cell that runs stand; empty: they need no more watching."""


@define
class Outcome:
    """What became of a run: the object that ``--json`` prints, and what ends the command."""

    status: str = "ok"
    run: str = ""
    seconds: float = 0.0
    cells: list[dict[str, Any]] = field(factory=list)
    tasks: dict[str, Any] = field(factory=lambda: {"reused": 0, "submitted": 0, "failed": 0, "by_cell": {}})
    warnings: list[str] = field(factory=list)
    checks: list[dict[str, Any]] = field(factory=list)
    error: str = ""
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        """In the published form, schema 1."""
        body: dict[str, Any] = {
            "schema": 1,
            "status": self.status,
            "run": self.run,
            "seconds": round(self.seconds, 3),
            "cells": self.cells,
            "tasks": self.tasks,
        }
        if self.checks:
            body["verify"] = {**summed_up(self.checks), "cells": self.checks}
        if self.warnings:
            body["warnings"] = self.warnings
        if self.error:
            body["error"] = self.error
        return body


class Client(NotebookClient):
    """Gives the kernel each cell's identity, and collects what the kernel says of it."""

    def __init__(
        self, notebook: Any, outcome: Outcome, progress: Progress, jobs: int, **options: Any
    ) -> None:
        super().__init__(notebook, **options)
        self._jobs, self._announced = jobs, False
        self._outcome = outcome
        self._progress = progress
        self._places = {id(cell): index for index, cell in enumerate(code_cells(notebook))}
        self.reply: dict[str, Any] = {}
        self._interrupted = False

    def place_of(self, cell: Any) -> int | None:
        """Its index among the code cells, ``None`` for other cells."""
        return self._places.get(id(cell))

    def skips(self, cell: Any) -> bool:
        """Whether a code cell is not to run."""
        return self.skip_cells_with_tag in cell.metadata.get("tags", []) or not cell.source.strip()

    async def async_execute_cell(self, cell: Any, cell_index: int, *args: Any, **more: Any) -> Any:
        """Called by nbclient for every cell, in order."""
        index = self.place_of(cell)
        if index is None:
            return await super().async_execute_cell(cell, cell_index, *args, **more)
        tags = list(cell.metadata.get("tags", []))
        if self.skips(cell):
            self._add({"index": index, "id": cell.id, "action": "skipped", "because": [], "seconds": 0.0})
            return await super().async_execute_cell(cell, cell_index, *args, **more)
        self._progress.cell(index, cell.source)
        self.kc.session.metadata = {
            "cellId": cell.id,
            "tags": tags,
            "nbrewind": {"index": index, **self._announcement()},
        }
        self.reply = {}
        started = time.perf_counter()
        try:
            return await super().async_execute_cell(cell, cell_index, *args, **more)
        except DeadKernelError:
            self.reply = {"action": "failed", "because": [{"kind": "died"}]}
            raise
        finally:
            self._collect(cell, index, time.perf_counter() - started)

    def _announcement(self) -> dict[str, Any]:
        """With the first cell the kernel is told of all, if it may run some of them beside each other."""
        if self._jobs == 1 or self._announced:
            return {}
        self._announced = True
        cells = [
            Cell(cell.source, cell.id, index, frozenset(cell.metadata.get("tags", [])))
            for index, cell in enumerate(code_cells(self.nb))
            if cell.source.strip() and self.skip_cells_with_tag not in cell.metadata.get("tags", [])
        ]
        return {"ahead": announced(cells)}

    async def async_start_new_kernel_client(self) -> Any:
        """Called by nbclient once the kernel's process is there."""
        try:
            return await super().async_start_new_kernel_client()
        except RuntimeError as error:
            raise KernelFailed(
                f"the kernel does not start ({error}); `nbrewind doctor` checks this environment"
            ) from error

    async def run_all(self, **kernel_options: Any) -> None:
        """Start the kernel, run every cell, wait until the record is on disk, and stop the kernel."""
        async with self.async_setup_kernel(cleanup_kc=True, **kernel_options):
            self._stop_at_signals()
            try:
                information = await self.async_wait_for_reply(self.kc.kernel_info())
                self.nb.metadata["language_info"] = information["content"]["language_info"]
                check_refusal(await self._ask(REFUSAL))
                for index, cell in enumerate(self.nb.cells):
                    await self.async_execute_cell(cell, index, execution_count=self.code_cells_executed + 1)
                self.set_widgets_metadata()
            finally:
                await self.flush()

    async def flush(self) -> None:
        """Wait until what was recorded is on disk: a kernel that is told to go has little time left."""
        if not await self.km.is_alive():
            return
        self._warn(json.loads(await self._ask(FLUSH) or "[]"))
        self.km.at_rest = True

    async def _ask(self, expression: str) -> str:
        """The text that an expression has in the kernel."""
        self.kc.session.metadata = {}
        request = self.kc.execute("", silent=True, user_expressions={"answer": expression})
        return answer_in(await self.async_wait_for_reply(request, None))

    def _stop_at_signals(self) -> None:
        """The first signal interrupts the cell, so that the notebook can tidy up; a second one ends the kernel."""

        def stop() -> None:
            again, self._interrupted = self._interrupted, True
            end = self.km.shutdown_kernel(now=True) if again else self.km.interrupt_kernel()
            self._ending = asyncio.ensure_future(end)

        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                asyncio.get_running_loop().add_signal_handler(number, stop)
            except RuntimeError:  # not in the main thread, where signals do not come
                return

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended the run."""
        return self._interrupted

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Called by nbclient for everything that a cell shows."""
        if msg["msg_type"] == PROGRESS:
            self._progress.tasks([Tally(**tally) for tally in msg["content"]["tallies"]])
            return None
        return super().process_message(msg, cell, cell_index)

    def set_reply(self, cell: Any, cell_index: int, execute_reply: Any) -> None:
        """Called by nbclient when a cell's reply has come, also that of a failed cell."""
        self.reply = execute_reply.get("metadata", {}).get("nbrewind", {})

    def _collect(self, cell: Any, index: int, seconds: float) -> None:
        told = self.reply
        entry = {
            "index": index,
            "id": cell.id,
            "action": told.get("action", "executed"),
            "because": told.get("because", []),
            "seconds": round(seconds, 3),
        }
        if not told and any(output.output_type == "error" for output in cell.outputs):
            entry["action"] = "failed"
        if told.get("task_causes"):
            entry["task_causes"] = told["task_causes"]
        if told.get("check"):
            self._outcome.checks.append({"index": index, "id": cell.id, **told["check"]})
            entry["verified"] = told["check"]["verdict"]
        if told.get("beside"):
            entry["beside"] = told["beside"]
        if told.get("saved"):
            entry["saved"] = round(told["saved"], 3)
        cell.metadata["nbrewind"] = {"action": entry["action"], "why": told.get("why", "")}
        self._outcome.run = told.get("run", self._outcome.run)
        self._warn(told.get("warnings", []))
        for key, counts in told.get("by_cell", {}).items():
            self._count(key, counts)
        for again in told.get("rebuilt", []):
            self._mark_rebuilt(again)
        self._add({**entry, "why": told.get("why", "")} if told.get("why") else entry)

    def _warn(self, warnings: Iterable[str]) -> None:
        for text in warnings:
            if text not in self._outcome.warnings:
                self._outcome.warnings.append(text)
                self._progress.note(text)

    def _count(self, cell_id: str, counts: dict[str, int]) -> None:
        tasks = self._outcome.tasks
        place = tasks["by_cell"].setdefault(cell_id, {"reused": 0, "submitted": 0, "failed": 0})
        for kind, number in counts.items():
            tasks[kind] += number
            place[kind] += number

    def _mark_rebuilt(self, again: dict[str, Any]) -> None:
        for entry in self._outcome.cells:
            if entry["id"] == again["id"] and entry["action"] == "restored":
                entry.update(action="rebuilt", seconds=again["seconds"], because=[{"kind": "needed"}])

    def _add(self, entry: dict[str, Any]) -> None:
        self._outcome.cells.append(entry)
        self._progress.done(entry)


def run(
    settings: Settings,
    *,
    out: Path | None,
    parameters: tuple[tuple[str, str], ...],
    progress: Progress,
    client_class: type[Client] = Client,
) -> Outcome:
    """Audit or repeat a notebook from top to bottom.

    Parameters
    ----------
    settings
        Of the kernel; `settings.notebook` is what runs.
    out
        Where the executed notebook is written (``None``: nowhere).
    parameters
        Names and values of ``-p``.
    progress
        Told how it goes on.
    client_class
        Hands the cells to kernels.

    Returns
    -------
    Outcome
        Its `exit_code` is 1 if the notebook failed.

    Raises
    ------
    NbrewindError
        The notebook, the parameters or the record cannot be used; nothing ran.
    """
    notebook = read_notebook(settings.notebook)
    slips = apply_parameters(notebook, settings.notebook, parameters)
    check_cells(notebook, settings.notebook, settings.rerun)
    if out is not None:
        check_out(out)
    outcome = Outcome()
    progress.begin(len(code_cells(notebook)))
    for line in slips:
        outcome.warnings.append(line)
        progress.note(line)
    started = time.perf_counter()
    with private_manager(settings) as manager:
        client = client_class(notebook, outcome, progress, settings.jobs, km=manager, timeout=None)
        client.on_cell_executed = client.set_reply
        _execute(client, settings, outcome)
    outcome.seconds = time.perf_counter() - started
    for cell in code_cells(notebook):
        cell.outputs = joined(cell.outputs)
    _complete(notebook, outcome)
    if outcome.status == "ok" and summed_up(outcome.checks)["different"]:
        outcome.status, outcome.exit_code = "differs", 1
    if out is not None:
        _write(notebook, settings, outcome, out)
    return outcome


def joined(outputs: list[Any]) -> list[Any]:
    """Outputs with neighbouring pieces of one stream in one: how they were cut on their way is chance."""
    result: list[Any] = []
    for output in outputs:
        last = result[-1] if result else None
        if (
            last is not None
            and last.output_type == output.output_type == "stream"
            and last.name == output.name
        ):
            last.text += output.text
        else:
            result.append(output)
    return result


def _what_failed(notebook: Any, error: CellExecutionError) -> str:
    """The exception in one line; of one in a display hook, the reply itself knows nothing."""
    if error.ename != "NoneType":
        return f"{error.ename}: {error.evalue}"
    shown = [
        output for cell in code_cells(notebook) for output in cell.outputs if output.output_type == "error"
    ]
    return f"{shown[-1].ename}: {shown[-1].evalue}" if shown else "a value could not be displayed"


def _execute(client: Client, settings: Settings, outcome: Outcome) -> None:
    notebook = client.nb
    environment = {**os.environ, **settings.environment()}
    try:
        asyncio.run(client.run_all(env=environment, cwd=str(settings.notebook.parent)))
    except CellExecutionError as error:
        outcome.status, outcome.exit_code = "failed", 1
        outcome.error = _what_failed(notebook, error)
        if error.ename in (WorkersMissing.__name__, WorkersUnfit.__name__, SiteUnusable.__name__):
            outcome.exit_code = WorkersMissing.exit_code
        elif error.ename == "ModuleNotFoundError" and "ndcctools" in error.evalue:
            outcome.exit_code = EngineMissing.exit_code
            outcome.error = (
                "a task must run and ndcctools is not installed here: conda install -c conda-forge ndcctools "
                "(Debian 13: apt install python3-workqueue coop-computing-tools)"
            )
    except DeadKernelError:
        outcome.status, outcome.exit_code = "failed", 1
        outcome.error = "the kernel died; what had finished is in the record, and a repeat goes on from there"
    if client.interrupted and outcome.status == "failed":
        outcome.error = "interrupted; what had finished is in the record, and a repeat goes on from there"


def _complete(notebook: Any, outcome: Outcome) -> None:
    """Cells behind a failure were not looked at."""
    seen = {entry["index"] for entry in outcome.cells}
    for index, cell in enumerate(code_cells(notebook)):
        if index not in seen:
            entry = {
                "index": index,
                "id": cell.id,
                "action": "skipped",
                "because": [{"kind": "not-reached"}],
                "seconds": 0.0,
            }
            outcome.cells.append(entry)
    outcome.cells.sort(key=lambda entry: entry["index"])


def check_out(out: Path) -> None:
    """Find out before the run what would keep its result from being written.

    Raises
    ------
    UsageError
        There is no such folder, or it may not be written.
    """
    if out.is_dir():
        raise UsageError(f"{out}: this is a folder; name a file with -o")
    if not out.parent.is_dir():
        raise UsageError(f"{out}: the folder {out.parent} does not exist; create it or choose another -o")
    if not os.access(out.parent, os.W_OK):
        raise UsageError(f"{out}: the folder {out.parent} may not be written; choose another -o")


def _write(notebook: Any, settings: Settings, outcome: Outcome, out: Path) -> None:
    from nbrewind.errors import RecordUnwritable

    notebook.metadata["nbrewind"] = {"schema": 1, "run": outcome.run, "kind": settings.kind}
    try:
        temporary = out.with_name(f".{out.name}.tmp")
        temporary.write_text(nbformat.writes(notebook), encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        raise RecordUnwritable(
            f"{out}: the executed notebook cannot be written ({error.strerror})"
        ) from error
