"""What a function runs in: interpreter, system, batch job, libraries."""

# ruff: noqa: BLE001 - nothing that goes wrong with noting may reach the user's function
from __future__ import annotations

import os
import sys
from typing import Any

MODULES = frozenset(sys.modules)
INSTALLED: dict[str, dict[str, str]] = {}
ENGINE = frozenset({"ndcctools"})

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
        if (
            name in standard
            or name in ENGINE
            or name.startswith("_")
            or not getattr(module, "__file__", None)
        ):
            continue
        version = vars(module).get("__version__")  # asking the module might run code of its own
        if not isinstance(version, str):
            version = installed(name, str(vars(module)["__file__"]))
        if version:
            found[name] = version
    return found


def installed(name: str, path: str) -> str:
    """Version of a distribution, where it is called like its module, by the names of folders beside it.

    Asking `importlib.metadata` takes longer than many a function.
    """
    place = os.path.dirname(path)
    if os.path.basename(path).startswith("__init__."):
        place = os.path.dirname(place)
    wanted = name.lower().replace("-", "_")
    for folder in [place] + [each for each in sys.path if each.endswith("-packages")]:
        if folder not in INSTALLED:
            INSTALLED[folder] = versions_in(folder)
        if wanted in INSTALLED[folder]:
            return INSTALLED[folder][wanted]
    return ""


def versions_in(folder: str) -> dict[str, str]:
    """Versions of what is installed in a folder."""
    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        return {}
    for name in names:
        stem, kind = os.path.splitext(name)
        if kind in (".dist-info", ".egg-info") and "-" in stem:
            distribution, version = stem.split("-")[:2]
            found[distribution.lower().replace(".", "_")] = version
    return found


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
