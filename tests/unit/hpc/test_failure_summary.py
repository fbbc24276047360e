"""One readable summary a cell."""

import pytest
from fakes import FakeJournal

from nbrewind.hpc.failures import Failures, kind_of, last_line, remedy_for
from nbrewind.record.model import TaskRun


def failed(name="f", result="success", exit_code=1, host="n1"):
    return TaskRun("", "r", "c", "taskvine", "python", name, "failed", exit_code, result, host=host)


def test_summary():
    journal = FakeJournal()
    failures = Failures(journal)
    for number in range(5):
        failures.add(failed(f"f{number}"), f"Traceback\n  x\nValueError: {number}\n\n")
    failures.add(failed("g", "resource exhaustion", host=""), "")
    failures.flush()
    failures.flush()
    assert journal.notices == [
        "6 tasks failed (5 × exit code 1, 1 × resource exhaustion)\n"
        "  f0 on n1: exit code 1: ValueError: 0\n"
        "  f1 on n1: exit code 1: ValueError: 1\n"
        "  f2 on n1: exit code 1: ValueError: 2\n"
        "  … and 3 more"
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
    assert kind_of(failed(result="max retries")) == "max retries"
    assert kind_of(failed(result="")) == "unknown"
    assert last_line("a\n b \n\n") == "b"
    assert last_line("") == ""
    assert len(last_line("x" * 1000)) == 160
    assert remedy_for("all is well") == ""
