"""When the result of one environment may stand for another."""

import ast
import json

import pytest

from nbrewind.tasks.environments import Difference, Environments
from nbrewind.tasks.programs import script


def environment(python="3.13.5", cpu="x", **libraries):
    return {"python": python, "cpu": cpu, "libraries": libraries, "host": "n1", "job": {"SLURM_JOB_ID": "1"}}


def judge(policy, then, now, worker=None, seen=None):
    """Differences for a task that ran on `worker` when the notebook had `then`, in a notebook that has `now`."""
    worker = worker or then
    text = _in(policy, then).text(json.dumps(worker).encode(), {})
    later = _in(policy, now)
    if seen:
        later.text(json.dumps(seen).encode(), {})
    return later.differences("b3:1", lambda: text)


def _in(policy, here):
    return Environments(policy, lambda: {"python": here["python"], "cpu": here["cpu"]}, here["libraries"].get)


OLD, NEW = environment(numpy="2.1"), environment(numpy="2.4")
NUMPY = (Difference("lib:numpy", "2.1", "2.4"),)


@pytest.mark.parametrize("policy", ["exact", "compatible", "any"])
def test_nothing_changed(policy):
    assert judge(policy, OLD, OLD) == ()
    assert judge(policy, OLD, OLD, worker=environment(python="3.9.1", numpy="1.0")) == ()


@pytest.mark.parametrize(("policy", "found"), [("exact", NUMPY), ("compatible", NUMPY), ("any", ())])
def test_library_changed(policy, found):
    assert judge(policy, OLD, NEW) == found


def test_library_that_the_task_did_not_import():
    assert judge("compatible", OLD, NEW, worker=environment(scipy="1")) == ()


@pytest.mark.parametrize(
    ("now", "compatible", "exact"),
    [
        (environment("3.13.6", numpy="2.1"), "", "python"),
        (environment("3.14.0", numpy="2.1"), "python", "python"),
        (environment(cpu="y", numpy="2.1"), "", "cpu"),
    ],
)
def test_python_and_machine(now, compatible, exact):
    for policy, name in (("compatible", compatible), ("exact", exact), ("any", "")):
        assert [each.name for each in judge(policy, OLD, now)] == ([name] if name else [])


def test_notebook_came_to_what_the_workers_had():
    assert judge("compatible", OLD, NEW, worker=NEW) == ()


def test_workers_of_this_session_have_the_last_word():
    assert judge("compatible", OLD, OLD, seen=NEW) == NUMPY
    assert judge("compatible", OLD, NEW, seen=OLD) == ()


def test_nothing_known():
    assert Environments("exact").differences("", lambda: b"") == ()


def test_in_words():
    assert str(Difference("lib:numpy", "2.1", "")) == "numpy 2.1 → absent"


def test_program_for_workers_is_readable_to_an_old_python():
    for serialize in (True, False):
        text = script(serialize=serialize, futures=not serialize)
        tree = ast.parse(text, feature_version=(3, 6))
        assert "__future__" not in text
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
