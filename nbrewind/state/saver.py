"""Saving co-variables while the notebook goes on: snapshots are taken when the cell ends, a thread writes them.

`Saver.save` pickles what is new, and copies the memory that the pickles refer to into a bounded stage. What the record
holds already is left out: whole co-variables, whole buffers, and the chunks of a large buffer that stayed as they were.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, Protocol

from attrs import frozen

from nbrewind.errors import NbrewindError, Unsaveable
from nbrewind.record.model import Covariable, Digest, Location
from nbrewind.record.redaction import REDACTOR
from nbrewind.state.buffers import CHUNK, Base
from nbrewind.state.graph import Analyser, Measure
from nbrewind.state.guard import type_name, watching
from nbrewind.state.makers import maker, misfit
from nbrewind.state.pickling import Stream, dump
from nbrewind.state.registry import REGISTRY
from nbrewind.state.staging import Buffer, Entry, Job
from nbrewind.state.trust import Trust
from nbrewind.state.writing import WriterThread

Policy = Literal["auto", "all", "none"]
Locate = Callable[[Digest], Location | None]

FLOOR_SECONDS = 0.05
SHARE = 0.1
"""Under ``auto``, saving may take `FLOOR_SECONDS` and this share of the cell's own time.

It is time of the processor: on a busy machine the clock would tell of others.
"""
_NODE_SECONDS = 0.4e-6
_BYTES_A_SECOND = 3e9
"""Copied, and written beside the notebook."""
_COMPARED_A_SECOND = 10e9
"""Looked at again: nothing is named anew."""
DELTA_FROM = 4 * CHUNK
"""Buffers from this size on are saved as changes where few of their chunks changed."""


class Pen(Protocol):
    """What a saver needs of `nbrewind.record.RunWriter`."""

    def saved(self, digest: Digest, location: Location) -> None:
        """Content is durable there."""

    def new_checkpoint(self) -> tuple[str, Path]:
        """A name, and the temporary path to write at."""

    def commit_checkpoint(self, name: str) -> None:
        """The file at the temporary path is whole."""

    def discard_checkpoint(self, name: str) -> None:
        """It will not be."""


@frozen
class SaveProblem:
    """A co-variable that was not saved: its cell runs again when it is needed.

    `kind` is ``unsaveable`` (of its own), ``budget`` (it costs more than it is worth), ``policy`` (somebody said so),
    or ``failed`` (the disk).
    """

    names: tuple[str, ...]
    why: str
    remedy: str
    kind: Literal["unsaveable", "budget", "policy", "failed"] = "unsaveable"

    @property
    def name(self) -> str:
        """The names, joined."""
        return ", ".join(self.names)


class _TooSlowError(TimeoutError):
    """Saving would take longer than it may."""


class Saver:
    """Saves what cells leave.

    Parameters
    ----------
    writer
        The run that records where content lies.
    analyser
        The one that made the co-variables: it knows what they share, and the hashes of their memory.
    policy
        ``auto`` bounds what saving costs by the time of the cell, ``all`` saves whatever it costs, ``none`` nothing.
    staging_bytes
        How much may wait to be written; `save` waits for room beyond that.
    locate
        Finds content that earlier runs saved: `Record.locate`.
    """

    def __init__(
        self,
        writer: Pen,
        analyser: Analyser,
        *,
        policy: Policy = "auto",
        staging_bytes: int = 128 << 20,
        locate: Locate | None = None,
    ) -> None:
        self.policy: Policy = policy
        self._analyser = analyser
        self._locate: Locate = locate or getattr(writer, "locate", None) or (lambda digest: None)
        self._known: dict[Digest, None] = {}
        self._problems: deque[SaveProblem] = deque()
        self._trust = Trust(analyser)
        self._thread = WriterThread(writer, staging_bytes, self._failed)
        self._process = os.getpid()

    # Called by the kernel.

    def save(self, covariables: Iterable[Covariable], *, label: str, cell_seconds: float) -> None:
        """Take a snapshot of what is new, and see to it that it is written.

        Never raises for what a value or the disk does; `flush` tells.

        Parameters
        ----------
        covariables
            As the analyser made them; those with a reason in `opaque` are left out.
        label
            What the snapshot is of, for people who look into the file.
        cell_seconds
            How long the cell ran; under ``auto`` it bounds what saving may cost.
        """
        if self.policy == "none" or os.getpid() != self._process:  # a forked child has no thread that writes
            return
        new = [each for each in covariables if self._is_new(each)]
        if not new:
            return
        end = time.thread_time() + FLOOR_SECONDS + SHARE * cell_seconds
        job = Job(label)
        with watching():
            for covariable in sorted(new, key=self._cost):
                self._add(job, covariable, None if self.policy == "all" else end)
        if job.entries:
            self._thread.write(job)

    def flush(self, timeout: float | None = None) -> list[SaveProblem]:
        """Wait until all is durable, and return what was not saved since the last call."""
        if os.getpid() == self._process:
            self._thread.wait(timeout)
        problems = []
        while self._problems:
            problems.append(self._problems.popleft())
        return problems

    def close(self) -> None:
        """Wait, and end the thread."""
        if os.getpid() == self._process:
            self._thread.close()

    # Snapshots.

    def _is_new(self, covariable: Covariable) -> bool:
        return not covariable.opaque and not self._has(covariable.digest)

    def _has(self, digest: Digest) -> bool:
        """Whether that content is, or is about to be, where this Python can load it."""
        if digest in self._known:
            return True
        location = self._locate(digest)
        return location is not None and not unfit(location)

    def _measure(self, covariable: Covariable) -> Measure:
        return self._analyser.measure(covariable)

    def _cost(self, covariable: Covariable) -> float:
        """Seconds that pickling takes, and reading back what is not trusted; memory is counted when it is known."""
        measure = self._measure(covariable)
        if self._trust.covers(measure.types):
            return measure.nodes * _NODE_SECONDS
        return 5 * measure.nodes * _NODE_SECONDS + measure.size / _COMPARED_A_SECOND

    def _add(self, job: Job, covariable: Covariable, end: float | None) -> None:
        known = [(kind, REGISTRY.of(kind)) for kind in self._measure(covariable).types]
        policies = {found.policy: kind for kind, found in known if found is not None}
        unsaved = policies.get("never") or policies.get("rebuild")
        if unsaved is not None:
            why = f"the policy for {type_name(unsaved)} is '{'never' if 'never' in policies else 'rebuild'}'"
            remedy = "its cell runs again when it is needed"
            self._problems.append(SaveProblem(covariable.names, why, remedy, "policy"))
            return
        if "always" in policies:
            end = None
        try:
            if end is not None and time.thread_time() + self._cost(covariable) > end:
                raise _TooSlowError
            entry = self._snapshot(covariable, end)
            copying = sum(buffer.size for buffer in entry.buffers) / _BYTES_A_SECOND
            if end is not None and time.thread_time() + copying > end:
                raise _TooSlowError
        except _TooSlowError:
            why = f"saving it would take longer than {FLOOR_SECONDS * 1000:.0f} ms and {SHARE:.0%} of the cell's time"
            remedy = "its cell runs again when it is needed; policy 'all' saves it"
            self._problems.append(SaveProblem(covariable.names, why, remedy, "budget"))
        except NbrewindError as error:
            remedy = "its cell runs again when it is needed; see nbrewind.state.register_reducer"
            self._problems.append(SaveProblem(covariable.names, str(error), remedy))
        else:
            self._known[covariable.digest] = None
            self._known.update(dict.fromkeys(each.digest for each in entry.buffers))
            job.entries.append(entry)

    def _snapshot(self, covariable: Covariable, end: float | None) -> Entry:
        measure = self._measure(covariable)
        if measure.unshareable:
            raise Unsaveable(measure.unshareable)

        def deadline(_: int) -> None:
            if end is not None and time.thread_time() > end:
                raise _TooSlowError

        namespace = self._analyser.namespace
        values = [self._analyser.value_of(name) for name in covariable.names]
        arrays = [[found for ref in group if (found := ref()) is not None] for group in measure.shared]
        stream = dump(values, namespace, arrays, pinned=measure.pinned, deadline=deadline)
        if _others_run() and self._analyser.digest_of(values) != covariable.digest:
            raise Unsaveable("another thread changed it while it was saved")
        if secret := REDACTOR.holds(stream.data):
            REDACTOR.leave_out(f"the value of {', '.join(covariable.names)}", secret)
            raise Unsaveable(f"it holds {secret}")
        self._trust.verify(covariable, measure.types, stream)
        made_by = "" if measure.portable else maker(measure.types)
        entry = Entry(covariable, made_by, stream.data, stream.alive)
        for number, view in enumerate(stream.memory):
            entry.buffers.append(self._buffer(covariable, number, view, stream))
        return entry

    def _buffer(self, covariable: Covariable, number: int, view: memoryview, stream: Stream) -> Buffer:
        typed = stream.typed.get(number)
        hashes = self._analyser.buffers.seen if typed is not None and typed.own else self._analyser.buffers.at
        chunks = hashes(view, address_of(view))
        digest = "b3:" + chunks.name.hex()
        buffer = Buffer(digest, chunks, view, typed)
        if self._has(digest):
            buffer.stored = ()
            return buffer
        bases, place = self._analyser.buffers.bases, (covariable.names, number, view.nbytes)
        base = bases.get(place)
        if base is not None and self._has(base.digest):
            changed = tuple(at for at, name in enumerate(chunks.names) if name != base.chunks.names[at])
            if len(changed) * 2 <= len(chunks.names):
                buffer.base, buffer.stored = base.digest, changed
                return buffer
        if view.nbytes >= DELTA_FROM:
            bases[place] = Base(digest, chunks)
        return buffer

    def _failed(self, entries: Sequence[Entry], why: str, remedy: str) -> None:
        """Called by the thread: these were not written."""
        for entry in entries:
            self._known.pop(entry.covariable.digest, None)
            for buffer in entry.buffers:
                self._known.pop(buffer.digest, None)
            self._problems.append(SaveProblem(entry.covariable.names, why, remedy, "failed"))


_OURS = (
    "MainThread",
    "nbrewind-",
    "IOPub",
    "Heartbeat",
    "Control",
    "IPythonHistorySavingThread",
    "Shell",
    "pydevd.",
)
"""How threads are called that change no values of the user's: ours, and the kernel's."""


def _others_run() -> bool:
    """Whether threads of the user's run, which may change what is being saved."""
    return any(
        not thread.name.startswith(_OURS) and "_watch_pipe_fd" not in thread.name
        for thread in threading.enumerate()
    )


def unfit(location: Location) -> str:
    """Why a saved co-variable cannot be loaded here, in words that follow "saved by"; buffers always can."""
    made_by, colon, _ = location.entry.partition(":")
    return misfit(made_by) if colon else ""


def address_of(view: memoryview) -> int:
    """Where a buffer lies."""
    import numpy as np

    return int(np.frombuffer(view, np.uint8).__array_interface__["data"][0]) if view.nbytes else 0
