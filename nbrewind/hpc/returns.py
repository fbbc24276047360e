"""Tasks that engines give back: what is kept of them, and whether their results may be reused."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from nbrewind.errors import NbrewindError
from nbrewind.hpc.failures import Failures
from nbrewind.hpc.fitness import unfit
from nbrewind.hpc.tickets import Returned, Ticket
from nbrewind.record.model import Digest, FileWrite, TaskRun
from nbrewind.record.redaction import REDACTOR
from nbrewind.tasks.content import Contents
from nbrewind.tasks.environments import Environments
from nbrewind.tasks.failures import tail
from nbrewind.tasks.keys import Draft, Key, Unkeyed, unchanged
from nbrewind.tasks.made import evidence
from nbrewind.tasks.observed import Observations, Seen, parse
from nbrewind.tasks.payload import save_content, save_path

if TYPE_CHECKING:
    from nbrewind.tasks.memo import Journal, Memo
    from nbrewind.tasks.spec import Spec


@frozen
class Returns:
    """Record what came back; one thread at a time.

    `tell` shows a line that has not been shown before.
    """

    memo: Memo
    journal: Journal
    contents: Contents
    observations: Observations
    environments: Environments
    failures: Failures
    tell: Callable[[str], None]
    _described: dict[tuple[bytes, str], Digest] = field(factory=dict)
    _plain_reports: dict[bytes, Seen] = field(factory=dict)

    def record(self, ticket: Ticket, back: Returned) -> TaskRun:
        """Record a task, and tell of it what has to be told."""
        ticket.ran = back.result in ("success", "exception")
        seen = self._seen(ticket, back)
        if back.unsure and back.good:
            self.tell(f"the result of {ticket.spec.name} is not reused: {back.unsure}")
        stamps = stamps_of(ticket.spec)
        known = all(stamps.values()) and not (seen.hidden or seen.blind or ticket.contested or back.unsure)
        key = self._final_key(ticket, back.good) if known or not back.good else None
        payload: dict[str, Any] = {}
        try:
            payload = self._payload(ticket, back, seen)
            payload["inputs"] = seen.inputs + evidence(stamps)
            run = self._task_run(ticket, back, key, payload)
            self.memo.add(run)
        except (NbrewindError, OSError) as error:
            self.tell(f"{ticket.spec.name} could not be recorded ({error}): it will run again next time")
            run = self._task_run(ticket, back, None, payload)
        self.journal.task_finished(run)
        if run.status == "failed":
            ticket.unfit = unfit(ticket, back, seen, self.environments.here)
            self.failures.add(run, back.stdout, ticket.unfit, _lacking(ticket.spec, back))
        return run

    def _final_key(self, ticket: Ticket, good: bool) -> Key | None:
        miss = ticket.miss
        key = miss.key
        if key is None and isinstance(miss.draft, Draft):
            finished = miss.draft.finish(self.contents)
            key = None if isinstance(finished, Unkeyed) else finished
        if key is not None and good and not unchanged(ticket.spec, key, self.contents):
            self.tell(f"an input of {ticket.spec.name} changed while it ran: its result is not reused")
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
            self.tell(
                f"{ticket.spec.name} uses {seen.hidden}, which changed while it ran or is another file here than "
                "on the worker: its result is not reused"
            )
        elif seen.blind and back.good:
            self.tell(
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
        if known not in self._described:
            text = self.environments.text(seen.environment, back.machine)
            self._described[known] = self.memo.put(text)
        return self._described[known]

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
                note_written(self.journal, self.contents, output.path)
            elif output.remote in back.buffers:
                digest = self.memo.put(back.buffers[output.remote])
                saved.append(FileWrite(output.remote, digest))
        return saved


def note_written(journal: Journal, contents: Contents, path: str) -> None:
    """Tell the cell of a file, or of all in a folder, that a task left."""
    for each in contents.files(path):
        journal.file_written(each)


def stamps_of(spec: Spec) -> dict[str, Digest]:
    """Return the stamps of what a task takes that lives on workers alone."""
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
