"""Notice which files outside the sandbox a function uses."""

# ruff: noqa: BLE001 - nothing that goes wrong with noting may reach the user's function
from __future__ import annotations

import os
import sys
from _thread import get_ident
from typing import Any

from nbrewind.tasks.remote.files import absolute, describe, existence, flat
from nbrewind.tasks.remote.notes import Notes

MOST = 500
CALLS: dict[Any, Any] = {}


class Watch(Notes):
    """Note which files outside the sandbox a function uses.

    From an audit hook, which almost always has nothing to do; from the interpreter's monitoring, for files that
    libraries open in C or only ask for; and from what is passed to child processes and to the function itself.
    """

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Be called with each event of the interpreter."""
        if self.on and event in EVENTS:
            self.guarded(EVENTS[event], args)

    def guarded(self, method: str, args: tuple[Any, ...]) -> None:
        """Do something that must not be noted itself, whatever other threads do meanwhile."""
        me = get_ident()
        if me in self.inside:
            return
        self.inside.add(me)
        try:
            getattr(self, method)(*args)
        except (TypeError, ValueError, OSError):
            pass  # what the function asked for cannot be a file
        except Exception:
            self.blind = True
        finally:
            self.inside.discard(me)

    def opened(self, path: Any, mode: Any, flags: Any) -> None:
        """The function opens a file."""
        if isinstance(path, int) or path is None:
            return
        flags = flags if isinstance(flags, int) else 0
        written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        if isinstance(mode, str):
            written = any(letter in mode for letter in "wax+")
        if written:
            self.write(path)
        else:
            self.read(path)

    def listed(self, path: Any = None, *more: Any) -> None:
        """The function looks into a folder; what imports look into says nothing of its data."""
        importing = "importlib" in sys._getframe(3).f_code.co_filename
        if not importing and (path is None or isinstance(path, (str, bytes))):
            self.note("folders", absolute(path or "."))

    def moved(self, source: Any, target: Any, *more: Any) -> None:
        """The function renames or links a file."""
        self.write(source)
        self.write(target)

    def connected(self, path: Any, *more: Any) -> None:
        """The function opens a database."""
        if isinstance(path, (str, bytes)) and absolute(path) != absolute(":memory:"):
            self.read(path, named=True)

    def write(self, path: Any, *more: Any) -> None:
        """The function writes or removes a file; it is described at the end."""
        self.note("writes", absolute(path))

    def read(self, path: Any, named: bool = False) -> None:
        """The function reads a file: its content as it is found."""
        path = absolute(path)
        if os.path.isdir(path):
            self.asked(path)
        if path in self.writes or path in self.reads or not self.is_data(path):
            return
        if named:
            self.named.add(path)
        self.note("reads", path, describe(path))

    def asked(self, path: str) -> None:
        """The function finds out what there is at a path."""
        if path not in self.writes and self.is_data(path, made=True, file=False):
            self.note("exists", path, existence(path))

    def called(self, path: Any, use: str) -> None:
        """The function calls a library's function that uses a file without opening it before our eyes."""
        if isinstance(path, (list, tuple)):
            for each in path:
                self.called(each, use)
        elif not isinstance(path, (str, bytes)) and not hasattr(path, "__fspath__"):
            return
        elif use == "exists":
            self.asked(absolute(path))
        elif use in ("write", "update"):
            self.write(path)
        elif os.path.isdir(path):
            self.inspect([path])
        else:
            self.read(path)

    def ran(self, program: Any, arguments: Any = (), folder: Any = None, *more: Any) -> None:
        """The function starts another program: files that its arguments name count as read."""
        base = os.fsdecode(folder) if isinstance(folder, (str, bytes)) else ""
        for each in flat([program, arguments], 1000):
            for word in each.split():
                name = word.strip("\"'<>;|&()").rpartition("=")[2]
                if name and not self.awaited(name):
                    self.inspect([os.path.join(base, name)])

    def inspect(self, names: Any) -> None:
        """Take what is named as read, as far as it is there: files, and the files in folders."""
        for name in names:
            if not name or "\0" in name or len(name) > 4096:
                continue
            path = absolute(os.path.expanduser(name))
            if os.path.isfile(path):
                self.read(path, named=True)
            elif os.path.isdir(path) and path != self.here and self.is_folder(path):
                self.note("folders", path)
                for inner in sorted(os.listdir(path))[:MOST]:
                    if os.path.isfile(os.path.join(path, inner)):
                        self.read(os.path.join(path, inner), named=True)

    def awaited(self, name: str) -> bool:
        """Take a file that is named in full, and could be there, as read: it is absent now, or somebody makes it."""
        if name[:1] != "/" or len(name) > 4096 or os.path.lexists(name):
            return False
        if os.path.isdir(os.path.dirname(name)) and self.is_data(name, made=True):
            self.read(name, named=True)
        return True

    def arguments(self, args: Any) -> None:
        """Take files that arguments name by absolute path as read, whoever opens them."""
        self.guarded("named_in", (args,))

    def named_in(self, args: Any) -> None:
        """As `arguments`, when nothing is noted."""
        for text in flat(args, 2000):
            if text[:1] in ("/", "~") and len(text) < 4096 and "\n" not in text and "\0" not in text:
                path = absolute(os.path.expanduser(text))
                if not self.awaited(path) and os.path.isfile(path):
                    self.read(path, named=True)


EVENTS = {
    "open": "opened",
    "os.listdir": "listed",
    "os.scandir": "listed",
    "os.rename": "moved",
    "os.link": "moved",
    "os.symlink": "moved",
    "os.remove": "write",
    "os.truncate": "write",
    "sqlite3.connect": "connected",
    "subprocess.Popen": "ran",
    "os.system": "ran",
    "os.posix_spawn": "ran",
    "os.exec": "ran",
}
"""The method that is called for an event of the interpreter."""


def watch_calls(watch: Watch) -> None:
    """Be told when library functions start that open files in C, or ask whether there are any."""
    if sys.version_info < (3, 12):
        return
    monitoring = sys.monitoring
    names = {name.rpartition(".")[2] for _, name in CALLS}

    def started(code: Any, offset: int) -> Any:
        if code.co_name not in names:
            return monitoring.DISABLE
        frame = sys._getframe(1)
        call = CALLS.get((frame.f_globals.get("__name__"), code.co_qualname))
        if call is None:
            return monitoring.DISABLE
        if watch.on:
            watch.guarded("called", used(call, frame.f_locals))
        return None

    for tool in (4, 3):
        if monitoring.get_tool(tool) is None:
            monitoring.use_tool_id(tool, "nbrewind")
            monitoring.register_callback(tool, monitoring.events.PY_START, started)
            monitoring.set_events(tool, monitoring.events.PY_START)
            return


def used(call: Any, variables: Any) -> tuple[Any, str]:
    """The path that a call is about, and what it does with the file."""
    path, use, mode = call
    value = variables.get(mode) if mode else None
    if isinstance(value, str) and value != "r":
        use = "write" if value.startswith(("w", "x")) else "update"
    return variables.get(path), use


def start_watch(diary: str) -> Watch | None:
    """Install the hook, where the interpreter has such hooks."""
    try:
        watch = Watch(diary)
        sys.addaudithook(watch)
        os.register_at_fork(after_in_child=watch.forked)
        watch_calls(watch)
    except Exception:
        return None
    return watch
