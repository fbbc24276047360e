"""A kernel that records: ipykernel's, with a session around each execute request."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from nbrewind import __version__
from nbrewind.errors import NbrewindError, RebuildError
from nbrewind.kernels.asking import refusal
from nbrewind.kernels.cells import cell_of, expected_cells
from nbrewind.kernels.live_line import LiveLine
from nbrewind.kernels.looks import LookedAtKernel
from nbrewind.kernels.outputs import OutputTap, flush, payload_of, with_payload
from nbrewind.kernels.quiet_line import display_message, executed_line, restored_line
from nbrewind.kernels.settings import Kind, settings_from
from nbrewind.kernels.travel import check
from nbrewind.plan.decide import Hit, Miss
from nbrewind.plan.sentences import sentences
from nbrewind.record.model import Reason


class RecordingKernel(LookedAtKernel):
    """Shared by both kernels: the session, the outputs, and what an execute request turns into."""

    kind: Kind = "audit"
    implementation = "nbrewind"
    implementation_version = __version__

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = settings_from(self.kind)
        self._tap = OutputTap(self.session, self.iopub_thread)
        self._live = LiveLine(self, self._tap, quiet=self._settings.quiet)
        self._nbrewind: Any = None
        self._failed_session: Any = None
        self._trouble: list[str] = []
        self._warnings: list[str] = []
        self._refusal = ""
        self._report: dict[str, Any] | None = None
        self._rebuilder: Any = None
        self._parallel: Any = None
        self._nesting = 0
        self._console = False
        self._open_session()

    # -- session

    def _open_session(self) -> None:
        """Open the record; a kernel without one still runs every cell, and says why at the first."""
        from nbrewind.kernels import magics
        from nbrewind.kernels.rebuild import Rebuilder
        from nbrewind.kernels.session import Session

        magics.install(self.shell, self._rewinder)
        try:
            self._nbrewind = Session(self.shell, self._settings, self._notify, self._live.show)
            self._nbrewind.install()
        except Exception as error:
            self._nbrewind = None
            if not isinstance(error, (NbrewindError, OSError)):
                self.log.error("nbrewind failed to start", exc_info=error)
            self._refusal = refusal(error)
            self._notify(f"nothing is recorded or restored in this session: {error}")
            return
        self._rebuilder = Rebuilder(self._nbrewind, self._run_unseen)
        if self._settings.jobs > 1 and not self._settings.verify:
            self._open_lanes()

    def _open_lanes(self) -> None:
        """Let cells run beside each other."""
        from nbrewind.kernels.lanework import LaneWork
        from nbrewind.kernels.parallel import Parallel

        def make_work(cells: Any, here: int, packer: Any) -> LaneWork:
            flush()
            return LaneWork(self._nbrewind, self, self._tap, self._run_plain, cells, here, packer)

        self._parallel = Parallel(self._nbrewind, make_work, self._settings.jobs, self._notify)

    def _run_plain(self, cell: Any) -> Any:
        """A coroutine that runs a cell as ipykernel does."""
        return super().do_execute(cell.source, False, store_history=True, allow_stdin=True, cell_id=cell.id)

    @property
    def nbrewind_session(self) -> Any:
        """The session that records, ``None`` where the record cannot be used."""
        return self._nbrewind

    def nbrewind_refusal(self) -> str:
        """Why a headless run must not go on (see `nbrewind.kernels.asking`); empty if it may."""
        return self._refusal

    def nbrewind_flush(self) -> str:
        """Make everything recorded so far durable, and tell what went wrong since the last cell, as JSON."""
        self._end_lanes()
        if self._nbrewind is not None:
            self._nbrewind.flush()
        warnings, self._warnings = self._warnings, []
        return json.dumps(warnings)

    def _notify(self, text: str) -> None:
        """Tell one line with the reply of the cell that runs, or of the next, and show it unless told to be quiet."""
        self._warnings.append(text)
        if self._settings.quiet:
            return
        if self._nesting == 0:
            self._trouble.append(text)
        else:
            self._notify_now(text)

    def do_shutdown(self, restart: bool) -> dict[str, Any]:
        """End the run before the process goes."""
        self._end_lanes()
        session = self._nbrewind or self._failed_session
        if session is not None:
            session.close()
            self._nbrewind = self._failed_session = None
        reply: dict[str, Any] = super().do_shutdown(restart)
        return reply

    def finish_metadata(
        self, parent: Any, metadata: dict[str, Any], reply_content: dict[str, Any]
    ) -> dict[str, Any]:
        """Say in the reply's metadata what became of the cell."""
        metadata = super().finish_metadata(parent, metadata, reply_content)
        if parent.get("header", {}).get("msg_type") == "execute_request" and self._report is not None:
            metadata["nbrewind"] = self._report
            self._report = None
        return metadata

    # -- execute requests

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: Any = None,
        allow_stdin: bool = False,
        *,
        cell_meta: Any = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Restore the cell or run it; anything that is not a cell of the notebook passes straight through."""
        arguments = {
            "store_history": store_history,
            "user_expressions": user_expressions,
            "allow_stdin": allow_stdin,
        }
        plain = {**arguments, "cell_meta": cell_meta, "cell_id": cell_id}
        session = self._nbrewind
        for line in self._take_trouble(silent):
            self._notify_now(line)
        if session is None or self._nesting or not code.strip() or os.getpid() != session.pid:
            self.bring_for(user_expressions)
            reply: dict[str, Any] = await super().do_execute(code, silent, **plain)
            if session is None and self._warnings and not silent:
                self._report = {"warnings": self._warnings}
                self._warnings = []
            return reply
        cell = cell_of(code, "" if silent else cell_id, cell_meta)
        if self._parallel is not None and (ahead := expected_cells(cell_meta)):
            self._parallel.expect(ahead)
        self._console = cell_id is None and allow_stdin
        self._nesting += 1
        try:
            return await self._cell(cell, silent, arguments, plain)
        finally:
            self._nesting -= 1

    async def _cell(
        self, cell: Any, silent: bool, arguments: dict[str, Any], plain: dict[str, Any]
    ) -> dict[str, Any]:
        """Decide, then restore or run. Whatever goes wrong in deciding or preparing, the cell still runs."""
        session = self._nbrewind
        begun = False
        decision: Hit | Miss = Miss(())
        try:
            session.catch_up()
            reading = session.read(cell)
            decision = Miss((Reason("silent"),)) if silent else session.decide(cell, reading)
            if isinstance(decision, Hit):
                if self._parallel is not None:
                    self._parallel.passed(cell)
                return self._restored(cell, reading, decision, arguments)
            if self._parallel is not None and not silent:
                session.get_ready()
                arrived = self._parallel.turn(cell)
                if arrived is not None:
                    return self._retired(cell, reading, decision, arrived, arguments)
            self._rebuilder.done = []
            missing = session.missing(reading)
            if self._settings.isolated:
                check(session, reading, missing)
            if missing:
                await self._rebuilder.provide(missing)
            await self._rebuilder.launch(session.unlaunched(cell, decision))
            await self._rebuilder.provide_results(reading.history)
            session.begin(cell, reading)
            begun = True
        except (RebuildError, KeyboardInterrupt) as error:
            self._end_lanes()
            return self._refused(error)
        except Exception as error:  # noqa: BLE001 - the user's cell must run whatever is wrong here
            self._give_up(error)
        if not begun or isinstance(decision, Hit):
            reply: dict[str, Any] = await super().do_execute(cell.source, silent, **plain)
            return reply
        return await self._executed(cell, reading, decision, silent, plain)

    def _end_lanes(self) -> None:
        if self._parallel is not None:
            self._parallel.ran(None, ok=False)

    def _give_up(self, error: Exception) -> None:
        """Go on as a plain kernel, with every variable that can be brought in; say so once."""
        session, self._nbrewind = self._nbrewind, None
        self._failed_session = session
        self._end_lanes()
        self._parallel = None
        self.log.error("nbrewind failed", exc_info=error)
        with contextlib.suppress(Exception):
            session.variables.materialise(session.variables.names())
        self._notify(
            f"an error of nbrewind's own ({type(error).__name__}: {error}) ends recording in this session; "
            "restart the kernel to go on from the record"
        )
        self._report = {"warnings": self._warnings}
        self._warnings = []

    def _refused(self, error: BaseException) -> dict[str, Any]:
        """The cell does not run: something that it needs could not be made again, or the user would not wait."""
        content = {
            "ename": type(error).__name__,
            "evalue": str(error),
            "traceback": [f"{type(error).__name__}: {error}"],
        }
        self.send_response(self.iopub_socket, "error", content)
        count = self.shell.execution_count
        return {"status": "error", "execution_count": count, "user_expressions": {}, "payload": [], **content}

    def _take_trouble(self, silent: bool) -> list[str]:
        if silent:
            return []
        lines, self._trouble = self._trouble, []
        return lines

    def _notify_now(self, line: str) -> None:
        """Show a line below the cell, where the record does not see it."""
        flush()
        with self._tap.unseen():
            content = {"name": "stderr", "text": f"[nbrewind] {line}\n"}
            self.send_response(self.iopub_socket, "stream", content)

    def _restored(self, cell: Any, code: Any, hit: Hit, arguments: dict[str, Any]) -> dict[str, Any]:
        """Show what was recorded, and reply as if the cell had run."""
        report, outputs = self._nbrewind.restore(cell, code, hit.trace)
        line = restored_line(report.saved, report.tasks)
        return self._played(cell, report, outputs, arguments, line)

    def _retired(
        self, cell: Any, code: Any, miss: Miss, arrived: Any, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """Show what a lane brought, and reply as if the cell had run here."""
        from nbrewind.kernels.retiring import retire

        foresight = self._parallel.foresight
        report = retire(self._nbrewind, cell, code, arrived.finished, arrived.values, miss.because, foresight)
        line = executed_line(miss.because, report.tasks, report.causes) if self.kind == "repeat" else None
        return self._played(cell, report, arrived.finished.outputs, arguments, line)

    def _played(
        self, cell: Any, report: Any, outputs: list[dict[str, Any]], arguments: dict[str, Any], line: Any
    ) -> dict[str, Any]:
        """Show outputs of a cell that did not run here, and reply as if it had."""
        shell = self.shell
        count = shell.execution_count
        self.bring_for(arguments["user_expressions"])
        self._tap.play(self, outputs, count)
        if line is not None:
            self._say(line, report.action)
        if arguments["store_history"]:
            shell.history_manager.store_inputs(count, shell.transform_cell(cell.source), cell.source)
            shell.execution_count += 1
        self._report = self._told(cell, report)
        return {
            "status": "ok",
            "execution_count": count,
            "user_expressions": shell.user_expressions(arguments["user_expressions"] or {}),
            "payload": payload_of(outputs),
        }

    async def _executed(
        self, cell: Any, code: Any, miss: Miss, silent: bool, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        """Run the cell and record it."""
        session = self._nbrewind
        self._tap.start(self.parent_id())
        ok, payload = False, []
        try:
            reply: dict[str, Any] = await super().do_execute(cell.source, silent, **arguments)
            ok = reply["status"] == "ok" or cell.may_fail
            payload = reply["payload"]
        finally:
            outputs = with_payload(self._tap.stop(), payload)
            try:
                foresight = self._parallel.foresight if self._parallel is not None and not silent else None
                report = session.finish(cell, code, miss.because, ok=ok, outputs=outputs, foresight=foresight)
            except Exception as error:  # noqa: BLE001 - what the cell did stands, whatever is wrong here
                self._give_up(error)
                report = None
            self._live.end()
            if self._parallel is not None:
                self._parallel.ran(session.steps[-1].run if report else None, ok=ok)
        if report is None:
            return reply
        new = all(reason.kind == "new" for reason in miss.because)
        if self.kind == "repeat" and ok and not silent and not (self._console and new):
            self._say(executed_line(miss.because, report.tasks, report.causes), "executed")
        report.rebuilt = self._rebuilder.done
        if not silent:
            self._report = self._told(cell, report)
        return reply

    def _told(self, cell: Any, report: Any) -> dict[str, Any]:
        """What the reply says of a cell, with what went wrong with the record since the last one."""
        session = self._nbrewind
        warnings, self._warnings = self._warnings, []
        return {
            **_as_json(cell, session.report_counts(report)),
            "run": session.recording.run.id,
            "seq": len(session.steps) - 1,
            "warnings": warnings,
            **self._beside(),
        }

    def _beside(self) -> dict[str, Any]:
        """Whether the cell ran beside others, and if not, why."""
        foresight = None if self._parallel is None else self._parallel.foresight
        if foresight is None:
            return {}
        return {"beside": {"ran": foresight.ran, "why": foresight.why, "wasted": round(foresight.wasted, 3)}}

    def parent_id(self) -> str:
        """The request that is served now."""
        parent = self.get_parent("shell") or {}
        return str(parent.get("header", {}).get("msg_id", ""))

    def _say(self, text: str, action: str) -> None:
        """Show the quiet line below a notebook's cell; a console, whose inputs are no cells, gets plain text."""
        if self._settings.quiet:
            return
        if self._console:
            self._notify_now(text)
        else:
            self.send_response(self.iopub_socket, "display_data", display_message(text, action))

    async def _run_unseen(self, source: str, shows: bool) -> tuple[BaseException | None, Any]:
        """Run code in the notebook's namespace with its outputs held back; `shows`: evaluate its last value."""
        from nbrewind.kernels.unseen import run_unseen

        return await run_unseen(self.shell, self._tap, self._nbrewind.history, source, shows)

    def _rewinder(self) -> Any:
        """What goes back to earlier states, as long as something records."""
        from nbrewind.kernels.rewind import Rewinder

        return None if self._nbrewind is None else Rewinder(self._nbrewind, self._rebuilder)


def _as_json(cell: Any, report: Any) -> dict[str, Any]:
    """What the command line and front ends are told of a cell."""
    from attrs import asdict

    return {
        "id": cell.id,
        "action": report.action,
        "because": [{k: v for k, v in asdict(reason).items() if v} for reason in report.because],
        "why": sentences(report.because) if report.action != "restored" else "",
        "seconds": round(report.seconds, 6),
        "saved": round(report.saved, 6),
        "tasks": asdict(report.tasks),
        "by_cell": {key: asdict(count) for key, count in report.by_cell.items()},
        "task_causes": [asdict(cause) for cause in report.causes],
        "rebuilt": [{"id": key, "seconds": round(seconds, 6)} for key, seconds in report.rebuilt],
        "check": None if report.check is None else asdict(report.check),
    }


class AuditKernel(RecordingKernel):
    """Runs every cell as ipykernel would, and records it."""

    kind = "audit"
    banner = "NBRewind audit: every cell runs and is recorded"


class RepeatKernel(RecordingKernel):
    """Restores what is still valid, runs what a change affects, and records both."""

    kind = "repeat"
    banner = "NBRewind repeat: only what a change affects runs"
