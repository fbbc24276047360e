"""Files that a cell reads and writes, from the interpreter's audit events.

The events do not show what a child process does, so the working folder is looked at before the first child starts and
after the cell ends, within bounds; a cell whose children could have read more than the bounds hold is *open*.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import F_GETFL, fcntl
from stat import S_ISDIR, S_ISREG
from typing import Any, Protocol

from attrs import define, field

from nbrewind.cells import launchers
from nbrewind.cells.paths import Paths
from nbrewind.record.model import Digest
from nbrewind.record.redaction import REDACTOR

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHILD_EVENTS = frozenset(
    {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty", "pty.spawn"}
)
_MOVES = frozenset(
    {"os.rename", "os.link", "os.symlink", "shutil.copyfile", "shutil.move", "shutil.copytree"}
)
_REMOVALS = frozenset({"os.remove", "os.rmdir", "shutil.rmtree", "os.truncate", "os.chmod", "os.utime"})
_LISTINGS = frozenset({"os.listdir", "os.scandir"})
_CODE = (".py", ".pyc", ".so", ".pth", "METADATA", "RECORD", "entry_points.txt")
TREE_FILES = 2000
TREE_BYTES = 256 * 2**20

Stat = tuple[int, int, int]


@define
class FilesSeen:
    """What the audit events of one cell amount to; paths are real and absolute.

    `reads` has the digest from before the cell wrote the file, where it did (`None` inside: absent). `writes` are the
    files that may differ from before. `libraries` are those whose data files were read. `open` says why reads could
    not be bounded. `asked` are paths that were looked for, with what was there. `absolute` are paths that were named in
    full, with whether the notebook itself did so. `aliases` are the paths that lead to others by way of links.
    `shell` is what children were told to do.
    """

    reads: dict[str, Digest | None] = field(factory=dict)
    listings: set[str] = field(factory=set)
    asked: dict[str, Digest | None] = field(factory=dict)
    writes: set[str] = field(factory=set)
    libraries: set[str] = field(factory=set)
    absolute: dict[str, bool] = field(factory=dict)
    aliases: dict[str, str] = field(factory=dict)
    shell: list[str] = field(factory=list)
    relative: bool = False
    children: bool = False
    open: str = ""


class Gate(Protocol):
    """Told of each use of a data file before it happens (`nbrewind.schedule.gate`)."""

    def look(self, path: str) -> None:
        """It is read, listed, or asked for."""

    def write(self, path: str) -> None:
        """It is written, moved or removed."""


class FilesWatch:
    """Listens to the audit events of this process while a cell runs.

    Parameters
    ----------
    paths
        Tells data from environment.
    digest
        Digest of the file at a path, ``None`` where there is none.

    Attributes
    ----------
    gate
        Told before files are used, in a process that may not write as it likes; ``None`` elsewhere.
    """

    def __init__(self, paths: Paths, digest: Callable[[str], Digest | None]) -> None:
        self._paths = paths
        self._digest_of = digest
        self._active = False
        self._installed = False
        self._busy = threading.local()
        self._pid = os.getpid()
        self._ignored_threads: set[int] = set()
        self._seen = FilesSeen()
        self._touched: dict[str, Digest | None] = {}
        self._tree: dict[str, Stat] | None = None
        self._tree_root = ""
        self._held: dict[str, tuple[Stat | None, Digest | None]] = {}
        self._inherited: frozenset[str] = frozenset()
        self.gate: Gate | None = None

    def install(self) -> None:
        """Add the hook; the interpreter has no way to remove one, so it is silent between cells.

        What the process may write by now, such as the log that its output goes to, is no doing of a cell.
        """
        if not self._installed:
            self._inherited = frozenset(_opened())
            sys.addaudithook(self._hook)
            self._installed = True

    def ignore_thread(self) -> None:
        """What the calling thread does is not the cell's."""
        self._ignored_threads.add(threading.get_ident())

    def start(self) -> None:
        """A cell begins."""
        self._seen, self._touched, self._tree, self._pid = FilesSeen(), {}, None, os.getpid()
        self._held = {path: (_stat(path), self._digest_of(path)) for path in self._open_for_writing()}
        self._active = self._installed

    def stop(self) -> FilesSeen:
        """The cell has ended: digest what it read, and find what its children wrote."""
        self._active = False
        seen = self._seen
        if self._tree is not None:
            self._settle_children(seen)
        for path, (stat, digest) in self._held.items():
            if path not in self._touched and _stat(path) != stat:
                seen.reads[path] = digest
                seen.writes.add(path)
        for path, digest in seen.reads.items():
            if digest == _LATER:
                seen.reads[path] = self._digest_of(path)
        return seen

    def _open_for_writing(self) -> list[str]:
        """Data files that this process has open from earlier cells, by whatever means, and may write."""
        with self._unobserved():
            paths = {path for path in _opened() if self._paths.is_data(path)}
        return sorted(paths - self._inherited)

    def digest(self, path: str) -> Digest | None:
        """Digest of the file at a path, `None` where there is none."""
        return self._digest_of(path)

    def note_read(self, path: str) -> None:
        """A library reads this file out of the audit events' sight."""
        with self._unobserved():
            self._read(os.fspath(path))

    def note_write(self, path: str) -> None:
        """A library has written this file anew, out of the audit events' sight."""
        with self._unobserved():
            self._written(os.fspath(path), keeps=False)

    @contextmanager
    def _unobserved(self) -> Iterator[None]:
        """What the watch itself asks of the file system is not the cell's doing."""
        before, self._busy.yes = getattr(self._busy, "yes", False), True
        try:
            yield
        finally:
            self._busy.yes = before

    def note_call(self, path: Any, use: str) -> None:
        """A library function that audit events do not show is called with a path."""
        if (
            not self._active
            or threading.get_ident() in self._ignored_threads
            or getattr(self._busy, "yes", False)
        ):
            return
        self._busy.yes = True
        try:
            if isinstance(path, (str, bytes, os.PathLike)):
                self._called(path, use)
        except Exception as error:  # noqa: BLE001 - an exception here would become the user's
            self._seen.open = self._seen.open or f"its files could not be observed ({error})"
        finally:
            self._busy.yes = False

    def _called(self, path: Any, use: str) -> None:
        if use == "read":
            self._read(path)
        elif use in ("write", "update"):
            self._written(path, keeps=use == "update")
        elif (full := self._data_path(path)) is not None and full not in self._touched:
            self._look_at(full)
            kind = "folder" if os.path.isdir(full) else "file" if os.path.exists(full) else None
            self._seen.asked.setdefault(full, kind)

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._active or event not in _HANDLERS or getattr(self._busy, "yes", False):
            return
        if os.getpid() != self._pid or threading.get_ident() in self._ignored_threads:
            return
        if str(sys._getframe(1).f_globals.get("__name__")).startswith("importlib."):
            return  # what imports look at is evidence as software (`nbrewind.cells.modules`)
        self._busy.yes = True
        try:
            _HANDLERS[event](self, args)
        except Exception as error:  # noqa: BLE001 - an exception here would become the user's
            self._seen.open = self._seen.open or f"its files could not be observed ({error})"
        finally:
            self._busy.yes = False

    def _data_path(self, path: Any) -> str | None:
        if isinstance(path, int) or path is None:
            return None
        name = os.fsdecode(path)
        full = os.path.realpath(name)
        if not os.path.isabs(name):
            self._seen.relative = True
        if self._paths.is_data(full):
            if _own_doing():
                return None
            self._note_naming(name, full)
            return full
        library = None if full.endswith(_CODE) else self._paths.library_of(full)
        if library is not None:
            self._seen.libraries.add(library)
        return None

    def _note_naming(self, name: str, full: str) -> None:
        """Remember how the cell named a file: in full or not, directly or by way of links."""
        if os.path.isabs(name):
            self._seen.absolute[full] = self._seen.absolute.get(full, False) or _by_notebook()
        plain = os.path.abspath(name)
        if plain != full:
            self._seen.aliases[full] = plain

    def _on_open(self, args: tuple[Any, ...]) -> None:
        path, _mode, flags = args
        if not isinstance(flags, int) or not flags & _WRITING:
            self._read(path)
        else:
            self._written(path, keeps=not flags & os.O_TRUNC)

    def _read(self, path: Any) -> None:
        full = self._data_path(path)
        if full is None or full in self._seen.reads or full in self._touched or os.path.isdir(full):
            return
        if _is_special(full):
            self._seen.open = self._seen.open or f"it reads from {full}, which is a pipe or a device"
            return
        self._look_at(full)
        self._seen.reads[full] = _LATER

    def _look_at(self, path: str) -> None:
        if self.gate is not None:
            self.gate.look(path)

    def _written(self, path: Any, *, keeps: bool) -> None:
        """A file is opened for writing; with `keeps` its earlier content stays, so the result depends on it."""
        full = self._data_path(path)
        if full is None or full in self._touched or os.path.isdir(full):
            return
        if self.gate is not None:
            self.gate.write(full)
        before = self._digest_of(full) if keeps or full in self._seen.reads else _LATER
        if keeps or full in self._seen.reads:
            self._seen.reads[full] = before
        self._touched[full] = before
        self._seen.writes.add(full)

    def _on_move(self, args: tuple[Any, ...]) -> None:
        source, target = args[0], args[1]
        self._read_now(source)
        self._written(source, keeps=False)
        self._written(target, keeps=False)

    def _read_now(self, path: Any) -> None:
        full = self._data_path(path)
        if full is not None and full not in self._touched and not os.path.isdir(full):
            self._look_at(full)
            self._seen.reads[full] = self._digest_of(full)

    def _on_tree_removal(self, args: tuple[Any, ...]) -> None:
        full = self._data_path(args[0])
        if (
            full is not None
            and os.path.isdir(full)
            and not os.path.islink(os.fsdecode(args[0]))
            and os.listdir(full)
        ):
            self._seen.open = self._seen.open or f"it empties the folder {os.path.basename(full)}"
        self._on_removal(args)

    def _on_removal(self, args: tuple[Any, ...]) -> None:
        self._read_now(args[0])
        self._written(args[0], keeps=False)

    def _on_listing(self, args: tuple[Any, ...]) -> None:
        folder = args[0] if args[0] is not None else "."
        if isinstance(folder, int) or _own_doing():
            return
        name = os.path.realpath(os.fsdecode(folder))
        if self._paths.is_data(name) or name == self._paths.base:
            self._look_at(name)
            self._note_naming(os.fsdecode(folder), name)
            self._seen.listings.add(name)

    def _on_sqlite(self, args: tuple[Any, ...]) -> None:
        name = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
        if name and not name.startswith((":", "file:")):
            self._written(name, keeps=True)

    def _on_connection(self, args: tuple[Any, ...]) -> None:
        """Over the network anything may come: what the cell reads has no bounds. Engines' own traffic is no reading."""
        address = args[1] if len(args) > 1 else None
        if isinstance(address, tuple) and len(address) >= 2 and not _engines_doing():
            self._seen.open = self._seen.open or f"it reads from the network ({address[0]})"

    def _on_request(self, args: tuple[Any, ...]) -> None:
        if not str(args[0]).startswith(("file:", "data:")):
            self._seen.open = (
                self._seen.open or f"it reads from the network ({REDACTOR.text(str(args[0]))[:80]})"
            )

    def _on_child(self, args: tuple[Any, ...]) -> None:
        if self._starts_workers([os.fsdecode(word) for word in _words(args) or launchers.under_way.get()]):
            return
        if _own_doing("nbrewind.batch.", "nbrewind.hpc.sites"):
            return
        self._seen.children = True
        self._seen.shell += [os.fsdecode(word) for word in _words(args)]
        if any(_LISTING_COMMAND.search(os.fsdecode(word)) for word in _words(args)):
            self._seen.listings.add(os.getcwd())
        if self._tree is None:
            self._tree_root = os.getcwd()
            self._tree = self._look()
            for path in self._tree:
                self._seen.reads.setdefault(path, self._digest_of(path))

    def _starts_workers(self, words: list[str]) -> bool:
        """Whether a command only starts workers: of what lies here, it reads the scripts and files that it names."""
        program = os.path.basename(words[1] if len(words) > 1 else words[0]) if words else ""
        texts = [word for word in words if any(map(str.isspace, word))]
        if program in launchers.PROGRAMS:
            named = words[2:]
            if program in launchers.SUBMIT and not launchers.may_start_workers(named, os.getcwd()):
                return False
        elif len(texts) == 1 and launchers.only_starts_workers(texts[0]):
            named = texts[0].split()
        else:
            return False
        for word in named:
            if launchers.script(word, os.getcwd()) is not None:
                self._read(word)
        return True

    def _look(self) -> dict[str, Stat]:
        found: dict[str, Stat] = {}
        size = 0
        for path, stat in _walk(self._tree_root):
            if not self._paths.is_data(path) or path in self._inherited:
                continue
            found[path] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
            size += stat.st_size
            if len(found) > TREE_FILES or size > TREE_BYTES:
                self._seen.open = f"a child process may have read any of the many files in {self._tree_root}"
                break
        return found

    def _settle_children(self, seen: FilesSeen) -> None:
        before = self._tree or {}
        after = self._look()
        seen.writes.update(path for path, stat in after.items() if before.get(path) != stat)
        seen.writes.update(path for path in before if path not in after)


def _opened() -> Iterator[str]:
    """Regular files that this process has open for writing, as Linux tells."""
    try:
        descriptors = os.listdir("/proc/self/fd")
    except OSError:
        return
    for number in descriptors:
        try:
            path = os.readlink(f"/proc/self/fd/{number}")
            if not path.startswith("/") or path.startswith(("/dev/", "/proc/", "/memfd:")):
                continue
            if os.path.isfile(path) and fcntl(int(number), F_GETFL) & os.O_ACCMODE != os.O_RDONLY:
                yield path
        except OSError:
            continue


def _stat(path: str) -> Stat | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


_LATER: Digest = "later"


def _is_special(path: str) -> bool:
    """Whether what is read there is gone afterwards, or not there before."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (S_ISREG(mode) or S_ISDIR(mode))


_LISTING_COMMAND = re.compile(r"[*?\[]|\b(ls|find|tree|du|dir|glob)\b")


def _words(args: tuple[Any, ...]) -> list[str | bytes]:
    """Texts in the arguments of an audit event of a child's start: program, command line, shell text."""
    found: list[str | bytes] = []
    for argument in args[:2]:
        if isinstance(argument, (str, bytes)):
            found.append(argument)
        elif isinstance(argument, (list, tuple)):
            found += [word for word in argument if isinstance(word, (str, bytes))]
    return found


def _engines_doing() -> bool:
    """Whether an engine, a kernel or its event loop opens a connection, not the notebook's code."""
    frame = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(("ndcctools", "nbrewind.", "zmq", "ipykernel.iostream", "distributed")):
            return name.startswith(("ndcctools", "zmq", "distributed")) or not name.startswith(
                "nbrewind.cells"
            )
        if name == "__main__":
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return threading.current_thread() is threading.main_thread()  # what the event loop does by itself


def _by_notebook() -> bool:
    """Whether the notebook's own code opens a file, and not a library for it."""
    frame = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(("nbrewind.cells", "pathlib", "IPython.")):
            return name == "__main__"
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _own_doing(*parts: str) -> bool:
    """Whether nbrewind itself opens a file on behalf of the cell, as when it records a task's output.

    With `parts`, whether one of these modules of its does.
    """
    frame = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name == "__main__":
            return False
        if name.startswith("nbrewind.") and not name.startswith("nbrewind.cells"):
            return name.startswith(parts) if parts else not name.startswith("nbrewind.kernels")
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _walk(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Regular files below a folder, hidden folders left out."""
    pending = [root]
    while pending:
        try:
            entries = sorted(os.scandir(pending.pop()), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not entry.name.startswith(".") and not entry.name.endswith(".nbrewind"):
                        pending.append(entry.path)
                elif entry.is_file():
                    yield os.path.realpath(entry.path), entry.stat()
            except OSError:
                continue


_HANDLERS: dict[str, Callable[[FilesWatch, tuple[Any, ...]], None]] = {
    "open": FilesWatch._on_open,
    "sqlite3.connect": FilesWatch._on_sqlite,
    "socket.connect": FilesWatch._on_connection,
    "urllib.Request": FilesWatch._on_request,
    **dict.fromkeys(_CHILD_EVENTS, FilesWatch._on_child),
    **dict.fromkeys(_MOVES, FilesWatch._on_move),
    **dict.fromkeys(_REMOVALS, FilesWatch._on_removal),
    "shutil.rmtree": FilesWatch._on_tree_removal,
    **dict.fromkeys(_LISTINGS, FilesWatch._on_listing),
}
