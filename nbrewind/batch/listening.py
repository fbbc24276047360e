"""What of this account listens for workers on this machine, as Linux tells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

_LISTEN = "0A"
_ALL = {"0" * 8, "0" * 32}
_LOCAL = {"0100007F", "00000000000000000000000001000000"}


@frozen
class Listener:
    """A port that a process listens on; `everywhere`: on all network cards."""

    port: int
    everywhere: bool
    process: int
    command: str


def listeners(proc: Path = Path("/proc")) -> list[Listener]:
    """Return what others can reach, by port; `proc` is where Linux tells of processes."""
    sockets: dict[str, tuple[int, bool]] = {}
    for table in ("tcp", "tcp6"):
        for port, everywhere, inode in _table(proc / "self" / "net" / table):
            sockets[f"socket:[{inode}]"] = port, everywhere
    found = {}
    for process in proc.iterdir():
        if process.name.isdigit():
            for link in _links(process / "fd"):
                if link in sockets:
                    port, everywhere = sockets[link]
                    found[port, int(process.name)] = Listener(
                        port, everywhere, int(process.name), _command(process)
                    )
    return [found[key] for key in sorted(found)]


def _table(path: Path) -> Iterator[tuple[int, bool, str]]:
    """Ports, and whether on all cards, of listening sockets that are not for this machine alone."""
    try:
        lines = path.read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        words = line.split()
        if len(words) > 9 and words[3] == _LISTEN:
            address, _, port = words[1].partition(":")
            if address not in _LOCAL:
                yield int(port, 16), address in _ALL, words[9]


def _links(folder: Path) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:  # another user's, or gone
        return
    for name in names:
        try:
            yield os.readlink(folder / name)
        except OSError:
            continue


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return " ".join(os.fsdecode(word) for word in words if word)
