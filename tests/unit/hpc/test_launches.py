"""Commands that start workers, run for real with programs of the test's own in the engine's place."""

import os
import subprocess
import sys
import time

import pytest

from nbrewind.batch.plan import Intent
from nbrewind.hpc.children import ChildPatches
from nbrewind.hpc.launches import Launches

PROGRAM = '#!/bin/sh\necho "{name} $* PATH=$PATH TOKEN=$NBREWIND_LAUNCH"; [ -t 0 ] || cat\n'


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """The programs of a home site, which say how they were started."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("vine_factory", "vine_worker", "sbatch", "scancel"):
        (folder / name).write_text(PROGRAM.format(name=name))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def started(request):
    """Commands of a cell, at home or (with ``True``) at a site that takes their place."""
    launches = Launches(replaced=getattr(request, "param", False))
    patches = ChildPatches(lambda: launches, lambda: "cell", lambda: "")
    patches.install()
    yield launches
    patches.uninstall()
    launches.close()


at_a_site = pytest.mark.parametrize("started", [True], indirect=True)


def output(command, **options):
    options = {"input": "", **options}
    return subprocess.run(command, capture_output=True, text=True, timeout=20, **options).stdout.strip()


@pytest.mark.parametrize(
    "options",
    [
        {"args": ["vine_factory", "-W", "3", "host", "9123"]},
        {"args": "vine_factory -W 3 host 9123", "shell": True},
    ],
)
def test_at_home_the_program_runs_as_it_was_asked_to_in_the_environment_that_it_had(
    programs, started, options
):
    said = output(options.pop("args"), **options)
    assert said == f"vine_factory -W 3 host 9123 PATH={os.environ['PATH']} TOKEN="
    assert [launch.intent for launch in started.wanted(9123, "")] == [Intent(max=3)]
    assert started.take("cell") == ("vine_factory -W 3 host 9123",)
    assert started.take("cell") == ()


def test_at_home_a_job_script_reaches_the_scheduler_by_its_input(programs, started):
    script = "#!/bin/sh\nvine_worker host 9123\n"
    said = output(["sbatch", "-n2"], input=script).splitlines()
    assert said == [f"sbatch -n2 PATH={os.environ['PATH']} TOKEN=", *script.splitlines()]
    output(f"sbatch -n3 <<EOF\n{script}EOF", shell=True)
    assert output(["sbatch", "-n4"], input="#!/bin/sh\nhostname\n").endswith("hostname")
    assert started.take("cell") == ("sbatch -n2", "sbatch -n3")


@at_a_site
def test_at_a_site_nothing_starts_and_a_factory_stays_until_it_is_ended(programs, started):
    process = subprocess.Popen(
        ["vine_factory", "--cores", "2", "-W", "3", "host", "9123"], stdout=subprocess.PIPE
    )
    assert process.args[0] == "vine_factory"
    assert [launch.intent for launch in started.wanted(9123, "")] == [Intent(cores=2, max=3)]
    assert started.wanted(9124, "") == []
    assert process.poll() is None
    assert not started.over
    process.terminate()
    assert process.communicate(timeout=20)[0] == b""
    deadline = time.monotonic() + 10
    while not started.over and time.monotonic() < deadline:
        time.sleep(0.01)
    assert started.over
    assert started.wanted(9123, "") == []


@at_a_site
def test_at_a_site_a_job_gets_a_number_by_which_it_can_be_cancelled(programs, started, tmp_path):
    (tmp_path / "job.sh").write_text("#!/bin/sh\n#SBATCH --array=1-4\nvine_worker -M mine\n")
    assert output(["sbatch", "job.sh"]) == "Submitted batch job 900001"
    assert output(["sbatch", "--parsable", "job.sh"]) == "900002"
    assert [launch.intent.max for launch in started.wanted(9123, "mine")] == [4, 4]
    assert started.wanted(9123, "other") == []
    assert output(["scancel", "7"]).startswith("scancel 7")  # somebody's own job
    assert output(["scancel", "900001"]) == ""
    assert [launch.intent.max for launch in started.wanted(9123, "mine")] == [4]


@at_a_site
def test_at_a_site_programs_need_not_be_there(started, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workers.sh").write_text("#!/bin/sh\nvine_submit_workers -T slurm host 9123 5\n")
    assert subprocess.run(["sh", "workers.sh"], timeout=20).returncode == 0
    assert [launch.intent.max for launch in started.wanted(9123, "")] == [5]


@at_a_site
def test_other_jobs_are_submitted_at_a_site_too(programs, started, tmp_path):
    (tmp_path / "job.sh").write_text("#!/bin/sh\nhostname\n")
    assert output(["sbatch", "job.sh"]).startswith("sbatch job.sh PATH=")
    assert started.take("cell") == ()


def test_what_os_system_starts_is_seen_and_the_environment_is_as_before(programs, started, tmp_path):
    before = dict(os.environ)
    assert os.system("vine_worker host 9123 > said") == 0
    assert started.take("cell") == ("vine_worker host 9123",)
    assert (tmp_path / "said").read_text() == f"vine_worker host 9123 PATH={os.environ['PATH']} TOKEN=\n"
    assert dict(os.environ) == before
    assert output([sys.executable, "-c", "import os; print(os.environ['PATH'])"]) == before["PATH"]


def test_own_environment_of_a_command_is_kept(programs, started):
    said = output(["vine_worker", "host", "9123"], env={"PATH": f"{programs}:/usr/bin:/bin", "X": "1"})
    assert f"PATH={programs}:/usr/bin:/bin TOKEN=" in said


def test_other_commands_run_untouched(programs, started):
    assert output(["sh", "-c", "echo $PATH"]) == os.environ["PATH"]
    assert started.take("cell") == ()


def test_programs_run_when_nobody_answers(programs, started):
    environment = {**os.environ, "PATH": f"{started.folder()}:{os.environ['PATH']}"}
    started.close()
    folder = environment["PATH"].split(":")[0]
    assert not os.path.exists(folder)
    assert output("vine_worker host 9123", shell=True, env=environment).startswith("vine_worker host 9123")


def test_patches_leave_nothing_behind(started):
    patches = ChildPatches(lambda: started, lambda: "", lambda: "")
    before = subprocess.Popen.__init__, os.system
    patches.install()
    assert subprocess.Popen.__init__ is not before[0]
    patches.uninstall()
    assert (subprocess.Popen.__init__, os.system) == before
