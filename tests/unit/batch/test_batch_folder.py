"""The files to copy to a cluster, as far as it can be told without one."""

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from nbrewind.batch import commands, job_options
from nbrewind.batch.plan import Intent

FOLDER = Path(__file__).parents[3] / "batch"
SCRIPTS = sorted(path for path in FOLDER.rglob("*") if path.suffix in (".sh", ".sbatch", ".pbs"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_scripts_are_valid_and_say_how_they_are_used(path):
    assert subprocess.run(["bash", "-n", path]).returncode == 0
    if shutil.which("shellcheck"):
        done = subprocess.run(["shellcheck", path], capture_output=True, text=True)
        assert done.stdout == ""
    text = path.read_text()
    assert path.name in text
    assert path.relative_to(FOLDER).as_posix() in (FOLDER / "README.md").read_text()
    assert (path.suffix == ".sh") is bool(path.stat().st_mode & 0o100)


@pytest.mark.parametrize(
    ("command", "script"), [("sbatch", "slurm/workers.sbatch"), ("qsub", "pbs/workers.pbs")]
)
def test_arrays_of_workers_are_understood_as_such(command, script):
    launch = commands.read(command, [script, "login1", "9123"], str(FOLDER))
    assert launch is not None
    assert launch.intent == Intent(cores=1, memory=400, disk=500, max=2, idle_timeout=120)


@pytest.mark.parametrize("scheduler", ["slurm", "pbs"])
def test_factories_are_configured_by_keys_that_they_know(scheduler):
    keys = json.loads((FOLDER / scheduler / "factory.json").read_text())
    launch = commands.read("vine_factory", ["-C", "factory.json", "login1", "9123"], str(FOLDER / scheduler))
    assert launch.intent == Intent(cores=1, memory=400, disk=500, min=1, max=2, idle_timeout=120)
    assert set(keys) == {
        "min-workers",
        "max-workers",
        "workers-per-cycle",
        "cores",
        "memory",
        "disk",
        "timeout",
    }


@pytest.mark.parametrize(
    "path", [path for path in SCRIPTS if path.suffix != ".sh"], ids=lambda path: path.name
)
def test_jobs_say_how_large_they_are_and_how_long_they_last(path):
    program, mark = ("sbatch", "#SBATCH") if path.suffix == ".sbatch" else ("qsub", "#PBS")
    lines = [line for line in path.read_text().splitlines() if line.startswith(mark)]
    asked = {}
    for line in lines:
        for name, value in job_options.words(program, shlex.split(line[len(mark) :]))[0].items():
            asked[name] = f"{asked[name]},{value}" if name in asked else value
    read = job_options.slurm(asked) if program == "sbatch" else job_options.pbs(asked)
    assert read["cores"] >= 1
    assert read["memory"] >= 500
    assert "0:30:00" in str(asked)
