"""Run one pickled function on a worker, and note what it used. Sent there as text: the standard library alone.

Called as ``python3 THIS FUNCTION ARGUMENTS OUTPUT``; `script` appends the call of `main`. What was seen
goes to a file named like the output, with ``s_`` for ``o_``.

The function, its arguments and its result are treated exactly as the engine's own wrapper does. Nothing
that goes wrong with noting may reach them.

Workers may have an older Python than the notebook, and are to say so rather than to fail at this file: but for
annotations, which `script` leaves out, it keeps to the syntax and the library of Python 3.6.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from itertools import islice
from typing import Any

MODULES = frozenset(sys.modules)

# ruff: noqa: BLE001 - nothing that goes wrong with noting may reach the user's function
BIG = 256 << 20
CHUNK = 1 << 20
MOST = 500
CALLS: dict[Any, Any] = {}
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
JOB = (
    "SLURM_JOB_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_ARRAY_TASK_ID",
    "SLURM_JOB_NAME",
    "SLURM_JOB_PARTITION",
    "SLURM_NODELIST",
    "SLURM_CPUS_ON_NODE",
    "SLURM_CLUSTER_NAME",
    "PBS_JOBID",
    "PBS_JOBNAME",
    "PBS_QUEUE",
    "JOB_ID",
    "SGE_TASK_ID",
    "QUEUE",
    "_CONDOR_SLOT",
    "_CONDOR_JOB_AD",
    "LSB_JOBID",
    "LSB_QUEUE",
)
ACTIVATED = ("CONDA_DEFAULT_ENV", "CONDA_PREFIX", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
IMAGES = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER", "SINGULARITY_NAME")


class Watch:
    """Note which files outside the sandbox a function uses.

    From an audit hook, which almost always has nothing to do; from the interpreter's monitoring, for files that
    libraries open in C or only ask for; and from what is passed to child processes and to the function itself.
    """

    def __init__(self, diary: str) -> None:
        self.here = os.getcwd()
        self.diary = diary
        self.child = False
        self.reads: dict[str, Any] = {}
        self.writes: dict[str, Any] = {}
        self.folders: dict[str, Any] = {}
        self.exists: dict[str, Any] = {}
        self.named: set[str] = set()
        self.on = self.blind = False
        self.inside: set[int] = set()
        prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, self.here, os.path.dirname(os.__file__)}
        temporary = {os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")} | {"/tmp", "/var/tmp"}
        self.ours = tuple(
            os.path.realpath(p) + os.sep for p in prefixes if p and os.path.realpath(p) != os.sep
        )
        self.temporary = tuple(os.path.realpath(p) + os.sep for p in temporary if p)
        self.private = os.path.realpath(os.path.expanduser("~")) + os.sep + "."

    # what tells

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

    # what is kept

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


def flat(value: Any, most: int) -> list[str]:
    """The texts and paths in nested arguments."""
    found: list[str] = []
    waiting = [value]
    while waiting and most > 0:
        one = waiting.pop()
        most -= 1
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, (list, tuple, set, frozenset)):
            waiting.extend(islice(one, most))
        elif isinstance(one, dict):
            waiting.extend(islice(one.values(), most))
        elif isinstance(one, bytes) or hasattr(one, "__fspath__"):
            found.append(os.fsdecode(one))
    return found


def absolute(path: Any) -> str:
    """A path from the root."""
    return os.path.abspath(os.fsdecode(path))


def changed(path: str, before: Any) -> bool:
    """Whether a file is not as it was described, by size and time."""
    try:
        found = os.stat(path)
    except OSError:
        return before is not None
    return before is None or [found.st_size, found.st_mtime_ns] != list(before[:2])


def existence(path: str) -> str | None:
    """What a path is: a file, a folder, or nothing."""
    if os.path.isdir(path):
        return "folder"
    return "file" if os.path.lexists(path) else None


def describe(path: str) -> list[Any] | None:
    """Size, time and content of a file; nothing where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if found.st_size > BIG:
        return [found.st_size, found.st_mtime_ns, ""]
    total = blake2b()
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(CHUNK), b""):
                total.update(chunk)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, "b2:" + total.hexdigest()]


def blake2b(data: bytes = b"") -> Any:
    """The digest alone: the whole of hashlib takes as long to import as a small task."""
    try:
        from _blake2 import blake2b as make
    except ImportError:
        from hashlib import blake2b as make

    return make(data, digest_size=20)


def listing(path: str) -> str | None:
    """Digest of the names in a folder."""
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return None
    return "b2:" + str(blake2b("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest())


def environment() -> dict[str, Any]:
    """What a function runs in: interpreter, system, batch job."""
    system = os.uname()
    return {
        "python": ".".join(map(str, sys.version_info[:3])),
        "implementation": sys.implementation.name,
        "executable": sys.executable,
        "system": system.sysname + " " + system.release,
        "release": first_value("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "machine": system.machine,
        "libc": os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else "",
        "cpu": first_value("/proc/cpuinfo", "model name", ":"),
        "host": system.nodename,
        "job": {name: os.environ[name] for name in JOB if name in os.environ},
        "activated": {name: os.environ[name] for name in ACTIVATED if name in os.environ},
        "modules": [name for name in os.environ.get("LOADEDMODULES", "").split(":") if name],
        "container": container(),
    }


def libraries() -> dict[str, str]:
    """Versions of the libraries that the function imported."""
    found = {}
    standard: Any = getattr(sys, "stdlib_module_names", frozenset())
    for name in sorted({each.partition(".")[0] for each in set(sys.modules) - MODULES}):
        module = sys.modules.get(name)
        if name in standard or name.startswith("_") or not getattr(module, "__file__", None):
            continue
        version = vars(module).get("__version__")  # asking the module might run code of its own
        if not isinstance(version, str):
            version = installed(name)
        if version:
            found[name] = version
    return found


def installed(name: str) -> str:
    """Version of a distribution, where it is called like its module."""
    try:
        from importlib.metadata import version

        return version(name)
    except Exception:
        return ""


def distributions() -> dict[str, str]:
    """Versions of all that is installed, for a table of what is missing."""
    try:
        from importlib.metadata import distributions as every

        return {str(one.metadata["Name"]): one.version for one in every()}
    except Exception:
        return {}


def first_value(path: str, name: str, sign: str) -> str:
    """What stands behind the first line that begins with a name."""
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(name):
                    return line.partition(sign)[2].strip()
    except (OSError, ValueError):
        pass
    return ""


def container() -> str:
    """Kind of container and its image, as far as they show."""
    image = next((os.environ[name] for name in IMAGES if os.environ.get(name)), "")
    for mark, kind in (
        ("/.singularity.d", "apptainer"),
        ("/.dockerenv", "docker"),
        ("/run/.containerenv", "podman"),
    ):
        if os.path.exists(mark):
            return (kind + " " + image).strip()
    return image


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


class Report:
    """The file in which the worker says what it saw; it exists from the start, so that the engine finds it."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.found: dict[str, Any] = {}
        try:
            self.found = {"schema": 1, "environment": environment()}
        except Exception as error:
            self.found = {"schema": 1, "error": repr(error)}
        self.write(dict(self.found, partial=True))

    def trouble(self, stage: str, error: BaseException) -> None:
        """Say why the function could not be run, or failed for want of a library."""
        wanted = getattr(error, "name", None) if isinstance(error, ImportError) else None
        self.found["trouble"] = {"stage": stage, "error": repr(error)[:500], "module": wanted or ""}
        self.found["installed"] = distributions()

    def finish(self, watch: Watch | None) -> None:
        """Write what was seen, or why that is not known."""
        try:
            self.found.setdefault("environment", {})["libraries"] = libraries()
            if watch is not None:
                self.found.update(watch.seen())
        except Exception as error:
            self.found = {"schema": 1, "error": repr(error)}
        self.write(self.found)

    def write(self, found: dict[str, Any]) -> None:
        """Replace what the file says."""
        import json

        with open(self.path, "w") as file:
            json.dump(found, file)


def result_of(argument: Any) -> Any:
    """Load the result of another task where an argument stands for it."""
    import cloudpickle

    if isinstance(argument, dict) and "VineFutureFile" in argument:
        with open(argument["VineFutureFile"], "rb") as file:
            return cloudpickle.load(file)
    return argument


def load(paths: list[str], report: Report) -> Any:
    """Load function and arguments; what keeps them from loading is for the user, as from the engine, and for us."""
    stage = "cloudpickle"
    try:
        import cloudpickle

        stage = "function"
        with open(paths[0], "rb") as file:
            function = cloudpickle.load(file)
        stage = "arguments"
        with open(paths[1], "rb") as file:
            args, kwargs = cloudpickle.load(file)
    except BaseException as error:
        report.trouble(stage, error)
        report.finish(None)
        raise
    return function, args, kwargs


def show(result: Any) -> int:
    """Print a result; return how many bytes that took."""
    data = (str(result) + "\n").encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    return len(data)


def main(argv: list[str], serialize: bool, futures: bool, shown: bool = False) -> None:
    """Do what the engine's wrapper does: Work Queue's prints the result, and an exception is one."""
    output_file = argv[2]
    report = Report("s_" + output_file[2:])
    function, args, kwargs = load(argv, report)
    import cloudpickle

    if futures:
        args = [result_of(argument) for argument in args]
        print(args, kwargs)
    watch = start_watch(report.path + ".forks")
    error = None
    try:
        if watch is not None:
            watch.arguments([args, kwargs])
            watch.on = True
        result = function(*args, **kwargs)
    except Exception as raised:
        result = error = raised
    finally:
        if watch is not None:
            watch.on = False
        with open(output_file, "wb") as file:
            if serialize:
                cloudpickle.dump(result, file)
            else:
                file.write(result)
        if isinstance(error, ImportError):
            report.trouble("run", error)
        if shown:
            report.found["raised"] = error is not None
            report.found["shown"] = show(result)
        report.finish(watch)
    if error is not None and not shown:
        raise error
