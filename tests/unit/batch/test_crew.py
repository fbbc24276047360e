"""Workers are started, watched and stopped, whatever happens to whoever started them; with a scheduler that takes notes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from nbrewind.batch import crew, guardian, reading, watching
from nbrewind.batch.contact import Contact
from nbrewind.batch.crew import SiteCrew
from nbrewind.batch.plan import Intent
from nbrewind.errors import SiteUnusable

pytestmark = pytest.mark.engine

SBATCH = """\
#!/bin/sh
n=$(( $(cat $HOME/count 2>/dev/null || echo 0) + 1 )); echo $n >$HOME/count
[ ! -f $HOME/hang ] || sleep 100
if [ -f $HOME/refuse ]; then cat $HOME/refuse >&2; exit 1; fi
env >>$HOME/environment
echo "Submitted batch job $n"
"""
SQUEUE = """\
#!/bin/sh
echo asked >>$HOME/asked
cat $HOME/queue 2>/dev/null || true
"""
SCANCEL = """\
#!/bin/sh
echo "$@" >>$HOME/cancelled
"""
KERNEL = """\
import sys, time
from pathlib import Path
from nbrewind.batch import reading
from nbrewind.batch.contact import Contact
from nbrewind.batch.crew import SiteCrew
from nbrewind.batch.plan import Intent
site = reading.site_of({"scheduler": {"type": "slurm"}, "workers": {"min": 2}}, "test")
SiteCrew(site, Contact("127.0.0.1", 1), "secret", Path(sys.argv[1])).start(Intent(), 2)
print("ready", flush=True)
time.sleep(100)
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A scheduler that takes notes in the home folder."""
    if shutil.which("vine_factory") is None:
        pytest.skip("needs vine_factory")
    programs, home = tmp_path / "bin", tmp_path / "home"
    for folder in (programs, home):
        folder.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL, "sinfo": SQUEUE}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    return home


def started(beside, intent=None, waiting=2, **workers):
    site = reading.site_of({"scheduler": {"type": "slurm"}, "workers": {"min": 2, **workers}}, "test")
    made = SiteCrew(site, Contact("127.0.0.1", 1), "secret", beside)
    made.start(intent or Intent(), waiting)
    return made


def until(condition, what="", seconds=40):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def text(path):
    return path.read_text() if path.exists() else ""


def gone(beside):
    return not list((beside / "crews").glob("nbw-*"))


def test_jobs_are_submitted_at_once_and_cancelled_in_the_end(slurm, tmp_path):
    workers = started(tmp_path)
    until(lambda: text(slurm / "count") == "2\n")
    workers.stop()
    until(lambda: gone(tmp_path))
    assert set(text(slurm / "cancelled").split()) == {"1", "2"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_jobs_are_cancelled_when_the_kernel_is_killed(slurm, tmp_path, number):
    kernel = subprocess.Popen([sys.executable, "-c", KERNEL, tmp_path], stdout=subprocess.PIPE, text=True)
    assert kernel.stdout.readline() == "ready\n"
    until(lambda: text(slurm / "count") == "2\n")
    os.kill(kernel.pid, number)
    kernel.communicate(timeout=20)
    until(lambda: gone(tmp_path))
    assert set(text(slurm / "cancelled").split()) == {"1", "2"}


def test_next_start_cancels_what_a_killed_guardian_left(slurm, tmp_path):
    workers = started(tmp_path)
    until(lambda: guardian.jobs_of(text(workers.plan.folder / "batch.log")) == ["1", "2"])
    factory = json.loads(until(lambda: text(workers.plan.folder / "state.json")))["factory"]
    os.kill(workers._guardian.pid, signal.SIGKILL)
    os.kill(factory, signal.SIGKILL)
    workers._guardian.wait()
    assert crew.sweep(tmp_path / "crews") == 1
    assert set(text(slurm / "cancelled").split()) == {"1", "2"}
    assert gone(tmp_path)
    workers.stop()


def test_sweep_leaves_living_crews_alone(slurm, tmp_path):
    workers = started(tmp_path)
    until(lambda: text(workers.plan.folder / "state.json"))
    assert crew.sweep(tmp_path / "crews") == 0
    workers.stop()
    until(lambda: gone(tmp_path))


def test_killed_factory_is_started_again_in_a_folder_of_its_own(slurm, tmp_path):
    workers = started(tmp_path)
    first = json.loads(until(lambda: text(workers.plan.folder / "state.json")))["factory"]
    os.kill(first, signal.SIGKILL)
    state = workers.plan.folder / "state.json"
    until(lambda: json.loads(text(state)).get("factory") not in (None, first))
    assert (workers.plan.folder / "jobs-1").is_dir()
    workers.stop()
    until(lambda: gone(tmp_path))


def test_refused_submission_is_told_within_seconds_in_the_schedulers_words(slurm, tmp_path):
    (slurm / "refuse").write_text("sbatch: error: invalid partition specified: nosuch\n")
    workers = started(tmp_path)
    status = until(lambda: workers.status(0).rejections and workers.status(0), seconds=15)
    assert status.line() == "the scheduler refuses: sbatch: error: invalid partition specified: nosuch"
    assert status.phase == "rejected"
    workers.stop()


def test_reason_of_queued_jobs_is_told_and_one_question_covers_all_jobs(slurm, tmp_path):
    (slurm / "queue").write_text("1|PENDING|Resources|2026-11-21T15:00:00|\n2|PENDING|Priority|N/A|\n")
    workers = started(tmp_path)
    status = until(lambda: workers.status(0).jobs and workers.status(0))
    assert status.line() == "2 jobs queued (Resources), expected at 2026-11-21T15:00:00"
    assert workers.status(3).line() == "3 workers connected"
    workers.stop()


@pytest.mark.slow
def test_scheduler_is_asked_at_most_once_in_ten_seconds(slurm, tmp_path):
    (slurm / "queue").write_text("1|PENDING|Resources|N/A|\n")
    workers = started(tmp_path, min=8)
    began = time.monotonic()
    until(lambda: text(slurm / "asked").count("asked") == 2 and workers.status(0).jobs)
    assert time.monotonic() - began > guardian.POLL - 1
    workers.stop()


def test_submit_command_that_hangs_is_told(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "ANSWER", 1.0)
    (slurm / "hang").touch()
    workers = started(tmp_path)
    assert "sbatch has not answered for" in until(lambda: workers.status(0).trouble)[0]
    workers.stop()


def test_password_is_in_one_private_file_and_nowhere_else(slurm, tmp_path):
    workers = started(tmp_path)
    until(lambda: text(slurm / "environment"))
    found = [
        path for path in workers.plan.folder.rglob("*") if path.is_file() and b"secret" in path.read_bytes()
    ]
    assert {path.name for path in found} == {"password", "pwfile"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in found)
    assert workers.plan.folder.stat().st_mode & 0o077 == 0
    assert "secret" not in text(slurm / "environment")
    workers.stop()
    until(lambda: gone(tmp_path))


def test_scale_rewrites_the_factorys_configuration(slurm, tmp_path):
    workers = started(tmp_path, waiting=1, min=1, max=9)
    read = lambda: json.loads((workers.plan.folder / "config.json").read_text())["min-workers"]
    assert read() == 1
    workers.scale(Intent(), 5)
    assert read() == 5
    workers.scale(Intent(max=3), 50)
    assert json.loads((workers.plan.folder / "config.json").read_text())["max-workers"] == 3
    workers.stop()


def test_site_of_another_scheduler_is_unusable_from_here(tmp_path):
    site = reading.site_of({"scheduler": {"type": "condor"}}, "test")
    with pytest.raises(SiteUnusable, match="condor_submit, condor_q, condor_rm are not on PATH"):
        SiteCrew(site, Contact("h", 1), "", tmp_path).start(Intent(), 1)


def test_scratch_that_cannot_be_written_is_an_error_that_names_it(slurm, tmp_path):
    (tmp_path / "crews").write_text("in the way")
    with pytest.raises(SiteUnusable, match=r"crews: workers cannot be started from there .*paths.scratch"):
        started(tmp_path)


def test_log_of_a_worker_is_told_by_its_end():
    assert watching.ending("a\n\n" + "\n".join(map(str, range(9)))) == "\n".join(map(str, range(3, 9)))


def test_scheduler_is_left_in_peace_while_workers_are_connected(slurm, tmp_path):
    workers = started(tmp_path)
    assert workers.status(1).phase == "connected"
    until(lambda: text(slurm / "count") == "2\n")
    time.sleep(4)
    assert text(slurm / "asked") == ""
    workers.stop()


def test_scheduler_that_complains_is_told(slurm, tmp_path):
    (slurm.parent / "bin" / "squeue").write_text(
        "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact' >&2; exit 1\n"
    )
    workers = started(tmp_path)
    told = until(lambda: workers.status(0).trouble)
    assert told == ("squeue: slurm_load_jobs error: Unable to contact",)
    workers.stop()
