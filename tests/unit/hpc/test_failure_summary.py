"""One readable summary a cell."""

import pytest
from fakes import FakeJournal

from nbrewind.hpc.failures import Failures, last_line, remedy_for
from nbrewind.hpc.taskvine.attempts import Attempts
from nbrewind.record.model import TaskRun
from nbrewind.tasks.failures import kind_of, remedy_of, tail


def failed(name="f", result="success", exit_code=1, host="n1", **more):
    return TaskRun("", "r", "c", "taskvine", "python", name, "failed", exit_code, result, host=host, **more)


def test_summary():
    journal = FakeJournal()
    failures = Failures(journal)
    for number in range(5):
        failures.add(failed(f"f{number}"), f"Traceback\n  x\nValueError: {number}\n\n")
    failures.add(failed("g", "max wall time", host=""), "")
    failures.flush()
    failures.flush()
    assert journal.notices == [
        "6 tasks failed (5 × exit code 1, 1 × out of time)\n"
        "  f0 on n1: exit code 1: ValueError: 0\n"
        "  f1 on n1: exit code 1: ValueError: 1\n"
        "  f2 on n1: exit code 1: ValueError: 2\n"
        "  … and 3 more: nbrewind show --tasks\n"
        "  out of time: raise its time (set_time_max, set_time_end)"
    ]


@pytest.mark.parametrize(
    "stdout", ["ModuleNotFoundError: No module named 'cloudpickle'", "sh: 1: python3: not found"]
)
def test_worker_that_cannot_run_python_is_explained_at_once_and_once(stdout):
    journal = FakeJournal()
    failures = Failures(journal)
    failures.add(failed(), stdout)
    failures.add(failed(), stdout)
    assert journal.notices == [remedy_for(stdout)]


def test_words():
    assert kind_of(failed(exit_code=7)) == "exit code 7"
    assert kind_of(failed(result="max retries")) == "lost worker"
    assert kind_of(failed(result="")) == "unknown"
    assert last_line("a\n b \n\n") == "b"
    assert last_line("") == ""
    assert len(last_line("x" * 1000)) == 160
    assert remedy_for("all is well") == ""


def test_what_a_silent_task_lacks_and_how_often_it_was_tried():
    journal = FakeJournal()
    failures = Failures(journal)
    failures.add(failed("h", "output missing", attempts=3), "", detail="it left no out.txt")
    failures.flush()
    assert journal.notices[0].splitlines()[1] == "  h on n1 at attempt 3: output missing: it left no out.txt"


@pytest.mark.parametrize(
    ("resources", "kind"),
    [
        ({"limits.memory": 20.0}, "out of memory"),
        ({"allocated.disk": 20.0, "measured.disk": 60.0, "allocated.memory": 100.0}, "out of disk"),
        ({"allocated.memory": 10.0, "measured.memory": 60.0}, "out of memory"),
        ({}, "out of memory, disk or another resource"),
    ],
)
def test_which_resource_ran_out(resources, kind):
    assert kind_of(failed(result="resource exhaustion", resources=resources)) == kind


def test_killed():
    assert "killed" in kind_of(failed(exit_code=137))
    assert remedy_of("exit code 1") == ""


def test_end_of_a_long_output():
    assert tail("short") == "short"
    assert tail("one\ntwo\nthree\n", 8) == "…\nthree\n"
    assert tail("x" * 10, 3) == "…xxx"


def test_attempts(tmp_path):
    log = tmp_path / "transactions"
    attempts = Attempts(str(tmp_path))
    assert attempts.of(1) == 1
    log.write_text(
        "# time manager_pid TASK task_id\n1 2 TASK 1 READY x\n1 2 TASK 1 RUNNING w\n1 2 TASK 1 RUNN"
    )
    assert attempts.of(1) == 1
    with log.open("a") as file:
        file.write("ING w FIRST_RESOURCES {}\n1 2 TASK 2 RUNNING w\n1 2 WORKER 1 RUNNING w\n")
    assert [attempts.of(number) for number in (1, 2, 3)] == [2, 1, 1]
