"""Which commands start workers."""

import pytest

from nbrewind.cells import launchers


@pytest.mark.parametrize(
    ("words", "starts"),
    [
        (["vine_factory", "-T", "slurm"], True),
        (["bash", "-c", "srun vine_worker host 9123"], True),
        (["sbatch", "job.sh"], True),
        (["bash", "-c", "cd . && sbatch job.sh"], True),
        (["sbatch", "other.sh"], False),
        (["cat", "no-such-file"], False),
        (["ls", "my_vine_worker.txt"], False),
    ],
)
def test_command_starts_workers_by_its_words_or_by_the_scripts_that_it_names(words, starts, tmp_path):
    (tmp_path / "job.sh").write_text("#!/bin/sh\nvine_worker $1 $2\n")
    (tmp_path / "other.sh").write_text("#!/bin/sh\nhostname\n")
    assert launchers.may_start_workers(words, str(tmp_path)) is starts


@pytest.mark.parametrize(
    ("command", "only"),
    [
        ("sbatch job.sh", True),
        ("nohup vine_factory -T slurm localhost 9123 > factory.log 2>&1 &", True),
        ("X=1 /usr/bin/vine_worker localhost 9123; echo started", True),
        ("./prepare.sh && sbatch job.sh", False),
        ("sbatch job.sh | tee log", False),
        ("sbatch $(./choose)", False),
        ("echo nothing", False),
        ("sbatch 'unclosed", False),
    ],
)
def test_commands_with_anything_else_in_them_are_told_apart(command, only):
    assert launchers.only_starts_workers(command) is only


def test_large_and_binary_files_are_no_scripts(tmp_path):
    (tmp_path / "large").write_text("x" * (launchers.SCRIPT_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfevine_worker")
    assert launchers.script("large", str(tmp_path)) is None
    assert launchers.script("binary", str(tmp_path)) is None
    assert launchers.script("", str(tmp_path)) is None
