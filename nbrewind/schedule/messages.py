"""What a lane and the spine tell each other, and the channel that it goes through."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import threading
from typing import Any

from attrs import frozen

_LONGEST = 1 << 16


@frozen
class Began:
    """The lane has taken a cell and runs it."""

    number: int


@frozen
class Waits:
    """The cell is about to write a file, and waits for its turn."""

    number: int
    path: str


@frozen
class Go:
    """The cell's turn has come."""


@frozen
class Kept:
    """What a file held before the cell wrote it: content in the descriptor that comes along, ``None``: no such file."""

    number: int
    path: str
    mode: int | None


@frozen
class Refused:
    """The cell cannot run in a lane; the lane ends."""

    number: int
    why: str


@frozen
class Done:
    """The cell has run; a descriptor of its parcel comes along."""

    number: int
    seconds: float


Message = Began | Waits | Go | Kept | Refused | Done


class Channel:
    """One end of a pair of sockets that keep messages whole.

    Attributes
    ----------
    busy
        Whether the channel itself uses its socket now.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lock = threading.Lock()
        self.busy = False

    def send(self, message: Message, *descriptors: int) -> None:
        """Send a message, and open files with it; nothing happens where the other end is gone."""
        with self._lock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.busy = True
            try:
                socket.send_fds(self._socket, [pickle.dumps(message)[:_LONGEST]], descriptors)
            finally:
                self.busy = False

    def receive(self) -> Any:
        """Wait for a message; ``None`` where the other end is gone."""
        return self.receive_with()[0]

    def receive_with(self) -> tuple[Any, int]:
        """Wait for a message and the descriptor that comes with it, -1 where none does."""
        try:
            data, descriptors, _flags, _address = socket.recv_fds(self._socket, _LONGEST, 1)
        except (ConnectionResetError, OSError):
            return None, -1
        if not data:
            return None, -1
        return pickle.loads(data), descriptors[0] if descriptors else -1

    def fileno(self) -> int:
        """For waiting."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


def channel_pair() -> tuple[Channel, Channel]:
    """Both ends; what the first sends the second receives."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(ours.fileno(), False)
    return Channel(ours), Channel(theirs)
