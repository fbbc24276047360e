"""Input that cannot work: one clear message each, and the manager goes on with the rest."""

import socket

import pytest
from conftest import COLLECT, IMPORT, STOP, WORKERS

REST = "\nm.submit(vine.Task('echo rest'))"
SHOW = "\nprint(sorted((t.result, t.exit_code, str(t.std_output)[:60]) for t in results.values()))"


def run(bench, bad, *more, **options):
    """Run what is bad beside a task that is not."""
    report = bench.run(IMPORT, WORKERS, bad, REST, COLLECT + SHOW, *more, STOP, **options)
    assert "('success', 0, 'rest\\n')" in report.printed[4], (report.printed, report.errors, report.notices)
    return report


@pytest.mark.parametrize(
    ("define", "submit", "culprit"),
    [
        (
            "lock = threading.Lock()\ndef f(x):\n    with lock: return x",
            "vine.PythonTask(f, 1)",
            "lock (cannot pickle",
        ),
        ("def f(x): return x", "vine.PythonTask(f, threading.Lock())", "argument 1 (cannot pickle"),
        (
            "def make():\n    rows = (n for n in range(3))\n    return lambda x: next(rows)",
            "vine.PythonTask(make(), 1)",
            "rows (cannot pickle",
        ),
    ],
)
def test_what_cannot_be_pickled(bench, define, submit, culprit):
    report = run(bench, f"import threading\n{define}\nm.submit({submit})")
    assert len(report.errors) == 1
    assert "was not submitted, because this cannot be sent to workers: " + culprit in report.stderr
    assert (report.submitted, report.done) == (1, 1)


def test_input_that_disappears_between_submission_and_dispatch(bench):
    bad = """
import os
open("in.txt", "w").write("x")
m.submit(vine.Task("sleep 2"))
t = vine.Task("cat in.txt")
t.add_input(m.declare_file("in.txt"), "in.txt")
m.submit(t)
os.unlink("in.txt")
"""
    report = run(bench, bad)
    assert (report.errors, report.failed, report.done) == ([], 1, 2)
    assert "input missing: there is no" in report.notices[-1]
    assert run(bench, bad.replace("os.unlink", "#")).done == 1


def test_two_tasks_that_write_one_file(bench):
    """Whose file is left is chance: it must not become what each of them is said to have left."""
    bad = """
for word in ("one", "two"):
    t = vine.Task(f"echo {word} > out.txt")
    t.add_output(m.declare_file("out.txt"), "out.txt")
    m.submit(t)
"""
    report = run(bench, bad)
    assert len(report.notices) == 1
    assert "both write" in report.notices[0]
    assert run(bench, bad).submitted == 2
    single = bad.replace('("one", "two")', '("one",)')
    assert run(bench, single).submitted == 1
    assert (bench.folder / "out.txt").read_text() == "one\n"
    assert run(bench, single).submitted == 0


def test_one_after_the_other_may_write_one_file(bench):
    bad = """
for word in ("one", "two"):
    t = vine.Task(f"echo {word} > out.txt")
    t.add_output(m.declare_file("out.txt"), "out.txt")
    m.submit(t)
    m.wait(20)
"""
    assert run(bench, bad).notices == []
    report = run(bench, bad)
    assert (report.submitted, report.notices) == (0, [])
    assert (bench.folder / "out.txt").read_text() == "two\n"


@pytest.mark.parametrize(
    "use",
    [
        "submit(vine.Task('true'))",
        "wait(1)",
        "empty()",
        "stats",
        "cancel_all()",
        "declare_file('x')",
        "port",
        "status('tasks')",
    ],
)
def test_manager_that_was_closed(bench, use):
    """The bare engine ends the process."""
    report = run(bench, f"n = vine.Manager(port=0)\nn.__del__()\nprint(n.{use})")
    assert report.errors == [
        "RuntimeError: this manager was closed, because it was closed or deleted; create it again"
    ]


def test_task_whose_manager_was_deleted(bench):
    bad = "n = vine.Manager(port=0)\nt = vine.Task('true')\nn.submit(t)\ndel n"
    report = run(bench, bad)
    assert report.errors == []


def test_port_in_use(bench):
    with socket.create_server(("", 0)) as taken:
        report = run(bench, f"vine.Manager(port={taken.getsockname()[1]})")
    assert report.errors[0].startswith("Exception: Could not create manager on port")
    assert "port=0 takes any free port" in report.stderr


def test_task_that_was_returned(bench):
    bad = "t = vine.Task('echo one')\nm.submit(t)\nt = m.wait(20)\nm.submit(t)"
    first = run(bench, bad)
    again = run(bench, bad)
    assert first.errors == again.errors
    assert (again.reused, again.submitted) == (first.submitted, 0)


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_stored_result_that_was_corrupted(bench, size):
    """It runs again, and never counts as empty."""
    use = f"def make(n): return b'secret' * n\nm.submit(vine.PythonTask(make, {size}))"
    show = "print([len(t.output) for t in results.values() if len(t.output) > 5])"
    assert run(bench, use, show).printed[5] == f"[{6 * size}]\n"
    damaged = 0
    for path in (bench.folder / "rec").rglob("*"):
        if path.is_file() and b"secretsecret" in (data := path.read_bytes()):
            path.write_bytes(data.replace(b"secretsecret", b"SECRETsecret"))
            damaged += 1
    assert damaged
    report = run(bench, use, show)
    assert (report.submitted, report.printed[5]) == (1, f"[{6 * size}]\n")
    assert run(bench, use, show).reused == 2
