"""Each file of ``batch/`` run as its first lines say, at a real scheduler."""

import shutil
import subprocess
import time

import nbformat
import pytest

from .boxes import CHECKOUT

BATCH = CHECKOUT / "batch"
SITES = [("a", "slurm"), ("b", "pbs")]
WORK = """\
import ndcctools.taskvine as engine
m = engine.Manager(port=9123)
def host(number):
    import socket
    return socket.gethostname()
for number in range(3):
    m.submit(engine.PythonTask(host, number))
hosts = set()
while not m.empty():
    if task := m.wait(5):
        hosts.add(task.output)
print(sorted(hosts))"""

pytestmark = pytest.mark.slow


@pytest.fixture
def notebook(tmp_path):
    cell = nbformat.v4.new_code_cell(WORK, id="work")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "n.ipynb")
    shutil.copytree(BATCH, tmp_path / "batch")
    return tmp_path / "n.ipynb"


def at(run, site, script, **options):
    done = run("--site", site, "bash", "-c", script, timeout=200, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def hosts_of(path):
    return nbformat.read(path, 4).cells[0].outputs[0].text.strip()


@pytest.mark.parametrize(("site", "kind"), SITES)
def test_array_of_workers_serves_a_notebook_on_the_login_node(run, notebook, tmp_path, site, kind):
    submit = {
        "slurm": "sbatch --parsable batch/slurm/workers.sbatch $(hostname) 9123",
        "pbs": "qsub -V -v HOST=$(hostname),PORT=9123 batch/pbs/workers.pbs",
    }[kind]
    audit = "nbrewind audit n.ipynb -o out.ipynb --worker-deadline 90 -q"
    at(run, site, f"job=$({submit}) && {audit}; status=$?; scancel ${{job%%[.[]*}}; exit $status")
    assert f"{site}1" in hosts_of(tmp_path / "out.ipynb") or f"{site}2" in hosts_of(tmp_path / "out.ipynb")


@pytest.mark.parametrize(("site", "kind"), SITES)
def test_factory_by_hand_serves_a_notebook_and_leaves_nothing(run, notebook, tmp_path, site, kind):
    audit = "nbrewind audit n.ipynb -o out.ipynb --worker-deadline 90 -q"
    script = (
        f"batch/{kind}/factory.sh $(hostname) 9123 > factory.log 2>&1 & factory=$!; "
        f"{audit}; status=$?; kill $factory; wait $factory; cat factory.log; squeue --noheader; "
        "ls -d ~/factory-* 2>/dev/null; exit $status"
    )
    done = at(run, site, script)
    assert f"{site}1" in hosts_of(tmp_path / "out.ipynb") or f"{site}2" in hosts_of(tmp_path / "out.ipynb")
    assert "/factory-" not in done.stdout


@pytest.mark.parametrize(("site", "kind"), SITES)
def test_notebook_is_audited_and_repeated_within_a_job(run, notebook, tmp_path, site, kind):
    submit = {
        "slurm": "sbatch batch/slurm/notebook.sbatch audit n.ipynb -o out.ipynb",
        "pbs": "ACTION=audit NOTEBOOK=n.ipynb OPTIONS='-o out.ipynb' qsub -V batch/pbs/notebook.pbs",
    }[kind]
    at(run, site, submit)
    deadline = time.monotonic() + 120
    while not (tmp_path / "out.ipynb").exists() and time.monotonic() < deadline:
        time.sleep(0.5)
    logs = "".join(path.read_text() for path in tmp_path.glob("notebook*") if path.is_file())
    assert (tmp_path / "out.ipynb").exists(), logs
    assert hosts_of(tmp_path / "out.ipynb").startswith(f"['{site}")
    again = run("--site", site, "nbrewind", "repeat", "n.ipynb")
    assert "1 restored" in again.stdout + again.stderr


def test_scheduler_takes_the_job_scripts(run, notebook):
    for arguments in ("notebook.sbatch audit n.ipynb", "workers.sbatch host 9123"):
        done = run("sbatch", "--test-only", *f"batch/slurm/{arguments}".split())
        assert done.returncode == 0, done.stderr


def test_nothing_in_the_folder_names_this_machine():
    done = subprocess.run(["grep", "-rlE", "/root|/tmp/|hostname", BATCH], capture_output=True, text=True)
    assert done.stdout == ""
