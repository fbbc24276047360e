"""What commands that start workers ask for."""

import json

import pytest

from nbrewind.batch import commands
from nbrewind.batch.commands import Launch
from nbrewind.batch.plan import Intent

ARRAY = """\
#!/bin/bash
#SBATCH --array=1-8 -c 4
#SBATCH --mem=8G
module load python
vine_worker --disk 500 login01 $1 > log &
wait
"""
SPREAD = """\
#PBS -l select=3:ncpus=2:mem=4gb
#PBS -l walltime=1:00:00
# not this: vine_worker old-host 1
mpiexec work_queue_worker host:9123
"""
DESCRIPTION = """\
executable = /opt/cctools/bin/vine_worker
arguments = "-M project --cores 2"
request_memory = 2GB
queue 5
"""


@pytest.mark.parametrize(
    ("command", "job", "launch"),
    [
        (
            "vine_factory -T slurm --max-workers=10 -w 2 --cores 4 localhost 9123",
            None,
            Launch("vine_factory", Intent(cores=4, min=2, max=10), 9123, lasts=True),
        ),
        (
            "work_queue_factory -T condor -M mine -W 7 --memory 500",
            None,
            Launch("work_queue_factory", Intent(memory=500, max=7), None, "mine", lasts=True),
        ),
        (
            "vine_worker --cores=2 -t 60 localhost 9123",
            None,
            Launch("vine_worker", Intent(cores=2, idle_timeout=60, max=1), 9123, lasts=True),
        ),
        (
            "vine_submit_workers -T slurm --cores 2 -p '--partition=x' host 9000 12",
            None,
            Launch("vine_submit_workers", Intent(cores=2, max=12), 9000),
        ),
        ("slurm_submit_workers -M mine 12", None, Launch("slurm_submit_workers", Intent(max=12), None, "mine")),
        ("sbatch -p short", ARRAY, Launch("sbatch", Intent(cores=4, memory=8192, disk=500, max=8))),
        ("sbatch -c 2 --array=1-3", ARRAY, Launch("sbatch", Intent(cores=2, memory=8192, disk=500, max=3))),
        ("sbatch -n5 --wrap 'srun vine_worker -M mine'", None, Launch("sbatch", Intent(max=5), None, "mine")),
        ("qsub -J 1-2", SPREAD, Launch("qsub", Intent(cores=2, memory=4096, max=6), 9123)),
        (
            "qsub -pe smp 4 -t 1-10 -cwd",
            "#$ -l h_vmem=2G\nvine_worker host 9123",
            Launch("qsub", Intent(cores=4, memory=2048, max=10), 9123),
        ),
        ("condor_submit", DESCRIPTION, Launch("condor_submit", Intent(cores=2, memory=2048, max=5), None, "mine")),
    ],
)  # fmt: skip
def test_intent_of_commands_is_how_many_workers_and_how_large(command, job, launch, tmp_path):
    program, *arguments = __import__("shlex").split(command)
    if program == "condor_submit":
        job = job.replace("project", "mine")
    assert commands.read(program, arguments, str(tmp_path), job) == launch


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("vine_factory", ["--help"]),
        ("vine_factory", ["--no-such-option"]),
        ("sbatch", ["no-such-file"]),
        ("sbatch", ["--wrap", "hostname"]),
        ("squeue", []),
    ],
)
def test_commands_that_start_no_workers_are_left_alone(program, arguments, tmp_path):
    assert commands.read(program, arguments, str(tmp_path)) is None


def test_job_script_is_read_with_its_arguments_and_the_scripts_that_it_names(tmp_path):
    (tmp_path / "inner.sh").write_text("exec vine_worker --cores 3 host 9123\n")
    (tmp_path / "job.sh").write_text("#!/bin/sh\n./inner.sh\n")
    assert commands.read("sbatch", ["job.sh"], str(tmp_path)) == Launch(
        "sbatch", Intent(cores=3, max=1), 9123
    )
    (tmp_path / "job.sh").write_text("vine_worker $1 ${2}\n")
    assert commands.read("sbatch", ["job.sh", "host", "9124"], str(tmp_path)).port == 9124


def test_configuration_file_of_a_factory_goes_before_its_options(tmp_path):
    (tmp_path / "f.json").write_text(json.dumps({"manager-name": "mine", "max-workers": 3, "cores": 2}))
    found = commands.read("vine_factory", ["-T", "local", "-C", "f.json", "-W", "9"], str(tmp_path))
    assert found == Launch("vine_factory", Intent(cores=2, max=3), None, "mine", lasts=True)


def test_several_commands_ask_together_for_the_largest_worker_and_all_of_them():
    launches = [Launch("a", Intent(cores=2, max=1)), Launch("b", Intent(cores=1, memory=500, max=4))]
    assert commands.together(launches) == Intent(cores=2, memory=500, max=5)
    assert commands.together(launches, [Intent(min=1, max=2)]) == Intent(cores=2, memory=500, min=1, max=7)
    assert commands.together([]) == Intent()


def test_job_script_comes_by_the_input_where_the_command_names_none():
    assert commands.wants_input("sbatch", ["-p", "short"])
    assert not commands.wants_input("sbatch", ["-p", "short", "job.sh"])
    assert not commands.wants_input("sbatch", ["--wrap=hostname"])
    assert not commands.wants_input("vine_worker", [])
