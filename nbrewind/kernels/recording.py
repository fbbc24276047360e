"""A session's access to its record, in which nothing that goes wrong may reach the user's cell."""

from __future__ import annotations

import getpass
import platform
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from nbrewind import __version__
from nbrewind.cells.ambient import UNSAVED
from nbrewind.errors import NbrewindError
from nbrewind.record.digests import FileDigests
from nbrewind.record.foreign import UNTRUSTED
from nbrewind.record.model import AmbientWrite, CellRun, Covariable, Digest, FileWrite, Run
from nbrewind.record.store import Record
from nbrewind.record.writer import RunWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbrewind.cells.ambient import AmbientChange
    from nbrewind.kernels.settings import Settings
    from nbrewind.state import Analyser, SaveProblem, Saver

T = TypeVar("T")
_ERRNO = re.compile(r"^\[Errno \d+\] ")
FILE_LIMIT = 64 * 2**20
"""Largest file that a cell wrote which the record keeps a copy of, in bytes; of others it knows the digest."""


def new_run(settings: Settings) -> Run:
    """Describe the run that begins now."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime())
    return Run(
        id=f"{stamp}-{secrets.token_hex(2)}",
        kind=settings.kind,
        notebook=settings.notebook.name,
        started=time.time(),
        host=socket.gethostname(),
        user=_user(),
        python=platform.python_version(),
        version=__version__,
        site=settings.site,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


class Recording:
    """The open record of one run.

    Parameters
    ----------
    settings
        Where the record lies, what is saved.
    trouble
        Told each new problem once, in one sentence.

    Raises
    ------
    NbrewindError
        The record cannot be used at all: too new, broken, busy, unwritable.
    """

    def __init__(self, settings: Settings, trouble: Callable[[str], None]) -> None:
        self.record = Record.open(settings.record)
        try:
            self.writer: RunWriter = self.record.begin(new_run(settings))
        except BaseException:
            self.record.close()
            raise
        self.run = self.writer.run
        self.files = FileDigests(self.record)
        self._saver: Saver | None = None
        self._looking: Thread | None = None
        self._policy = settings.policy
        self._trouble = trouble
        self._told: set[str] = set()
        for sentence in self.record.dropped:
            self._tell(sentence)
        if not self.record.foreign.trusted:
            self._tell(UNTRUSTED)

    def start_environment(self) -> None:
        """Begin to record what this process runs in, beside the cells."""
        self._looking = Thread(target=self._note_environment, name="nbrewind-environment", daemon=True)
        self._looking.start()

    def _note_environment(self) -> None:
        from nbrewind.environment.collecting import collect_once

        with self.guarded("the environment is not recorded"):
            self.writer.describe(self.writer.put(collect_once()))

    def start_saver(self, analyser: Analyser) -> None:
        """Begin to save values that this analyser digests."""
        from nbrewind.state import Saver

        self._saver = Saver(self.writer, analyser, policy=self._policy)

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Report what goes wrong with the record instead of failing the cell."""
        try:
            yield
        except NbrewindError as error:
            self._tell(f"{what}: {error}")
        except OSError as error:
            self._tell(f"{what}: {error.strerror or error} ({settings_hint()})")
        except Exception as error:  # noqa: BLE001 - recording must not break the user's cell
            self._tell(f"{what}: {type(error).__name__}: {error}")

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._trouble(sentence)

    def save_values(self, covariables: Iterable[Covariable], label: str, seconds: float) -> None:
        """Save the values of these versions, in the background."""
        if self._saver is not None:
            keep = [covariable for covariable in covariables if not covariable.opaque]
            with self.guarded("some variables are not saved"):
                self._saver.save(keep, label=label, cell_seconds=seconds)

    def put(self, data: bytes) -> Digest:
        """Keep bytes; an empty digest where the record takes no more."""
        with self.guarded("this run is not saved"):
            return self.writer.put(data)
        return ""

    def keep_files(self, files: Iterable[tuple[str, str, Digest | None]]) -> tuple[FileWrite, ...]:
        """Keep copies of files that a cell wrote.

        Parameters
        ----------
        files
            Real path, symbolic path and digest of each.
        """
        import os

        kept = []
        for real, symbolic, digest in files:
            mode = 0o644
            if digest is not None:
                with self.guarded(f"the file {symbolic} is not saved"):
                    stat = os.stat(real)
                    mode = stat.st_mode & 0o777
                    if stat.st_size <= FILE_LIMIT:
                        digest = self.writer.put_file(real)
            kept.append(FileWrite(symbolic, digest, mode))
        return tuple(kept)

    def keep_ambient(self, change: AmbientChange) -> tuple[AmbientWrite, ...]:
        """Keep the ambient state that a cell left."""
        return self.keep_ambient_states(change.writes)

    def keep_ambient_states(self, states: Mapping[str, tuple[Digest, bytes]]) -> tuple[AmbientWrite, ...]:
        """Keep ambient states, given with their digests by provider."""
        return tuple(
            AmbientWrite(name, digest, "" if state.startswith(UNSAVED) else self.put(state))
            for name, (digest, state) in states.items()
        )

    def add(self, cell_run: CellRun) -> None:
        """Record a cell run."""
        with self.guarded("this run is not saved"):
            self.writer.cell(cell_run)

    def read(self, digest: Digest, default: T) -> bytes | T:
        """Stored bytes, or `default` where they are gone or damaged."""
        try:
            return self.record.blob(digest)
        except (KeyError, NbrewindError, OSError):
            return default

    def flush(self) -> None:
        """Wait until all that was saved is on disk, and report what was not saved."""
        if self._looking is not None:
            self._looking.join()
        if self._saver is not None:
            with self.guarded("some variables are not saved"):
                self._tell_unsaved(self._saver.flush())
        with self.guarded("this run is not saved"):
            self.writer.sync()

    def _tell_unsaved(self, problems: Iterable[SaveProblem]) -> None:
        """Report what the disk did not take, in one sentence a cause; the rest is rebuilt by design."""
        causes: dict[str, list[str]] = {}
        for problem in problems:
            if problem.kind == "failed":
                causes.setdefault(_ERRNO.sub("", problem.why), []).extend(problem.names)
        for why, names in causes.items():
            some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
            verb = "is" if len(names) == 1 else "are"
            self._tell(f"{some} {verb} not saved in {self.record.folder}: {why}; {settings_hint()}")

    def close(self, status: str) -> None:
        """End the run."""
        self.flush()
        if self._saver is not None:
            with self.guarded("some variables are not saved"):
                self._saver.close()
        with self.guarded("this run is not saved"):
            self.writer.end(status)
        with self.guarded("the record was not closed"):
            self.record.close()


def settings_hint() -> str:
    """The remedy for a disk that takes no more."""
    return "free space, or record elsewhere with --record DIR"
