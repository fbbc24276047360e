"""What keeps a lane from acting outside: it stands before each effect, and lets it happen, wait, or not happen.

Files are read freely; that they were left alone meanwhile is compared later. Before a lane writes its first file it
waits until its cell's turn has come, and then keeps what the file held, so that it can be put back. Whatever else
reaches beyond the process (other processes, the network, prompts) ends the lane before it happens: the cell then runs
on the spine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from nbrewind.schedule.messages import Channel, Go, Kept, Refused, Waits
from nbrewind.schedule.parcel import FileState, disturbed, file_state
from nbrewind.schedule.tokens import Slots

KEEPS = 64 << 20
"""Largest file whose earlier content a lane keeps, in bytes; a cell that writes a larger one runs on the spine."""

_REFUSED = {
    "subprocess.Popen": "it starts a process",
    "os.system": "it starts a process",
    "os.exec": "it becomes another program",
    "os.posix_spawn": "it starts a process",
    "os.fork": "it forks",
    "os.forkpty": "it forks",
    "pty.spawn": "it starts a process",
    "os.kill": "it sends signals",
    "os.killpg": "it sends signals",
    "signal.pthread_kill": "it sends signals",
    "socket.connect": "it uses the network",
    "socket.bind": "it uses the network",
    "socket.sendto": "it uses the network",
    "socket.sendmsg": "it uses the network",
    "socket.getaddrinfo": "it uses the network",
    "socket.gethostbyname": "it uses the network",
    "socket.gethostbyaddr": "it uses the network",
    "urllib.Request": "it uses the network",
    "webbrowser.open": "it opens a browser",
    "sqlite3.connect": "it opens a database",
    "fcntl.flock": "it locks a file",
    "fcntl.lockf": "it locks a file",
    "syslog.syslog": "it writes to the system's log",
    "shutil.rmtree": "it removes a folder",
    "builtins.input": "it asks for input",
}
_ENGINES = frozenset({"ndcctools", "mpi4py", "ray", "pyspark", "parsl", "ipyparallel"})


class Gate:
    """Stands before the effects of the cells of one lane.

    Parameters
    ----------
    channel
        To the spine.
    slots
        Given back while a cell waits for its turn.
    is_data
        Whether a path is the notebook's data rather than software or a cache.

    Attributes
    ----------
    looked
        Files that the cell looked at, as they were then.
    settled
        Whether the cell's turn has come.
    """

    def __init__(self, channel: Channel, slots: Slots, is_data: Callable[[str], bool]) -> None:
        self._channel, self._slots, self._is_data = channel, slots, is_data
        self._lock = threading.RLock()
        self._number = -1
        self._kept: set[str] = set()
        self.looked: dict[str, FileState] = {}
        self.settled = False

    def begin(self, number: int) -> None:
        """A cell begins."""
        self._number, self.settled = number, False
        self.looked, self._kept = {}, set()

    def refuse(self, why: str) -> NoReturn:
        """End the lane before something happens."""
        with self._lock:
            self._channel.send(Refused(self._number, why))
            os._exit(0)

    def look(self, path: str) -> None:
        """The cell is about to look at a file or folder."""
        if not self.settled:
            self.looked.setdefault(path, file_state(path))

    def write(self, path: str) -> None:
        """The cell is about to write, move or remove a file."""
        with self._lock:
            if not self.settled:
                self._wait(path)
            if path not in self._kept:
                self._kept.add(path)
                self._keep(path)

    def _wait(self, path: str) -> None:
        """Wait for the cell's turn. From then on nobody else writes, and what it reads is right."""
        self._channel.send(Waits(self._number, path))
        self._slots.give()
        answer = self._channel.receive()
        if not isinstance(answer, Go):
            os._exit(0)
        self._slots.take()
        changed = disturbed(self.looked)
        if changed:
            self.refuse(f"{changed} was written while it read it")
        self.looked, self.settled = {}, True

    def _keep(self, path: str) -> None:
        """Send what is at a path now to the spine, which puts it back if the cell has to run again."""
        if os.path.isdir(path):
            return
        if not os.path.exists(path):
            self._channel.send(Kept(self._number, path, None))
            return
        stat = os.stat(path)
        if stat.st_size > KEEPS:
            self.refuse(f"it writes {path}, which holds more than can be kept aside")
        memory = os.memfd_create("nbrewind-kept", os.MFD_CLOEXEC)
        source = os.open(path, os.O_RDONLY)
        try:
            while os.sendfile(memory, source, None, 1 << 24):
                pass
            self._channel.send(Kept(self._number, path, stat.st_mode & 0o7777), memory)
        finally:
            os.close(source)
            os.close(memory)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook: what the interpreter is about to do."""
        if event == "import":
            if str(args[0]).partition(".")[0] in _ENGINES:
                self.refuse("it uses an engine")
        elif event in _REFUSED and not self._channel.busy:
            if event == "sqlite3.connect" and args[0] in (":memory:", ""):
                return
            self.refuse(_REFUSED[event])
        elif event == "os.mkdir":
            full = os.path.realpath(os.fsdecode(args[0]))
            if self._is_data(full):
                self.write(full)
