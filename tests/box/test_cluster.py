"""What is installed in the box, and that its scheduler runs the engines' workers."""

import nbformat
import pytest

from .boxes import CHECKOUT, NODES, PROGRAMS

STACK = """
import dask, h5py, matplotlib, nbclient, numpy, pandas
import nbrewind, ndcctools.taskvine, ndcctools.work_queue
from jupyter_client.kernelspec import KernelSpecManager
print(nbrewind.__file__)
print("python3" in KernelSpecManager().find_kernel_specs())
"""


def test_stack_is_complete(run):
    done = run("python", "-c", STACK)
    assert done.stdout.split() == [f"{CHECKOUT}/nbrewind/__init__.py", "True"], done.stderr


def test_four_nodes_wait_for_work(run):
    done = run("sinfo", "--noheader", "--partition=main", "--Node", "--format=%N %t %c")
    assert done.stdout.split("\n")[:-1] == [f"{node} idle 2" for node in NODES]


def test_jobs_begin_with_the_environment_of_their_submitter(run, tmp_path):
    done = run(
        "sbatch",
        "--wait",
        "--output=out",
        "--wrap",
        "hostname; pwd; python3 -c 'import cloudpickle, nbrewind'",
    )
    assert done.returncode == 0, (tmp_path / "out").read_text()
    assert (tmp_path / "out").read_text() == f"a1\n{tmp_path}\n"


def test_more_jobs_than_processors_wait_their_turn(run, tmp_path):
    done = run("sbatch", "--wait", "--array=1-16", "--output=out-%a", "--wrap", "hostname; sleep 0.2")
    assert done.returncode == 0, done.stderr
    outputs = [(tmp_path / f"out-{number}").read_text().strip() for number in range(1, 17)]
    assert set(outputs) == set(NODES)


def test_notebook_runs_on_the_stock_kernel(run, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("6 * 7")])
    nbformat.write(notebook, tmp_path / "plain.ipynb")
    done = run("jupyter", "execute", "--inplace", "--kernel_name=python3", "plain.ipynb")
    assert done.returncode == 0, done.stderr
    assert nbformat.read(tmp_path / "plain.ipynb", 4).cells[0].outputs[0].data["text/plain"] == "42"


@pytest.mark.parametrize("how", ["by-address", "named"])
def test_taskvine_factory_runs_python_tasks_through_slurm(run, tmp_path, how):
    done = run("--bind", str(PROGRAMS), "python", f"{PROGRAMS}/taskvine.py", how)
    assert done.returncode == 0, done.stderr
    total, *nodes = done.stdout.split(maxsplit=1)
    assert total == "285"
    assert set(eval(nodes[0])) <= set(NODES)


def test_work_queue_factory_runs_python_tasks_through_slurm(run):
    done = run("--bind", str(PROGRAMS), "python", f"{PROGRAMS}/work_queue.py")
    assert done.stdout.split()[0] == "14", done.stderr
