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
from typing import Any

MODULES = frozenset(sys.modules)

# ruff: noqa: BLE001 - nothing that goes wrong with noting may reach the user's function
BIG = 256 << 20
CHUNK = 1 << 20
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
    """Note which files outside the sandbox a function opens, from an audit hook that does almost nothing."""

    def __init__(self) -> None:
        self.here = os.getcwd()
        self.reads: dict[str, Any] = {}
        self.writes: dict[str, Any] = {}
        self.folders: dict[str, Any] = {}
        self.children = False
        self.on = False
        prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, self.here, os.path.dirname(os.__file__)}
        temporary = {os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")} | {"/tmp", "/var/tmp"}
        self.ours = tuple(
            os.path.realpath(p) + os.sep for p in prefixes if p and os.path.realpath(p) != os.sep
        )
        self.temporary = tuple(os.path.realpath(p) + os.sep for p in temporary if p)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Be called with each event of the interpreter."""
        if not self.on:
            return
        if event == "open":
            self.opened(args)
        elif event in ("os.listdir", "os.scandir"):
            if args[0] is None or isinstance(args[0], (str, bytes)):
                self.listed(os.path.abspath(os.fsdecode(args[0] or ".")))
        elif event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"):
            self.children = True

    def listed(self, path: str) -> None:
        """Note a folder that the function looks into; what imports look into says nothing of its data."""
        if "importlib" not in sys._getframe(2).f_code.co_filename:
            self.folders.setdefault(path)

    def opened(self, args: tuple[Any, ...]) -> None:
        """Note a file with its content as it is found; what is written is described at the end."""
        path, mode, flags = args
        if isinstance(path, int) or path is None:
            return
        path = os.path.abspath(os.fsdecode(path))
        flags = flags if isinstance(flags, int) else 0
        written = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        if isinstance(mode, str):
            written = any(letter in mode for letter in "wax+")
        if written:
            self.writes.setdefault(path)
        elif path not in self.writes and path not in self.reads and self.is_data(path):
            self.reads[path] = None  # so that reading it now is not noted
            self.reads[path] = describe(path)

    def is_data(self, path: str, made: bool = False) -> bool:
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
        if os.path.isdir(real) or (os.path.exists(real) and not os.path.isfile(real)):
            return False
        return not real.startswith(SYSTEM + self.ours)

    def seen(self) -> dict[str, Any]:
        """Return what was noted, with the digests of what was written."""
        self.on = False
        home = os.path.realpath(os.path.expanduser("~")) + os.sep
        reads = {p: d for p, d in self.reads.items() if not os.path.realpath(p).startswith(home + ".")}
        folders = {p: listing(p) for p in self.folders if self.is_folder(p)}
        writes = {p: describe(p) for p in self.writes if self.is_data(p, made=True)}
        return {"reads": reads, "writes": writes, "folders": folders, "children": self.children}

    def is_folder(self, path: str) -> bool:
        """Whether a folder is neither software nor the task's own."""
        real = os.path.realpath(path) + os.sep
        outside = not real.startswith(SYSTEM + self.ours + self.temporary)
        return outside and "site-packages" not in real and "dist-packages" not in real


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


def start_watch() -> Watch | None:
    """Install the hook, where the interpreter has such hooks."""
    try:
        watch = Watch()
        sys.addaudithook(watch)
        watch.on = True
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


def main(argv: list[str], serialize: bool, futures: bool) -> None:
    """Do what the engine's wrapper does."""
    output_file = argv[2]
    report = Report("s_" + output_file[2:])
    function, args, kwargs = load(argv, report)
    import cloudpickle

    if futures:
        args = [result_of(argument) for argument in args]
        print(args, kwargs)
    watch = start_watch()
    error = None
    try:
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
        report.finish(watch)
    if error is not None:
        raise error
