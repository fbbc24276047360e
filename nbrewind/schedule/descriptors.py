"""A forked process shares its parent's open files: here it lets go of them, so that nothing it does reaches the parent.

Files that are open for reading are opened once more at the same place. Files open for writing are replaced by memory
of its own, and whether anything was written there can be asked. Sockets, pipes and the like are dead.
"""

from __future__ import annotations

import gc
import io
import os
from collections.abc import Collection
from fcntl import F_GETFL, fcntl
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISREG

from attrs import define, field


@define
class Tripwires:
    """Memory in place of files that were open for writing, by descriptor: the path, and what it held at first."""

    _wires: dict[int, str] = field(factory=dict)

    def touched(self) -> str:
        """The path of a file that was written to; empty if none was."""
        if not self._wires:
            return ""
        for found in gc.get_objects():
            if isinstance(found, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
                self._flush(found)
        for descriptor, path in self._wires.items():
            if os.fstat(descriptor).st_size:
                return path
        return ""

    def _flush(self, file: io.IOBase) -> None:
        try:
            if file.fileno() in self._wires:
                file.flush()
        except (OSError, ValueError):
            return

    def set(self, descriptor: int, path: str) -> None:
        """Put memory in place of a file."""
        memory = os.memfd_create("nbrewind", os.MFD_CLOEXEC)
        os.dup2(memory, descriptor, inheritable=False)
        os.close(memory)
        self._wires[descriptor] = path


def let_go(keep: Collection[int]) -> Tripwires:
    """Let go of all open files but the standard streams and `keep`. Called in the child, once."""
    wires = Tripwires()
    dead = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    for descriptor in [int(name) for name in os.listdir("/proc/self/fd")]:
        if descriptor > 2 and descriptor not in keep and descriptor != dead:
            try:
                _one(descriptor, dead, wires)
            except OSError:
                continue  # it was the listing's own
    return wires


def _one(descriptor: int, dead: int, wires: Tripwires) -> None:
    mode = os.fstat(descriptor).st_mode
    if S_ISCHR(mode) or S_ISBLK(mode):
        return
    if not (S_ISREG(mode) or S_ISDIR(mode)):
        os.dup2(dead, descriptor, inheritable=False)
        return
    if fcntl(descriptor, F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
        wires.set(descriptor, os.readlink(f"/proc/self/fd/{descriptor}"))
        return
    place = os.lseek(descriptor, 0, os.SEEK_CUR) if S_ISREG(mode) else 0
    again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    os.lseek(again, place, os.SEEK_SET)
    os.dup2(again, descriptor, inheritable=False)
    os.close(again)
