"""Notebooks that start their workers by commands of their own."""

import json
import subprocess
import sys

import nbformat
import pytest

NBREWIND = [sys.executable, "-m", "nbrewind"]
MANAGER = "import ndcctools.taskvine as vine\nm = vine.Manager(port=0)"
BY_PROGRAM = """\
import subprocess
command = ["vine_factory", "-T", "local", "--cores=1", "-w1", "-W2", "--timeout=20", "localhost", str(m.port)]
factory = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)"""
BY_SHELL = """\
%%bash -s {m.port}
nohup vine_worker --cores 1 --timeout 20 localhost $1 > /dev/null 2>&1 &
echo started"""
WORK = """\
def scale(number, by):
    return number * by
for number in range(4):
    m.submit(vine.PythonTask(scale, number, last if number == 3 else 1))
found = []
while not m.empty():
    if task := m.wait(5):
        found.append(task.output)
print(sorted(found))"""


def write(folder, launch, *more):
    cells = {"parameters": "last = 1", "manager": MANAGER, "launch": launch, "work": WORK}
    cells |= {f"more{number}": source for number, source in enumerate(more)}
    made = [nbformat.v4.new_code_cell(source, id=name) for name, source in cells.items()]
    made[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=made), folder / "n.ipynb")


def call(folder, *arguments):
    command = [*NBREWIND, *arguments, "--worker-deadline", "60", "-q", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def work_of(folder):
    return nbformat.read(folder / "out.ipynb", 4).cells[3].outputs[0].text


@pytest.mark.parametrize("site", [pytest.param((), marks=pytest.mark.slow), ("--site", "local")])
def test_workers_of_a_command_start_again_only_for_tasks_that_must_run(tmp_path, site):
    write(tmp_path, BY_PROGRAM, "factory.terminate()\nfactory.wait() is None")
    first = call(tmp_path, "audit", "n.ipynb", *site, "-o", "out.ipynb")
    assert first["tasks"]["submitted"] == 4
    again = call(tmp_path, "repeat", "n.ipynb", *site)
    assert [cell["action"] for cell in again["cells"]] == ["restored"] * 5
    changed = call(tmp_path, "repeat", "n.ipynb", *site, "-p", "last", "7", "-o", "out.ipynb")
    assert [cell["action"] for cell in changed["cells"]] == ["executed", "rebuilt", "rebuilt"] + [
        "executed"
    ] * 2
    assert (changed["tasks"]["reused"], changed["tasks"]["submitted"]) == (3, 1)
    assert work_of(tmp_path) == "[0, 1, 2, 21]\n"


@pytest.mark.slow
def test_workers_of_a_shell_script_at_home_come_from_the_site_elsewhere(tmp_path):
    write(tmp_path, BY_SHELL)
    assert call(tmp_path, "audit", "n.ipynb")["tasks"]["submitted"] == 4
    changed = call(tmp_path, "repeat", "n.ipynb", "--site", "local", "-p", "last", "7", "-o", "out.ipynb")
    assert changed["tasks"]["submitted"] == 1
    assert work_of(tmp_path) == "[0, 1, 2, 21]\n"
