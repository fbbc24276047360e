"""What differs between two runs of a cell, and between the tasks of two runs."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from nbrewind.plan.differences import compare_cell, compare_cells, software
from nbrewind.plan.shown import shown_lines
from nbrewind.plan.task_differences import compare_tasks, ingredient_changes, ingredient_name, nearest
from nbrewind.record.model import AmbientWrite, CellRun, Covariable, Evidence, FileWrite, TaskCount, TaskRun


def one(name: str, digest: str) -> Covariable:
    return Covariable((name,), {name: digest}, digest)


def cell(name: str = "c", source: str = "x", **more) -> CellRun:
    given = {"run": "r1", "seq": 0, "started": 0.0, "seconds": 1.0, "action": "executed"}
    return CellRun(cell_id=name, code=f"b3:{source}", source=source, **{**given, **more})


def told(old: CellRun, new: CellRun, **blobs: bytes):
    return compare_cell(old, new, blobs.get)


def rows(reasons):
    return [(reason.kind, reason.name, reason.before, reason.after) for reason in reasons]


def test_the_same():
    assert told(cell(), cell(action="restored", seconds=9.0)).kind == "same"


def test_lines_of_code():
    found = told(cell(source="a = 1\nb = 2\nc = 3"), cell(source="a = 1\nb = 5\nc = 3\nd = 4"))
    assert found.code == ("- b = 2", "+ b = 5", "+ d = 4")
    assert found.kind == "changed"


def test_layout_is_no_difference():
    old = cell(source="a=1")
    assert told(old, evolve(old, source="a = 1  # one")).kind == "same"


def test_values_in_short():
    old = cell(evidence=(Evidence("variable", "x", "b3:1111"),), previews={"x": "3"})
    new = cell(evidence=(Evidence("variable", "x", "b3:2222"),), previews={"x": "4"})
    assert rows(told(old, new).read) == [("variable", "x", "3", "4")]


def test_values_that_look_alike_are_told_apart_by_digest():
    old = cell(covariables=(one("a", "b3:1111"),), previews={"=a": "ndarray (5,)"})
    new = cell(covariables=(one("a", "b3:2222"),), previews={"=a": "ndarray (5,)"})
    assert rows(told(old, new).left) == [("variable", "a", "ndarray (5,) (1111)", "ndarray (5,) (2222)")]


def test_what_only_one_read_counts_unless_the_code_says_so():
    old, new = cell(), cell(evidence=(Evidence("file", "./f", "b3:1"),))
    assert rows(told(old, new).read) == [("file", "./f", "not read", "1")]
    assert rows(told(new, old).read) == [("file", "./f", "1", "not read")]
    assert told(old, cell(source="y", evidence=new.evidence)).read == ()
    assert told(old, cell(evidence=(Evidence("module", "cattrs", "1"),))).kind == "same"


def test_variables_that_share_otherwise():
    apart = cell(covariables=(one("a", "b3:1"), one("b", "b3:2")))
    shared = cell(covariables=(Covariable(("a", "b"), {"a": "b3:1", "b": "b3:2"}, "b3:9"),))
    other = cell(covariables=(Covariable(("a", "b"), {"a": "b3:1", "b": "b3:2"}, "b3:8"),))
    for old, new in ((apart, shared), (shared, other)):
        assert [reason.kind for reason in told(old, new).left] == ["covariable"]
    assert told(shared, shared).left == ()


def test_names_that_come_and_go():
    assert rows(told(cell(), cell(covariables=(one("a", "b3:1"),))).left) == [
        ("variable", "a", "absent", "1")
    ]
    assert rows(told(cell(deleted=("a",)), cell()).left) == [("variable", "a", "deleted", "kept")]


def test_files_state_and_end():
    old = cell(
        files=(FileWrite("f", "b3:1"), FileWrite("g", "b3:3")),
        ambient=(AmbientWrite("working folder", "b3:5", "w1"),),
    )
    new = cell(files=(FileWrite("f", "b3:2"),), ambient=(AmbientWrite("working folder", "b3:6", "w2"),), status="error", tasks=TaskCount(failed=2))  # fmt: skip
    assert rows(told(old, new, w1=b".", w2=b"./sub").left) == [
        ("file", "f", "1", "2"),
        ("file", "g", "3", "not written"),
        ("ambient", "working folder", ".", "./sub"),
        ("status", "", "ok", "error"),
        ("tasks-failed", "", "0", "2"),
    ]


def test_the_environment_is_never_spelt_out():
    old = cell(ambient=(AmbientWrite("environment", "b3:5", "w1"),))
    new = cell(ambient=(AmbientWrite("environment", "b3:6", "w2"),))
    assert rows(told(old, new, w1=b"secret", w2=b"hidden").left) == [("ambient", "environment", "5", "6")]


def test_outputs_line_by_line():
    def shown(number: int, text: str) -> bytes:
        messages = [
            {"type": "stream", "content": {"name": "stdout", "text": "same\n"}},
            {"type": "execute_result", "content": {"execution_count": number, "data": {"text/plain": text}}},
        ]
        return json.dumps(messages).encode()

    blobs = {"o1": shown(1, "3"), "o2": shown(7, "3"), "o3": shown(1, "4")}
    assert told(cell(outputs="o1"), cell(outputs="o2"), **blobs).kind == "same", "only its number differs"
    assert told(cell(outputs="o1"), cell(outputs="o3"), **blobs).shown == ("- 3", "+ 4")
    assert told(cell(outputs="o1"), cell(outputs="gone"), **blobs).shown[-1].startswith("+ (outputs gone are")


def test_lines_of_every_kind_of_output():
    messages = [
        {"type": "stream", "content": {"name": "stderr", "text": "careful"}},
        {"type": "error", "content": {"ename": "E", "evalue": "\x1b[31mno\x1b[0m", "traceback": []}},
        {"type": "display_data", "content": {"data": {"text/plain": "<Figure>", "image/png": "aGk="}}},
        {"type": "clear_output", "content": {}},
        {"type": "payload", "content": {}},
    ]
    lines = list(shown_lines(messages))
    assert lines[:3] == ["stderr: careful", "E: no", "<Figure>"]
    assert lines[3].startswith("(image/png, 4 bytes, ")
    assert lines[4:] == ["(output cleared)"]


def test_cells_that_come_and_go_and_run_twice():
    old = [cell("a"), cell("b"), cell("b", "y", seq=2), cell("", "1"), cell("", "2")]
    new = [cell("c"), cell("b", "y"), cell("", "1"), cell("", "3")]
    found = compare_cells(old, new, {}.get)
    assert [(one.cell.cell_id, one.kind) for one in found] == [
        ("c", "added"), ("b", "same"), ("", "same"), ("", "changed"), ("a", "removed"),
    ]  # fmt: skip


def test_software_of_the_whole_run():
    old = [cell(name, evidence=(Evidence("module", "numpy", "2.1"),)) for name in "ab"]
    new = [cell(name, evidence=(Evidence("module", "numpy", "2.4"),)) for name in "ab"]
    assert software(compare_cells(old, new, {}.get)) == {("numpy", "2.1", "2.4"): 2}


# -- tasks


def task(*args: int, cell: str = "c", **parts: str) -> TaskRun:
    ingredients = {"kind": "python", "function": "b3:f", **parts} | {
        f"arg{n}": f"b3:{value:040x}" for n, value in enumerate(args)
    }
    key = "b3:" + "/".join(ingredients.values())
    previews = {f"arg{n}": str(value) for n, value in enumerate(args)}
    return TaskRun(key, "r", cell, "taskvine", "python", "fit", "done", ingredients=ingredients, previews=previews)  # fmt: skip


def causes(old, new):
    (found,) = compare_tasks(old, new)
    told = [(one.ingredient, one.before, one.after, one.count, one.uniform) for one in found.causes]
    return (found.same, found.changed, found.added, found.removed), told


def test_an_argument_of_some_tasks():
    old = [task(station, window) for station in range(4) for window in (1, 10)]
    new = [task(station, window) for station in range(4) for window in (1, 15)]
    assert causes(old, new) == ((4, 4, 0, 0), [("arg1", "10", "15", 4, True)])


def test_the_function_of_all_tasks_in_any_order():
    old = [task(n) for n in range(50)]
    new = [task(n, function="b3:e") for n in reversed(range(50))]
    assert causes(old, new) == ((0, 50, 0, 0), [("function", "f", "e", 50, True)])


def test_several_causes_and_tasks_without_counterpart():
    old = [task(n, **{"lib:numpy": "2.1", "global:k": "b3:1"}) for n in range(3)]
    new = [task(n, **{"lib:numpy": "2.4", "global:k": "b3:2"}) for n in range(4)]
    counts, told = causes(old, new)
    assert counts == (0, 3, 1, 0)
    assert told == [("global:k", "1", "2", 3, True), ("lib:numpy", "2.1", "2.4", 3, True)]
    assert causes(new, old)[0] == (0, 3, 0, 1)


def test_many_tasks_of_which_one_argument_differs():
    old, new = [task(1, n) for n in range(20_000)], [task(2, n) for n in range(20_000)]
    assert causes(old, new) == ((0, 20_000, 0, 0), [("arg0", "1", "2", 20_000, True)])
    shuffled = [task(1, n + 50_000) for n in range(20_000)]
    (counts, (cause,)) = causes(old, shuffled)
    assert counts == (0, 20_000, 0, 0)
    assert cause[0] == "arg1"
    assert not cause[-1]


def test_tasks_by_cell():
    found = compare_tasks([task(1, cell="a"), task(2, cell="b")], [task(1, cell="a"), task(3, cell="b")])
    assert {one.cell_id: one.differs for one in found} == {"a": False, "b": True}


def test_nearest_task():
    assert nearest(task(1, 2, 3), [task(9, 9, 3), task(1, 2, 4), task(1, 2, 3)]) == task(1, 2, 4)
    assert nearest(task(1), []) is None
    assert list(ingredient_changes(task(1, 2), task(1, 3))) == [("arg1", "2", "3")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("arg1", "argument 2 of 3"),
        ("arg:scale", "argument scale"),
        ("function", "the function fit"),
        ("command", "the command"),
        ("global:k", "global k"),
        ("global:h", "helper h in cell 4"),
        ("input:data.csv", "file data.csv"),
        ("lib:numpy", "library numpy"),
        ("strange:thing", "strange:thing"),
    ],
)
def test_ingredients_in_words(name, words):
    known = evolve(task(1, 2, 3), previews={"global:h": "function h"})
    assert ingredient_name(name, known, lambda variable: {"h": "in cell 4"}.get(variable, "")) == words
