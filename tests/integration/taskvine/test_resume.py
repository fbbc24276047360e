"""Whatever ends, what has come back is there: kernels killed at any moment, workers that die, records that are shared."""

import os
import random
import signal
import time

import pytest
from conftest import COLLECT, IMPORT, STOP, WORKERS
from test_failures import slow_cells

ANSWER = f"{[n * n for n in range(20)]}\n"


def test_killed_again_and_again(bench):
    """Each attempt goes on where the last one was killed, whenever that was, and the end is right."""
    cells, moments = slow_cells(bench.folder), random.Random(7)
    done = 0
    for _ in range(4):
        process = bench.start(cells)
        time.sleep(moments.uniform(0.3, 2.0))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    report = bench.run(*cells)
    assert (report.errors, report.printed[-2]) == ([], ANSWER)
    done = [len(path.read_text()) for path in bench.folder.glob("ran*")]
    assert len(done) == 20
    assert sum(done) <= 20 + 4 * 6, "at most the tasks under way are lost with each kill"
    again = bench.run(*cells)
    assert (again.submitted, again.reused, again.printed[-2]) == (0, 20, ANSWER)


def test_two_notebooks_share_one_record(bench):
    """At the same time: each sees what the other has finished, and nothing is lost or mixed up."""
    cells = slow_cells(bench.folder)
    running = [bench.start(cells, notebook="one")]
    time.sleep(1.5)  # TaskVine names the folder of a run by the second, and whoever ends first removes it
    running.append(bench.start(cells, notebook="two"))
    reports = [bench.finish(process) for process in running]
    assert [report.errors for report in reports] == [[], []]
    assert [report.printed[-2] for report in reports] == [ANSWER, ANSWER]
    third = bench.run(*cells, notebook="three")
    assert (third.submitted, third.reused, third.printed[-2]) == (0, 20, ANSWER)


LOSE = """
import os, signal
os.killpg(worker.pid, signal.SIGKILL)
worker.wait()
worker = start_worker(m.port)
"""


def test_temporary_file_that_dies_with_its_worker(bench):
    make = """
made = m.declare_temp()
t = vine.Task("echo made; echo content > out")
t.add_output(made, "out")
m.submit(t)
t = m.wait(20)
"""
    use = """
t = vine.Task("cat in; echo LAST")
t.add_input(made, "in")
m.submit(t)
t = m.wait(30)
print(t.result, t.std_output)
"""
    first = bench.run(IMPORT, WORKERS, make, LOSE, use, STOP)
    assert (first.errors, first.printed[4]) == ([], "success content\nLAST\n\n")
    again = bench.run(IMPORT, WORKERS, make, use.replace("LAST", "edited"), STOP)
    assert (again.errors, again.printed[3]) == ([], "success content\nedited\n\n")
    assert (again.reused, again.submitted) == (1, 1)


@pytest.mark.slow
def test_tasks_under_way_on_a_dying_worker_run_again(bench):
    use = "def slow(x):\n    import time\n    time.sleep(1.5)\n    return x\nfor x in range(3): m.submit(vine.PythonTask(slow, x))\nm.wait(1)"
    show = "print(sorted(t.output for t in results.values()))"
    cells = (IMPORT, WORKERS, use, LOSE, COLLECT, show, STOP)
    report = bench.run(*cells)
    assert (report.errors, report.done, report.failed) == ([], 3, 0)
    assert report.printed[5] == "[0, 1, 2]\n"
    assert bench.run(*cells).reused == 3
