"""Which tasks would run, before anything does."""

from nbrewind.plan.task_forecast import foresee
from nbrewind.record.model import TaskRun

INGREDIENTS = {
    "function": "b3:1",
    "arg0": "b3:2",
    "global:k": "b3:3",
    "lib:numpy": "2.1",
    "input:x.csv": "b3:4",
}


def task(name="f", **more):
    return TaskRun(
        "b3:0",
        "r",
        "c",
        "e",
        "python",
        name,
        "done",
        ingredients=INGREDIENTS,
        previews={"global:k": "1"},
        **more,
    )


def told(tasks, unknown=(), files=None, versions=None, seen=lambda _: ""):
    version = {"numpy": "2.1", **(versions or {})}.get
    found = foresee(tasks, unknown, files or {}, version, seen, lambda _: "in cell 4")
    return [(cause.count, cause.name, cause.before, cause.after) for cause in found]


def test_nothing_changes():
    assert told([task()] * 3) == []


def test_variables_that_are_written_anew():
    assert told([task(), task("g")], {"k", "f"}) == [
        (2, "global k in cell 4", "1", "?"),
        (1, "the function f", "", "?"),
    ]


def test_library():
    assert told([task()] * 2, versions={"numpy": "2.4"}) == [(2, "library numpy", "2.1", "2.4")]


def test_files():
    assert told([task()], files={"b3:4": "./x.csv"}) == [(1, "file ./x.csv", "", "")]
    assert told([task(), task("g")], seen=lambda one: "./y" if one.name == "g" else "") == [
        (1, "file ./y, which it opened", "", "")
    ]
