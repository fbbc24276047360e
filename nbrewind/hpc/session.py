"""One session's decisions about tasks, whatever the engine: reuse, run, record."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from nbrewind.errors import NbrewindError
from nbrewind.hpc.failures import Failures
from nbrewind.hpc.launches import Launches
from nbrewind.hpc.loose import Loose
from nbrewind.hpc.misses import Misses
from nbrewind.hpc.pace import Pace
from nbrewind.hpc.returns import Returns, note_written, stamps_of
from nbrewind.hpc.tickets import Hit, Miss, Returned, Ticket
from nbrewind.record.model import Digest, TaskRun
from nbrewind.tasks.content import Contents
from nbrewind.tasks.environments import Environments
from nbrewind.tasks.keys import Identity, Key, Unkeyed, combine, draft_key
from nbrewind.tasks.made import made_anew, stamp
from nbrewind.tasks.observed import Observations, Seen
from nbrewind.tasks.payload import put_back
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
        self._returns = Returns(
            memo,
            journal,
            contents,
            self.observations,
            self.environments,
            self.failures,
            self.tell_once,
        )

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
        if made_anew(run.inputs, stamps_of(spec)):
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
            return self._returns.record(ticket, back)

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
                    note_written(self.journal, self.contents, output.path)
            elif output.kind == "buffer" and files and files[0].digest:
                buffers.append((output.remote, self.memo.get(files[0].digest)))
        output_bytes = self.memo.get(run.output) if run.output else None
        stdout = self.memo.get(run.stdout).decode("utf-8", "surrogateescape") if run.stdout else ""
        return Hit(hit.key, run, output_bytes, stdout, tuple(buffers))


def _content_key(key: Digest, stamp: Digest, name: str) -> Digest:
    return combine({"content of": name, "made by": key, "which met": stamp})
