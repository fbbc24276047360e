"""One session's decisions about tasks, whatever the engine: reuse, run, record."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbrewind.errors import NbrewindError
from nbrewind.hpc.failures import Failures
from nbrewind.hpc.fitness import unfit
from nbrewind.hpc.launches import Launches
from nbrewind.hpc.loose import Loose
from nbrewind.hpc.misses import Misses
from nbrewind.hpc.pace import Pace
from nbrewind.hpc.tickets import Hit, Miss, Returned, Ticket
from nbrewind.record.model import Digest, FileWrite, TaskRun
from nbrewind.record.redaction import REDACTOR
from nbrewind.tasks.content import Contents
from nbrewind.tasks.environments import Environments
from nbrewind.tasks.failures import tail
from nbrewind.tasks.keys import Draft, Identity, Key, Unkeyed, combine, draft_key, unchanged
from nbrewind.tasks.made import evidence, made_anew, stamp
from nbrewind.tasks.observed import Observations, Seen, parse
from nbrewind.tasks.payload import put_back, save_content, save_path
from nbrewind.tasks.previews import previews

if TYPE_CHECKING:
    from nbrewind.hpc.options import EngineOptions
    from nbrewind.tasks.memo import Journal, Memo
    from nbrewind.tasks.spec import Spec


class Session:
    """Decide about the tasks of one kernel and record those that come back.

    Parameters
    ----------
    memo
        Finished tasks.
    journal
        The session that runs cells.
    options
        The user's choices.
    identity
        Digests of values and functions of the notebook.
    contents
        Digests of local files.
    launches
        Commands of the notebook that start workers.
    """

    def __init__(
        self,
        memo: Memo,
        journal: Journal,
        options: EngineOptions,
        identity: Identity,
        contents: Contents,
        launches: Launches | None = None,
    ) -> None:
        self.memo, self.journal, self.options = memo, journal, options
        self.identity, self.contents = identity, contents
        self.failures = Failures(journal)
        self.pace = Pace(journal)
        self.misses = Misses()
        self.launches = launches or Launches(replaced=options.site is not None)
        self._loose = Loose(memo)
        self.observations = Observations()
        self.environments = Environments(options.environments)
        self._told: set[str] = set()
        self._lock = threading.RLock()  # each manager may have a thread of its own
        self._environments: dict[tuple[bytes, str], Digest] = {}
        self._plain_reports: dict[bytes, Seen] = {}

    def decide(self, spec: Spec, identity: Identity) -> Hit | Miss:
        """Look a task up as it is submitted; a hit has its output files in place.

        Parameters
        ----------
        spec
            The task.
        identity
            As the session's, for the manager that it is submitted to.
        """
        with self._lock:
            return self._decide(spec, identity)

    def _decide(self, spec: Spec, identity: Identity) -> Hit | Miss:
        self._note_inputs(spec)
        draft = draft_key(spec, identity, self.contents)
        if isinstance(draft, Unkeyed):
            self.tell_once(draft.why)
            return Miss("unkeyed", draft, why=draft.why or draft.part)
        if draft.late:
            return Miss("late", draft)
        key = draft.finish(self.contents)
        if isinstance(key, Unkeyed):
            return Miss("unkeyed", key, why=key.why)
        if self.journal.fresh:
            return Miss("fresh", draft, key)
        run = self.memo.find(key.digest)
        if run is None and self.environments.policy == "any":
            run = self._loose.find(self.journal.cell_id(), key.ingredients)
            key = Key(run.key, run.ingredients) if run else key
        if run is None:
            return Miss("new", draft, key)
        if made_anew(run.inputs, _stamps(spec)):
            return Miss("late", draft, key)
        if changed := self.observations.changed(run.inputs):
            return Miss("file", draft, key, f"{changed} is not as the task found or left it", seen=changed)
        try:
            if unlike := self.environments.differences(
                run.environment, lambda: self.memo.get(run.environment)
            ):
                return Miss("environment", draft, key, ", ".join(map(str, unlike)), unlike=unlike)
            return self._restore(spec, Hit(key, run))
        except (NbrewindError, OSError) as error:
            self.tell_once(f"the stored result of {spec.name} cannot be read ({error}); it runs again")
            return Miss("lost", draft, key, str(error))

    def reused(self, hit: Hit) -> None:
        """Tell the cell that the record served a task."""
        with self._lock:
            self.misses.hit(hit.key.digest)
            self.journal.task_reused(hit.run)

    def submitted(self, spec: Spec, miss: Miss, engine: str) -> Ticket:
        """Tell the cell that a task goes to an engine."""
        with self._lock:
            self.journal.task_submitted(spec.name)
        named = self.observations.named(spec.command) if spec.kind == "command" else Seen()
        words = previews(spec, miss.draft, self.journal.namespace())
        ticket = Ticket(spec, miss, engine, self.journal.cell_id(), time.time(), named, words)
        self.misses.add(ticket)
        return ticket

    def cell_finished(self) -> None:
        """Sum up the tasks of the cell."""
        with self._lock:
            self.failures.flush()
            self.pace.cell_finished()
            causes = self.misses.take(self.memo, self.journal.cell_id())
        if causes:
            self.journal.task_causes(causes)

    def contest(self, ticket: Ticket, other: Ticket | None, path: str) -> None:
        """Note that a task goes out which writes a file; `other` is the last one that did, and may not be back yet."""
        if other is None or other is ticket or other.recorded:
            return
        ticket.contested = other.contested = path
        self.tell_once(
            f"{other.spec.name} and {ticket.spec.name} both write {path} and run at the same time: whose file is left "
            "is chance, so neither result is reused; give each a file of its own"
        )

    def returned(self, ticket: Ticket, back: Returned) -> TaskRun:
        """Record a task that the engine gave back."""
        with self._lock:
            return self._returned(ticket, back)

    def _returned(self, ticket: Ticket, back: Returned) -> TaskRun:
        ticket.ran = back.result in ("success", "exception")
        seen = self._seen(ticket, back)
        if back.unsure and back.good:
            self.tell_once(f"the result of {ticket.spec.name} is not reused: {back.unsure}")
        stamps = _stamps(ticket.spec)
        known = all(stamps.values()) and not (seen.hidden or seen.blind or ticket.contested or back.unsure)
        key = self._final_key(ticket, back.good) if known or not back.good else None
        payload: dict[str, Any] = {}
        try:
            payload = self._payload(ticket, back, seen)
            payload["inputs"] = seen.inputs + evidence(stamps)
            run = self._task_run(ticket, back, key, payload)
            self.memo.add(run)
        except (NbrewindError, OSError) as error:
            self.tell_once(f"{ticket.spec.name} could not be recorded ({error}): it will run again next time")
            run = self._task_run(ticket, back, None, payload)
        self.journal.task_finished(run)
        if run.status == "failed":
            ticket.unfit = unfit(ticket, back, seen, self.environments.here)
            self.failures.add(run, back.stdout, ticket.unfit, _lacking(ticket.spec, back))
        return run

    def abandoned(self, ticket: Ticket, why: str) -> None:
        """Record a task that nobody will ask for any more."""
        key = ticket.miss.key
        with suppress(NbrewindError, OSError):
            self.memo.add(
                TaskRun(
                    key=key.digest if key else "",
                    run=self.memo.run,
                    cell_id=ticket.cell,
                    engine=ticket.engine,
                    kind=ticket.spec.kind,
                    name=ticket.spec.name,
                    status="cancelled",
                    result=why,
                    ingredients=key.ingredients if key else {},
                    submitted=ticket.submitted,
                    finished=time.time(),
                    attempts=0,
                )
            )

    def stamp(self, run: TaskRun) -> Digest:
        """Return what a run met besides what its key tells; nothing where that is not known."""
        try:
            return stamp(
                run, self.environments.recorded(run.environment, lambda: self.memo.get(run.environment))
            )
        except (NbrewindError, OSError, ValueError) as error:
            self.tell_once(f"what {run.name} ran in is not known ({error}): what it made is taken for new")
            return ""

    def keep(self, key: Digest, stamp: Digest, name: str, content: bytes) -> None:
        """Record the content of a file that lived on workers only, and was made by a run with this key and stamp."""
        try:
            digest = self.memo.put(content)
            self.memo.add(
                TaskRun(
                    key=_content_key(key, stamp, name),
                    run=self.memo.run,
                    cell_id=self.journal.cell_id(),
                    engine="",
                    kind="content",
                    name=name,
                    status="done",
                    output=digest,
                )
            )
        except (NbrewindError, OSError) as error:
            self.tell_once(f"the content of {name} could not be recorded ({error})")

    def content(self, key: Digest, stamp: Digest, name: str) -> bytes | None:
        """Return what `keep` recorded."""
        run = None if self.journal.fresh else self.memo.find(_content_key(key, stamp, name))
        try:
            return None if run is None else self.memo.get(run.output)
        except (NbrewindError, OSError):
            return None

    def tell_once(self, text: str) -> None:
        """Show a line that has not been shown in this session."""
        if text and text not in self._told:
            self._told.add(text)
            self.journal.notice(text)

    def _note_written(self, path: str) -> None:
        for each in self.contents.files(path):
            self.journal.file_written(each)

    def _note_inputs(self, spec: Spec) -> None:
        for source in spec.inputs:
            if source.kind == "file" and not source.late:
                for path in self.contents.files(source.source):
                    self.journal.file_read(path)

    def _restore(self, spec: Spec, hit: Hit) -> Hit:
        run = hit.run
        for used in run.inputs:
            if used.kind == "file" and used.digest:
                self.journal.file_read(self.observations.real(used))
        buffers = []
        for output in spec.outputs:
            files = [file for file in run.files if file.path == output.remote]
            if output.kind == "file":
                for file in files:
                    put_back(self.memo, self.contents, output.path, file)
                    self._note_written(output.path)
            elif output.kind == "buffer" and files and files[0].digest:
                buffers.append((output.remote, self.memo.get(files[0].digest)))
        output_bytes = self.memo.get(run.output) if run.output else None
        stdout = self.memo.get(run.stdout).decode("utf-8", "surrogateescape") if run.stdout else ""
        return Hit(hit.key, run, output_bytes, stdout, tuple(buffers))

    def _final_key(self, ticket: Ticket, good: bool) -> Key | None:
        miss = ticket.miss
        key = miss.key
        if key is None and isinstance(miss.draft, Draft):
            finished = miss.draft.finish(self.contents)
            key = None if isinstance(finished, Unkeyed) else finished
        if key is not None and good and not unchanged(ticket.spec, key, self.contents):
            self.tell_once(f"an input of {ticket.spec.name} changed while it ran: its result is not reused")
            return None
        return key

    def _task_run(self, ticket: Ticket, back: Returned, key: Key | None, payload: dict[str, Any]) -> TaskRun:
        return TaskRun(
            key=key.digest if key else "",
            run=self.memo.run,
            cell_id=ticket.cell,
            engine=ticket.engine,
            kind=ticket.spec.kind,
            name=ticket.spec.name,
            status="done" if back.good else "cancelled" if back.cancelled else "failed",
            exit_code=back.exit_code,
            result=back.result,
            ingredients=key.ingredients if key else {},
            previews=ticket.previews,
            resources=back.resources,
            host=back.host,
            submitted=ticket.submitted,
            finished=back.finished,
            seconds=back.seconds,
            attempts=back.attempts,
            **payload,
        )

    def _seen(self, ticket: Ticket, back: Returned) -> Seen:
        """What the task used beyond what was declared, as far as it was watched."""
        if back.report is not None:
            seen = self._plain_reports.get(back.report) or self.observations.settle(parse(back.report))
            if not seen.inputs and not seen.hidden:
                self._plain_reports[back.report] = seen
        elif ticket.spec.kind == "command":
            seen = self.observations.since(ticket.named, ticket.spec.command)
        else:
            return Seen()
        if seen.hidden:
            self.tell_once(
                f"{ticket.spec.name} uses {seen.hidden}, which changed while it ran or is another file here than "
                "on the worker: its result is not reused"
            )
        elif seen.blind and back.good:
            self.tell_once(
                f"what {ticket.spec.name} opened on its worker is not known (python3 there must be 3.8 or newer, and "
                "the function must return): its result is not reused"
            )
        for path in seen.reads:
            self.journal.file_read(path)
        for path in seen.writes:
            self.journal.file_written(path)
        return seen

    def _environment(self, back: Returned, seen: Seen) -> Digest:
        """Record where a task ran; a worker that ran many is described once."""
        known = (seen.environment, back.host)
        if known not in self._environments:
            text = self.environments.text(seen.environment, back.machine)
            self._environments[known] = self.memo.put(text)
        return self._environments[known]

    def _payload(self, ticket: Ticket, back: Returned, seen: Seen) -> dict[str, Any]:
        payload: dict[str, Any] = {}
        if seen.environment or back.machine:
            payload["environment"] = self._environment(back, seen)
        if back.stdout:
            kept = REDACTOR.text(back.stdout if back.good else tail(back.stdout))
            payload["stdout"] = self.memo.put(kept.encode("utf-8", "surrogateescape"))
        if back.good:
            payload["files"] = tuple(self._save_outputs(ticket, back))
            if isinstance(back.output, bytes):
                payload["output"] = self.memo.put(back.output)
            elif back.output is not None:
                payload["output"] = save_content(self.memo, back.output)
        return payload

    def _save_outputs(self, ticket: Ticket, back: Returned) -> list[FileWrite]:
        saved: list[FileWrite] = []
        for output in ticket.spec.outputs:
            if output.kind == "file":
                if output.when == "failure" and not os.path.exists(output.path):
                    continue
                saved.append(save_path(self.memo, output.remote, output.path))
                self._note_written(output.path)
            elif output.remote in back.buffers:
                digest = self.memo.put(back.buffers[output.remote])
                saved.append(FileWrite(output.remote, digest))
        return saved


def _stamps(spec: Spec) -> dict[str, Digest]:
    """The stamps of what a task takes that lives on workers alone."""
    return {name: tell() for name, tell in spec.makers.items()}


def _lacking(spec: Spec, back: Returned) -> str:
    """Which declared files were not there, as far as it shows here."""
    if back.result == "output missing":
        names = [
            each.remote for each in spec.outputs if each.kind == "file" and not os.path.lexists(each.path)
        ]
        return f"it left no {', '.join(names[:3])}" if names else ""
    if back.result == "input missing":
        paths = [
            each.source for each in spec.inputs if each.kind == "file" and not os.path.exists(each.source)
        ]
        return f"there is no {', '.join(paths[:3])}" if paths else ""
    return ""


def _content_key(key: Digest, stamp: Digest, name: str) -> Digest:
    return combine({"content of": name, "made by": key, "which met": stamp})
