"""What a function used, kept until it ends: also what its forked children did."""

from __future__ import annotations

import os
import sys
from typing import Any

from nbrewind.tasks.remote.files import changed, describe, listing

SYSTEM = (
    "/proc/",
    "/sys/",
    "/dev/",
    "/etc/",
    "/usr/",
    "/lib",
    "/bin/",
    "/sbin/",
    "/run/",
    "/var/lib/",
    "/var/cache/",
)


class Notes:
    """Files outside the sandbox, by what was done with them.

    `reads` and `writes` have descriptions as `describe` gives them, `named` those that something else than the function
    itself opened, `exists` what was asked for.
    """

    def __init__(self, diary: str) -> None:
        self.diary = diary
        self.child = False
        self.reads: dict[str, Any] = {}
        self.writes: dict[str, Any] = {}
        self.folders: dict[str, Any] = {}
        self.exists: dict[str, Any] = {}
        self.named: set[str] = set()
        self.on = self.blind = False
        self.inside: set[int] = set()
        prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__)}
        temporary = {os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")} | {"/tmp", "/var/tmp"}
        self.ours: tuple[str, ...] = tuple(
            os.path.realpath(p) + os.sep for p in prefixes if p and os.path.realpath(p) != os.sep
        )
        self.temporary = tuple(os.path.realpath(p) + os.sep for p in temporary if p)
        self.private = os.path.realpath(os.path.expanduser("~")) + os.sep + "."
        self.enter(os.getcwd())

    def enter(self, sandbox: str) -> None:
        """Take a folder for the task's own."""
        self.here = sandbox
        mine = os.path.realpath(sandbox) + os.sep
        if mine not in self.ours and mine != os.sep + os.sep:
            self.ours = (*self.ours, mine)

    def begin(self, sandbox: str, diary: str) -> None:
        """Begin with a call in a process that was watched before: what it read then may matter to this call."""
        self.enter(sandbox)
        self.diary = diary
        self.child = False
        self.inside = set()
        self.writes = {}

    def note(self, what: str, path: str, value: Any = None) -> None:
        """Keep something; a forked child keeps a diary, for it may end at any moment."""
        known = getattr(self, what)
        if path in known:
            return
        known[path] = value
        if self.child:
            import json

            with open(self.diary, "a") as file:
                file.write(json.dumps([what, path, value, path in self.named]) + "\n")

    def forked(self) -> None:
        """Called in a forked child."""
        self.child = True
        self.inside = set()

    def children(self) -> None:
        """Read what forked children noted."""
        import json

        try:
            with open(self.diary) as file:
                lines = file.readlines()
            os.unlink(self.diary)
        except OSError:
            return
        for line in lines:
            what, path, value, named = json.loads(line)
            getattr(self, what).setdefault(path, value)
            if named:
                self.named.add(path)

    def is_data(self, path: str, made: bool = False, file: bool = True) -> bool:
        """Whether a file is neither software nor the task's own."""
        real = os.path.realpath(path)
        if (
            "site-packages" in real
            or "dist-packages" in real
            or "__pycache__" in real
            or real.endswith(".pyc")
        ):
            return False
        if made and real.startswith(self.temporary):
            return False
        if file and (os.path.isdir(real) or (os.path.exists(real) and not os.path.isfile(real))):
            return False
        return not real.startswith(SYSTEM + self.ours) and not real.startswith(self.private)

    def seen(self) -> dict[str, Any]:
        """Return what was noted, with the digests of what was written."""
        self.on = False
        if self.blind:
            return {}
        self.children()
        for path in self.named:
            if path in self.reads and changed(path, self.reads[path]):
                self.writes.setdefault(path)  # not the function itself wrote it, but what it called
        reads = {p: d for p, d in self.reads.items() if p not in self.writes}
        folders = {p: listing(p) for p in self.folders if self.is_folder(p)}
        writes = {p: describe(p) for p in self.writes if self.is_data(p, made=True)}
        exists = {p: d for p, d in self.exists.items() if p not in writes and p not in reads}
        return {"reads": reads, "writes": writes, "folders": folders, "exists": exists}

    def is_folder(self, path: str) -> bool:
        """Whether a folder is neither software nor the task's own."""
        real = os.path.realpath(path) + os.sep
        outside = not real.startswith(SYSTEM + self.ours + self.temporary)
        return outside and "site-packages" not in real and "dist-packages" not in real
