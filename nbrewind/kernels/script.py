"""Running a plain Python script with the tasks of its record: ``nbrewind run``.

The script gets a process of its own, in which everything is as ``python SCRIPT`` makes it: `sys.argv`, `__main__`,
tracebacks, exit code. Only the engine's module is instrumented when the script imports it.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, NoReturn

from nbrewind import hpc
from nbrewind.cells.imports import ImportWatch
from nbrewind.errors import NbrewindError, UsageError
from nbrewind.kernels.engines import engine_options
from nbrewind.kernels.journal import CellJournal
from nbrewind.kernels.recording import Recording
from nbrewind.kernels.settings import Settings, record_folder
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import CellRun, Reason, TaskCount
from nbrewind.tasks.memo import RecordMemo

CELL = "script"
"""What the record calls the one cell of a script's run."""
_ENGINES = ("ndcctools", "work_queue")
_BEGIN = (
    "import sys; sys.flags.safe_path or sys.path.pop(0); from nbrewind.kernels.script import main; main()"
)


def start(script: Path, arguments: Sequence[str], options: dict[str, Any]) -> NoReturn:
    """Replace this process by one that runs a script.

    Parameters
    ----------
    script
        As given on the command line.
    arguments
        Of the script.
    options
        As `main` takes them.

    Raises
    ------
    UsageError
        There is no such file, or it cannot be read.
    """
    try:
        with io.open_code(os.path.abspath(script)):
            pass
    except OSError as error:
        raise UsageError(f"{script}: cannot be run ({error.strerror}); give a Python script") from error
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    command = [sys.executable, "-c", _BEGIN, json.dumps(options), str(script), *arguments]
    os.execv(sys.executable, command)


def main() -> None:
    """Run what the command line names: options as JSON, the script, its arguments."""
    options, sys.argv = json.loads(sys.argv[1]), sys.argv[2:]
    path = os.path.abspath(sys.argv[0])
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.realpath(path)))
    with io.open_code(path) as file:
        source = file.read()
    variables = _main_module(path)
    run = ScriptRun(Path(path), source, variables, options)
    atexit.register(run.close)  # before whatever the script registers, so after it
    try:
        exec(compile(source, path, "exec", dont_inherit=True), variables)
    except BaseException as error:
        run.ended_by(error)
        _show(error)
        raise


def _main_module(path: str) -> dict[str, Any]:
    """Make ``__main__`` what it is in ``python SCRIPT``."""
    variables = vars(sys.modules["__main__"])
    variables.clear()
    variables.update(
        __name__="__main__",
        __doc__=None,
        __package__=None,
        __loader__=SourceFileLoader("__main__", path),
        __spec__=None,
        __builtins__=sys.modules["builtins"],
        __file__=path,
        __cached__=None,
        **({"__annotations__": {}} if sys.version_info < (3, 14) else {}),
    )
    return variables


def _show(error: BaseException) -> None:
    """Show an exception without the frames of this module; Python then ends as it always does."""
    if isinstance(error, SystemExit):
        return
    trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    sys.excepthook = lambda *_: None


class ScriptRun:
    """The record of one run of a script. Nothing that goes wrong with it may reach the script.

    Parameters
    ----------
    script
        Its path.
    source
        Its text.
    variables
        Of its ``__main__``.
    options
        ``record``, ``site``, ``fresh``, ``worker_deadline``, ``environments``, ``quiet``, ``json``.
    """

    def __init__(
        self, script: Path, source: bytes, variables: dict[str, Any], options: dict[str, Any]
    ) -> None:
        self._source, self._options = source, options
        self._interrupted = False
        self._status, self._started, self._pid = "ok", time.time(), os.getpid()
        folder = Path(options["record"]) if options["record"] else record_folder(script)
        settings = Settings(
            kind="script",
            notebook=script,
            record=folder,
            fresh=options["fresh"],
            site=options["site"],
            worker_deadline=options["worker_deadline"],
            environments=options["environments"],
        )
        self._settings = settings
        self._journal = CellJournal(variables, _NoNotes(), _tell, lambda tallies: None, fresh=settings.fresh)
        self._journal.enter(CELL)
        self._recording: Recording | None = None
        self._refused = False
        self._imports = ImportWatch()
        for name in _ENGINES:
            self._imports.after(name, lambda _module: self._begin())

    def _begin(self) -> None:
        """Open the record, and instrument the engine that the script imports; without one, nothing runs beside it."""
        self._imports.remove()
        if not self._open():
            return
        assert self._recording is not None, "it was opened just now"
        memo = RecordMemo(self._recording.record, self._recording.writer)
        hpc.install(memo, self._journal, engine_options(self._settings, _tell))

    def _open(self) -> bool:
        try:
            self._recording = Recording(self._settings, _tell)
        except (NbrewindError, OSError) as error:
            self._refused = True
            _tell(f"no task is recorded or reused: {error}")
        return self._recording is not None

    def ended_by(self, error: BaseException) -> None:
        """The script ended with an exception; one that asks for exit code 0 is no failure."""
        fine = isinstance(error, SystemExit) and error.code in (None, 0)
        self._status = "ok" if fine else "failed"
        self._interrupted = isinstance(error, KeyboardInterrupt)

    def close(self) -> None:
        """Called when the process ends."""
        if os.getpid() != self._pid:
            return
        try:
            self._finish()
        finally:
            if self._interrupted:
                _end_by_interrupt()

    def _finish(self) -> None:
        hpc.cell_finished()
        hpc.shutdown()
        if self._recording is None and (self._refused or not self._open()):
            return
        assert self._recording is not None, "it is open"
        seconds = time.time() - self._started
        count = self._journal.count(CELL)
        self._recording.add(self._as_cell(self._recording.run.id, seconds, count))
        self._recording.close(self._status)
        self._report(self._recording.run.id, seconds, count)

    def _as_cell(self, run: str, seconds: float, count: TaskCount) -> CellRun:
        """The run as one cell, so that what compares and shows runs knows its code and its tasks."""
        return CellRun(
            run=run,
            seq=0,
            cell_id=CELL,
            code=digest_bytes(self._source),
            source=self._source.decode("utf-8", "replace"),
            started=self._started,
            seconds=seconds,
            action="executed" if self._status == "ok" else "failed",
            status="ok" if self._status == "ok" else "error",
            index=0,
            tasks=count,
            because=(Reason("script"),),
            open="a script always runs",
        )

    def _report(self, run: str, seconds: float, count: TaskCount) -> None:
        told = {"reused": count.reused, "submitted": count.submitted, "failed": count.failed}
        if (count.reused or count.submitted) and not self._options["quiet"]:
            _tell("tasks: " + ", ".join(f"{number} {what}" for what, number in told.items() if number))
        if self._options["json"]:
            body = {
                "schema": 1,
                "status": self._status,
                "run": run,
                "seconds": round(seconds, 3),
                "tasks": told,
            }
            try:
                Path(self._options["json"]).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
            except OSError as error:
                _tell(f"--json {self._options['json']}: cannot be written ({error.strerror})")


def _end_by_interrupt() -> None:
    """Let Python end as after an interrupt that nobody caught: it forgets at the next text that it executes."""
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt", {})


class _NoNotes:
    """A script is not restored, so nobody asks which files its tasks touch."""

    def note_read(self, path: str) -> None:
        pass

    def note_write(self, path: str) -> None:
        pass


def _tell(text: str) -> None:
    """Say something on standard error; the script may have closed it."""
    try:
        print(f"[nbrewind] {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return
