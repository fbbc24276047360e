"""Who may write: locks of the operating system, which vanish with their process, and a note that says whose.

Not `filelock`: a record needs shared locks too (writers against garbage collection) and to ask whether a lock
is held without taking it. Where the file system has no locks (Lustre without ``-o flock``), a claim with a
heartbeat stands in.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import socket
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import attrs
from attrs import frozen

from nbrewind.errors import RecordBusy
from nbrewind.record.digests import digest_bytes
from nbrewind.record.disk import remove, write_atomically, writing

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
_PATIENCE = 0.5  # somebody who only asks holds the lock for an instant
_POLL = 0.02
_CLAIM_DIES = 120.0  # seconds without a heartbeat, on another host


@frozen
class Holder:
    """Who holds a lock: process, its start (in clock ticks), host, time, run."""

    pid: int
    born: int
    host: str
    since: float
    run: str
    notebook: str
    user: str = ""

    @classmethod
    def me(cls, run: str, notebook: str) -> Holder:
        """The holder that is this process."""
        return cls(
            os.getpid(),
            _born(os.getpid()),
            socket.gethostname(),
            time.time(),
            run,
            notebook,
            os.environ.get("USER", ""),
        )

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        user = f" of {self.user}" if self.user else ""
        return f"process {self.pid}{user} on {self.host} since {since} (run {self.run})"


def _born(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


class FileLock:
    """An advisory lock on a file, shared or exclusive, held until `release` or the end of the process."""

    _held: ClassVar[weakref.WeakSet[FileLock]] = weakref.WeakSet()

    def __init__(self, path: Path, *, exclusive: bool, create: bool = True) -> None:
        self.path = path
        self._mode = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        self._flags = os.O_CLOEXEC | (os.O_RDWR | os.O_CREAT if create else os.O_RDONLY)
        self._fd = -1

    def acquire(self, patience: float = 0.0) -> bool:
        """Take it, waiting at most `patience` seconds.

        Raises
        ------
        OSError
            The file cannot be opened, or there are no locks here (see `unsupported`).
        """
        self._fd = os.open(self.path, self._flags, 0o600)
        deadline = time.monotonic() + patience
        try:
            while not self._try():
                if time.monotonic() >= deadline:
                    self.release()
                    return False
                time.sleep(_POLL)
        except OSError:
            self.release()
            raise
        self._held.add(self)
        return True

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, self._mode | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give it back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._held.discard(self)

    @classmethod
    def forget_after_fork(cls) -> None:
        """Called in a forked child: the lock is the parent's, and must not outlive it in the child."""
        for lock in list(cls._held):
            lock.release()


os.register_at_fork(after_in_child=FileLock.forget_after_fork)


def unsupported(error: OSError) -> bool:
    """Whether the file system has no locks at all."""
    return error.errno in _NO_LOCKS


def lock_name(notebook: str) -> str:
    """A file name for a notebook's lock, legible and unique."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", notebook)[-60:].lstrip(".") or "_"
    return (
        plain if plain == notebook else f"{plain}-{digest_bytes(notebook.encode('utf-8', 'replace'))[3:11]}"
    )


class NotebookLock:
    """The right to record one notebook in one record.

    Parameters
    ----------
    folder
        The record's folder of locks.
    notebook
        As in `Run.notebook`.
    """

    def __init__(self, folder: Path, notebook: str) -> None:
        self.notebook = notebook
        self._file = folder / f"{lock_name(notebook)}.lock"
        self._claim = self._file.with_suffix(".json")
        self._lock = FileLock(self._file, exclusive=True)
        self._soft = False
        self._mine: Holder | None = None

    def acquire(self, run: str) -> None:
        """Take it for a run.

        Raises
        ------
        RecordBusy
            Another live process has it.
        RecordUnwritable
            The lock's file cannot be made.
        """
        with writing(self._file.parent):
            try:
                taken = self._lock.acquire(_PATIENCE)
            except OSError as error:
                if not unsupported(error):
                    raise
                taken = self._soft = not self._claim_is_alive()
            if not taken:
                raise self._busy()
            self._mine = Holder.me(run, self.notebook)
            write_atomically(self._claim, json.dumps(attrs.asdict(self._mine)).encode(), sync=False)

    def _busy(self) -> RecordBusy:
        holder = self.holder()
        return RecordBusy(
            f"{self._file.parent.parent} is being written for {self.notebook} "
            f"by {holder or 'another process'}: "
            "shut that kernel down, or record elsewhere with --record DIR"
        )

    def beat(self) -> None:
        """Sign of life, where there are no locks."""
        if self._soft:
            with suppress(OSError):
                os.utime(self._claim)

    @property
    def soft(self) -> bool:
        """Whether signs of life are needed."""
        return self._soft

    def release(self) -> None:
        """Give it back."""
        if self._mine is not None and self.holder() == self._mine:
            remove(self._claim)
        self._mine = None
        self._lock.release()

    def holder(self) -> Holder | None:
        """Who signed last, alive or not."""
        return _read_holder(self._claim)

    def live_run(self) -> str | None:
        """The run that holds it now, or ``None``; asks without taking."""
        holder = self.holder()
        if holder is None:
            return None
        if self._mine is not None:
            return self._mine.run
        probe = FileLock(self._file, exclusive=False, create=False)
        try:
            free = probe.acquire()
        except FileNotFoundError:
            return None
        except OSError:
            free = not self._claim_is_alive()
        probe.release()
        return None if free else holder.run

    def _claim_is_alive(self) -> bool:
        holder = self.holder()
        if holder is None:
            return False
        if holder.host == socket.gethostname():
            return _born(holder.pid) == holder.born != 0
        with suppress(OSError):
            return time.time() - self._claim.stat().st_mtime < _CLAIM_DIES
        return False


def _read_holder(claim: Path) -> Holder | None:
    try:
        plain = json.loads(claim.read_bytes())
        return Holder(**{field.name: plain[field.name] for field in attrs.fields(Holder)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def holders(folder: Path) -> list[Holder]:
    """All who record now, by a record's folder of locks."""
    found = []
    for claim in sorted(folder.glob("*.json")):
        holder = _read_holder(claim)
        if holder is not None and NotebookLock(folder, holder.notebook).live_run():
            found.append(holder)
    return found
