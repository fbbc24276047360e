"""Why tasks of a cell had to run."""

import pytest
from fakes import FakeIdentity, FakeJournal, FakeMemo
from test_session import back

from nbrewind.hpc.options import EngineOptions
from nbrewind.hpc.session import Session
from nbrewind.hpc.tickets import Hit
from nbrewind.plan.task_differences import recorded_cause
from nbrewind.record.digests import digest_bytes
from nbrewind.record.model import TaskRun
from nbrewind.tasks.content import Contents
from nbrewind.tasks.missed import MissedTasks
from nbrewind.tasks.spec import Call, Input, Spec


class Identity(FakeIdentity):
    """A function that uses a global variable."""

    def __init__(self, namespace):
        self.namespace = namespace

    def function(self, function):
        return {
            "function": function.__name__,
            **{f"global:{name}": digest_bytes(repr(v).encode()) for name, v in self.namespace.items()},
        }


class Cell:
    """Submits the same kind of task again and again, in one session a call, over one record."""

    def __init__(self):
        self.memo = FakeMemo()

    def run(self, calls, inputs=(), fresh=False, **namespace):
        journal = FakeJournal()
        journal.fresh = fresh
        journal.namespace = lambda: namespace
        session = Session(self.memo, journal, EngineOptions(), Identity(namespace), Contents())
        for args in calls:
            spec = Spec(kind="python", name="f", call=Call(len, args, {}), inputs=inputs)
            decision = session.decide(spec, session.identity)
            if isinstance(decision, Hit):
                session.reused(decision)
            else:
                session.returned(session.submitted(spec, decision, "fake"), back())
        session.cell_finished()
        return journal.causes


@pytest.fixture
def cell():
    return Cell()


CALLS = [(n, 3) for n in range(6)]


def test_first_time(cell):
    assert cell.run(CALLS, k=1) == [("new", "", "", 6)]
    assert cell.run(CALLS, k=1) == []


def test_argument(cell):
    cell.run(CALLS, k=1)
    assert cell.run([*CALLS[:5], (5, 33)], k=1) == [("arg1", "3", "33", 1)]
    assert cell.run([(7, 7)], k=1) == [("arg0", "5", "7", 1), ("arg1", "33", "7", 1)]


def test_global_variable_of_all(cell):
    cell.run(CALLS, k=1)
    assert cell.run(CALLS, k=2) == [("global:k", "1", "2", 6)]


def test_each_task_is_compared_with_its_like(cell):
    """All tasks changed in one argument, each from another value: no other argument is blamed."""
    cell.run([(n, n) for n in range(5)], k=1)
    found = cell.run([(n, n + 100) for n in range(5)], k=1)
    assert [(name, count) for name, _, _, count in found] == [("arg1", 5)]


def test_more_tasks_than_before(cell):
    cell.run(CALLS, k=1)
    assert cell.run([*CALLS, (6, 3), (7, 3)], k=1) == [("new", "", "", 2)]


def test_file(cell, tmp_path):
    path = tmp_path / "x.csv"
    inputs = (Input("x.csv", "file", str(path)),)
    path.write_text("one")
    cell.run(CALLS, inputs, k=1)
    path.write_text("two")
    ((name, _, _, count),) = cell.run(CALLS, inputs, k=1)
    assert (name, count) == ("input:x.csv", 6)


def test_fresh(cell):
    cell.run(CALLS, k=1)
    assert cell.run(CALLS, fresh=True, k=1) == [("fresh", "", "", 6)]


def test_lost_result(cell):
    cell.run(CALLS[:1], k=1)
    cell.memo.blobs.clear()
    assert cell.run(CALLS[:1], k=1) == [("lost", "", "", 1)]


@pytest.mark.parametrize(
    ("ingredient", "kind", "name"),
    [
        ("arg1", "arg", "argument 2 of 2"),
        ("arg:key", "arg", "argument key"),
        ("global:k", "global", "global k in cell 4"),
        ("lib:numpy", "lib", "library numpy"),
        ("input:x.csv", "input", "file x.csv"),
        ("seen:./y.csv", "seen", "file ./y.csv, which it opened"),
        ("worker:numpy", "worker", "numpy on the workers"),
        ("unkeyed:arg1", "unkeyed", "arg1 cannot be compared"),
        ("lost", "lost", "its stored result is gone or damaged"),
        ("new", "new", "new"),
    ],
)
def test_in_words(ingredient, kind, name):
    example = TaskRun("", "r", "c", "e", "python", "f", "done", ingredients={"arg0": "", "arg1": ""})
    found = recorded_cause(MissedTasks(ingredient, "a", "b", 3, True, example), lambda _: "in cell 4")
    assert (found.count, found.kind, found.name, found.before, found.after) == (3, kind, name, "a", "b")
