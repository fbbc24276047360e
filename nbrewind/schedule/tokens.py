"""Who runs what, agreed on by processes that share nothing but file descriptors.

Both kinds are Linux event counters: taking is one atomic read, and what a dead process held is known to the spine.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import time


class Token:
    """Something that exactly one process may take, such as the right to run a cell."""

    def __init__(self) -> None:
        self._counter = os.eventfd(1, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def take(self) -> bool:
        """Whether it was still there."""
        try:
            os.eventfd_read(self._counter)
        except BlockingIOError:
            return False
        return True

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a forked process must keep open."""
        return (self._counter,)

    def close(self) -> None:
        """Nobody may take it any more."""
        with contextlib.suppress(OSError):
            os.close(self._counter)


class Slots:
    """A number of places at the processor: whoever runs a cell holds one. The spine goes first."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._counter = os.eventfd(number, os.EFD_SEMAPHORE | os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._wanted = mmap.mmap(-1, 1)

    def try_take(self) -> bool:
        """Take one, if one is free."""
        try:
            os.eventfd_read(self._counter)
        except BlockingIOError:
            return False
        return True

    def take(self) -> None:
        """Take one in a lane, as soon as one is free that the spine does not want."""
        while self._wanted[0] or not self.try_take():
            if self._wanted[0]:
                time.sleep(_PAUSE)
            else:
                select.select([self._counter], [], [], _PATIENCE)

    def want(self, wanted: bool) -> None:
        """Say whether the spine waits for one."""
        self._wanted[0] = int(wanted)

    def give(self) -> None:
        """Give it back."""
        os.eventfd_write(self._counter, 1)

    def reset(self) -> None:
        """All are free: nobody is left who holds one."""
        while self.try_take():
            pass
        os.eventfd_write(self._counter, self.number)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a forked process must keep open."""
        return (self._counter,)

    def fileno(self) -> int:
        """For waiting: readable when one is free."""
        return self._counter

    def close(self) -> None:
        """Nobody waits any more."""
        with contextlib.suppress(OSError):
            os.close(self._counter)


_PAUSE = 0.005
_PATIENCE = 0.5  # seconds; the spine may have begun to want one meanwhile
