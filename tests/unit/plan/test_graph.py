"""Graphs of cells: arrows, depth, the longest chain, and what parallel cells can gain."""

from __future__ import annotations

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from nbrewind.cells.code import read_cell
from nbrewind.plan.graph import Graph, Item, Part, connect, predicted, recorded
from nbrewind.record.model import AmbientWrite, CellRun, Covariable, Evidence, FileWrite
from nbrewind.report.graph import as_dot, as_json, as_mermaid, sentences


def part(name: str, reads: str = "", leaves: str = "", seconds: float = 1.0) -> Part:
    """Names with a slash are files, those with a dot ambient state."""
    kinds = {True: "file", False: "variable"}

    def items(text):
        return tuple(
            sorted(Item("ambient" if "." in n and "/" not in n else kinds["/" in n], n) for n in text.split())
        )

    return Part(name, None, name, "recorded", items(reads), items(leaves), seconds)


def arrows(graph: Graph) -> dict[tuple[int, int], str]:
    return {(a.maker, a.reader): " ".join(i.name for i in a.items) for a in graph.arrows}


def test_an_arrow_comes_from_the_last_cell_that_left_what_is_read():
    graph = connect([part("a", "", "x y"), part("b", "x", "x"), part("c", "x y")])
    assert arrows(graph) == {(0, 1): "x", (1, 2): "x", (0, 2): "y"}
    assert graph.levels == (1, 2, 3)


def test_what_no_cell_made_comes_from_nowhere():
    assert connect([part("a", "x ./data.csv", "y"), part("b", "z")]).arrows == ()


def test_files_folders_and_ambient_state():
    listing = Part("c", None, "c", "recorded", (Item("folder", "./out"),), (), 1.0)
    graph = connect(
        [part("a", "", "./out/f"), part("b", "", "numpy.random"), listing, part("d", "./out/f numpy.random")]
    )
    assert arrows(graph) == {(0, 2): "./out/f", (0, 3): "./out/f", (1, 3): "numpy.random"}


def test_a_cell_that_reads_everything_depends_on_all_that_made_variables():
    everything = Part("c", None, "c", "recorded", everything="it looked at all variables")
    assert arrows(connect([part("a", "", "x"), part("b", "", "./f"), everything])) == {(0, 2): "x"}


def test_the_bound_is_the_longest_chain():
    graph = connect([part("a", "", "x"), part("b", "x", "", 3), part("c", "x", "", 2), part("d", "", "", 2)])
    assert graph.critical == (0, 1)
    assert graph.critical_seconds == 4
    assert graph.bound() == graph.bound(2) == 2
    assert graph.bound(1) == 1


def test_few_processors_bound_it_too():
    graph = connect([part(name) for name in "abcdef"])
    assert (graph.bound(), graph.bound(2), graph.bound(4)) == (6, 2, 4)


def test_nothing_and_cells_without_times():
    assert (connect([]).depth, connect([]).bound(), connect([]).critical) == (0, 1.0, ())
    unknown = connect([part("a", "", "x", 0), Part("b", 1, "b", "predicted", (Item("variable", "x"),))])
    assert (unknown.depth, unknown.bound()) == (2, 1.0)
    assert "not known" in sentences(unknown)[1]


def test_what_an_order_costs():
    drawing = [part(name, "numpy.random", "numpy.random") for name in "abcd"]
    graph = connect(drawing)
    assert graph.bound() == 1
    assert graph.without(Item("ambient", "numpy.random")).bound() == 4
    assert any("a generator of its own" in line and "4.00" in line for line in sentences(graph))


def test_a_recorded_cell():
    run = CellRun(
        "r", 0, "a", "b3:0", "x = y", 0.0, 2.5, "executed", index=4,
        evidence=(Evidence("covariable", "p q", "b3:1"), Evidence("variable", "module:json", "b3:2"), Evidence("env", "HOME", "b3:3"),
                  Evidence("exists", "./f", None), Evidence("listing", "variables", "b3:4")),
        covariables=(Covariable(("x",), {"x": "b3:5"}, "b3:5"),), deleted=("z",),
        files=(FileWrite("./g", "b3:6"),), ambient=(AmbientWrite("numpy.random", "b3:7", "b3:8"),),
    )  # fmt: skip
    found = recorded(run)
    assert [(item.kind, item.name) for item in found.reads] == [
        ("ambient", "module json"), ("file", "./f"), ("variable", "p"), ("variable", "q"),
    ]  # fmt: skip
    assert [item.name for item in found.leaves] == ["numpy.random", "./g", "x", "z"]
    assert (found.seconds, found.index, bool(found.everything)) == (2.5, 4, True)


@pytest.mark.parametrize(
    ("source", "reads", "leaves"),
    [
        ("y = x + 1", "x", "y"),
        ("x.append(1)", "x", "x"),
        ("x[0].y = 2", "x", "x"),
        ("np.random.seed(1)\ntime.sleep(1)\nprint(x)", "np print time x", ""),
        ("del x", "x", "x"),
    ],
)
def test_a_predicted_cell(source, reads, leaves):
    code = read_cell(source, TransformerManager().transform_cell)
    found = predicted("a", 0, code, frozenset({"np", "time"}))
    assert " ".join(sorted(item.name for item in found.reads)) == reads
    assert " ".join(item.name for item in found.leaves) == leaves


def test_code_that_hides_what_it_reads():
    code = read_cell("exec(text)", TransformerManager().transform_cell)
    assert predicted("a", 0, code).everything


def test_drawings_say_the_same():
    graph = connect(
        [part('print("a")', "", "x", 0.05), part("b\\", "x"), part("c", "", "./f"), part("d", "./f")]
    )
    mermaid, dot, body = as_mermaid(graph), as_dot(graph), as_json(graph)
    assert mermaid.startswith("flowchart TD\n")
    assert 'c0["0: print(#34;a#34;) (50 ms)"]' in mermaid
    assert 'c0 -->|"x"| c1' in mermaid
    assert 'c2 -.->|"./f"| c3' in mermaid
    assert r'c0 [label="0: print(\"a\") (50 ms)"' in dot
    assert r'c1 [label="1: b\\ (1.0 s)"' in dot
    assert 'c2 -> c3 [label="./f", style=dashed]' in dot
    assert [(a["from"], a["to"]) for a in body["arrows"]] == [(0, 1), (2, 3)]
    assert body["bound"] == {"2": 3.05 / 2, "4": 3.05 / 2, "unlimited": 3.05 / 2}
