"""Whether a failed task shows that its worker can run none."""

import json

import pytest
from attrs import evolve

from nbrewind.hpc.fitness import Probe, Unfit, unfit
from nbrewind.hpc.tickets import Miss, Returned, Ticket
from nbrewind.tasks.environments import Trouble
from nbrewind.tasks.keys import Draft, Key
from nbrewind.tasks.observed import Seen
from nbrewind.tasks.spec import Spec

HERE = {"python": "3.13.5"}
BACK = Returned(1, "output missing", "", "node7 10.0.0.7:1", 0, 0, 0, {})
ONE = Unfit("node7", "cloudpickle is missing there", "install it")


def judge(trouble=None, python="3.13.2", kind="python", ingredients=(), **more):
    ticket = Ticket(
        Spec(kind=kind, name="f"), Miss("new", Draft({}), Key("b3:1", dict(ingredients))), "fake", "c", 0.0
    )
    report = json.dumps(
        {"schema": 1, "environment": {"python": python, "host": "node7", "executable": "/opt/py"}}
    ).encode()
    return unfit(ticket, evolve(BACK, report=report, **more), Seen(trouble=trouble), HERE)


def trouble(stage, module="", **installed):
    return Trouble(stage, "Error()", module, {name.replace("_", "-"): v for name, v in installed.items()})


def test_table_of_differences():
    found = judge(
        trouble("cloudpickle", "cloudpickle", NumPy="1.26.0"),
        python="3.9.1",
        ingredients={"lib:numpy": "2", "arg0": "x"},
    )
    lines = str(found).splitlines()
    assert "worker node7 cannot run" in lines[0]
    assert "cloudpickle is missing there (its python3 is /opt/py)" in lines[0]
    assert [line.split()[:1] for line in lines[2:5]] == [["python"], ["cloudpickle"], ["numpy"]]
    assert lines[2].split() == ["python", "3.13.5", "3.9.1"]
    assert lines[3].split()[2] == "missing"
    assert lines[4].split()[2] == "1.26.0"
    assert lines[5].startswith("remedy: install cloudpickle")


@pytest.mark.parametrize(
    ("found", "python", "code", "why"),
    [
        (trouble("function"), "3.9.1", 1, "it has Python 3.9, and the notebook 3.13"),
        (trouble("arguments"), "3.9.1", 1, "it has Python 3.9, and the notebook 3.13"),
        (None, "3.9.1", 139, "it has Python 3.9, and the notebook 3.13"),
        (trouble("run", "attrs"), "3.13.2", 1, "attrs is missing there"),
        (trouble("arguments", "attrs.sub"), "3.13.2", 1, "attrs is missing there"),
        (trouble("run", "fakes"), "3.13.2", 1, "the module fakes is missing there"),
        (trouble("run", "no_such_module"), "3.13.2", 1, None),
        (trouble("function"), "3.13.2", 1, None),
        (trouble("run"), "3.9.1", 1, None),
        (None, "3.13.2", 139, None),
        (None, "3.9.1", 1, None),
    ],
)
def test_cause(found, python, code, why):
    verdict = judge(found, python, exit_code=code)
    assert (verdict.why.partition(" (")[0].partition(", which")[0] if verdict else None) == why


def test_no_python():
    assert "no python3" in judge(stdout="sh: 1: python3: not found", exit_code=127).why


def test_commands_show_nothing():
    assert judge(trouble("cloudpickle"), kind="command") is None


def test_one_bad_worker_among_others_is_no_verdict_while_tasks_are_left():
    probe = Probe()
    probe.note("a", ONE, good=False)
    assert probe.verdict(connected=2, left=5) is None
    probe.note("b", ONE, good=False)
    assert probe.verdict(connected=2, left=5) is ONE
    assert probe.verdict(connected=2, left=5) is None


def test_none_is_left_to_try():
    probe = Probe()
    probe.note("a", ONE, good=False)
    assert probe.verdict(connected=9, left=0) is ONE


def test_one_that_could_is_enough():
    probe = Probe()
    probe.note("b", None, good=True)
    probe.note("a", ONE, good=False)
    assert probe.verdict(connected=1, left=0) is None
