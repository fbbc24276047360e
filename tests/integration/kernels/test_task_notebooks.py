"""Notebooks that drive real TaskVine workers: exactly the affected tasks are submitted, and the outputs are a clean run's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(find_spec("ndcctools") is None, reason="ndcctools is not installed"),
    pytest.mark.xdist_group("engine"),
]

NOTEBOOK = {
    "imports": "import ndcctools.taskvine as vine",
    "inputs": "numbers = [1, 2, 3, 4]\nscale = 10",
    "functions": "def offset(x):\n    return x + 1\n\ndef work(x, scale):\n    return offset(x) * scale",
    "manager": (
        "m = vine.Manager(port=0)\n"
        "factory = vine.Factory('local', manager=m)\n"
        "factory.cores = 1\nfactory.min_workers = 1\nfactory.max_workers = 2\n"
        "factory.start();"
    ),
    "submit": (
        "for n in numbers:\n"
        "    t = vine.PythonTask(work, n, scale)\n"
        "    t.set_cores(1)\n"
        "    t.set_tag(str(n))\n"
        "    m.submit(t)"
    ),
    "collect": (
        "results = {}\n"
        "while not m.empty():\n"
        "    t = m.wait(5)\n"
        "    if t:\n"
        "        results[t.tag] = t.output\n"
        "print(sorted(results.items()))"
    ),
    "show": "print(sum(results.values()))",
}


@pytest.fixture
def audited(lab):
    lab.write(**NOTEBOOK)
    first = lab.audit()
    assert first.outcome.status == "ok", first.outcome.error
    assert first.tasks == (0, 4)
    return lab


def planned_causes(lab, cell):
    from nbrewind.kernels.notebooks import read_notebook
    from nbrewind.kernels.outlook import outlook
    from nbrewind.record.store import Record

    with Record.open(lab.record) as record:
        rows = outlook(read_notebook(lab.path), lab.path, record)
    return sorted(
        (cause.count, cause.name) for row in rows if row.cell_id == cell for cause in row.task_causes
    )[::-1]


def test_edits_submit_exactly_the_affected_tasks(audited):
    lab = audited
    result = lab.repeat()
    assert (result.executed, result.tasks) == ([], (0, 0))

    lab.edit(show="print('total', sum(results.values()))")
    result = lab.repeat()
    assert (result.executed, result.tasks) == (["show"], (0, 0))
    assert result.outputs[-1][0]["text"] == "total 140\n"

    lab.edit(collect=NOTEBOOK["collect"] + "\nprint('collected')")
    result = lab.repeat()
    assert result.tasks[1] == 0
    assert "collected" in result.outputs[-2][0]["text"]

    lab.edit(inputs="numbers = [1, 2, 3, 5]\nscale = 10")
    result = lab.repeat()
    assert result.tasks == (3, 1)
    assert result.outputs == lab.clean()
    assert result.task_causes == [("submit", 1, "argument 1 of 2", "4", "5")]

    lab.edit(inputs="numbers = [1, 2, 3, 5, 6, 7]\nscale = 10")
    assert lab.repeat().tasks == (4, 2)

    lab.edit(functions=NOTEBOOK["functions"].replace("x + 1", "x + 2"))
    assert planned_causes(lab, "submit") == [(6, "the function work"), (6, "helper offset in cell 2")]
    result = lab.repeat()
    assert result.tasks == (0, 6)
    assert result.outputs == lab.clean()
    ((cell, count, name, _, _),) = result.task_causes
    assert (cell, count, name) == ("submit", 6, "helper offset in cell 2")


FILES = {
    "imports": "import ndcctools.taskvine as vine",
    "manager": NOTEBOOK["manager"],
    "run": (
        "for name in ['one', 'two', 'three']:\n"
        "    t = vine.Task('cat in.txt side.txt > out.txt')\n"
        "    t.set_cores(1)\n"
        "    t.add_input(m.declare_file(f'{name}.txt'), 'in.txt')\n"
        "    t.add_input(m.declare_file('side.txt'), 'side.txt')\n"
        "    t.add_output(m.declare_file(f'{name}.out'), 'out.txt')\n"
        "    m.submit(t)\n"
        "while not m.empty():\n"
        "    m.wait(5)"
    ),
    "show": "print([open(f'{name}.out').read() for name in ['one', 'two', 'three']])",
}


def test_files_by_content_and_outputs_put_back(lab):
    for name in ("one", "two", "three", "side"):
        (lab.folder / f"{name}.txt").write_text(name)
    lab.write(**FILES)
    first = lab.audit()
    assert first.tasks == (0, 3)
    assert first.outputs == lab.clean()

    for name in ("one", "two", "three"):
        (lab.folder / f"{name}.out").unlink()
    result = lab.repeat()
    assert (result.executed, result.tasks) == ([], (0, 0))
    assert (lab.folder / "one.out").read_text() == "oneside"

    (lab.folder / "one.txt").write_text("two")
    (lab.folder / "two.txt").write_text("one")  # swapped: both contents are known under these remote names
    result = lab.repeat()
    assert result.tasks == (3, 0)
    assert result.outputs == lab.clean()

    (lab.folder / "two.txt").write_text("new")
    result = lab.repeat()
    assert result.tasks == (2, 1)
    assert result.outputs == lab.clean()


SLOW = {
    **NOTEBOOK,
    "functions": "import time\ndef work(x, scale):\n    time.sleep(0.3 if x < 4 else 60)\n    return x * scale",
}


def test_killed_in_the_middle_only_the_rest_runs(lab):
    lab.write(**SLOW)
    code = (
        "import sys; from tests.lab import Lab, Silent\n"
        "from nbrewind.kernels import headless\nfrom nbrewind.kernels.settings import Settings\nfrom pathlib import Path\n"
        "p = Path(sys.argv[1])\n"
        "headless.run(Settings('audit', p, p.with_suffix('.nbrewind')), out=None, parameters=(), progress=Silent())"
    )
    runner = subprocess.Popen([sys.executable, "-c", code, str(lab.path)], start_new_session=True)
    try:
        _wait_for_tasks(lab, 3)
        _kill_kernel(runner.pid)
        runner.wait(30)
    finally:
        if runner.poll() is None:
            os.killpg(runner.pid, signal.SIGKILL)
    lab.edit(functions=SLOW["functions"].replace("60", "0.3 "))
    result = lab.repeat()
    assert sum(result.tasks) == 4
    lab.edit(functions=SLOW["functions"], inputs="numbers = [1, 2, 3]\nscale = 10")
    assert lab.repeat().tasks == (3, 0)


def _wait_for_tasks(lab, number: int) -> None:
    from nbrewind.record.store import Record

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (lab.record / "record.json").exists():
            with Record.open(lab.record, readonly=True) as record:
                if sum(task.status == "done" for task in record.tasks()) >= number:
                    return
        time.sleep(0.3)
    pytest.fail(f"{number} tasks did not finish within a minute")


def _kill_kernel(runner: int) -> None:
    found = subprocess.run(
        ["pgrep", "-P", str(runner), "-f", "nbrewind.kernels.launch"], capture_output=True, text=True
    )
    for pid in found.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["pkill", "-f", "vine_factory"], check=False)


def test_unchanged_without_the_engine(audited, tmp_path):
    """A reviewer's laptop: neither ndcctools nor any worker program."""
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'ndcctools':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(blocker), "PATH": os.path.dirname(sys.executable)}
    command = [sys.executable, "-m", "nbrewind", "repeat", audited.path.name, "-q"]
    done = subprocess.run(command, cwd=audited.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    audited.edit(show="print('only this', len(results))")
    done = subprocess.run(command, cwd=audited.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_live_line_is_drawn_anew_and_no_part_of_the_record(tmp_path):
    from nbrewind.record.store import Record
    from tests.integration.kernels.clients import Live

    with Live("nbrewind-audit", tmp_path) as live:
        live.run(NOTEBOOK["imports"] + "\n" + NOTEBOOK["manager"], "make")
        submit = (
            "for s in (3, 0): m.submit(vine.Task(f'sleep {s}'))\nwhile not m.empty(): m.wait(5)\nprint('all')"
        )
        shown = live.run(submit, "go")
        quick = live.run("m.submit(vine.Task('true'))\nm.wait(9);", "quick")
    assert shown.actions[0] == "running"
    assert shown.actions[-1] == "tasks"
    kinds = [kind for kind, content in shown.messages if "nbrewind" in content.get("metadata", {})]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}
    assert "1 running" in "".join(shown.lines)
    assert shown.lines[-1].endswith("2 done")
    assert quick.lines == []
    with Record.open(tmp_path / "notebook.nbrewind") as record:
        (outputs,) = [cell.outputs for cell in record.cells(record.run("last").id) if cell.cell_id == "go"]
        assert b"nbrewind" not in record.blob(outputs)


STAGES = {
    "imports": NOTEBOOK["imports"],
    "parameters": "k = 2",
    "manager": NOTEBOOK["manager"].replace("m = ", "manager = ").replace("manager=m", "manager=manager"),
    "count": (
        "def collect():\n"
        "    found = {}\n"
        "    while not manager.empty():\n"
        "        t = manager.wait(5)\n"
        "        if t:\n"
        "            found[t.tag] = t.output\n"
        "    return found\n"
        "def same(x): return x\n"
        "for n in range(3):\n"
        "    task = vine.PythonTask(same, n)\n"
        "    task.set_tag(str(n))\n"
        "    manager.submit(task)"
    ),
    "index": "counted = collect()\ntotal = sum(counted.values())",
    "submit": (
        "def times(x, k): return x * k\n"
        "for n in range(3):\n"
        "    task = vine.PythonTask(times, total + n, k)\n"
        "    task.set_tag(str(n))\n"
        "    manager.submit(task)"
    ),
    "collect": "ranked = collect()\nfactory.stop();",
    "show": "print(sorted(ranked.items()))",
}


def test_factory_is_rebuilt_with_the_manager_that_it_serves(lab):
    """Two stages of tasks: the second needs the manager, and only a later cell names its factory."""
    lab.write(**STAGES)
    assert lab.audit().tasks == (0, 6)
    lab.edit(parameters="k = 3")
    result = lab.repeat(worker_deadline=30.0)
    assert result.outcome.status == "ok", result.outcome.error
    assert result.tasks == (3, 3)
    assert result.outputs[-1][0]["text"] == "[('0', 9), ('1', 12), ('2', 15)]\n"


@pytest.mark.slow
def test_search_example(tmp_path):
    """As its reader would use it: another question sends out the tasks of that question alone."""
    import shutil
    from pathlib import Path

    from nbrewind.kernels import headless
    from nbrewind.kernels.settings import Settings, record_folder
    from tests.lab import Silent

    folder = tmp_path / "search"
    shutil.copytree(Path(__file__).parents[3] / "examples" / "search", folder)
    book = folder / "language_search.ipynb"

    def run(kind, *parameters):
        settings = Settings(
            kind=kind, notebook=book, record=record_folder(book), quiet=True, worker_deadline=60.0
        )
        outcome = headless.run(settings, out=None, parameters=parameters, progress=Silent())
        assert outcome.status == "ok", outcome.error
        return outcome.tasks["reused"], outcome.tasks["submitted"]

    assert run("audit") == (0, 225)
    assert run("repeat") == (0, 0)
    questions = folder / "questions.txt"
    questions.write_text(questions.read_text().replace("a submodule", "a package"))
    assert run("repeat") == (200, 25)
    assert run("repeat", ("k1", "1.6")) == (25, 200)


def test_work_queue_in_a_notebook(lab):
    """What the engine stages in the temporary folder is no data of the cell."""
    lab.write(
        define="import ndcctools.work_queue as wq\nn = 3\ndef f(x): return x * n",
        manager="q = wq.WorkQueue(port=0)\nw = wq.Factory('local', manager=q)\nw.min_workers = w.max_workers = 1\nw.start()",
        run="ts = [wq.PythonTask(f, i) for i in (1, 2)]\nfor t in ts: q.submit(t)\nwhile not q.empty(): q.wait(5)\nprint([t.output for t in ts])",
    )
    assert lab.audit().tasks == (0, 2)
    again = lab.repeat()
    assert (again.executed, again.tasks) == ([], (0, 0))
    edited = lab.edit(define=lab.cells["define"].replace("n = 3", "n = 4")).repeat()
    assert edited.tasks == (0, 2)
