"""Tasks and workers that do not do what they should."""

import json
import os
import signal
import time

from conftest import COLLECT, FACTORY, IMPORT, STOP, STOP_FACTORY, WORKERS

COUNT = """
def work(x):
    import os, time
    time.sleep(0.05)
    with open(os.path.join(FOLDER, f"ran{x}"), "a") as f:
        f.write("x")
    return x * x
"""


def slow_cells(folder, n=20):
    submit = f"for i in range({n}):\n    m.submit(vine.PythonTask(work, i))\n"
    show = "print(sorted(t.output for t in results.values()))"
    return [IMPORT, f"FOLDER = {str(folder)!r}\n" + COUNT, WORKERS, submit, COLLECT, show, STOP]


def test_kill_in_the_middle(bench):
    cells = slow_cells(bench.folder)
    process = bench.start(cells)
    deadline = time.monotonic() + 60
    while len(list(bench.folder.glob("ran*"))) < 6 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ran = len(list(bench.folder.glob("ran*")))
    assert 6 <= ran < 20
    report = bench.run(*cells)
    assert report.errors == []
    assert report.printed[-2] == f"{[i * i for i in range(20)]}\n"
    # at most the tasks that were under way and the one that was being handed over are lost
    assert report.reused >= ran - 6
    assert report.submitted == 20 - report.reused


def test_failed_tasks_run_again_and_are_summed_up(bench):
    submit = """
def bad(x):
    return 1 / x
for i in range(3):
    m.submit(vine.PythonTask(bad, i))
t = vine.Task("echo no >&2; exit 7")
m.submit(t)
t = vine.Task("true")
t.add_output(m.declare_file("never.txt"), "never.txt")
m.submit(t)
"""
    show = """
for i, t in sorted(results.items()):
    print(i, type(t.output).__name__, t.result, t.exit_code, t.successful())
"""
    cells = [IMPORT, WORKERS, submit, COLLECT, show, STOP]
    first = bench.run(*cells)
    assert (first.submitted, first.done, first.failed) == (5, 2, 3)
    again = bench.run(*cells)
    assert (again.reused, again.submitted, again.failed) == (2, 3, 3)
    shown = [report.printed[4].splitlines()[-5:] for report in (first, again)]
    assert shown[0] == shown[1]
    assert [line.split()[0] for line in shown[0]] == list("12345")
    summary = next(text for text in first.notices if "3 tasks failed" in text)
    assert "bad" in summary
    assert "ZeroDivisionError: division by zero" in summary
    assert "exit code 7" in summary
    assert "output missing" in summary


def test_workers_that_never_come(bench):
    submit = "m.submit(vine.Task('true'))\nt0 = time.monotonic()\nt = m.wait(5)\nprint(t)"
    cells = [IMPORT + "import time\nm = vine.Manager(port=0)", submit, "t = m.wait(4)"]
    report = bench.run(*cells, worker_timeout=2)
    assert report.printed[1] == "None\n"
    assert len(report.notices) == 1
    assert "1 task waits" in report.notices[0]
    assert "vine_worker" in report.notices[0]
    report = bench.run(cells[0], "m.submit(vine.Task('true'))\nm.wait()", worker_timeout=1, worker_deadline=4)
    assert len(report.errors) == 1
    assert report.errors[0].startswith("WorkersMissing")


def test_factory_that_cannot_start(bench):
    cells = [IMPORT, FACTORY, "m.submit(vine.Task('true'))", STOP_FACTORY]
    report = bench.run(*cells, env={"PATH": "/nowhere"})
    assert report.errors == ["FileNotFoundError: [Errno 2] Command not found: 'vine_worker'"]
    assert report.submitted == 0


def test_factory_that_is_never_needed_leaves_nothing(bench):
    cells = [IMPORT, FACTORY, "print(factory.max_workers, factory.cores)", STOP_FACTORY]
    report = bench.run(*cells)
    assert report.errors == []
    assert report.printed[2] == "1 4\n"
    assert report.seconds[1] < 0.5
    assert "factory" not in report.effects


def test_factory_in_a_with_block(bench):
    use = """
m = vine.Manager(port=0)
with vine.Factory("local", manager=m) as f:
    f.max_workers = f.min_workers = 1
    m.submit(vine.Task("echo hi"))
    t = m.wait(20)
    print(t.std_output)
"""
    assert bench.run(IMPORT, use).printed[1] == "hi\n\n"
    report = bench.run(IMPORT, use, env={"PATH": "/nowhere"})
    assert (report.printed[1], report.errors, report.reused) == ("hi\n\n", [], 1)


def test_input_changes_while_the_task_runs(bench):
    (bench.folder / "in.txt").write_text("before")
    submit = """
t = vine.Task("cat in.txt; sleep 1")
t.add_input(m.declare_file("in.txt"), "in.txt")
m.submit(t)
m.wait(1)
open("in.txt", "w").write("AFTER!")
"""
    report = bench.run(IMPORT, WORKERS, submit, COLLECT, STOP)
    assert any("changed while it ran" in text for text in report.notices)
    (bench.folder / "in.txt").write_text("before")
    again = bench.run(IMPORT, WORKERS, submit.replace('open("in.txt", "w")', "#"), COLLECT, STOP)
    assert again.submitted == 1


def test_stored_result_is_gone(bench):
    cells = [IMPORT, WORKERS, "m.submit(vine.PythonTask(bytes, 2_000_000))", COLLECT, STOP]
    assert bench.run(*cells).submitted == 1
    for path in (bench.folder / "rec" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    report = bench.run(*cells)
    assert report.submitted == 1
    assert any("runs again" in text for text in report.notices)
    assert bench.run(*cells).submitted == 0


ODD = """
def count(g):
    return 1
class Odd:
    def __reduce__(self):
        return (Odd, ())
    def __nbrewind_digest__(self):
        raise ValueError('no')
"""


def test_undigestible_argument_is_explained_once(bench):
    cells = [
        IMPORT,
        WORKERS,
        ODD,
        "for i in range(3): m.submit(vine.PythonTask(count, [Odd()]))",
        COLLECT,
        STOP,
    ]
    report = bench.run(*cells)
    assert (report.submitted, report.done) == (3, 3)
    assert len(report.notices) == 1, json.dumps(report.notices)
    assert "arg0" in report.notices[0]
    assert "__nbrewind_digest__" in report.notices[0]
    assert bench.run(*cells).submitted == 3


def test_task_that_is_tried_again(bench):
    """A worker that dies takes its task along: the next one runs it, and the record says how often it was tried."""
    submit = """
slow = vine.Task("sleep 2; echo done; exit 3")
slow.set_retries(3)
m.submit(slow)
m.wait(1)
os.killpg(worker.pid, signal.SIGKILL)
worker.wait()
worker = start_worker(m.port)
"""
    report = bench.run(IMPORT + "import os, signal", WORKERS, submit, COLLECT, STOP)
    assert report.errors == []
    found = report.runs[0]
    assert (found["status"], found["exit_code"], found["stdout"]) == ("failed", 3, "done\n")
    assert found["attempts"] >= 2
    assert found["host"]
    assert f"at attempt {found['attempts']}: exit code 3: done" in report.notices[-1]


def test_how_tasks_fail(bench):
    submit = """
late = vine.Task("sleep 60")
late.set_time_max(1)
killed = vine.Task("kill -9 $$")
absent = vine.Task("cat in")
absent.add_input(m.declare_file("/nowhere/in"), "in")
lacking = vine.Task("echo said; true")
lacking.add_output(m.declare_file("never.txt"), "never.txt")
gone = vine.Task("sleep 60")
for t in (killed, absent, lacking, late, gone): m.submit(t)
m.cancel_by_task_id(gone.id)
"""
    cells = [IMPORT, WORKERS, submit, COLLECT, STOP]
    report = bench.run(*cells)
    assert {(each["name"], each["status"], each["result"]) for each in report.runs} == {
        ("sleep 60", "failed", "max wall time"),
        ("sleep 60", "cancelled", "cancelled"),
        ("kill -9 $$", "failed", "success"),
        ("cat in", "failed", "input missing"),
        ("echo said; true", "failed", "output missing"),
    }
    assert sorted(each["status"] for each in report.runs) == ["cancelled", *["failed"] * 4]
    summary = report.notices[-1]
    assert summary.startswith("4 tasks failed (")
    for kind in ("out of time", "input missing", "output missing", "killed"):
        assert kind in summary
    assert bench.run(*cells).submitted == 5


def test_task_that_nobody_waits_for(bench):
    use = "m.submit(vine.Task('sleep 30'))\nprint(len(m._task_table))"
    report = bench.run(IMPORT, WORKERS, use, STOP)
    from nbrewind.record.store import Record

    with Record.open(bench.folder / "rec") as record:
        (found,) = record.tasks()
    assert (found.status, found.result) == ("cancelled", "the notebook ended before it came back")
    assert report.notices == []
