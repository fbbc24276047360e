"""The script that starts a worker on its node, under the engine's worker program: where Python comes from, and a log.

A login shell at a node may reset what the submission carried along; so the script says everything again, last.
"""

from __future__ import annotations

import shlex

from nbrewind.batch.model import Environment

NAME = "start-worker"
LOG = "worker-"
"""Logs are called ``worker-JOB.log``, in the folder in which the job starts."""

_HEAD = """\
#!/bin/sh
# Starts one worker: ./start-worker ./vine_worker ARGUMENTS
job=${SLURM_JOB_ID:-${PBS_JOBID:-${JOB_ID:-$$}}}
exec >>"$PWD/worker-${job%%.*}.log" 2>&1
echo "job $job on $(uname -n) at $(date '+%Y-%m-%d %H:%M:%S')"
"""

_CHECK = (
    'import sys, cloudpickle as c; print("python3", sys.version.split()[0], "cloudpickle", c.__version__)'
)

_INSIST = f"""\
PREFIXpython3 -c '{_CHECK}' ||
    {{ echo "error: the site's WHAT has no python3 with cloudpickle: Python tasks cannot run there"; exit 1; }}
"""

_TAIL = f"""\
if command -v python3 >/dev/null 2>&1; then
    python3 -c '{_CHECK}' ||
        echo "warning: this python3 cannot run Python tasks: $(command -v python3)"
else
    echo "warning: there is no python3 on PATH: Python tasks will fail"
fi
"""

_UNPACK = """\
trap 'rm -rf "$environment"' EXIT
trap 'exit 143' TERM INT
environment=$(mktemp -d "${TMPDIR:-/tmp}/nbrewind-XXXXXX") && tar -xzf "$PWD/ARCHIVE" -C "$environment" ||
    { echo "error: ARCHIVE cannot be unpacked in ${TMPDIR:-/tmp}"; exit 1; }
PATH=$environment/bin:$PATH
export PATH
[ ! -x "$environment/bin/conda-unpack" ] || "$environment/bin/conda-unpack"
"""


def script(environment: Environment, path: list[str], local_directory: str = "", archive: str = "") -> str:
    """Return the script.

    Parameters
    ----------
    environment
        What the site says of the workers' Python.
    path
        Folders that come first on PATH, expanded.
    local_directory
        Where the worker puts its sandboxes.
    archive
        The name of the packed environment beside the script; empty: none.
    """
    parts = [_HEAD]
    parts += [
        f"export {name}={shlex.quote(value)}\n" for name, value in sorted(environment.variables.items())
    ]
    if local_directory:
        parts.append(f'TMPDIR="{local_directory}"\nmkdir -p "$TMPDIR" && export TMPDIR\n')
    if environment.modules:
        parts.append(_modules(environment.modules))
    parts += [f"{line}\n" for line in environment.job_script_prologue]
    if archive:
        parts.append(_UNPACK.replace("ARCHIVE", archive))
    if path:
        parts.append(f"PATH={shlex.quote(':'.join(path))}:$PATH\nexport PATH\n")
    prefix = f"{environment.container} " if environment.container else ""
    if environment.container or archive:
        what = "container" if environment.container else "packed environment"
        parts.append(_INSIST.replace("PREFIX", prefix).replace("WHAT", what))
    else:
        parts.append(_TAIL)
    parts.append(f'{prefix}"$@"\n')
    parts.append(
        "status=$?\necho \"worker ended with status $status at $(date '+%H:%M:%S')\"\nexit $status\n"
    )
    return "".join(parts)


def _modules(names: list[str]) -> str:
    words = " ".join(shlex.quote(name) for name in names)
    # a plain sh has no `module`; the files below define it at most sites
    return (
        "for file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh; do\n"
        '    if [ -r "$file" ] && ! command -v module >/dev/null 2>&1; then . "$file"; fi\n'
        "done\n"
        f"module load {words} || {{ echo 'error: modules cannot be loaded: {words}'; exit 1; }}\n"
    )
